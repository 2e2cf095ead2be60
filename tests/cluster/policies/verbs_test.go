package policies

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Of each field that wants a verb: the field, two values, and the verb.
var fields = []struct{ name, first, second, verb string }{
	{"action", `"Plan"`, `"Run"`, "operate"},
	{"paused", "false", "true", "operate"},
	{"planRequest", `"one"`, `"two"`, "operate"},
	{"retryRequest", `"one"`, `"two"`, "operate"},
	{"accept", `[{"reason":"InitUnconfirmed","value":"1"}]`, `[{"reason":"InitUnconfirmed","value":"2"}]`, "operate"},
	{"takeOver", `"11111111-2222-3333-4444-555555555555"`, `"22222222-2222-3333-4444-555555555555"`, "operate"},
	{"gitops", `{"sourceImage":"oms:1"}`, `{"sourceImage":"oms:2"}`, "operate"},
	{"approval", `{"planHash":"aa"}`, `{"planHash":"bb"}`, "approve"},
}

func TestWhoMayMakeWhat(t *testing.T) {
	t.Cleanup(func() { must(t)(admin("", "delete", "omsupgrades", "--all", "--namespace", watched)) })
	for number, c := range []struct{ account, spec, verb, field string }{
		{"editor", `"action":"Plan"`, "", ""},
		{"editor", ``, "operate", "spec.action"},
		{"editor", `"action":"Run"`, "operate", "spec.action"},
		{"editor", `"action":"RollBack"`, "operate", "spec.action"},
		{"editor", `"action":"Plan","paused":true,"planRequest":"one"`, "", ""},
		{"editor", `"action":"Plan","approval":{"gates":["Start"]}`, "", ""},
		{"editor", `"action":"Plan","approval":{"planHash":"aa"}`, "approve", "spec.approval"},
		{"editor", `"action":"Plan","accept":[{"reason":"InitUnconfirmed","value":"1"}]`, "operate", "spec.accept"},
		{"editor", `"action":"Plan","takeOver":"11111111-2222-3333-4444-555555555555"`, "operate", "spec.takeOver"},
		{"editor", `"action":"Plan","gitops":{"sourceImage":"oms:1"}`, "operate", "spec.gitops"},
		{"editor", `"action":"Plan","gitops":{}`, "", ""},
		{"runner", `"action":"Run","takeOver":"11111111-2222-3333-4444-555555555555"`, "", ""},
		{"runner", `"action":"Run"`, "", ""},
		{"runner", ``, "", ""},
		{"runner", `"action":"Run","accept":[{"reason":"InitUnconfirmed","value":"1"}]`, "", ""},
		{"runner", `"action":"Run","approval":{"planHash":"aa"}`, "approve", "spec.approval"},
		{"releaser", `"action":"Plan","approval":{"planHash":"aa"}`, "", ""},
		{"releaser", `"action":"Run","approval":{"planHash":"aa"}`, "operate", "spec.action"},
		{"star", `"action":"Run","approval":{"planHash":"aa"}`, "", ""},
	} {
		name := fmt.Sprintf("make-%d", number)
		ways := [][]string{{"create"}, {"apply"}, {"apply", "--server-side"}}
		t.Run(c.account+" "+c.spec, func(t *testing.T) {
			t.Parallel()
			_, err := as(c.account, upgrade(name, c.spec), append(ways[number%len(ways)], "--filename=-")...)
			refused(t, c.account, c.verb, c.field, err)
		})
	}
	for _, way := range [][]string{{"create"}, {"apply"}, {"apply", "--server-side"}} {
		_, err := as("editor", upgrade("ways", ""), append(way, "--filename=-")...)
		refused(t, "editor", "operate", "spec.action", err)
	}
}

func TestWithoutTheVerbsOfKubernetesNobodyWrites(t *testing.T) {
	made(t, "seen", "")
	if err := patch("viewer", "seen", `"paused":true`); err == nil || !strings.Contains(err.Error(), "cannot patch resource") {
		t.Errorf("a viewer: %v", err)
	}
	for _, account := range []string{"viewer", "operator", "approver"} {
		_, err := as(account, upgrade("none", `"action":"Plan"`), "create", "--filename=-")
		if err == nil || !strings.Contains(err.Error(), "cannot create resource") {
			t.Errorf("%s: %v", account, err)
		}
	}
}

