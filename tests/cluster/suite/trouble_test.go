package suite

import (
	"fmt"
	"strings"
	"testing"
)

// waitForReason waits until the probe container waits for one of the reasons.
func waitForReason(c cluster, namespace, name string, reasons ...string) {
	c.t.Helper()
	c.eventually(fmt.Sprint(reasons), func() error {
		got, err := c.try("get", "--namespace", namespace, "pod", name, "--output", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
		for _, reason := range reasons {
			if got == reason {
				return nil
			}
		}
		return fmt.Errorf("%q %v", got, err)
	})
}

func TestUnknownImageCannotBePulled(t *testing.T) {
	c := start(t, "suite-a", "1")
	c.namespace("pull")
	for name, image := range map[string]string{"local": "localhost/nothing:1", "remote": "registry.example/nothing:1"} {
		manifest := strings.Replace(pod(name, "serve, '8080'", "", ""), "localhost/probe:1", image, 1)
		c.apply("pull", strings.Replace(manifest, "imagePullPolicy: Never", "imagePullPolicy: IfNotPresent", 1))
	}
	for _, name := range []string{"local", "remote"} {
		waitForReason(c, "pull", name, "ErrImagePull", "ImagePullBackOff")
	}
}

func TestPodsThatFitNowhereStayPending(t *testing.T) {
	c := start(t, "suite-a", "1")
	c.namespace("nowhere")
	c.apply("nowhere", pod("greedy", "serve, '8080'", "", "resources: {requests: {memory: 100Ti}}"))
	c.apply("nowhere", pod("picky", "serve, '8080'", "nodeSelector: {kubernetes.io/hostname: nowhere}", ""))
	for _, name := range []string{"greedy", "picky"} {
		c.waitFor("nowhere", "pod/"+name, "{.status.conditions[?(@.type=='PodScheduled')].reason}", "Unschedulable")
	}
	for n := range 3 {
		if _, err := c.try("cordon", fmt.Sprintf("node%d", n+1)); err != nil && n == 0 {
			t.Fatal(err)
		}
	}
	c.apply("nowhere", pod("late", "serve, '8080'", "", ""))
	c.waitFor("nowhere", "pod/late", "{.status.conditions[?(@.type=='PodScheduled')].reason}", "Unschedulable")
	for n := range 3 {
		if _, err := c.try("uncordon", fmt.Sprintf("node%d", n+1)); err != nil && n == 0 {
			t.Fatal(err)
		}
	}
	c.waitFor("nowhere", "pod/late", "{.status.phase}", "Running")
}

func TestAdmissionIsReal(t *testing.T) {
	c := start(t, "suite-a", "1")
	c.namespace("strict")
	c.kubectl("label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted")
	err := c.tryApply("strict", pod("privileged", "serve, '8080'", "", "securityContext: {privileged: true}"))
	if err == nil || !strings.Contains(err.Error(), "violates PodSecurity") {
		t.Errorf("a privileged pod in a restricted namespace: %v", err)
	}

	c.apply("default", `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: suite}
spec:
  failurePolicy: Fail
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}
  validations: [{expression: "!has(object.data) || !('forbidden' in object.data)", message: "the suite forbids this"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: suite}
spec: {policyName: suite, validationActions: [Deny], matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: strict}}}}
`)
	t.Cleanup(func() {
		c.try("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", "suite")
	})
	// The API server takes a moment to see a new policy.
	c.eventually("the policy", func() error {
		_, err := c.try("create", "--namespace", "strict", "configmap", "one", "--from-literal=forbidden=1", "--dry-run=server")
		if err == nil || !strings.Contains(err.Error(), "the suite forbids this") {
			return fmt.Errorf("not refused: %v", err)
		}
		return nil
	})
	c.kubectl("create", "--namespace", "strict", "configmap", "two", "--from-literal=allowed=1")
}

// TestRightsAreReal asserts that an account may do what it was given and
// nothing else.
func TestRightsAreReal(t *testing.T) {
	c := start(t, "suite-a", "1")
	c.namespace("rights")
	c.kubectl("create", "--namespace", "rights", "role", "reader", "--verb=get", "--resource=pods")
	c.kubectl("create", "--namespace", "rights", "rolebinding", "reader", "--role=reader", "--serviceaccount=rights:default")
	who := "--as=system:serviceaccount:rights:default"
	c.eventually("the right to read", func() error {
		_, err := c.try("auth", "can-i", "get", "pods", "--namespace", "rights", who)
		return err
	})
	if _, err := c.try("get", "secrets", "--namespace", "rights", who); err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("reading Secrets without the right: %v", err)
	}
}
