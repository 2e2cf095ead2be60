package policies

import (
	"fmt"
	"strings"
	"testing"
)

const (
	oldImage = "registry.example.com/oms:3.3.1"
	newImage = "registry.example.com/oms:4.0.0"
)

// deployment is a Deployment of OMS with a helper beside it, as JSON.
func deployment(name, image string, replicas int) string {
	return fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":%q},"spec":{"replicas":%d,"selector":{"matchLabels":{"app":"oms"}},`+
		`"template":{"metadata":{"labels":{"app":"oms"}},"spec":{"containers":[{"name":"oms","image":%q},{"name":"helper","image":"helper:1"}]}}}}`,
		name, replicas, image)
}

// recorded waits until the controller has written down a revision. It works in its own time, and one that begins late never
// saw an image that was there in between: then there is nothing that could be undone.
func recorded(t *testing.T, revision string) {
	t.Helper()
	must(t)(admin("", "wait", `--for=jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}=`+revision, "deployment/oms",
		"--namespace", watched, "--timeout", limit.String()))
}

// forbids has the operator write a status that forbids an image.
func forbids(t *testing.T, upgrade, image, instead string) {
	t.Helper()
	object := must(t)(as(release, "", "get", "omsupgrade", upgrade, "--output=json"))
	start := strings.Index(object, `"status": {`)
	if start < 0 {
		t.Fatalf("no status by default: %s", object)
	}
	list := fmt.Sprintf(`"status": {"forbiddenImages":[{"target":"oms","container":"oms","image":%q,"useImage":%q}],`, image, instead)
	object = object[:start] + list + object[start+len(`"status": {`):]
	must(t)(as(release, object, "replace", "--subresource=status", "--filename=-"))
}

// ends has the operator write the end of an upgrade.
func ends(t *testing.T, upgrade string) {
	t.Helper()
	object := must(t)(as(release, "", "get", "omsupgrade", upgrade, "--output=json"))
	object = strings.Replace(object, `"status": {`, `"status": {"finishedTime":"2026-01-01T00:00:00Z",`, 1)
	must(t)(as(release, object, "replace", "--subresource=status", "--filename=-"))
}

// kept wants that the policy refused an image, in words that help.
func kept(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s was not refused", what)
		return
	}
	for _, word := range []string{"orbidden", "OmsUpgrade " + watched + "/fenced forbids image " + oldImage, "container oms of Deployment oms",
		"would damage them", "nothing was written", "write image: " + newImage, "git, chart"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: the refusal does not say %q: %v", what, word, err)
		}
	}
}

