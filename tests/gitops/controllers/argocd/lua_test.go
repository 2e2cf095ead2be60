package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	applicationpkg "github.com/argoproj/argo-cd/v3/pkg/apiclient/application"
	appv1 "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// The project's Lua files with their tests, in the layout of Argo CD's own repository.
const kind = "../../../../deploy/argocd/oms.oceanbase.com/OmsUpgrade"

// Argo CD as it is configured by the file that the documents have people install.
func configure(t *testing.T) lua.VM {
	t.Helper()
	var patch struct {
		Data map[string]string `json:"data"`
	}
	read(t, "../../../../deploy/argocd/argocd-cm.yaml", &patch)
	override := appv1.ResourceOverride{}
	for key, value := range patch.Data {
		switch {
		case strings.HasPrefix(key, "resource.customizations.health."):
			override.HealthLua = value
		case strings.HasPrefix(key, "resource.customizations.actions."):
			override.Actions = value
		default:
			t.Fatalf("what is %s?", key)
		}
	}
	return lua.VM{ResourceOverrides: map[string]appv1.ResourceOverride{"oms.oceanbase.com/OmsUpgrade": override}}
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatal(path, err)
	}
}

func readObject(t *testing.T, path string) *unstructured.Unstructured {
	t.Helper()
	object := map[string]any{}
	read(t, path, &object)
	return &unstructured.Unstructured{Object: object}
}

func TestHealth(t *testing.T) {
	var tests struct {
		Tests []struct {
			InputPath    string              `json:"inputPath"`
			HealthStatus health.HealthStatus `json:"healthStatus"`
		} `json:"tests"`
	}
	read(t, filepath.Join(kind, "health_test.yaml"), &tests)
	if len(tests.Tests) < 10 {
		t.Fatalf("there are %d tests", len(tests.Tests))
	}
	vm := configure(t)
	for _, test := range tests.Tests {
		t.Run(test.InputPath, func(t *testing.T) {
			object := readObject(t, filepath.Join(kind, test.InputPath))
			script, _, err := vm.GetHealthScript(object)
			if err != nil {
				t.Fatal(err)
			}
			found, err := vm.ExecuteHealthLua(object, script)
			if err != nil {
				t.Fatal(err)
			}
			if *found != test.HealthStatus {
				t.Errorf("%+v, not %+v", *found, test.HealthStatus)
			}
		})
	}
}

type actionTests struct {
	DiscoveryTests []struct {
		InputPath string                 `json:"inputPath"`
		Result    []appv1.ResourceAction `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action               string            `json:"action"`
		InputPath            string            `json:"inputPath"`
		ExpectedOutputPath   string            `json:"expectedOutputPath"`
		ExpectedErrorMessage string            `json:"expectedErrorMessage"`
		Parameters           map[string]string `json:"parameters"`
	} `json:"actionTests"`
}

func TestDiscovery(t *testing.T) {
	var tests actionTests
	folder := filepath.Join(kind, "actions")
	read(t, filepath.Join(folder, "action_test.yaml"), &tests)
	vm := configure(t)
	for _, test := range tests.DiscoveryTests {
		t.Run(test.InputPath, func(t *testing.T) {
			object := readObject(t, filepath.Join(folder, test.InputPath))
			scripts, err := vm.GetResourceActionDiscovery(object)
			if err != nil {
				t.Fatal(err)
			}
			found, err := vm.ExecuteResourceActionDiscovery(object, scripts)
			if err != nil {
				t.Fatal(err)
			}
			for _, list := range [][]appv1.ResourceAction{found, test.Result} {
				slices.SortFunc(list, func(one, other appv1.ResourceAction) int { return strings.Compare(one.Name, other.Name) })
			}
			same := func(one, other appv1.ResourceAction) bool {
				return one.Name == other.Name && one.Disabled == other.Disabled && one.DisplayName == other.DisplayName &&
					one.IconClass == other.IconClass && slices.Equal(one.Params, other.Params)
			}
			if !slices.EqualFunc(found, test.Result, same) {
				t.Errorf("%+v, not %+v", found, test.Result)
			}
		})
	}
}

func TestActions(t *testing.T) {
	var tests actionTests
	folder := filepath.Join(kind, "actions")
	read(t, filepath.Join(folder, "action_test.yaml"), &tests)
	vm := configure(t)
	for _, test := range tests.ActionTests {
		t.Run(test.Action+"/"+test.InputPath, func(t *testing.T) {
			object := readObject(t, filepath.Join(folder, test.InputPath))
			action, err := vm.GetResourceAction(object, test.Action)
			if err != nil {
				t.Fatal(err)
			}
			var parameters []*applicationpkg.ResourceActionParameters
			for name, value := range test.Parameters {
				parameters = append(parameters, &applicationpkg.ResourceActionParameters{Name: &name, Value: &value})
			}
			made, err := vm.ExecuteResourceAction(object, action.ActionLua, parameters)
			if test.ExpectedErrorMessage != "" {
				if err == nil || !strings.Contains(err.Error(), test.ExpectedErrorMessage) {
					t.Errorf("%v, not %s", err, test.ExpectedErrorMessage)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			expected := readObject(t, filepath.Join(folder, test.ExpectedOutputPath))
			if len(made) != 1 || made[0].K8SOperation != lua.PatchOperation {
				t.Fatalf("%+v", made)
			}
			// Lua knows no whole numbers; Argo CD's own tests compare so, too.
			found, err := diff.Diff(expected, made[0].UnstructuredObj)
			if err != nil {
				t.Fatal(err)
			}
			if found.Modified {
				t.Errorf("%s, not %s", found.PredictedLive, found.NormalizedLive)
			}
		})
	}
}
