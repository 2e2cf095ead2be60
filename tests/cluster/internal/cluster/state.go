package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"golang.org/x/sys/unix"
)

// lock takes an exclusive lock that the kernel drops when the process dies,
// so a killed tool never blocks the next one.
func lock(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	for {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		// The holder before us may have removed the file while we waited.
		held, err := file.Stat()
		if err != nil {
			file.Close()
			return nil, err
		}
		present, err := os.Stat(path)
		if err == nil && os.SameFile(held, present) {
			return file, nil
		}
		file.Close()
	}
}

func indexLockPath() string { return filepath.Join(stateRoot, ".index.lock") }

func lockPath(name string) string { return filepath.Join(stateRoot, "."+name+".lock") }

// writeFile replaces a file in one step, so that a kill leaves the old content
// or the new, never half of it.
func writeFile(path string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	partial := path + ".partial"
	if err := os.WriteFile(partial, data, mode); err != nil {
		return err
	}
	return os.Rename(partial, path)
}

// Names lists the clusters that have a state directory, complete or not.
func Names() ([]string, error) {
	entries, err := os.ReadDir(stateRoot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && CheckName(entry.Name()) == nil {
			names = append(names, entry.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// Load reads a cluster's identity. The error is fs.ErrNotExist when there is
// no such cluster.
func Load(name string) (*Cluster, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(stateRoot, name, "cluster.json"))
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("%s: %w; remove the cluster with `testcluster down --name %s`", name, err, name)
	}
	return c, nil
}

func (c *Cluster) save() error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return writeFile(c.Path("cluster.json"), data, 0o644)
}

// claim returns the named cluster, new or as it was, with at least the given
// number of nodes. A new one gets the lowest free index, and its identity is
// on disk before anything else of it exists.
func claim(name string, nodes int) (*Cluster, error) {
	guard, err := lock(indexLockPath())
	if err != nil {
		return nil, err
	}
	defer guard.Close()
	c, err := Load(name)
	if err == nil {
		if nodes > c.Nodes {
			c.Nodes = nodes
		}
		return c, c.save()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	names, err := Names()
	if err != nil {
		return nil, err
	}
	taken := map[int]bool{}
	for _, other := range names {
		if known, err := Load(other); err == nil {
			taken[known.Index] = true
		}
	}
	c = &Cluster{Name: name, Nodes: max(nodes, 1)}
	for taken[c.Index] {
		c.Index++
	}
	if c.Index >= maxClusters {
		return nil, fmt.Errorf("there are %d clusters already; remove one with `testcluster down`", c.Index)
	}
	return c, c.save()
}
