package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// imageStore is a containerd root directory that new nodes start from, so that
// an image is unpacked once on this machine instead of once per node and
// start. Nodes copy its databases, link its blobs and mount its unpacked layers
// read-only. It only ever grows while nodes use it; an image stays under the
// name keepPrefix+id when its tag has moved on, so that no layer goes away.
type imageStore struct {
	dir string
}

// keepPrefix begins the second name of every image in the store.
const keepPrefix = "testcluster.local/image:"

// maxStoredImages is how many images make a store worth starting anew when no
// cluster uses it.
const maxStoredImages = 60

// Where containerd keeps its databases, blobs and unpacked layers.
const (
	metaDatabase     = "io.containerd.metadata.v1.bolt/meta.db"
	snapshotDatabase = "io.containerd.snapshotter.v1.overlayfs/metadata.db"
	blobs            = "io.containerd.content.v1.content/blobs/sha256"
	snapshots        = "io.containerd.snapshotter.v1.overlayfs/snapshots"
)

// storeIndex says what a store holds.
type storeIndex struct {
	// Store tells this store from every other one that was or will be in its
	// place: the numbers of layers say nothing without it.
	Store string `json:"store"`
	// Tags maps an image's name to its id.
	Tags map[string]string `json:"tags"`
	// IDs are all images, also those whose tag has moved on.
	IDs map[string]bool `json:"ids"`
}

// id tells stores of several working copies apart.
func (s imageStore) id() string {
	sum := sha256.Sum256([]byte(s.dir))
	return hex.EncodeToString(sum[:4])
}

// group is the control group of the containerd that fills the store. No
// cluster can have this name.
func (s imageStore) group() string { return filepath.Join(groupRoot, "_store-"+s.id()) }

// socket is that containerd's API, at a path that is short enough.
func (s imageStore) socket() string { return filepath.Join(stateRoot, ".store-"+s.id()+".sock") }

func (s imageStore) root() string      { return filepath.Join(s.dir, "root") }
func (s imageStore) indexPath() string { return filepath.Join(s.dir, "index.json") }
func (s imageStore) lock() (*os.File, error) {
	return lock(s.dir + ".lock")
}

func (s imageStore) index() (storeIndex, error) {
	index := storeIndex{Tags: map[string]string{}, IDs: map[string]bool{}}
	data, err := os.ReadFile(s.indexPath())
	if errors.Is(err, fs.ErrNotExist) {
		return index, nil
	}
	if err != nil {
		return index, err
	}
	return index, json.Unmarshal(data, &index)
}

func (i storeIndex) holds(image archivedImage) bool {
	for _, tag := range image.Tags {
		if i.Tags[tag] != image.ID {
			return false
		}
	}
	return true
}

// fill imports the archives that the store does not hold yet.
func (b *builder) fill(ctx context.Context, archives []string) error {
	guard, err := b.store.lock()
	if err != nil {
		return err
	}
	defer guard.Close()
	if err := b.groups.endStore(b.store); err != nil {
		return err
	}
	index, err := b.store.index()
	if err != nil {
		return err
	}
	if len(index.IDs) > maxStoredImages && noOtherCluster(b.cluster.Name) {
		if err := os.RemoveAll(b.store.dir); err != nil {
			return err
		}
		index, _ = b.store.index()
	}
	missing := map[string]archivedImage{}
	for _, archive := range archives {
		image, err := readArchive(archive)
		if err != nil {
			return err
		}
		if !index.holds(image) {
			missing[archive] = image
		}
	}
	if len(missing) == 0 {
		return nil
	}
	b.say("unpacking %d new images", len(missing))
	if err := b.importInto(ctx, missing); err != nil {
		return errors.Join(err, b.groups.endStore(b.store))
	}
	if index.Store == "" {
		index.Store = rand.Text()
	}
	for _, image := range missing {
		index.IDs[image.ID] = true
		for _, tag := range image.Tags {
			index.Tags[tag] = image.ID
		}
	}
	data, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return errors.Join(writeFile(b.store.indexPath(), data, 0o644), b.groups.endStore(b.store))
}

// noOtherCluster says whether the store may be removed: a node that was
// started from it keeps its layers mounted.
func noOtherCluster(name string) bool {
	names, err := Names()
	nodes, _ := filepath.Glob(filepath.Join(stateRoot, name, "node*"))
	return err == nil && len(nodes) == 0 && (len(names) == 0 || len(names) == 1 && names[0] == name)
}

