package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// groupRoot is the control group, in every hierarchy, under which all
// clusters live.
const groupRoot = "testcluster"

// hierarchies are the mount points of the control group file systems.
type hierarchies struct {
	// unified is version 2, which the tool uses to keep track of processes:
	// a process can be born in a group, and a group can be killed as one.
	unified string
	// legacy are the controllers of version 1, where the machine has them.
	// The kubelet and runc account containers there.
	legacy []string
}

func findHierarchies() (hierarchies, error) {
	var found hierarchies
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return found, err
	}
	for _, line := range strings.Split(string(data), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		switch {
		case fields[2] == "cgroup2" && found.unified == "":
			found.unified = fields[1]
		case fields[2] == "cgroup":
			found.legacy = append(found.legacy, fields[1])
		}
	}
	if found.unified == "" {
		return found, errors.New("no cgroup2 file system is mounted; mount one, for example at /sys/fs/cgroup/unified")
	}
	return found, nil
}

// group is the path of a control group relative to each hierarchy.
func (c *Cluster) group(parts ...string) string {
	return filepath.Join(append([]string{groupRoot, c.Name}, parts...)...)
}

// podGroup is node n's cgroupRoot: with a shared one each kubelet would kill
// the other's pods as orphans.
func (c *Cluster) podGroup(n int) string { return c.group(c.NodeName(n), "pods") }

// makePodGroup makes node n's cgroupRoot in every hierarchy.
func (h hierarchies) makePodGroup(path string) error {
	for _, mount := range h.legacy {
		if err := makeLegacy(mount, path); err != nil {
			return err
		}
	}
	if len(h.legacy) == 0 {
		return makeDelegated(h.unified, path)
	}
	return nil
}

// makeLegacy makes a version 1 group. A new cpuset group is empty and accepts
// no process until it has the parent's processors and memory nodes.
func makeLegacy(mount, path string) error {
	dir := mount
	for _, part := range strings.Split(path, "/") {
		parent := dir
		dir = filepath.Join(dir, part)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(parent, file))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, file), value, 0o644)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// makeDelegated makes a version 2 group whose ancestors pass every controller
// on.
func makeDelegated(mount, path string) error {
	data, err := os.ReadFile(filepath.Join(mount, "cgroup.controllers"))
	if err != nil {
		return err
	}
	enable := "+" + strings.Join(strings.Fields(string(data)), " +")
	dir := mount
	for _, part := range strings.Split(path, "/") {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte(enable), 0o644); err != nil {
			return fmt.Errorf("delegate %s in %s: %w", enable, dir, err)
		}
		dir = filepath.Join(dir, part)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// members returns the processes of a version 2 group, without those of its
// children.
func (h hierarchies) members(path string) ([]int, error) {
	data, err := os.ReadFile(filepath.Join(h.unified, path, "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, field := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// populated says whether a living process is in the group or below it.
func (h hierarchies) populated(path string) (bool, error) {
	data, err := os.ReadFile(filepath.Join(h.unified, path, "cgroup.events"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return strings.Contains(string(data), "populated 1"), err
}

// kill ends every process in the group and below it, including those that are
// being forked at this moment, and waits until they are gone.
func (h hierarchies) kill(path string) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		alive, err := h.populated(path)
		if err != nil || !alive {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes in control group %s outlive SIGKILL for 20 s; they wait in the kernel (look at /proc/PID/stack), try again later", path)
		}
		err = os.WriteFile(filepath.Join(h.unified, path, "cgroup.kill"), []byte("1"), 0o644)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// remove deletes the group and everything below it in every hierarchy. It may
// hold no process any more.
func (h hierarchies) remove(path string) error {
	for _, mount := range append([]string{h.unified}, h.legacy...) {
		if err := removeGroup(filepath.Join(mount, path)); err != nil {
			return err
		}
		// The common parent goes with the last cluster.
		if err := unix.Rmdir(filepath.Join(mount, groupRoot)); err != nil && !tolerable(err) {
			return err
		}
	}
	return nil
}

// tolerable errors of removing a group that others may use or have removed.
func tolerable(err error) bool {
	return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.ENOENT)
}

// removeGroup removes a tree of groups, deepest first. A group stays busy for
// a moment after its last process has died, so this retries within a limit.
func removeGroup(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeGroup(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("remove control group %s: %w", dir, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
