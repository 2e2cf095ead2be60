package policies

import (
	"fmt"
	"strings"
	"testing"
)

const tool = "system:serviceaccount:people:tool"

// begins has the operator write the start of an upgrade.
func begins(t *testing.T, namespace, upgrade string) {
	t.Helper()
	object := must(t)(as(release, "", "get", "omsupgrade", upgrade, "--namespace", namespace, "--output=json"))
	object = strings.Replace(object, `"status": {`, `"status": {"startedTime":"2026-01-01T00:00:00Z",`, 1)
	must(t)(as(release, object, "replace", "--namespace", namespace, "--subresource=status", "--filename=-"))
}

// excluded wants that the policy refused a write of a Deployment, in words that help.
func excluded(t *testing.T, what, written, account string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s was not refused", what)
		return
	}
	for _, word := range []string{"orbidden", exclusive, written + ": " + account + " may not write this of Deployment oms",
		"OmsUpgrade " + watched + "/alone works on it", "nothing was written",
		"kubectl annotate omsup -n " + watched + " alone oms.oceanbase.com/intervene=" + account} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: the refusal does not say %q: %v", what, word, err)
		}
	}
}

// writes is what somebody does to a Deployment of OMS, with what it touches.
var writes = map[string]struct {
	touches   string
	stdin     string
	arguments []string
}{
	"kubectl scale":     {"spec.replicas", "", []string{"scale", "deployment/oms", "--replicas=1"}},
	"a merge patch":     {"spec.replicas", "", []string{"patch", "deployment", "oms", "--type=merge", `--patch={"spec":{"replicas":1}}`}},
	"kubectl set image": {"spec.template", "", []string{"set", "image", "deployment/oms", "oms=" + newImage}},
	"kubectl set env":   {"spec.template", "", []string{"set", "env", "deployment/oms", "A=b"}},
	"a restart":         {"spec.template", "", []string{"rollout", "restart", "deployment/oms"}},
	"a sync": {"spec.replicas, spec.template", deployment("oms", newImage, 1),
		[]string{"apply", "--server-side", "--force-conflicts", "--field-manager=git", "--filename=-"}},
	"a deletion":                  {"deletion", "", []string{"delete", "deployment", "oms"}},
	"a deletion of it and others": {"deletion", "", []string{"delete", "deployments", "--selector=for=oms"}},
}

// in is the same call in the watched namespace.
func in(arguments []string, further ...string) []string {
	return append(append(arguments[:len(arguments):len(arguments)], "--namespace", watched), further...)
}