// endStore ends a containerd that fills the store, for example one whose tool
// was killed.
func (h hierarchies) endStore(s imageStore) error {
	if err := h.kill(s.group()); err != nil {
		return err
	}
	for _, path := range []string{s.socket(), s.socket() + ".ttrpc"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return h.remove(s.group())
}

// importInto runs a containerd of its own on the store.
func (b *builder) importInto(ctx context.Context, images map[string]archivedImage) error {
	socket := b.store.socket()
	config := filepath.Join(b.store.dir, "containerd.toml")
	err := writeFile(config, []byte(fmt.Sprintf(`version = 2
root = %q
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = %q
`, b.store.root(), socket)), 0o644)
	if err != nil {
		return err
	}
	if err := os.MkdirAll("/run/containerd", 0o755); err != nil {
		return err
	}
	var pid int
	err = onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			return err
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		if err := unix.Mount("run", "/run/containerd", "tmpfs", 0, ""); err != nil {
			return err
		}
		var err error
		pid, err = b.spawn(b.store.group(), filepath.Join(b.store.dir, "containerd.log"), "containerd", "--config", config)
		return err
	})
	if err != nil {
		return err
	}
	run := func(args ...string) error {
		_, err := ctr(ctx, socket, args...)
		return err
	}
	if err := until(ctx, "the store's containerd", func() (bool, error) { err := run("version"); return err == nil, err }); err != nil {
		return err
	}
	for archive, image := range images {
		path, err := filepath.Abs(archive)
		if err != nil {
			return err
		}
		if err := run("images", "import", path); err != nil {
			return err
		}
		for _, tag := range image.Tags {
			if err := run("images", "tag", "--force", tag, keepPrefix+image.ID); err != nil {
				return err
			}
		}
	}
	// Its databases are complete on disk once it has ended by itself.
	if err := unix.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}
	return until(ctx, "the end of the store's containerd", func() (bool, error) {
		alive, err := b.groups.populated(b.store.group())
		return !alive, err
	})
}

// nodeLayers says which layers of which store a node mounts.
type nodeLayers struct {
	Store string   `json:"store"`
	Names []string `json:"names"`
}

// readLayers is what a node got; empty where it got nothing, or from a store
// of another format.
func readLayers(listPath string) (nodeLayers, error) {
	var layers nodeLayers
	data, err := os.ReadFile(listPath)
	if errors.Is(err, fs.ErrNotExist) {
		return layers, nil
	}
	if err != nil {
		return layers, err
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&layers); err != nil {
		return nodeLayers{}, nil
	}
	return layers, nil
}

// attach gives a new node what the store holds; an older node keeps what it
// got at its beginning, as long as that very store is there. Without it (the
// cache was removed, the node's state was not) its images are nothing any more,
// and it starts from today's store. It runs in the node's mount namespace.
func (s imageStore) attach(nodeRoot, listPath string) error {
	guard, err := s.lock()
	if err != nil {
		return err
	}
	defer guard.Close()
	index, err := s.index()
	if err != nil {
		return err
	}
	layers, err := readLayers(listPath)
	if err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(nodeRoot, metaDatabase))
	if isNew := errors.Is(err, fs.ErrNotExist); isNew || layers.Store != index.Store {
		if err := emptyDir(nodeRoot); err != nil {
			return err
		}
		if layers, err = s.copyInto(nodeRoot, listPath, index.Store); err != nil {
			return err
		}
	}
	for _, name := range layers.Names {
		target := filepath.Join(nodeRoot, snapshots, name)
		if err := unix.Mount(filepath.Join(s.root(), snapshots, name), target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount layer %s: %w", name, err)
		}
		// Read-only, or the node's containerd could delete what others use.
		if err := unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("protect layer %s: %w", name, err)
		}
	}
	return nil
}

// emptyDir removes what a directory holds; the directory itself may be a mount.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// copyInto fills a node's empty containerd root. The main database comes last:
// it says that everything else is there.
func (s imageStore) copyInto(nodeRoot, listPath, store string) (nodeLayers, error) {
	copied := nodeLayers{Store: store}
	layers, err := os.ReadDir(filepath.Join(s.root(), snapshots))
	if err != nil {
		return copied, err
	}
	for _, layer := range layers {
		copied.Names = append(copied.Names, layer.Name())
		if err := os.MkdirAll(filepath.Join(nodeRoot, snapshots, layer.Name()), 0o700); err != nil {
			return copied, err
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.root(), blobs))
	if err != nil {
		return copied, err
	}
	if err := os.MkdirAll(filepath.Join(nodeRoot, blobs), 0o755); err != nil {
		return copied, err
	}
	for _, entry := range entries {
		source, target := filepath.Join(s.root(), blobs, entry.Name()), filepath.Join(nodeRoot, blobs, entry.Name())
		err := os.Link(source, target)
		if errors.Is(err, unix.EXDEV) {
			err = os.Symlink(source, target)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return copied, err
		}
	}
	list, err := json.Marshal(copied)
	if err != nil {
		return copied, err
	}
	if err := writeFile(listPath, list, 0o644); err != nil {
		return copied, err
	}
	for _, database := range []string{snapshotDatabase, metaDatabase} {
		if err := copyFile(filepath.Join(s.root(), database), filepath.Join(nodeRoot, database)); err != nil {
			return copied, err
		}
	}
	return copied, nil
}

func copyFile(source, target string) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	return writeFile(target, data, 0o600)
}

// cleanStore ends what a killed tool left of filling the store. A living tool
// holds the lock and cleans up by itself.
func (h hierarchies) cleanStore(s imageStore) error {
	file, err := os.OpenFile(s.dir+".lock", os.O_RDWR|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil
	}
	return h.endStore(s)
}

// storeOf is the image store beside the program: below the project's cache,
// unless the environment says otherwise.
func storeOf(self string) imageStore {
	if dir := os.Getenv("TESTCLUSTER_STORE"); dir != "" {
		return imageStore{dir: dir}
	}
	return imageStore{dir: filepath.Join(filepath.Dir(self), "..", "images", "store")}
}
