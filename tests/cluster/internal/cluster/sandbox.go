package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// privateDirs are the directories of the machine that each node covers with
// its own, because the kubelet, containerd or a CNI plug-in uses the fixed
// path. /srv is for the users of a cluster: a hostPath below it is a different
// disk on every node.
var privateDirs = []string{
	"/run/containerd",
	"/srv",
	"/var/lib/cni",
	"/var/lib/containerd",
	"/var/lib/kubelet",
	"/var/log/containers",
	"/var/log/pods",
}

// kernelSettings are what the kubelet insists on. Each node covers them with
// files that hold these values, because the real ones are the machine's.
var kernelSettings = map[string]string{
	"kernel/keys/root_maxbytes": "25000000",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
}

// smallVolumeBytes is the size of the file system behind the StorageClass
// "small", made for tests of full disks.
const smallVolumeBytes = 32 << 20

// sandbox is a node's network and mount namespace. A process that does nothing
// holds both; when the node's control group is killed, the kernel removes the
// namespaces with every link, route, firewall rule and mount in them.
type sandbox struct {
	holder int
}

// enter runs f in the sandbox's namespaces. f runs on a thread of its own,
// which is thrown away, and may start processes, which inherit the namespaces.
func (s sandbox) enter(f func() error) error {
	return onOwnThread(func() error {
		// A thread that shares its working directory with others may not
		// change its mount namespace.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		for _, kind := range []struct {
			file string
			flag int
		}{{"net", unix.CLONE_NEWNET}, {"mnt", unix.CLONE_NEWNS}} {
			path := fmt.Sprintf("/proc/%d/ns/%s", s.holder, kind.file)
			fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			err = unix.Setns(fd, kind.flag)
			unix.Close(fd)
			if err != nil {
				return fmt.Errorf("enter %s: %w", path, err)
			}
		}
		return f()
	})
}

// onOwnThread runs f on a thread that ends with it. The goroutine never
// unlocks the thread, so the runtime does not use it again.
func onOwnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// sandboxOf returns node n's sandbox, made new when its holder is not alive.
func (b *builder) sandboxOf(n int) (sandbox, error) {
	group := b.cluster.group(b.cluster.NodeName(n), "holder")
	holders, err := b.groups.members(group)
	if err != nil {
		return sandbox{}, err
	}
	for _, holder := range holders {
		// One that was killed is a member until it has died.
		if _, err := startTime(holder); err == nil {
			return sandbox{holder: holder}, nil
		}
	}
	// Whatever is left of the node lives in namespaces that cannot be
	// reached any more.
	if err := b.groups.kill(b.cluster.group(b.cluster.NodeName(n))); err != nil {
		return sandbox{}, err
	}
	// A process that is born into a group that was once killed as a whole
	// dies at birth (seen on Linux 6.18), so the groups are made anew.
	if err := b.groups.remove(b.cluster.group(b.cluster.NodeName(n))); err != nil {
		return sandbox{}, err
	}
	var made sandbox
	err = onOwnThread(func() error {
		if err := b.isolate(n); err != nil {
			return err
		}
		pid, err := b.spawn(group, b.cluster.NodePath(n, "log", "holder.log"), b.pause)
		made.holder = pid
		return err
	})
	return made, err
}

// isolate gives the calling thread new namespaces and prepares them for node n.
func (b *builder) isolate(n int) error {
	// What containerd remembers of running containers does not outlive a
	// machine's restart, and none of them lives any more.
	if err := os.RemoveAll(b.cluster.NodePath(n, "root", "/run/containerd")); err != nil {
		return err
	}
	for _, dir := range privateDirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.MkdirAll(b.cluster.NodePath(n, "root", dir), 0o755); err != nil {
			return err
		}
	}
	small := b.cluster.NodePath(n, "small")
	if err := os.MkdirAll(small, 0o755); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("new namespaces: %w", err)
	}
	// Private first, so that nothing reaches the machine; then shared among
	// the node's own processes, which mount propagation in pods needs.
	for _, flag := range []uintptr{unix.MS_PRIVATE, unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", unix.MS_REC|flag, ""); err != nil {
			return fmt.Errorf("mount propagation: %w", err)
		}
	}
	for _, dir := range privateDirs {
		if err := unix.Mount(b.cluster.NodePath(n, "root", dir), dir, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cover %s: %w", dir, err)
		}
	}
	for setting, value := range kernelSettings {
		cover := b.cluster.NodePath(n, "sysctl", setting)
		if err := writeFile(cover, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		err := unix.Mount(cover, filepath.Join("/proc/sys", setting), "", unix.MS_BIND, "")
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("cover the kernel setting %s: %w", setting, err)
		}
	}
	if err := b.store.attach("/var/lib/containerd", b.cluster.NodePath(n, "layers")); err != nil {
		return fmt.Errorf("images: %w", err)
	}
	if err := unix.Mount("small", small, "tmpfs", 0, fmt.Sprintf("size=%d,mode=1777", smallVolumeBytes)); err != nil {
		return fmt.Errorf("mount %s: %w", small, err)
	}
	err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
	if err != nil {
		return fmt.Errorf("forwarding between pods: %w", err)
	}
	return nil
}

// removeState deletes the state directory. It refuses while anything is
// mounted below it, because it would delete what is mounted.
func (c *Cluster) removeState() error {
	if err := unmountBelow(c.Dir()); err != nil {
		return err
	}
	return os.RemoveAll(c.Dir())
}

// unmountBelow detaches what is mounted below a directory in this process's
// mount namespace. Nodes mount in namespaces of their own, so this finds only
// what a person mounted there by hand.
func unmountBelow(dir string) error {
	mounts, err := mountPoints()
	if err != nil {
		return err
	}
	for i := len(mounts) - 1; i >= 0; i-- {
		rel, err := filepath.Rel(dir, mounts[i])
		if err != nil || rel == ".." || len(rel) > 2 && rel[:3] == "../" {
			continue
		}
		if err := unix.Unmount(mounts[i], unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmount %s: %w", mounts[i], err)
		}
	}
	return nil
}