func TestANameThatTheServerGivesChangesNothing(t *testing.T) {
	nameless := strings.Replace(upgrade("made-", `"action":"Run"`), `"name":"made-"`, `"generateName":"made-"`, 1)
	_, err := as("editor", nameless, "create", "--filename=-")
	refused(t, "editor", "operate", "spec.action", err)
	must(t)(as("runner", nameless, "create", "--filename=-"))
	must(t)(admin("", "delete", "omsupgrades", "--all", "--namespace", watched))
}

// Each field appears, changes and vanishes; each time who lacks its verb is
// refused, and who has it is not.
func TestEachFieldWantsItsVerb(t *testing.T) {
	for _, f := range fields {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			name := "each-" + strings.ToLower(f.name)
			made(t, name, "")
			lacking, holding := []string{"editor", "approver", "releaser"}, "operator"
			if f.verb == "approve" {
				lacking, holding = []string{"editor", "operator", "runner"}, "approver"
			}
			// The first two objects of a field with a default are equal, so that nothing is asked; null is the default.
			steps := []string{f.second, f.first, f.second, "null"}
			if f.name == "action" {
				steps = []string{f.first, f.second, f.first, "null"}
			}
			for _, value := range steps {
				spec := fmt.Sprintf("%q:%s", f.name, value)
				for _, account := range lacking {
					refused(t, account, f.verb, "spec."+f.name, patch(account, name, spec))
				}
				refused(t, holding, "", "", patch(holding, name, spec))
			}
			for _, value := range []string{steps[0], steps[1], "null"} {
				refused(t, "star", "", "", patch("star", name, fmt.Sprintf("%q:%s", f.name, value)))
			}
		})
	}
}

func TestEveryWayToWriteIsAsked(t *testing.T) {
	for _, f := range fields {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			name := "ways-" + strings.ToLower(f.name)
			made(t, name, `"action":"Plan"`)
			wanted := upgrade(name, `"action":"Plan",`+fmt.Sprintf("%q:%s", f.name, f.second))
			if f.name == "action" {
				wanted = upgrade(name, `"action":"Run"`)
			}
			holding := map[string]string{"operate": "runner", "approve": "releaser"}[f.verb]
			var value any
			if err := json.Unmarshal([]byte(f.second), &value); err != nil {
				t.Fatal(err)
			}
			for way, write := range map[string]func(string) error{
				"replace": func(account string) error { return replaced(t, account, name, f.name, value) },
				"apply": func(account string) error {
					_, err := as(account, wanted, "apply", "--filename=-")
					return err
				},
				"server-side apply": func(account string) error {
					_, err := as(account, wanted, "apply", "--server-side", "--force-conflicts", "--filename=-")
					return err
				},
				"JSON patch": func(account string) error {
					_, err := as(account, "", "patch", "omsupgrade", name, "--type=json", "--patch",
						fmt.Sprintf(`[{"op":"add","path":"/spec/%s","value":%s}]`, f.name, f.second))
					return err
				},
			} {
				t.Run(way, func(t *testing.T) {
					refused(t, "editor", f.verb, "spec."+f.name, write("editor"))
					refused(t, holding, "", "", write(holding))
					back := "null"
					if f.name == "action" {
						back = f.first
					}
					must(t)(admin("", "patch", "omsupgrade", name, "--namespace", watched, "--type=merge", "--patch",
						fmt.Sprintf(`{"spec":{%q:%s}}`, f.name, back)))
				})
			}
		})
	}
}

