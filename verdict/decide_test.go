package verdict

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// all is a full list of passed checks, in order.
func passed() []Check {
	var out []Check
	for _, id := range CheckIDs() {
		out = append(out, Check{ID: id, Result: Pass, Reason: OK})
	}
	return out
}

func with(id CheckID, r Result, why Reason) []Check {
	out := passed()
	for i := range out {
		if out[i].ID == id {
			out[i].Result, out[i].Reason = r, why
		}
	}
	return out
}

// P-09, C-05, P-11: outcome and reason of single results.
func TestP09Decide(t *testing.T) {
	p := DefaultPolicy()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		checks []Check
		want   Outcome
		why    Reason
	}{
		"all passed":              {passed(), Allow, OK},
		"face":                    {with(CheckMatch, Fail, FaceMismatch), Refer, FaceMismatch},
		"no anchor, C-05":         {with(CheckDSChain, NotPossible, NoAnchor), Refer, NoAnchor},
		"clone not applicable":    {with(CheckClone, NotApplicable, CloneUnproven), Allow, OK},
		"clone not possible":      {with(CheckClone, NotPossible, CloneUnproven), Refer, CloneUnproven},
		"clone suspected, C-03":   {with(CheckClone, Fail, CloneSuspected), Refer, CloneSuspected},
		"age not applicable":      {with(CheckAge, NotApplicable, OK), Refer, AgeNotEligible},
		"centre silent, P-11":     {with(CheckLookup, NotPossible, CentreNoAnswer), Refer, CentreNoAnswer},
		"centre not asked, P-11":  {with(CheckLookup, NotEvaluated, ReasonNone), Refer, CentreNoAnswer},
		"planarity not evaluated": {with(CheckPADPlanarity, NotEvaluated, PADNotEvaluated), Refer, PADNotEvaluated},
		"a veto":                  {with(CheckPADLight, Fail, PADFailed), Refer, PADFailed},
		"no veto unevaluated":     {with(CheckPADLight, NotPossible, PADNotEvaluated), Allow, OK},
		"advisory fails":          {with(CheckPADEdges, Fail, PADFailed), Allow, OK},
		"nothing checked":         {nil, Refer, MRZUnreadable},
		"failure before not possible": {append(with(CheckDSRevocation, NotPossible, CRLStale), Check{ID: CheckMatch, Result: Fail, Reason: FaceMismatch}),
			Refer, FaceMismatch},
		"passed and failed at once": {append(passed(), Check{ID: CheckDGHashes, Result: Fail, Reason: DGHashMismatch}), Refer, DGHashMismatch},
		"two failures: the first one is told": {append(with(CheckMatch, Fail, FaceMismatch), Check{ID: CheckDGHashes, Result: Fail, Reason: DGHashMismatch}),
			Refer, DGHashMismatch},
		"two not possible: the first one is told": {append(with(CheckLookup, NotPossible, CentreNoAnswer), Check{ID: CheckDSRevocation, Result: NotPossible, Reason: CRLStale}),
			Refer, CRLStale},
		"unknown check": {append(passed(), Check{ID: checkEnd, Result: Pass}), Refer, InspectorFault},
	} {
		if v := Decide(p, c.checks); v.Outcome != c.want || v.Reason != c.why {
			t.Errorf("%s: %s %s", name, v.Outcome, v.Reason)
		}
	}
	p.Hold = []Reason{CloneSuspected}
	if v := Decide(p, with(CheckClone, Fail, CloneSuspected)); v.Outcome != RefuseAndHold {
		t.Errorf("hold: %s", v.Outcome)
	}
	if v := DecideDocument(p, with(CheckMatch, Fail, FaceMismatch)); v.Outcome != Allow {
		t.Errorf("a face check decided the document part: %s", v.Reason)
	}
}

// Law 5: making a result worse never turns a refusal into an allow, and an allow has every required
// check passed.
func TestWorseNeverHelps(t *testing.T) {
	results := []Result{NotEvaluated, Pass, Fail, NotPossible, NotApplicable}
	rapid.Check(t, func(t *rapid.T) {
		p := DefaultPolicy()
		checks := passed()
		for i := range checks {
			if rapid.IntRange(0, 5).Draw(t, "change") == 0 {
				checks[i].Result = rapid.SampledFrom(results).Draw(t, "result")
			}
		}
		before := Decide(p, checks)
		if before.Outcome == Allow {
			for _, c := range checks {
				if p.Checks[c.ID] == Required && c.Result != Pass {
					t.Fatalf("allowed with %s %s", c.ID, c.Result)
				}
			}
		}
		i := rapid.IntRange(0, len(checks)-1).Draw(t, "which")
		worse := slices.Clone(checks)
		worse[i].Result = rapid.SampledFrom([]Result{Fail, NotPossible, NotEvaluated}).Draw(t, "worse")
		if after := Decide(p, worse); before.Outcome != Allow && after.Outcome == Allow && checks[i].Result != Pass {
			t.Fatalf("worse %s allowed", checks[i].ID)
		}
		drop := slices.Delete(slices.Clone(checks), i, i+1)
		if p.Checks[checks[i].ID] == Required && Decide(p, drop).Outcome == Allow {
			t.Fatalf("allowed without %s", checks[i].ID)
		}
	})
}

