package suite

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// leftovers lists everything on this machine that belongs to the named
// cluster. netns are the network namespaces its nodes had.
func leftovers(t *testing.T, name string, netns map[string]bool) []string {
	t.Helper()
	var found []string
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	// Processes, by control group, by network namespace and by what they
	// were called with; and mounts in every mount namespace there is.
	state := "/var/lib/testcluster/" + name
	group := "/testcluster/" + name
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range processes {
		read := func(file string) string {
			data, _ := os.ReadFile(filepath.Join(process, file))
			return strings.ReplaceAll(string(data), "\x00", " ")
		}
		if strings.Contains(read("stat"), ") Z ") {
			continue // dead, and only waits for its parent
		}
		commandLine := read("cmdline")
		if has(read("cgroup"), group) || has(commandLine, state) {
			add("process %s: %s", filepath.Base(process), commandLine)
		}
		if link, err := os.Readlink(filepath.Join(process, "ns/net")); err == nil && netns[link] {
			add("network namespace %s of process %s", link, filepath.Base(process))
		}
		for _, line := range strings.Split(read("mountinfo"), "\n") {
			if has(line, state) {
				add("mount seen by process %s: %s", filepath.Base(process), line)
			}
		}
	}

	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range interfaces {
		if link.Name == "tc-"+name || strings.HasPrefix(link.Name, "tc-"+name+"-") {
			add("link %s", link.Name)
		}
	}
	if routes, err := command("ip", "route"); err != nil {
		t.Fatal(err)
	} else if has(routes, "tc-"+name) {
		add("routes: %s", routes)
	}

	for _, pattern := range []string{"/sys/fs/cgroup" + group, "/sys/fs/cgroup/*" + group, state, "/var/lib/testcluster/." + name + "*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, paths...)
	}
	for _, dir := range []string{"/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods"} {
		entries, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			if target, _ := os.Readlink(path); has(target, state) {
				add("file %s", path)
			}
		}
	}
	return found
}

// has finds a path or name as a whole, so that "suite-a" is not found in
// "suite-ab".
func has(text, whole string) bool {
	for {
		i := strings.Index(text, whole)
		if i < 0 {
			return false
		}
		text = text[i+len(whole):]
		if text == "" || !strings.ContainsAny(text[:1], "abcdefghijklmnopqrstuvwxyz0123456789") {
			return true
		}
	}
}

// firewall is the machine's own rule set, which no cluster may change.
func firewall(t *testing.T) string {
	t.Helper()
	rules, err := command("nft", "list", "ruleset")
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// namespaces are the network namespaces of a running cluster's processes.
func namespaces(t *testing.T, name string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range processes {
		data, _ := os.ReadFile(filepath.Join(process, "cgroup"))
		link, err := os.Readlink(filepath.Join(process, "ns/net"))
		if err == nil && link != own && has(string(data), "/testcluster/"+name) {
			found[link] = true
		}
	}
	return found
}

// removed removes a cluster and asserts that nothing of it is left.
func removed(t *testing.T, name string, netns map[string]bool) {
	t.Helper()
	if _, err := testcluster("down", "--name", name); err != nil {
		t.Fatal(err)
	}
	if found := leftovers(t, name, netns); len(found) > 0 {
		t.Errorf("left after down:\n%s", strings.Join(found, "\n"))
	}
}
