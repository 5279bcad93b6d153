package verdict

// Authority is who may let a traveller pass whom the machine referred. An officer at a desk sees two photos
// and a list of checks; what these cannot settle is settled at the staffed lane, with the document in hand.
type Authority uint8

// Authorities.
const (
	OneOfficer  Authority = iota
	TwoOfficers           // a second officer, who has seen the same dossier, confirms first
	StaffedLane           // nobody at a distance
)

func (a Authority) String() string {
	return [...]string{"one_officer", "two_officers", "staffed_lane", "?"}[a&3]
}

// Questions are what an officer who overturns may have settled (O-07).
const (
	PersonCompared   = "person_compared"
	DocumentExamined = "document_examined"
	LookupDone       = "lookup_done"
	TechnicalCause   = "technical_cause"
	CompanionSeen    = "companion_seen"
)

// Questions are all of them.
func Questions() []string {
	return []string{PersonCompared, DocumentExamined, LookupDone, TechnicalCause, CompanionSeen}
}

// Overturn says who may overturn a referral for this reason, and which question the officer must have
// answered; one of them, as the reason of the order.
func (r Reason) Overturn() (Authority, []string) {
	switch r {
	// Forged or copied documents, wanted people, masks and prints: looking at pictures proves nothing.
	case CloneSuspected, CloneUnproven, SODSignatureFailed, DGHashMismatch, DSChainFailed, DSRevoked, PACEDowngrade, DG1MRZMismatch,
		GroupInconsistent, CountryMismatch, DocumentReportedLost, CentreHit, PADFailed, PADNotEvaluated, TwoPersons, TwoFaces, WrongDirection, SpecimenDocument:
		return StaffedLane, nil
	// Somebody else may stand there than was captured.
	case OccupancyChanged, DoorForced, IntruderDuringRelease, FaceTrackLost:
		return TwoOfficers, []string{PersonCompared}
	case FaceMismatch, FaceQuality, FaceOccluded, NoFace, PortraitUnusable, StageTimeout:
		return OneOfficer, []string{PersonCompared}
	case CompanionNeeded:
		return OneOfficer, []string{CompanionSeen}
	case CentreNoAnswer, CentreAnswerInvalid, CentreRefer:
		return OneOfficer, []string{LookupDone}
	case InspectorFault, DeviceFault, EvidenceFault:
		return OneOfficer, []string{TechnicalCause, DocumentExamined}
	}
	return OneOfficer, []string{DocumentExamined, PersonCompared}
}
