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

// Its right on OmsUpgrades is cluster-wide, so that a namespace can go whose Role
// went first. The fence keeps it to the namespaces that it watches.
func TestTheOperatorWritesNothingElsewhere(t *testing.T) {
	must(t)(admin(upgrade("foreign", `"action":"Plan"`), "create", "--namespace", unwatched, "--filename=-"))
	t.Cleanup(func() {
		must(t)(admin("", "delete", "omsupgrade", "foreign", "--namespace", unwatched, "--ignore-not-found"))
	})
	version := func() string {
		return must(t)(admin("", "get", "omsupgrade", "foreign", "--namespace", unwatched, "--output=jsonpath={.metadata.resourceVersion}"))
	}
	before := version()
	for what, arguments := range map[string][]string{
		"spec":       {`--patch={"spec":{"action":"Run"}}`},
		"finalizers": {`--patch={"metadata":{"finalizers":["oms.oceanbase.com/upgrade"]}}`},
		"labels":     {`--patch={"metadata":{"labels":{"a":"b"}}}`},
	} {
		_, err := as(release, "", append([]string{"patch", "omsupgrade", "foreign", "--namespace", unwatched, "--type=merge"}, arguments...)...)
		fenced(t, what, err)
	}
	object := must(t)(as(release, "", "get", "omsupgrade", "foreign", "--namespace", unwatched, "--output=json"))
	object = strings.Replace(object, `"status": {`, `"status": {"phase":"Preflight",`, 1)
	_, err := as(release, object, "replace", "--namespace", unwatched, "--subresource=status", "--filename=-")
	fenced(t, "status", err)
	if after := version(); after != before {
		t.Errorf("something was written: %s, then %s", before, after)
	}
	// Nobody else is kept from anything by it.
	must(t)(as("editor", "", "patch", "omsupgrade", "foreign", "--namespace", unwatched, "--type=merge", `--patch={"spec":{"action":"Run"}}`))
	// Without the Role, as it is while a namespace goes, the right is still there.
	must(t)(admin("", "delete", "role", release, "--namespace", second))
	must(t)(admin(upgrade("held", `"action":"Plan"`), "create", "--namespace", second, "--filename=-"))
	for _, finalizers := range []string{`["oms.oceanbase.com/upgrade"]`, "null"} {
		must(t)(as(release, "", "patch", "omsupgrade", "held", "--namespace", second, "--type=merge", `--patch={"metadata":{"finalizers":`+finalizers+`}}`))
	}
	must(t)(admin("", "delete", "omsupgrade", "held", "--namespace", second))
}

// fenced wants that the fence refused a call, in words that help.
func fenced(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("the operator wrote %s elsewhere", what)
		return
	}
	for _, word := range []string{"(Forbidden)", release + "-fence-" + release, "in namespace " + unwatched, "nothing was written", "watchNamespaces"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: the refusal does not say %q: %v", what, word, err)
		}
	}
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
