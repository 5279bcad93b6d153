package verdict

import (
	"testing"

	"pgregory.net/rapid"
)

// F-10: the morph hint never decides. Under any policy, also one that Validate refuses, and any results of the other
// checks, an alert, its absence or its failure changes neither outcome nor reason.
func TestF10HintNeverDecides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := DefaultPolicy()
		var checks []Check
		for id := CheckNone + 1; id < checkEnd; id++ {
			if id == CheckMorph {
				continue
			}
			checks = append(checks, Check{ID: id, Result: rapid.SampledFrom([]Result{Pass, Pass, Pass, Pass, Pass, Pass, Fail, NotPossible, NotApplicable, NotEvaluated}).Draw(t, "result")})
		}
		want := Decide(p, checks)
		p.Checks[CheckMorph] = rapid.SampledFrom([]Requirement{Advisory, Required, RequiredIfAnnounced, Veto}).Draw(t, "policy")
		hint := Check{ID: CheckMorph, Result: rapid.SampledFrom([]Result{Pass, Fail, NotPossible, NotApplicable, NotEvaluated}).Draw(t, "hint"), Reason: MorphSuspected}
		for _, with := range [][]Check{checks, append([]Check{hint}, checks...), append(checks[:len(checks):len(checks)], hint)} {
			if got := Decide(p, with); got.Outcome != want.Outcome || got.Reason != want.Reason {
				t.Fatalf("%s %s with a hint of %s, %s %s without", got.Outcome, got.Reason, hint.Result, want.Outcome, want.Reason)
			}
		}
	})
}

// F-10: off by default; a policy may switch it on as advisory and no more.
func TestF10PolicySwitch(t *testing.T) {
	p := DefaultPolicy()
	if _, on := p.Checks[CheckMorph]; on {
		t.Error("the hint is on by default")
	}
	for r, ok := range map[Requirement]bool{Advisory: true, Required: false, Veto: false, RequiredIfAnnounced: false} {
		p.Checks[CheckMorph] = r
		if err := p.Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", r, err)
		}
	}
}
