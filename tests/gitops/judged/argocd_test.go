package judged

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

var scripts = filepath.Join(Root, "deploy", "argocd", "oms.oceanbase.com", "OmsUpgrade")

// Argo CD says of each state what its health check is there for.
func TestArgoCDSeesEveryStateAsItShould(t *testing.T) {
	for _, state := range readStates(t) {
		t.Run(state.Name, func(t *testing.T) {
			health := run(t, "health.lua", state.Object, nil).(map[string]any)
			if health["status"] != state.Expected.ArgoCD {
				t.Errorf("%s (%s), not %s", health["status"], health["message"], state.Expected.ArgoCD)
			}
			if health["message"] == "" {
				t.Error("it says nothing")
			}
		})
	}
}

// Each action is offered where it should be. There it writes its field and no other; elsewhere it refuses.
func TestActionsAreOfferedWhereTheyDoWhatTheySay(t *testing.T) {
	fields := map[string]string{"approve": "approval", "plan-again": "planRequest", "retry": "retryRequest", "pause": "paused",
		"resume": "paused", "abort": "action", "rollback": "action"}
	for _, state := range readStates(t) {
		t.Run(state.Name, func(t *testing.T) {
			discovered := run(t, "actions/discovery.lua", state.Object, nil).(map[string]any)
			if !reflect.DeepEqual(slices.Sorted(maps.Keys(discovered)), slices.Sorted(maps.Keys(fields))) {
				t.Fatalf("actions are %v", discovered)
			}
			for name, field := range fields {
				offered := slices.Contains(state.Expected.Actions, name)
				if disabled := discovered[name].(map[string]any)["disabled"]; disabled == offered {
					t.Errorf("%s: disabled is %v", name, disabled)
				}
				made, err := try("actions/"+name+"/action.lua", state.Object, nil)
				if !offered {
					if err == nil || !strings.Contains(err.Error(), "nothing was written") {
						t.Errorf("%s: not refused: %v", name, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if changed := listChanged(state.Object, made.(map[string]any)); !reflect.DeepEqual(changed, []string{field}) {
					t.Errorf("%s changes %v of the spec", name, changed)
				}
			}
		})
	}
}

// Who names the plan that he has read approves no other one.
func TestAnApprovalOfAnotherPlanIsRefused(t *testing.T) {
	for _, state := range readStates(t) {
		if !slices.Contains(state.Expected.Actions, "approve") {
			continue
		}
		hash := state.Object["status"].(map[string]any)["plan"].(map[string]any)["hash"].(string)
		made, err := try("actions/approve/action.lua", state.Object, map[string]string{"planHash": hash})
		if err != nil {
			t.Fatal(err)
		}
		if approval := made.(map[string]any)["spec"].(map[string]any)["approval"].(map[string]any); approval["planHash"] != hash {
			t.Errorf("%s: %v", state.Name, approval)
		}
		_, err = try("actions/approve/action.lua", state.Object, map[string]string{"planHash": "sha256:of-yesterday"})
		if err == nil || !strings.Contains(err.Error(), "sha256:of-yesterday") {
			t.Errorf("%s: not refused: %v", state.Name, err)
		}
	}
}

// listChanged names the fields of the spec that differ; something else that does is a field by its path.
func listChanged(was, is map[string]any) []string {
	changed := []string{}
	before, after := was["spec"].(map[string]any), is["spec"].(map[string]any)
	names := maps.Clone(before)
	maps.Copy(names, after)
	for name := range names {
		if !reflect.DeepEqual(clean(before[name]), clean(after[name])) {
			changed = append(changed, name)
		}
	}
	for _, part := range []string{"apiVersion", "kind", "metadata", "status"} {
		if !reflect.DeepEqual(clean(was[part]), clean(is[part])) {
			changed = append(changed, "."+part)
		}
	}
	slices.Sort(changed)
	return changed
}

// clean makes what Lua makes of a value: it knows no whole numbers and one kind of table, so an empty object is an empty list.
// Argo CD puts that right afterwards.
func clean(value any) any {
	switch value := value.(type) {
	case map[string]any:
		if len(value) == 0 {
			return []any{}
		}
		cleaned := map[string]any{}
		for name, one := range value {
			cleaned[name] = clean(one)
		}
		return cleaned
	case []any:
		cleaned := []any{}
		for _, one := range value {
			cleaned = append(cleaned, clean(one))
		}
		return cleaned
	case int64:
		return float64(value)
	}
	return value
}

func run(t *testing.T, name string, object map[string]any, parameters map[string]string) any {
	t.Helper()
	made, err := try(name, object, parameters)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// try runs a script with what Argo CD gives to one: obj, actionParams, and no library but the basic one and that of tables
// (util/lua/lua.go there). `make test-gitops` runs the same scripts in Argo CD itself.
func try(name string, object map[string]any, parameters map[string]string) (any, error) {
	script, err := os.ReadFile(filepath.Join(scripts, name))
	if err != nil {
		return nil, err
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for library, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(library)); err != nil {
			return nil, err
		}
	}
	within, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(within)
	given := state.NewTable()
	for parameter, value := range parameters {
		given.RawSetString(parameter, lua.LString(value))
	}
	state.SetGlobal("actionParams", given)
	state.SetGlobal("obj", luajson.DecodeValue(state, clean(object)))
	if err := state.DoString(string(script)); err != nil {
		return nil, err
	}
	text, err := luajson.Encode(state.Get(-1))
	if err != nil {
		return nil, err
	}
	var made any
	if err := json.Unmarshal(text, &made); err != nil {
		return nil, errors.Join(err, errors.New(string(text)))
	}
	return made, nil
}
