package policies

import (
	"fmt"
	"strings"
	"testing"
)

// The operator's account holds neither verb, and needs none for what it does.
func TestTheOperatorIsNotInItsOwnWay(t *testing.T) {
	made(t, "served", `"action":"Run","approval":{"planHash":"aa"}`)
	const finalizers = `{"metadata":{"finalizers":%s}}`
	must(t)(as(release, "", "patch", "omsupgrade", "served", "--type=merge", "--patch", fmt.Sprintf(finalizers, `["oms.oceanbase.com/upgrade"]`)))
	object := must(t)(as(release, "", "get", "omsupgrade", "served", "--output=json"))
	start := strings.Index(object, `"status": {`)
	if start < 0 {
		t.Fatalf("no status by default: %s", object)
	}
	object = object[:start] + `"status": {"phase":"Preflight",` + object[start+len(`"status": {`):]
	must(t)(as(release, object, "replace", "--subresource=status", "--filename=-"))
	if phase := field(t, "served", "{.status.phase}"); phase != "Preflight" {
		t.Errorf("the status was not written: %s", phase)
	}
	// It does not write what people ask for, and could not.
	refused(t, release, "operate", "spec.action", patch(release, "served", `"action":"Abort"`))
	refused(t, release, "approve", "spec.approval", patch(release, "served", `"approval":null`))
	refused(t, release, "update", "spec.image", patch(release, "served", `"image":"registry.example.com/other:1"`))
	must(t)(as("editor", "", "delete", "omsupgrade", "served", "--wait=false"))
	if when := field(t, "served", "{.metadata.deletionTimestamp}"); when == "" {
		t.Error("the finalizer did not hold it")
	}
	must(t)(as(release, "", "patch", "omsupgrade", "served", "--type=merge", "--patch", fmt.Sprintf(finalizers, "[]")))
	gone(t, "served")
}

// The garbage collector writes finalizers, too, and owners.
func TestTheGarbageCollectorIsNotInTheWay(t *testing.T) {
	for _, cascade := range []string{"foreground", "orphan", "background"} {
		made(t, cascade, `"action":"Run","approval":{"planHash":"aa"}`)
		must(t)(as("editor", "", "delete", "omsupgrade", cascade, "--cascade="+cascade, "--wait=false"))
		gone(t, cascade)
	}
	must(t)(admin("", "create", "configmap", "owner", "--namespace", watched))
	uid := must(t)(admin("", "get", "configmap", "owner", "--namespace", watched, "--output=jsonpath={.metadata.uid}"))
	owned := func(name string) {
		made(t, name, `"action":"Run"`)
		must(t)(admin("", "patch", "omsupgrade", name, "--namespace", watched, "--type=merge", "--patch", fmt.Sprintf(
			`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":%q}]}}`, uid)))
	}
	owned("orphaned")
	must(t)(admin("", "delete", "configmap", "owner", "--namespace", watched, "--cascade=orphan"))
	if owners := field(t, "orphaned", "{.metadata.ownerReferences}"); owners != "" {
		t.Errorf("the owner is still there: %s", owners)
	}
}

// A namespace goes with what is in it, although nobody there holds a verb.
func TestANamespaceGoes(t *testing.T) {
	must(t)(admin(upgrade("last", `"action":"Run","approval":{"planHash":"aa"}`), "create", "--namespace", doomed, "--filename=-"))
	must(t)(admin("", "delete", "namespace", doomed, "--timeout", limit.String()))
}

// gone waits until an object is no more.
func gone(t *testing.T, name string) {
	t.Helper()
	must(t)(admin("", "wait", "--for=delete", "omsupgrade/"+name, "--namespace", watched, "--timeout", limit.String()))
}
