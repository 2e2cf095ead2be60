package suite

import (
	"fmt"
	"strings"
	"testing"
)

// TestNodesHaveTheirOwnHostNetwork runs two host-network pods on the same port,
// one per node, and reaches them, pods and Services in all directions.
func TestNodesHaveTheirOwnHostNetwork(t *testing.T) {
	c := start(t, "suite-a", "2")
	c.namespace("network")
	for _, node := range []string{"node1", "node2"} {
		c.apply("network", pod("host-"+node, "serve, '8089'",
			fmt.Sprintf("hostNetwork: true\n  nodeName: %s", node), "securityContext: {privileged: true}"))
		c.apply("network", pod("pod-"+node, "serve, '8080'", "nodeName: "+node, ""))
	}
	c.apply("network", `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: pod-node2}, ports: [{port: 80, targetPort: 8080}]}
`)
	for _, node := range []string{"node1", "node2"} {
		for kind, port := range map[string]string{"host-": "8089", "pod-": "8080"} {
			c.waitFor("network", "pod/"+kind+node, "{.status.phase}", "Running")
			address := c.get("network", "pod/"+kind+node, "{.status.podIP}")
			served(t, fmt.Sprintf("http://%s:%s", address, port), node)
			// From the pods of both nodes.
			for _, from := range []string{"node1", "node2"} {
				body := c.kubectl("exec", "--namespace", "network", "pod-"+from, "--", "/probe", "get", fmt.Sprintf("http://%s:%s", address, port))
				if body != node {
					t.Errorf("%s answers %q to a pod of %s", kind+node, body, from)
				}
			}
		}
	}
	// The Service, from this machine and by name from a pod of each node.
	served(t, "http://"+c.get("network", "service/web", "{.spec.clusterIP}"), "node2")
	for _, node := range []string{"node1", "node2"} {
		for _, name := range []string{"web", "web.network.svc.cluster.local"} {
			body := c.kubectl("exec", "--namespace", "network", "pod-"+node, "--", "/probe", "get", "http://"+name)
			if body != "node2" {
				t.Errorf("http://%s answers %q to a pod of %s", name, body, node)
			}
		}
	}
	// A pod that reaches itself by its Service.
	body := c.kubectl("exec", "--namespace", "network", "pod-node2", "--", "/probe", "get", "http://web")
	if body != "node2" {
		t.Errorf("hairpin: %q", body)
	}
}

func TestNamesAreResolved(t *testing.T) {
	c := start(t, "suite-a", "1")
	c.namespace("names")
	c.apply("names", pod("web", "serve, '8080'", "", ""))
	c.waitFor("names", "pod/web", "{.status.phase}", "Running")
	want := c.get("default", "service/kubernetes", "{.spec.clusterIP}")
	got := c.kubectl("exec", "--namespace", "names", "web", "--", "/probe", "lookup", "kubernetes.default.svc.cluster.local")
	if strings.TrimSpace(got) != "["+want+"]" {
		t.Errorf("resolved to %s, not %s", got, want)
	}
	output, err := c.try("exec", "--namespace", "names", "web", "--", "/probe", "lookup", "nothing.example")
	if err == nil || !strings.Contains(output, "no such host") {
		t.Errorf("a name outside of the cluster: %s %v", output, err)
	}
}
