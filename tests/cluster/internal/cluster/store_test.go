package cluster

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// storeWith makes a store with so many layers, each of which says whose it is.
func storeWith(t *testing.T, name string, layers ...string) imageStore {
	t.Helper()
	store := imageStore{dir: filepath.Join(t.TempDir(), "store")}
	for _, layer := range layers {
		if err := writeFile(filepath.Join(store.root(), snapshots, layer, "whose"), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{filepath.Join(blobs, "blob"), snapshotDatabase, metaDatabase} {
		if err := writeFile(filepath.Join(store.root(), file), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	index, err := json.Marshal(storeIndex{Store: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(store.indexPath(), index, 0o644); err != nil {
		t.Fatal(err)
	}
	return store
}

// attached attaches a node in a mount namespace of its own, as a machine that
// was restarted does, and says what the node sees.
func attached(t *testing.T, store imageStore, node string) map[string]string {
	t.Helper()
	seen := map[string]string{}
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			return err
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		root := filepath.Join(node, "root")
		if err := store.attach(root, filepath.Join(node, "layers")); err != nil {
			return err
		}
		whose, err := filepath.Glob(filepath.Join(root, snapshots, "*", "whose"))
		for _, path := range append(whose, filepath.Join(root, metaDatabase)) {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			seen[name] = string(data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// TestNodeOutlivesItsStore attaches a node whose store was removed and made
// anew with fewer layers, and again with as many.
func TestNodeOutlivesItsStore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	node := t.TempDir()
	layer := func(name string) string { return filepath.Join(snapshots, name, "whose") }
	for _, step := range []struct {
		store  imageStore
		whose  string
		layers []string
	}{
		{storeWith(t, "first", "1", "2"), "first", []string{"1", "2"}},
		{storeWith(t, "second", "1"), "second", []string{"1"}},
		{storeWith(t, "third", "1"), "third", []string{"1"}},
	} {
		// The second time is the same node after a restart: it keeps what it has.
		for range 2 {
			seen := attached(t, step.store, node)
			if len(seen) != len(step.layers)+1 || seen[metaDatabase] != step.whose {
				t.Fatalf("with the %s store the node sees %v", step.whose, seen)
			}
			for _, name := range step.layers {
				if seen[layer(name)] != step.whose {
					t.Fatalf("with the %s store the node sees %v", step.whose, seen)
				}
			}
		}
	}
}
