// Package judged holds what tools of GitOps make of an OmsUpgrade against what they should make of it: Argo CD by the Lua files
// of deploy/argocd, Flux by kstatus. Touches nothing.
package judged

import (
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// Root is the project's folder, seen from this package.
const Root = "../../.."

// Expected is what has to be made of a state.
type Expected struct {
	ArgoCD  string   `json:"argocd"`
	Flux    string   `json:"flux"`
	Actions []string `json:"actions"`
	Sample  bool     `json:"sample"`
}

// State is an upgrade as the API server shows it, in one recorded state.
type State struct {
	Name     string
	Object   map[string]any
	Expected Expected
}

// ReadStates reads the recorded states with what has to be made of each.
func ReadStates() ([]State, error) {
	folder := filepath.Join(Root, "tests", "gitops", "states")
	recorded, err := os.ReadFile(filepath.Join(folder, "recorded.json"))
	if err != nil {
		return nil, err
	}
	var objects []map[string]any
	if err := json.Unmarshal(recorded, &objects); err != nil {
		return nil, err
	}
	told, err := os.ReadFile(filepath.Join(folder, "expected.yaml"))
	if err != nil {
		return nil, err
	}
	var expected map[string]Expected
	if err := yaml.UnmarshalStrict(told, &expected); err != nil {
		return nil, err
	}
	var states []State
	for _, object := range objects {
		name := object["metadata"].(map[string]any)["name"].(string)
		states = append(states, State{Name: name, Object: object, Expected: expected[name]})
		delete(expected, name)
	}
	for name := range expected {
		// A row without a state fails in the tests: nothing is made of it.
		states = append(states, State{Name: name})
	}
	return states, nil
}