// What a sync of a git that names the old image writes after an upgrade, and
// what a person does who means well.
func TestTheOldImageIsKeptFromTheNewSchema(t *testing.T) {
	setImage := func(container, image string) error {
		_, err := admin("", "set", "image", "deployment/oms", container+"="+image, "--namespace", watched)
		return err
	}
	must(t)(admin(deployment("oms", oldImage, 1), "create", "--namespace", watched, "--filename=-"))
	recorded(t, "1")
	must(t)(admin(deployment("other", oldImage, 1), "create", "--namespace", watched, "--filename=-"))
	t.Cleanup(func() {
		must(t)(admin("", "delete", "deployment", "oms", "other", "--namespace", watched, "--ignore-not-found"))
	})
	made(t, "fenced", `"action":"Plan"`)
	// Nothing is forbidden yet: the image may come and go.
	for number, image := range []string{newImage, oldImage} {
		if err := setImage("oms", image); err != nil {
			t.Fatal(err)
		}
		recorded(t, fmt.Sprint(number+2))
	}
	// The operator stops it, and passes the point of no return.
	must(t)(admin("", "scale", "deployment/oms", "--replicas=0", "--namespace", watched))
	forbids(t, "fenced", oldImage, newImage)
	change := func(account, patch string) error {
		arguments := []string{"patch", "deployment", "oms", "--namespace", watched, "--type=merge", "--patch", patch}
		if account == "" {
			_, err := admin("", arguments...)
			return err
		}
		_, err := as(account, "", arguments...)
		return err
	}
	// In force once the API server has seen the new status.
	if err := eventually("the image forbidden", func() error {
		_, err := admin("", "patch", "deployment", "oms", "--namespace", watched, "--type=merge", `--patch={"spec":{"replicas":1}}`, "--dry-run=server")
		if err == nil {
			return fmt.Errorf("not refused")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	kept(t, "a start as it stands", change("", `{"spec":{"replicas":1}}`))
	// In this order: one that stays paused could not be undone below.
	for _, allowed := range []struct{ what, patch string }{
		{"labels", `{"metadata":{"labels":{"a":"b"}}}`}, {"a pause", `{"spec":{"paused":true}}`}, {"an end of it", `{"spec":{"paused":false}}`},
	} {
		if err := change("", allowed.patch); err != nil {
			t.Errorf("%s of a Deployment that is stopped: %v", allowed.what, err)
		}
	}
	// The operator itself may write what it likes.
	if err := change(release, fmt.Sprintf(`{"spec":{"replicas":1,"template":{"spec":{"containers":[{"name":"oms","image":%q},{"name":"helper","image":"helper:1"}]}}}}`, newImage)); err != nil {
		t.Fatal(err)
	}
	must(t)(admin(deployment("oms", newImage, 1), "apply", "--server-side", "--force-conflicts", "--field-manager=git", "--namespace", watched, "--filename=-"))
	kept(t, "kubectl set image", setImage("oms", oldImage))
	_, err := admin(deployment("oms", oldImage, 1), "apply", "--server-side", "--force-conflicts", "--field-manager=git", "--namespace", watched, "--filename=-")
	kept(t, "a server-side apply", err)
	_, err = admin(deployment("oms", oldImage, 1), "replace", "--namespace", watched, "--filename=-")
	kept(t, "a replacement", err)
	recorded(t, "4")
	_, err = admin("", "rollout", "undo", "deployment/oms", "--namespace", watched, "--dry-run=server")
	if err == nil || !strings.Contains(err.Error(), "forbids image "+oldImage) {
		t.Errorf("kubectl rollout undo was not refused: %v", err)
	}
	// The operator asks by a dry run that bears a mark, and is refused like everybody else; its other dry runs are not.
	probe := func(annotation string, arguments ...string) error {
		patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:"true"}},"spec":{"template":{"spec":{"containers":[{"name":"oms","image":%q},{"name":"helper","image":"helper:1"}]}}}}`,
			annotation, oldImage)
		_, err := as(release, "", append([]string{"patch", "deployment", "oms", "--namespace", watched, "--type=merge", "--patch", patch}, arguments...)...)
		return err
	}
	kept(t, "the operator's question", probe("oms.oceanbase.com/image-probe", "--dry-run=server"))
	if err := probe("example.com/note", "--dry-run=server"); err != nil {
		t.Errorf("a rehearsal of the operator's: %v", err)
	}
	if err := probe("oms.oceanbase.com/image-probe"); err != nil {
		t.Errorf("a write of the operator's that bears the mark: %v", err)
	}
	must(t)(as(release, "", "patch", "deployment", "oms", "--namespace", watched, "--type=merge", "--patch",
		fmt.Sprintf(`{"metadata":{"annotations":{"oms.oceanbase.com/image-probe":null}},"spec":{"template":{"spec":{"containers":[{"name":"oms","image":%q},{"name":"helper","image":"helper:1"}]}}}}`, newImage)))
	// After the end only the image that the verdict left running may be named as that of the source.
	ends(t, "fenced")
	for image, taken := range map[string]bool{newImage: true, oldImage: false, newImage + "x": false} {
		_, err := admin("", "patch", "omsupgrade", "fenced", "--namespace", watched, "--type=merge", "--patch", fmt.Sprintf(`{"spec":{"gitops":{"sourceImage":%q}}}`, image))
		if taken != (err == nil) || err != nil && !strings.Contains(err.Error(), "spec.gitops.sourceImage") {
			t.Errorf("sourceImage %s: %v", image, err)
		}
	}
	// A commit that names the image that runs changes nothing; nor is anything else in the way.
	must(t)(admin(deployment("oms", newImage, 1), "apply", "--server-side", "--force-conflicts", "--field-manager=git", "--namespace", watched, "--filename=-"))
	must(t)(admin("", "scale", "deployment/oms", "--replicas=0", "--namespace", watched))
	if err := setImage("helper", oldImage); err != nil {
		t.Errorf("another container: %v", err)
	}
	must(t)(admin("", "set", "image", "deployment/other", "oms="+newImage, "--namespace", watched))
	must(t)(admin("", "set", "image", "deployment/other", "oms="+oldImage, "--namespace", watched))
	// Deleted and made anew is a start as well.
	must(t)(admin("", "delete", "deployment", "oms", "--namespace", watched))
	_, err = admin(deployment("oms", oldImage, 0), "create", "--namespace", watched, "--filename=-")
	kept(t, "a new Deployment", err)
	// With the object goes what it forbids.
	must(t)(admin("", "delete", "omsupgrade", "fenced", "--namespace", watched))
	if err := eventually("the image allowed", func() error {
		_, err := admin(deployment("oms", oldImage, 1), "create", "--namespace", watched, "--filename=-")
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
