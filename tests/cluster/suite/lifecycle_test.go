package suite

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fetch asks a URL from this machine.
func fetch(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// served waits until a URL answers with the wanted text.
func served(t *testing.T, url, want string) {
	t.Helper()
	eventually(t, url, func() error {
		body, err := fetch(url)
		if err == nil && body != want {
			err = fmt.Errorf("answered %q instead of %q", body, want)
		}
		return err
	})
}

// settings are the machine's own kernel settings that a kubelet would change.
func settings(t *testing.T) string {
	t.Helper()
	text, err := command("sysctl", "vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops", "net.ipv4.ip_forward")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestUpAndDownAreIdempotent(t *testing.T) {
	before := firewall(t) + settings(t)
	first := start(t, "suite-c", "1")
	running, err := testcluster("status", "--name", "suite-c")
	if err != nil {
		t.Fatal(err)
	}
	second := start(t, "suite-c", "1")
	if first.kubeconfig != second.kubeconfig {
		t.Errorf("the kubeconfig moved from %s to %s", first.kubeconfig, second.kubeconfig)
	}
	again, err := testcluster("status", "--name", "suite-c")
	if err != nil {
		t.Fatal(err)
	}
	if running != again || strings.Contains(running, "dead") {
		t.Errorf("the second up changed what runs:\n%s\n%s", running, again)
	}
	// The search for leftovers is worth nothing if it cannot find anything.
	netns := namespaces(t, "suite-c")
	if found := leftovers(t, "suite-c", netns); len(netns) == 0 || len(found) < 20 {
		t.Errorf("a running cluster shows only %d traces and %d network namespaces", len(found), len(netns))
	}
	removed(t, "suite-c", netns)
	removed(t, "suite-c", netns)
	if after := firewall(t) + settings(t); before != after {
		t.Errorf("the machine's firewall or kernel settings changed:\n%s\n%s", before, after)
	}
}

func TestClustersRunSideBySide(t *testing.T) {
	for _, name := range []string{"suite-a", "suite-b"} {
		c := start(t, name, "1")
		c.namespace("beside")
		c.apply("beside", pod("web", "serve, '8080'", "", ""))
	}
	// Host-network pods take the same port in both.
	seen := map[string]bool{}
	for _, name := range []string{"suite-a", "suite-b"} {
		c := start(t, name, "1")
		c.waitFor("beside", "pod/web", "{.status.phase}", "Running")
		address := c.get("beside", "pod/web", "{.status.podIP}")
		served(t, "http://"+address+":8080", "node1")
		if seen[address] {
			t.Errorf("both clusters use %s", address)
		}
		seen[address] = true
	}
	netns := namespaces(t, "suite-b")
	removed(t, "suite-b", netns)
	// The other one is not affected.
	c := start(t, "suite-a", "1")
	served(t, "http://"+c.get("beside", "pod/web", "{.status.podIP}")+":8080", "node1")
}

// TestCrashedClusterIsRepairedAndRemoved kills parts as a crash would, lets up
// repair them, kills them again and removes the cluster.
func TestCrashedClusterIsRepairedAndRemoved(t *testing.T) {
	c := start(t, "suite-c", "1")
	c.namespace("crash")
	c.apply("crash", pod("web", "serve, '8080'", "", ""))
	c.waitFor("crash", "pod/web", "{.status.phase}", "Running")
	kill := func() {
		t.Helper()
		if _, err := testcluster("kill", "--name", "suite-c", "kubelet", "containerd", "kube-apiserver"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the components' end", func() error {
			status, err := testcluster("status", "--name", "suite-c")
			if strings.Count(status, "dead") != 3 {
				return fmt.Errorf("%s%v", status, err)
			}
			return nil
		})
	}
	kill()
	start(t, "suite-c", "1")
	if phase := c.get("crash", "pod/web", "{.status.phase}{.status.containerStatuses[0].restartCount}"); phase != "Running0" {
		t.Errorf("the pod did not live through the crash of its keepers: %s", phase)
	}
	c.apply("crash", pod("next", "serve, '8080'", "", ""))
	c.waitFor("crash", "pod/next", "{.status.phase}", "Running")
	kill()
	removed(t, "suite-c", namespaces(t, "suite-c"))
}

// TestClusterSurvivesAPowerCut kills everything at once; up then starts the
// cluster with the objects it had.
func TestClusterSurvivesAPowerCut(t *testing.T) {
	c := start(t, "suite-c", "1")
	c.namespace("power")
	c.kubectl("create", "--namespace", "power", "deployment", "web", "--image=localhost/probe:1", "--", "/probe", "serve", "8080")
	c.kubectl("wait", "--namespace", "power", "deployment/web", "--for=condition=Available", "--timeout", limit.String())
	groups, err := filepath.Glob("/sys/fs/cgroup/testcluster/suite-c")
	if err != nil || len(groups) == 0 {
		groups = []string{"/sys/fs/cgroup/unified/testcluster/suite-c"}
	}
	if err := os.WriteFile(filepath.Join(groups[0], "cgroup.kill"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of every process", func() error {
		events, err := os.ReadFile(filepath.Join(groups[0], "cgroup.events"))
		if err == nil && !strings.Contains(string(events), "populated 0") {
			err = fmt.Errorf("%s", events)
		}
		return err
	})
	start(t, "suite-c", "1")
	c.eventually("the pod after the power cut", func() error {
		address, err := c.try("get", "--namespace", "power", "pods", "--output", "jsonpath={.items[0].status.podIP}")
		if err != nil {
			return err
		}
		_, err = fetch("http://" + address + ":8080")
		return err
	})
	removed(t, "suite-c", namespaces(t, "suite-c"))
}

// TestKilledToolLeavesNothingBehind kills the tool at different moments of up:
// each time something else has been made already.
func TestKilledToolLeavesNothingBehind(t *testing.T) {
	for _, moment := range []string{"cluster.json", "node1/pid/etcd", "node1/pid/containerd", "node1/pid/kubelet"} {
		t.Run(filepath.Base(moment), func(t *testing.T) {
			up := exec.Command(filepath.Join(binDir, "testcluster"), "up", "--name", "suite-c", "--nodes", "2")
			if err := up.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, moment, func() error {
				matches, err := filepath.Glob("/var/lib/testcluster/suite-c/" + moment)
				if err == nil && len(matches) == 0 {
					err = fmt.Errorf("%s does not exist yet", moment)
				}
				return err
			})
			if err := up.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := up.Wait(); err == nil {
				t.Fatal("up ended before it was killed")
			}
			removed(t, "suite-c", namespaces(t, "suite-c"))
		})
	}
}

