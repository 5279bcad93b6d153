package inspect

import (
	"testing"

	"egate/emrtd/trust"
	"egate/verdict"
)

// P-14: a document whose path ends at a test CSCA is referred under a reason of its own, to the staffed lane, whatever else passed.
func TestP14SpecimenIsReferred(t *testing.T) {
	p := verdict.DefaultPolicy()
	var checks []verdict.Check
	for _, id := range verdict.CheckIDs() {
		checks = append(checks, verdict.Check{ID: id, Result: verdict.Pass, Reason: verdict.OK})
	}
	refuseSpecimen(checks)
	if v := verdict.Decide(p, checks); v.Outcome != verdict.Allow {
		t.Fatalf("a traveller's document: %+v", v)
	}
	checks[verdict.CheckDSChain-1].Deviations = []string{trust.DevTestCSCA}
	refuseSpecimen(checks)
	for _, v := range []verdict.Verdict{verdict.DecideDocument(p, checks), verdict.Decide(p, checks)} {
		if v.Outcome != verdict.Refer || v.Reason != verdict.SpecimenDocument {
			t.Errorf("%s %s", v.Outcome, v.Reason)
		}
	}
	if who, _ := verdict.SpecimenDocument.Overturn(); who != verdict.StaffedLane {
		t.Errorf("%s may overturn it", who)
	}
}
