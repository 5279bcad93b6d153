package inspect

import (
	"testing"

	"egate/emrtd/trust"
	"egate/inspect/protocol"
	"egate/verdict"
)

// P-14: a document whose path ends at a test CSCA is referred under a reason of its own, to the staffed lane, whatever else passed;
// in service nothing else is inspected, and what would be allowed says what it is.
func TestP14SpecimenIsReferred(t *testing.T) {
	p := verdict.DefaultPolicy()
	for name, c := range map[string]struct {
		test, service bool
		want          verdict.Verdict
	}{
		"a traveller's document":            {false, false, verdict.Verdict{Outcome: verdict.Allow, Reason: verdict.OK}},
		"a specimen":                        {true, false, verdict.Verdict{Outcome: verdict.Refer, Reason: verdict.SpecimenDocument}},
		"a specimen in service":             {true, true, verdict.Verdict{Outcome: verdict.Allow, Reason: verdict.OK}},
		"a traveller's document in service": {false, true, verdict.Verdict{Outcome: verdict.Refer, Reason: verdict.GateClosed}},
	} {
		var checks []verdict.Check
		for _, id := range verdict.CheckIDs() {
			if id == verdict.CheckLookup && c.service {
				continue // not asked
			}
			checks = append(checks, verdict.Check{ID: id, Result: verdict.Pass, Reason: verdict.OK})
		}
		i := &Inspector{begin: &protocol.Begin{Service: c.service}}
		i.document.checks = checks
		if c.test {
			for n := range checks {
				if checks[n].ID == verdict.CheckDSChain {
					checks[n].Deviations = []string{trust.DevTestCSCA}
				}
			}
		}
		i.specimen()
		for _, v := range []verdict.Verdict{verdict.DecideDocument(p, i.judged(checks)), verdict.Decide(p, i.judged(checks))} {
			if v.Outcome != c.want.Outcome || v.Reason != c.want.Reason {
				t.Errorf("%s: %s %s", name, v.Outcome, v.Reason)
			}
			if s := verdict.OfSpecimen(v); s.Outcome != verdict.Refer || v.Outcome == verdict.Allow && s.Reason != verdict.SpecimenDocument {
				t.Errorf("%s, as a specimen: %s %s", name, s.Outcome, s.Reason)
			}
		}
	}
	if who, _ := verdict.SpecimenDocument.Overturn(); who != verdict.StaffedLane {
		t.Errorf("%s may overturn it", who)
	}
}