func TestEachPartOfAnApprovalWantsTheVerb(t *testing.T) {
	made(t, "parts", `"action":"Plan","approval":{"planHash":"aa","gates":["Start"],"timeout":"1h"}`)
	for _, part := range []string{`"planHash":null`, `"gates":["Start","PointOfNoReturn"]`, `"timeout":"2h"`, `"by":"somebody else"`} {
		spec := `"approval":{` + part + `}`
		refused(t, "runner", "approve", "spec.approval", patch("runner", "parts", spec))
		refused(t, "approver", "", "", patch("approver", "parts", spec))
	}
}

// Whoever has only patch and a verb writes the fields of that verb.
func TestTheRestWantsUpdate(t *testing.T) {
	made(t, "rest", `"action":"Plan"`)
	for _, account := range []string{"operator", "approver"} {
		refused(t, account, "update", "spec.image", patch(account, "rest", `"image":"registry.example.com/other:1"`))
		refused(t, account, "update", "spec.checks", patch(account, "rest", `"checks":[{"name":"CgroupVersion","policy":"Attest","reason":"x"}]`))
	}
	refused(t, "approver", "update", "spec.image", patch("approver", "rest", `"approval":{"planHash":"aa"},"image":"registry.example.com/other:1"`))
	refused(t, "runner", "approve", "spec.approval", patch("runner", "rest", `"approval":{"planHash":"aa"},"action":"Run"`))
	refused(t, "editor", "operate", "spec.action, spec.paused", patch("editor", "rest", `"action":"Run","paused":true,"image":"x"`))
	if image := field(t, "rest", "{.spec.image}"); image != "registry.example.com/oms:4.0.0" {
		t.Errorf("a refused write went in: %s", image)
	}
	for _, account := range []string{"editor", "star"} {
		refused(t, account, "", "", patch(account, "rest", `"image":"registry.example.com/oms:`+account+`","checks":[{"name":"CgroupVersion","policy":"Attest","reason":"x"}]`))
		refused(t, "operator", "update", "spec.checks", patch("operator", "rest", `"checks":null`))
		refused(t, account, "", "", patch(account, "rest", `"checks":null`))
	}
}

// A manifest is applied again and again, by whoever; only what it changes counts.
func TestWhatStaysIsNotAsked(t *testing.T) {
	manifest := upgrade("stays", `"action":"Run","paused":true,"planRequest":"one","approval":{"planHash":"aa"}`)
	must(t)(as("star", manifest, "apply", "--filename=-"))
	t.Cleanup(func() { must(t)(admin("", "delete", "omsupgrade", "stays", "--namespace", watched)) })
	must(t)(as("editor", manifest, "apply", "--filename=-"))
	must(t)(as("editor", manifest, "apply", "--server-side", "--force-conflicts", "--filename=-"))
	must(t)(as("editor", strings.Replace(manifest, "oms:4.0.0", "oms:4.0.1", 1), "apply", "--server-side", "--filename=-"))
	must(t)(as("editor", "", "label", "omsupgrade", "stays", "team=x"))
	must(t)(as("operator", "", "annotate", "omsupgrade", "stays", "team=x"))
	if got := field(t, "stays", "{.spec.image} {.spec.approval.planHash} {.metadata.labels.team}"); got != "registry.example.com/oms:4.0.1 aa x" {
		t.Error(got)
	}
}

func TestLettingGoWantsOperate(t *testing.T) {
	made(t, "letting-go", `"action":"Plan"`)
	for _, value := range []string{"=something", "-"} {
		annotation := "oms.oceanbase.com/release" + value
		for _, account := range []string{"editor", "approver"} {
			_, err := as(account, "", "annotate", "omsupgrade", "letting-go", annotation)
			refused(t, account, "operate", "metadata.annotations.oms.oceanbase.com/release", err)
		}
		must(t)(as("operator", "", "annotate", "omsupgrade", "letting-go", annotation))
	}
}

func TestNamespacesThatNobodyServesAreNotAsked(t *testing.T) {
	must(t)(as("editor", upgrade("elsewhere", `"action":"Run"`), "create", "--namespace", unwatched, "--filename=-"))
	_, err := as("editor", upgrade("here", `"action":"Run"`), "create", "--namespace", second, "--filename=-")
	refused(t, "editor", "operate", "spec.action", err)
}

