package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Down removes everything that belongs to the named cluster, whatever state it
// is in. It is no error when there is nothing.
func Down(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	guard, err := lock(lockPath(name))
	if err != nil {
		return err
	}
	defer guard.Close()
	groups, err := findHierarchies()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Everything below derives from the name alone, so this works even when
	// nothing of the state can be read.
	c := &Cluster{Name: name}
	steps := []struct {
		what string
		do   func() error
	}{
		{"end its processes", func() error { return groups.kill(c.group()) }},
		{"remove its links", c.removeLinks},
		{"end an interrupted import", func() error { return groups.cleanStore(storeOf(self)) }},
		{"remove its control groups", func() error { return groups.remove(c.group()) }},
		{"remove its files", c.removeState},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("cluster %s: %s: %w; run `testcluster down --name %s` again", name, step.what, err, name)
		}
	}
	if err := os.Remove(guard.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return removeRootWhenEmpty()
}

// removeRootWhenEmpty removes the common directory together with the last
// cluster.
func removeRootWhenEmpty() error {
	guard, err := lock(indexLockPath())
	if err != nil {
		return err
	}
	defer guard.Close()
	entries, err := os.ReadDir(stateRoot)
	if err != nil || len(entries) > 1 {
		return err
	}
	if err := os.Remove(guard.Name()); err != nil {
		return err
	}
	if err := os.Remove(stateRoot); err != nil && !tolerable(err) {
		return err
	}
	return nil
}
