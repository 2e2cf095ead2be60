// Package suite tests the test clusters themselves. It needs root and what
// setup.sh installs, and uses clusters whose names start with "suite-".
package suite

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// limit bounds every wait. It is generous, because the machine may be busy;
// no test depends on its value.
const limit = 9 * time.Minute

var (
	binDir    = absolute("../../../.cache/bin")
	imageDir  = absolute("../../../.cache/images")
	metadbDir = absolute("../metadb")
)

func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return abs
}

func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		fmt.Println("the clusters need root")
		os.Exit(1)
	}
	downAll()
	code := m.Run()
	downAll()
	os.Exit(code)
}

// downAll removes the suite's clusters, also those of a run that was killed.
func downAll() {
	for _, name := range []string{"suite-a", "suite-b", "suite-c"} {
		if output, err := testcluster("down", "--name", name); err != nil {
			fmt.Println(output)
			os.Exit(1)
		}
	}
}

// testcluster runs the tool and returns what it prints.
func testcluster(args ...string) (string, error) {
	return command(filepath.Join(binDir, "testcluster"), args...)
}

// command runs a program and returns standard output; the error carries
// standard error.
func command(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	run := exec.CommandContext(ctx, name, args...)
	var out, problems bytes.Buffer
	run.Stdout, run.Stderr = &out, &problems
	if err := run.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out.String(), problems.String())
	}
	return out.String(), nil
}

// cluster is a running cluster and a client for it.
type cluster struct {
	t          *testing.T
	name       string
	kubeconfig string
}

// start brings a cluster up, with the images that the suite's pods use.
func start(t *testing.T, name, nodes string) cluster {
	t.Helper()
	output, err := testcluster("up", "--name", name, "--nodes", nodes, filepath.Join(imageDir, "probe_1.tar"))
	if err != nil {
		t.Fatal(err)
	}
	return cluster{t: t, name: name, kubeconfig: strings.TrimSpace(output)}
}

// try runs kubectl.
func (c cluster) try(args ...string) (string, error) {
	return command(filepath.Join(binDir, "kubectl"), append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
}

// kubectl runs kubectl and fails the test when it fails.
func (c cluster) kubectl(args ...string) string {
	c.t.Helper()
	output, err := c.try(args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return output
}

// namespace makes a namespace that ends with the test.
func (c cluster) namespace(name string) {
	c.t.Helper()
	c.kubectl("create", "namespace", name)
	c.t.Cleanup(func() {
		if _, err := os.Stat(c.kubeconfig); err != nil {
			return // the test removed the whole cluster
		}
		if output, err := c.try("delete", "namespace", name, "--wait=false"); err != nil {
			c.t.Log(output, err)
		}
	})
	// The API server refuses pods before the default account is there.
	c.eventually("the default account", func() error {
		_, err := c.try("get", "serviceaccount", "default", "--namespace", name)
		return err
	})
}

// tryApply applies a manifest.
func (c cluster) tryApply(namespace, manifest string) error {
	path := filepath.Join(c.t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(path, []byte(manifest), 0o600); err != nil {
		return err
	}
	_, err := c.try("apply", "--namespace", namespace, "--filename", path)
	return err
}

// apply applies a manifest and fails the test when it is refused.
func (c cluster) apply(namespace, manifest string) {
	c.t.Helper()
	if err := c.tryApply(namespace, manifest); err != nil {
		c.t.Fatal(err)
	}
}

// get returns a field of an object by JSON path.
func (c cluster) get(namespace, object, path string) string {
	c.t.Helper()
	return c.kubectl("get", "--namespace", namespace, object, "--output", "jsonpath="+path)
}

// waitFor waits until a field of an object has a value.
func (c cluster) waitFor(namespace, object, path, value string) {
	c.t.Helper()
	c.kubectl("wait", "--namespace", namespace, object, "--for", "jsonpath="+path+"="+value, "--timeout", limit.String())
}

// eventually repeats a check until it passes, within the limit.
func (c cluster) eventually(what string, check func() error) {
	c.t.Helper()
	eventually(c.t, what, check)
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s in vain: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// pod is the manifest of a pod that runs the probe. extra goes into its spec,
// container into its container, both as lines of YAML flow style.
func pod(name, args, extra, container string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, labels: {app: %[1]s}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  %[3]s
  containers:
  - name: probe
    image: localhost/probe:1
    imagePullPolicy: Never
    args: [%[2]s]
    env: [{name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
    %[4]s
`, name, args, extra, container)
}