// P-10: rules as data.
func TestP10Eligibility(t *testing.T) {
	p := DefaultPolicy()
	p.Rules.Excluded = []string{"UTO"}
	for name, c := range map[string]struct {
		f    Facts
		want [3]Result
	}{
		"adult":        {Facts{'P', "UKR", 18, true}, [3]Result{Pass, Pass, Pass}},
		"minor":        {Facts{'P', "UKR", 17, true}, [3]Result{Pass, Pass, Fail}},
		"surely adult": {Facts{'P', "UKR", 30, false}, [3]Result{Pass, Pass, Pass}},
		"maybe minor":  {Facts{'P', "UKR", 12, false}, [3]Result{Pass, Pass, NotPossible}},
		"age unknown":  {Facts{'P', "UKR", 0, false}, [3]Result{Pass, Pass, NotPossible}},
		"card":         {Facts{'I', "UKR", 40, true}, [3]Result{Fail, Pass, Pass}},
		"excluded":     {Facts{'P', "UTO", 40, true}, [3]Result{Pass, Fail, Pass}},
		"none":         {Facts{}, [3]Result{Fail, Fail, NotPossible}},
		"child":        {Facts{'P', "UKR", 9, true}, [3]Result{Pass, Pass, Fail}},
	} {
		got := p.Eligibility(c.f)
		for i := range got {
			if got[i].Result != c.want[i] {
				t.Errorf("%s: %s %s, want %s", name, got[i].ID, got[i].Result, c.want[i])
			}
		}
	}
}

// P-10: a minor whom the policy admits with an adult is inspected like everybody, and what nothing else stands
// against is decided by an officer who has seen the adult. What the zone leaves open is no such minor.
func TestP10AccompaniedMinor(t *testing.T) {
	p := DefaultPolicy()
	p.Rules.AccompaniedMinAge = 12
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	age := func(years int, certain bool) []Check {
		c := p.Eligibility(Facts{'P', "UKR", years, certain})[2]
		return with(CheckAge, c.Result, c.Reason)
	}
	for name, c := range map[string]struct {
		checks    []Check
		document  Outcome
		whole     Outcome
		why       Reason
		authority Authority
	}{
		"of age":              {age(18, true), Allow, Allow, OK, OneOfficer},
		"with an adult":       {age(17, true), Allow, Refer, CompanionNeeded, OneOfficer},
		"at the birthday":     {age(12, true), Allow, Refer, CompanionNeeded, OneOfficer},
		"the day before":      {age(11, true), Refer, Refer, AgeNotEligible, OneOfficer},
		"age open":            {age(12, false), Refer, Refer, AgeNotEligible, OneOfficer},
		"and another's face":  {append(age(14, true), Check{ID: CheckMatch, Result: Fail, Reason: FaceMismatch}), Allow, Refer, FaceMismatch, OneOfficer},
		"and a copied chip":   {append(age(14, true), Check{ID: CheckClone, Result: Fail, Reason: CloneSuspected}), Refer, Refer, CloneSuspected, StaffedLane},
		"and no centre, P-11": {append(age(14, true), Check{ID: CheckLookup, Result: NotPossible, Reason: CentreNoAnswer}), Refer, Refer, CentreNoAnswer, OneOfficer},
		"a plain failure":     {with(CheckAge, Fail, CompanionNeeded), Refer, Refer, CompanionNeeded, OneOfficer},
	} {
		if v := DecideDocument(p, c.checks); v.Outcome != c.document {
			t.Errorf("%s: at the reader %s %s", name, v.Outcome, v.Reason)
		}
		v := Decide(p, c.checks)
		if who, _ := v.Reason.Overturn(); v.Outcome != c.whole || v.Reason != c.why || who != c.authority {
			t.Errorf("%s: %s %s %s", name, v.Outcome, v.Reason, who)
		}
	}
	if _, ask := CompanionNeeded.Overturn(); len(ask) != 1 || ask[0] != CompanionSeen {
		t.Errorf("the officer is asked %v", ask)
	}
	for _, bad := range []int{-1, 19} {
		if p.Rules.AccompaniedMinAge = bad; p.Validate() == nil {
			t.Errorf("from %d years: accepted", bad)
		}
	}
}

// F-06: a policy that omits what protects the border is refused.
func TestF06PolicyRefused(t *testing.T) {
	for name, f := range map[string]func(*Policy){
		"no match":     func(p *Policy) { p.Checks[CheckMatch] = Advisory },
		"no chain":     func(p *Policy) { delete(p.Checks, CheckDSChain) },
		"no PAD":       func(p *Policy) { p.Checks[CheckPADTexture], p.Checks[CheckPADPlanarity] = Advisory, Advisory },
		"no clone":     func(p *Policy) { p.Checks[CheckClone] = Advisory },
		"threshold":    func(p *Policy) { p.Match = 0.1 },
		"no version":   func(p *Policy) { p.Version = 0 },
		"announced":    func(p *Policy) { p.Checks[CheckAge] = RequiredIfAnnounced },
		"veto":         func(p *Policy) { p.Checks[CheckAge] = Veto },
		"unknown word": func(p *Policy) { p.Checks[CheckAge] = "maybe" },
	} {
		p := DefaultPolicy()
		f(&p)
		if p.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestBands(t *testing.T) {
	nan := 0.0
	nan /= nan
	for s, want := range map[float64]string{0.2: BandBelow, 0.48: BandMarginal, 0.55: BandAbove, 0.8: BandClear} {
		if got := Band(s, 0.48); got != want {
			t.Errorf("%.2f: %s", s, got)
		}
	}
	if Band(nan, 0.48) != BandBelow {
		t.Error("not a number is a match")
	}
}