func TestTheServerHasNoWordAgainstThePolicies(t *testing.T) {
	for _, name := range []string{policy, exclusive} {
		if err := eventually("the type check", func() error {
			status, err := admin("", "get", "validatingadmissionpolicy", name, "--output=jsonpath={.status}")
			if err != nil || !strings.Contains(status, "typeChecking") {
				return fmt.Errorf("%s%v", status, err)
			}
			if strings.Contains(status, "warning") {
				t.Error(status)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

// The audit log says at every level who approved what.
func TestApprovalsStandInTheAuditLog(t *testing.T) {
	made(t, "audited", `"action":"Plan"`)
	refused(t, "approver", "", "", patch("approver", "audited", `"approval":{"planHash":"aabbcc"}`))
	refused(t, "approver", "", "", patch("approver", "audited", `"approval":null`))
	wanted := []string{`"` + policy + `/approval":"aabbcc"`, `"` + policy + `/approval":"none"`}
	if err := eventually("the approval in the audit log", func() error {
		log, err := os.ReadFile("/var/lib/testcluster/" + clusterName + "/audit.log")
		if err != nil {
			return err
		}
		for _, line := range strings.Split(string(log), "\n") {
			if len(wanted) > 0 && strings.Contains(line, wanted[0]) && strings.Contains(line, `"system:serviceaccount:people:approver"`) {
				wanted = wanted[1:]
			}
		}
		if len(wanted) > 0 {
			return fmt.Errorf("no line with %s", wanted[0])
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// An expression that costs too much fails, and what fails is refused: the largest objects must still get through.
func TestALargeObjectIsNotTooDear(t *testing.T) {
	var targets, checks, accepted []string
	for number := range 16 {
		targets = append(targets, fmt.Sprintf(`{"name":"%s%d"}`, strings.Repeat("n", 240), number))
	}
	for _, name := range []string{"CgroupVersion", "NoOtherOwner"} {
		checks = append(checks, fmt.Sprintf(`{"name":%q,"policy":"Attest","reason":"%s"}`, name, strings.Repeat("r", 500)))
	}
	for number := range 32 {
		accepted = append(accepted, fmt.Sprintf(`{"reason":"InitUnconfirmed","value":"%s%d"}`, strings.Repeat("v", 500), number))
	}
	rest := `"targets":[` + strings.Join(targets, ",") + `],"checks":[` + strings.Join(checks, ",") + `]`
	made(t, "large", rest+`,"action":"Plan","approval":{"planHash":"aa"}`)
	accept := `"accept":[` + strings.Join(accepted, ",") + `]`
	refused(t, "editor", "operate", "spec.accept", patch("editor", "large", accept))
	refused(t, "operator", "", "", patch("operator", "large", accept))
	refused(t, "operator", "update", "spec.image", patch("operator", "large", `"image":"registry.example.com/other:1"`))
	refused(t, "approver", "", "", patch("approver", "large", `"approval":null`))
	refused(t, "editor", "", "", patch("editor", "large", `"targets":[{"name":"oms"}]`))
}

// RBAC's resourceNames hold for the verbs of its own as well.
func TestAVerbMayBeGivenForOneObject(t *testing.T) {
	made(t, "this-one", `"action":"Plan"`)
	made(t, "another", `"action":"Plan"`)
	must(t)(admin("", "create", "role", "this-one", "--namespace", watched, "--verb=operate", "--resource=omsupgrades.oms.oceanbase.com", "--resource-name=this-one"))
	must(t)(admin("", "create", "rolebinding", "this-one", "--namespace", watched, "--role=this-one", "--serviceaccount=people:editor"))
	t.Cleanup(func() { must(t)(admin("", "delete", "rolebinding,role", "this-one", "--namespace", watched)) })
	if err := eventually("the right for one object", func() error { return patch("editor", "this-one", `"paused":true`) }); err != nil {
		t.Error(err)
	}
	refused(t, "editor", "operate", "spec.paused", patch("editor", "another", `"paused":true`))
}