// TestKilledImportLeavesNothingBehind kills the tool while it unpacks images
// for the first time.
func TestKilledImportLeavesNothingBehind(t *testing.T) {
	store := filepath.Join(t.TempDir(), "store")
	t.Setenv("TESTCLUSTER_STORE", store)
	up := exec.Command(filepath.Join(binDir, "testcluster"), "up", "--name", "suite-c", filepath.Join(imageDir, "mariadb_10.11.tar"))
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store's containerd", func() error {
		_, err := command("test", "-e", filepath.Join(store, "root/io.containerd.metadata.v1.bolt/meta.db"))
		return err
	})
	if err := up.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := up.Wait(); err == nil {
		t.Fatal("up ended before it was killed")
	}
	if traces := callers(t, store); len(traces) == 0 {
		t.Error("containerd did not outlive the tool, so this proves nothing")
	}
	removed(t, "suite-c", nil)
	if traces := callers(t, store); len(traces) > 0 {
		t.Errorf("left after down: %s", traces)
	}
}

// callers are the processes that were called with a path.
func callers(t *testing.T, path string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		if data, _ := os.ReadFile(file); has(string(data), path) {
			found = append(found, file)
		}
	}
	return found
}

func TestInterruptedUpIsContinued(t *testing.T) {
	up := exec.Command(filepath.Join(binDir, "testcluster"), "up", "--name", "suite-c")
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "etcd", func() error {
		_, err := command("test", "-e", "/var/lib/testcluster/suite-c/node1/pid/etcd")
		return err
	})
	if err := up.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	up.Wait()
	c := start(t, "suite-c", "1")
	c.kubectl("wait", "node/node1", "--for=condition=Ready", "--timeout", limit.String())
	removed(t, "suite-c", namespaces(t, "suite-c"))
}
