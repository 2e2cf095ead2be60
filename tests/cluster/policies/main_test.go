// Package policies tests what the chart makes the API server ask people for:
// its admission policy and its roles, with real accounts on a real API server.
// No operator runs; its account is used as it would. Uses the cluster "policies".
package policies

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	clusterName = "policies"
	watched     = "watched"
	second      = "second" // watched too
	doomed      = "doomed" // watched too, and deleted by a test
	sealed      = "sealed" // likewise
	unwatched   = "unwatched"
	release     = "oms-operator"
	policy      = release + "-verbs-" + release
	exclusive   = release + "-exclusive-" + release
	// limit bounds every wait; no test depends on its value.
	limit = 5 * time.Minute
)

// roles are the ClusterRoles of the chart that each account is bound to.
var roles = map[string][]string{
	"viewer":     {"viewer"},
	"editor":     {"editor"},
	"operator":   {"operator"},
	"approver":   {"approver"},
	"intervener": {"intervener"},
	"runner":     {"editor", "operator"},
	"releaser":   {"editor", "approver"},
	// Has a Role of its own with the verb `*`.
	"star": {},
	// Holds every right in the namespace, as those have who sync from git.
	"tool": {},
}

var binDir, adminConfig, folder string

func TestMain(m *testing.M) {
	code := 1
	if err := prepare(); err != nil {
		fmt.Println(err)
	} else {
		code = m.Run()
	}
	if output, err := run("", "testcluster", "down", "--name", clusterName); err != nil {
		fmt.Println(output, err)
		code = 1
	}
	os.RemoveAll(folder)
	os.Exit(code)
}

// prepare starts the cluster, installs the chart without a running operator and
// makes the accounts.
func prepare() error {
	root, err := filepath.Abs("../../..")
	if err != nil {
		return err
	}
	binDir = filepath.Join(root, ".cache", "bin")
	if folder, err = os.MkdirTemp("", "policies-"); err != nil {
		return err
	}
	if _, err := run("", "testcluster", "down", "--name", clusterName); err != nil {
		return err
	}
	config, err := run("", "testcluster", "up", "--name", clusterName)
	if err != nil {
		return err
	}
	adminConfig = strings.TrimSpace(config)
	for _, namespace := range []string{watched, second, doomed, sealed, unwatched, release, "people"} {
		if _, err := admin("", "create", "namespace", namespace); err != nil {
			return err
		}
	}
	if _, err := run("", "helm", "--kubeconfig", adminConfig, "install", release, filepath.Join(root, "charts", "oms-operator"),
		"--namespace", release, "--set", "watchNamespaces={"+watched+","+second+","+doomed+","+sealed+"}", "--set", "replicaCount=0", "--set", "policies.exclusive=true",
		"--set", "image.repository=none", "--set", "toolsImage.repository=none"); err != nil {
		return err
	}
	for account, bound := range roles {
		if _, err := admin("", "create", "serviceaccount", account, "--namespace", "people"); err != nil {
			return err
		}
		for _, namespace := range []string{watched, second, unwatched} {
			for _, role := range bound {
				if _, err := admin("", "create", "rolebinding", account+"-"+role, "--namespace", namespace,
					"--clusterrole="+release+"-"+role+"-"+release, "--serviceaccount=people:"+account); err != nil {
					return err
				}
			}
		}
		if err := login("people", account); err != nil {
			return err
		}
	}
	if _, err := admin("", "create", "role", "star", "--namespace", watched, "--verb=*", "--resource=omsupgrades.oms.oceanbase.com"); err != nil {
		return err
	}
	if _, err := admin("", "create", "rolebinding", "star", "--namespace", watched, "--role=star", "--serviceaccount=people:star"); err != nil {
		return err
	}
	if err := login(release, release); err != nil {
		return err
	}
	return inForce()
}

// inForce waits until the API server has taken the policy up.
func inForce() error {
	return eventually("the policy in force", func() error {
		output, err := as("editor", upgrade("early", `"action":"Run"`), "create", "--dry-run=server", "--filename=-")
		if err == nil || !strings.Contains(err.Error(), "denied request") {
			return fmt.Errorf("not refused: %s%v", output, err)
		}
		return nil
	})
}

