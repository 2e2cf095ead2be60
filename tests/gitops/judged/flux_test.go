package judged

import (
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Flux waits, passes and fails by kstatus.
func TestFluxSeesEveryStateAsItShould(t *testing.T) {
	for _, state := range readStates(t) {
		t.Run(state.Name, func(t *testing.T) {
			result, err := status.Compute(&unstructured.Unstructured{Object: state.Object})
			if err != nil {
				t.Fatal(err)
			}
			if result.Status.String() != state.Expected.Flux {
				t.Errorf("%s (%s), not %s", result.Status, result.Message, state.Expected.Flux)
			}
		})
	}
}

func readStates(t *testing.T) []State {
	t.Helper()
	states, err := ReadStates()
	if err != nil {
		t.Fatal(err)
	}
	if len(states) < 40 {
		t.Fatalf("%d states are recorded", len(states))
	}
	for _, state := range states {
		if state.Object == nil || state.Expected.ArgoCD == "" {
			t.Fatalf("%s: a state without a row, or a row without a state", state.Name)
		}
	}
	return states
}
