package cluster

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// ctr runs containerd's own client against node n.
func (c *Cluster) ctr(ctx context.Context, n int, args ...string) (string, error) {
	return ctr(ctx, c.ContainerdSocket(n), args...)
}

func ctr(ctx context.Context, socket string, args ...string) (string, error) {
	all := append([]string{"--address", socket, "--namespace", "k8s.io"}, args...)
	output, err := exec.CommandContext(ctx, "ctr", all...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %s at %s: %w: %s", args[0], socket, err, strings.TrimSpace(string(output)))
	}
	return string(output), nil
}

func (c *Cluster) waitForContainerd(ctx context.Context, n int) error {
	return until(ctx, "containerd on "+c.NodeName(n), func() (bool, error) {
		_, err := c.ctr(ctx, n, "version")
		return err == nil, err
	})
}

// LoadImages imports image archives on every node. A node that has an image
// with the same id under the same name skips it.
func (c *Cluster) LoadImages(ctx context.Context, archives []string) error {
	failures := make([]error, c.Nodes)
	var nodes sync.WaitGroup
	for n := 1; n <= c.Nodes; n++ {
		nodes.Add(1)
		go func() {
			defer nodes.Done()
			for _, archive := range archives {
				if err := c.loadOn(ctx, n, archive); err != nil {
					failures[n-1] = fmt.Errorf("load %s: %w", archive, err)
					return
				}
			}
		}()
	}
	nodes.Wait()
	return errors.Join(failures...)
}

func (c *Cluster) loadOn(ctx context.Context, n int, archive string) error {
	image, err := readArchive(archive)
	if err != nil {
		return err
	}
	listing, err := c.ctr(ctx, n, "images", "list")
	if err != nil {
		return err
	}
	if image.listed(listing) {
		return nil
	}
	path, err := filepath.Abs(archive)
	if err != nil {
		return err
	}
	_, err = c.ctr(ctx, n, "images", "import", path)
	return err
}

// archivedImage is what an archive says of its image.
type archivedImage struct {
	// ID is the digest of the image's configuration, hexadecimal.
	ID string
	// Tags are its names.
	Tags []string
}

// readArchive finds the manifest of an image archive as build-image.sh writes
// it.
func readArchive(path string) (archivedImage, error) {
	file, err := os.Open(path)
	if err != nil {
		return archivedImage{}, err
	}
	defer file.Close()
	reader := tar.NewReader(file)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return archivedImage{}, fmt.Errorf("%s holds no manifest.json; build it with tests/cluster/build-image.sh", path)
		}
		if err != nil {
			return archivedImage{}, fmt.Errorf("%s: %w", path, err)
		}
		if header.Name != "manifest.json" {
			continue
		}
		var manifests []struct {
			Config   string
			RepoTags []string
		}
		if err := json.NewDecoder(reader).Decode(&manifests); err != nil || len(manifests) != 1 {
			return archivedImage{}, fmt.Errorf("%s: manifest.json does not describe one image (%v)", path, err)
		}
		return archivedImage{ID: strings.TrimSuffix(manifests[0].Config, ".json"), Tags: manifests[0].RepoTags}, nil
	}
}

// listed says whether containerd's list of images has all tags on the digest
// that goes by the image's id: the CRI plug-in keeps such a second name for
// every image that is imported, and the store another.
func (i archivedImage) listed(listing string) bool {
	digests := map[string]string{}
	for _, line := range strings.Split(listing, "\n") {
		if fields := strings.Fields(line); len(fields) > 2 {
			digests[fields[0]] = fields[2]
		}
	}
	want, known := digests["sha256:"+i.ID]
	if !known {
		want, known = digests[keepPrefix+i.ID]
	}
	for _, tag := range i.Tags {
		if digests[tag] != want {
			return false
		}
	}
	return known
}
