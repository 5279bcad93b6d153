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
	// All that is not one officer's, said a second time: who loosens it changes two lists.
	more := map[Reason]Authority{CloneSuspected: StaffedLane, CloneUnproven: StaffedLane, SODSignatureFailed: StaffedLane, DGHashMismatch: StaffedLane, DSChainFailed: StaffedLane,
		DSRevoked: StaffedLane, PACEDowngrade: StaffedLane, DG1MRZMismatch: StaffedLane, GroupInconsistent: StaffedLane, CountryMismatch: StaffedLane, DocumentReportedLost: StaffedLane,
		CentreHit: StaffedLane, PADFailed: StaffedLane, PADNotEvaluated: StaffedLane, TwoPersons: StaffedLane, TwoFaces: StaffedLane, WrongDirection: StaffedLane, SpecimenDocument: StaffedLane,
		OccupancyChanged: TwoOfficers, DoorForced: TwoOfficers, IntruderDuringRelease: TwoOfficers, FaceTrackLost: TwoOfficers}
	for _, r := range Reasons() {
		if got, _ := r.Overturn(); got != more[r] {
			t.Errorf("%s: %s, want %s", r, got, more[r])
		}
	}
}
