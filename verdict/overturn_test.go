package verdict

import "testing"

// O-03, O-07: every reason says who may overturn it; who may must have a question to answer.
func TestO07Overturn(t *testing.T) {
	for _, r := range Reasons() {
		who, questions := r.Overturn()
		if (who == StaffedLane) != (len(questions) == 0) {
			t.Errorf("%s: %s with questions %v", r, who, questions)
		}
	}
	for r, want := range map[Reason]Authority{CloneSuspected: StaffedLane, SODSignatureFailed: StaffedLane, CentreHit: StaffedLane, PADFailed: StaffedLane,
		DoorForced: TwoOfficers, FaceMismatch: OneOfficer, InspectorFault: OneOfficer} {
		if got, _ := r.Overturn(); got != want {
			t.Errorf("%s: %s, want %s", r, got, want)
		}
	}
}
