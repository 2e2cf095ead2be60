package suite

import (
	"fmt"
	"strings"
	"testing"
)

// unprivileged is how a pod under the restricted standard runs.
const unprivileged = "securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532}"

// writer is a pod that writes into a new claim of the class; "" is the default
// class.
func writer(name, class, bytes string) string {
	if class != "" {
		class = "storageClassName: " + class
	}
	claim := fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: %s}
spec:
  %s
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---`, name, class)
	return claim + pod(name, "write, /data/file, '"+bytes+"'",
		unprivileged+fmt.Sprintf("\n  volumes: [{name: data, persistentVolumeClaim: {claimName: %s}}]", name),
		"volumeMounts: [{name: data, mountPath: /data}]")
}

func TestClaims(t *testing.T) {
	c := start(t, "suite-a", "2")
	c.namespace("claims")
	cases := []struct{ name, class, bytes, phase, log string }{
		{"default", "", "1000", "Succeeded", ""},
		{"local", "local", "1000", "Succeeded", ""},
		{"unwritable", "unwritable", "1000", "Failed", "permission denied"},
		{"full", "small", "50000000", "Failed", "no space left on device"},
		{"fits", "small", "1000", "Succeeded", ""},
	}
	for _, test := range cases {
		if test.name != "fits" {
			c.apply("claims", writer(test.name, test.class, test.bytes))
		}
	}
	for _, test := range cases {
		if test.name == "fits" {
			// Into the same small file system, after the other pod has
			// overwritten its file.
			c.kubectl("delete", "--namespace", "claims", "pod/full")
			c.apply("claims", writer(test.name, test.class, test.bytes))
		}
		c.waitFor("claims", "pod/"+test.name, "{.status.phase}", test.phase)
		if log := c.kubectl("logs", "--namespace", "claims", test.name); !strings.Contains(log, test.log) {
			t.Errorf("%s: log %q does not say %q", test.name, log, test.log)
		}
	}
	// A volume goes with its claim.
	volume := c.get("claims", "pvc/default", "{.spec.volumeName}")
	path := c.get("claims", "pv/"+volume, "{.spec.hostPath.path}")
	c.kubectl("delete", "--namespace", "claims", "pod/default", "pvc/default")
	c.eventually("the volume's end", func() error {
		if _, err := command("test", "!", "-e", path); err != nil {
			return err
		}
		output, err := c.try("get", "pv", volume, "--ignore-not-found", "--output", "name")
		if err == nil && output != "" {
			err = fmt.Errorf("%s is there", output)
		}
		return err
	})
	// Nobody provisions an unknown class.
	c.apply("claims", writer("never", "nothing", "1000"))
	c.waitFor("claims", "pod/never", "{.status.conditions[?(@.type=='PodScheduled')].reason}", "Unschedulable")
}