// login writes a client configuration with a token of a service account.
func login(namespace, account string) error {
	token, err := admin("", "create", "token", account, "--namespace", namespace, "--duration=2h")
	if err != nil {
		return err
	}
	where, err := admin("", "config", "view", "--raw", "--output=jsonpath={.clusters[0].cluster}")
	if err != nil {
		return err
	}
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":%s}],`+
		`"users":[{"name":"c","user":{"token":%q}}],"contexts":[{"name":"c","context":{"cluster":"c","user":"c","namespace":%q}}]}`,
		where, strings.TrimSpace(token), watched)
	return os.WriteFile(filepath.Join(folder, account), []byte(config), 0o600)
}

// run runs a program of .cache/bin; the error carries what it said.
func run(stdin, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(binDir, name), args...)
	var out, problems bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &out, &problems
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out.String(), problems.String())
	}
	return out.String(), nil
}

// admin runs kubectl with every right.
func admin(stdin string, args ...string) (string, error) {
	return run(stdin, "kubectl", append([]string{"--kubeconfig", adminConfig}, args...)...)
}

// as runs kubectl with the account's own token.
func as(account, stdin string, args ...string) (string, error) {
	return run(stdin, "kubectl", append([]string{"--kubeconfig", filepath.Join(folder, account)}, args...)...)
}

func eventually(what string, check func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited for %s in vain: %w", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// upgrade is an OmsUpgrade as JSON; extra are further fields of its spec.
func upgrade(name, extra string) string {
	spec := `"targets":[{"name":"oms"}],"image":"registry.example.com/oms:4.0.0","backup":{"claimName":"oms-backup"}`
	if extra != "" {
		spec += "," + extra
	}
	return fmt.Sprintf(`{"apiVersion":"oms.oceanbase.com/v1alpha1","kind":"OmsUpgrade","metadata":{"name":%q},"spec":{%s}}`, name, spec)
}

// made has an administrator make an object, which goes with the test.
func made(t *testing.T, name, extra string) {
	t.Helper()
	must(t)(admin(upgrade(name, extra), "create", "--namespace", watched, "--filename=-"))
	t.Cleanup(func() { must(t)(admin("", "delete", "omsupgrade", name, "--namespace", watched, "--ignore-not-found")) })
}

// field reads a field of an object.
func field(t *testing.T, name, path string) string {
	t.Helper()
	return must(t)(admin("", "get", "omsupgrade", name, "--namespace", watched, "--output=jsonpath="+path))
}

// must takes what a call gives back and fails the test on an error.
func must(t *testing.T) func(string, error) string {
	return func(output string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return output
	}
}

// refused wants that the policy refused a call, for want of a verb, and that it
// names field, account, verb and rule. With no verb the call must have worked.
func refused(t *testing.T, account, verb, field string, err error) {
	t.Helper()
	if verb == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if err == nil {
		t.Errorf("%s was not asked for %s", account, verb)
		return
	}
	for _, word := range []string{"(Forbidden)", "'" + policy + "'", field, ": system:serviceaccount:", ":" + account + " may not write this",
		"nothing was written", "{apiGroups: [oms.oceanbase.com], resources: [omsupgrades], verbs: [" + verb + "]}"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the refusal does not say %q: %v", word, err)
		}
	}
}

// patch is a merge patch of the spec.
func patch(account, name, spec string) error {
	_, err := as(account, "", "patch", "omsupgrade", name, "--type=merge", "--patch", `{"spec":{`+spec+`}}`)
	return err
}

// replaced sends the object as it is with another spec field, by PUT.
func replaced(t *testing.T, account, name, key string, value any) error {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(must(t)(admin("", "get", "omsupgrade", name, "--namespace", watched, "--output=json"))), &object); err != nil {
		t.Fatal(err)
	}
	spec := object["spec"].(map[string]any)
	if spec[key] = value; value == nil {
		delete(spec, key)
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	_, err = as(account, string(text), "replace", "--filename=-")
	return err
}