// Who holds every verb, as Argo CD and Flux do, and who is administrator of the
// cluster, is kept out like everybody else; but not after the object names him.
func TestADeploymentIsTheOperatorsAlone(t *testing.T) {
	must(t)(admin(deployment("oms", oldImage, 0), "create", "--namespace", watched, "--filename=-"))
	must(t)(admin(deployment("other", oldImage, 0), "create", "--namespace", watched, "--filename=-"))
	must(t)(admin("", "label", "deployment", "oms", "for=oms", "--namespace", watched))
	t.Cleanup(func() {
		must(t)(admin("", "delete", "omsupgrade", "alone", "--namespace", watched, "--ignore-not-found"))
		must(t)(admin("", "delete", "deployment", "oms", "other", "--namespace", watched, "--ignore-not-found"))
	})
	must(t)(admin("", "create", "rolebinding", "tool", "--namespace", watched, "--clusterrole=cluster-admin", "--serviceaccount=people:tool"))
	t.Cleanup(func() { must(t)(admin("", "delete", "rolebinding", "tool", "--namespace", watched)) })
	me := strings.TrimSpace(must(t)(admin("", "auth", "whoami", "--output=jsonpath={.status.userInfo.username}")))
	made(t, "alone", `"action":"Plan"`)
	works := func(wanted bool) {
		t.Helper()
		if err := eventually("the Deployment as the status says", func() error {
			write := writes["kubectl scale"]
			_, err := as("tool", write.stdin, in(write.arguments, "--dry-run=server")...)
			if (err == nil) == wanted {
				return fmt.Errorf("not yet: %v", err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	// A plan keeps nobody from anything.
	works(false)
	begins(t, watched, "alone")
	works(true)
	for what, write := range writes {
		_, err := as("tool", write.stdin, in(write.arguments)...)
		excluded(t, what+" by a tool", write.touches, tool, err)
		_, err = admin(write.stdin, in(write.arguments)...)
		excluded(t, what+" by an administrator", write.touches, me, err)
	}
	// What else is written of it, and others.
	for what, arguments := range map[string][]string{
		"a label": {"label", "deployment", "oms", "a=b"}, "an annotation": {"annotate", "deployment", "oms", "a=b"},
		"the template as it is":    {"set", "image", "deployment/oms", "oms=" + oldImage},
		"the replicas as they are": {"scale", "deployment/oms", "--replicas=0"},
		"another Deployment":       {"scale", "deployment/other", "--replicas=1"},
	} {
		if _, err := as("tool", "", in(arguments)...); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t)(as("tool", "", "delete", "deployment", "other", "--namespace", watched))
	// The operator itself.
	for _, part := range []string{`{"spec":{"replicas":1}}`, `{"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}}`, `{"spec":{"replicas":0}}`} {
		must(t)(as(release, "", "patch", "deployment", "oms", "--namespace", watched, "--type=merge", "--patch", part))
	}
	// To name somebody wants a verb, and lets nobody else through.
	names := func(account, value string) error {
		_, err := as(account, "", "annotate", "omsupgrade", "alone", "--overwrite", "oms.oceanbase.com/intervene"+value)
		return err
	}
	for _, account := range []string{"editor", "operator", "approver"} {
		refused(t, account, "intervene", "metadata.annotations.oms.oceanbase.com/intervene", names(account, "="+tool))
	}
	refused(t, "intervener", "", "", names("intervener", "="+tool))
	works(false)
	scale := writes["kubectl scale"]
	_, err := admin("", in(scale.arguments)...)
	excluded(t, "a scale by another", scale.touches, me, err)
	must(t)(as("tool", "", in(scale.arguments)...))
	must(t)(as("tool", "", "scale", "deployment/oms", "--replicas=0", "--namespace", watched))
	refused(t, "editor", "intervene", "metadata.annotations.oms.oceanbase.com/intervene", names("editor", "-"))
	refused(t, "intervener", "", "", names("intervener", "-"))
	works(true)
	// The verdict.
	ends(t, "alone")
	works(false)
	for _, what := range []string{"a sync", "a deletion"} {
		must(t)(admin(writes[what].stdin, in(writes[what].arguments)...))
	}
}

// An object that is made with a name in it lets somebody through as well.
func TestAnObjectThatLetsSomebodyThroughWantsTheVerb(t *testing.T) {
	named := strings.Replace(upgrade("lets", `"action":"Plan"`), `"name":"lets"`, `"name":"lets","annotations":{"oms.oceanbase.com/intervene":"x"}`, 1)
	_, err := as("editor", named, "create", "--filename=-")
	refused(t, "editor", "intervene", "metadata.annotations.oms.oceanbase.com/intervene", err)
	must(t)(as("star", named, "create", "--filename=-"))
	must(t)(as("editor", "", "label", "omsupgrade", "lets", "a=b"))
	must(t)(admin("", "delete", "omsupgrade", "lets", "--namespace", watched))
}

// The garbage collector and the namespace controller take away what an upgrade works on, and its object is still there.
func TestWhatIsToGoGoesInTheMiddleOfAnUpgrade(t *testing.T) {
	must(t)(admin(upgrade("middle", `"action":"Plan"`), "create", "--namespace", sealed, "--filename=-"))
	must(t)(as(release, "", "patch", "omsupgrade", "middle", "--namespace", sealed, "--type=merge",
		`--patch={"metadata":{"finalizers":["oms.oceanbase.com/upgrade"]}}`))
	begins(t, sealed, "middle")
	owned := func(owner string) {
		t.Helper()
		must(t)(admin("", "create", "configmap", owner, "--namespace", sealed))
		uid := must(t)(admin("", "get", "configmap", owner, "--namespace", sealed, "--output=jsonpath={.metadata.uid}"))
		object := strings.Replace(deployment("oms", oldImage, 0), `"name":"oms"`, fmt.Sprintf(
			`"name":"oms","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":%q,"uid":%q,"blockOwnerDeletion":true}]`, owner, uid), 1)
		must(t)(admin(object, "create", "--namespace", sealed, "--filename=-"))
		if err := eventually("the Deployment kept", func() error {
			if _, err := admin("", "delete", "deployment", "oms", "--namespace", sealed, "--dry-run=server"); err == nil {
				return fmt.Errorf("not refused")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, cascade := range []string{"background", "foreground"} {
		owned(cascade)
		must(t)(admin("", "delete", "configmap", cascade, "--namespace", sealed, "--cascade="+cascade))
		must(t)(admin("", "wait", "--for=delete", "deployment/oms", "--namespace", sealed, "--timeout", limit.String()))
	}
	owned("last")
	must(t)(admin("", "delete", "namespace", sealed, "--wait=false"))
	must(t)(admin("", "wait", "--for=delete", "deployment/oms", "--namespace", sealed, "--timeout", limit.String()))
	must(t)(as(release, "", "patch", "omsupgrade", "middle", "--namespace", sealed, "--type=merge", `--patch={"metadata":{"finalizers":null}}`))
	must(t)(admin("", "wait", "--for=delete", "namespace/"+sealed, "--timeout", limit.String()))
}
