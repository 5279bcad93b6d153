package verdict

// missing is the reason for a required check that nobody made.
var missing = map[CheckID]Reason{
	CheckMRZ: MRZUnreadable, CheckAccess: ChipAccessFailed, CheckSODSignature: ChipReadFailed, CheckDSChain: DSChainFailed,
	CheckDSAtSigning: SigningTimeUnknown, CheckDSToday: DSExpired, CheckDSRevocation: CRLStale, CheckGroups: GroupInconsistent,
	CheckDGHashes: ChipReadFailed, CheckDG1MRZ: DG1MRZMismatch, CheckDG1Country: CountryMismatch, CheckClone: CloneUnproven,
	CheckValidity: DocumentExpired, CheckDocumentType: DocumentTypeNotEligible, CheckNationality: NationalityNotEligible,
	CheckAge: AgeNotEligible, CheckLookup: CentreNoAnswer, CheckPortrait: PortraitUnusable, CheckSingleFace: NoFace,
	CheckQuality: FaceQuality, CheckPADTexture: PADNotEvaluated, CheckPADPlanarity: PADNotEvaluated, CheckPADLight: PADNotEvaluated,
	CheckPADTemporal: PADNotEvaluated, CheckPADEdges: PADNotEvaluated, CheckPADHands: PADNotEvaluated, CheckPADSpecular: PADNotEvaluated,
	CheckPADMoire: PADNotEvaluated, CheckPADGrain: PADNotEvaluated, CheckPADNIR: PADNotEvaluated, CheckPADDepth: PADNotEvaluated, CheckPADSecondCamera: PADNotEvaluated,
	CheckMorph: PADNotEvaluated,
	CheckMatch: FaceMismatch,
}

// lastDocumentCheck ends the part that is decided before a door opens at all.
const lastDocumentCheck = CheckPortrait

// DecideDocument judges the document part: Allow means eligible to enter the gate and no more.
func DecideDocument(p Policy, checks []Check) Verdict { return decide(p, checks, lastDocumentCheck) }

// Decide judges a whole inspection. Allow only if every required check passed (design: checks); the
// one reason is the first failure in the order of the checks, before the first that was not possible.
func Decide(p Policy, checks []Check) Verdict { return decide(p, checks, checkEnd-1) }

// OfSpecimen is what a verdict comes to for a specimen (P-14): nothing is allowed, nobody held, and what would have been
// allowed says what it was.
func OfSpecimen(v Verdict) Verdict {
	if v.Outcome == Allow {
		v.Reason = SpecimenDocument
	}
	v.Outcome = Refer
	return v
}

func decide(p Policy, checks []Check, last CheckID) Verdict {
	var made [checkEnd]Check
	for _, c := range checks {
		if c.ID <= CheckNone || c.ID >= checkEnd {
			return Verdict{Outcome: Refer, Reason: InspectorFault, Checks: checks}
		}
		// Of two results for one check the worse one counts.
		if worse(c.Result) > worse(made[c.ID].Result) || made[c.ID].ID == CheckNone {
			made[c.ID] = c
		}
	}
	var failed, open Reason
	minor := false
	for id := CheckNone + 1; id <= last; id++ {
		if id == CheckMorph {
			continue // a hint never decides (F-10)
		}
		c := made[id]
		switch p.Checks[id] {
		case Required:
			if c.Result == Pass {
				continue
			}
		case RequiredIfAnnounced:
			if c.Result == Pass || c.Result == NotApplicable {
				continue
			}
		case Veto:
			if c.Result != Fail {
				continue
			}
		default:
			continue
		}
		if id == CheckAge && c.Result == NotPossible && c.Reason == CompanionNeeded {
			minor = true // decided last, with the minor inside: see below
			continue
		}
		reason := c.Reason
		if reason == ReasonNone || reason == OK {
			reason = missing[id]
		}
		if c.Result == Fail && failed == ReasonNone {
			failed = reason
		}
		if c.Result != Fail && open == ReasonNone {
			open = reason
		}
	}
	v := Verdict{Outcome: Refer, Reason: failed, Checks: checks}
	switch {
	case failed != ReasonNone:
	case open != ReasonNone:
		v.Reason = open
	case minor && last > lastDocumentCheck: // everything else has passed: an officer looks for the adult (P-10)
		v.Reason = CompanionNeeded
	default:
		v.Outcome, v.Reason = Allow, OK
		return v
	}
	for _, r := range p.Hold {
		if r == v.Reason {
			v.Outcome = RefuseAndHold
		}
	}
	return v
}

// worse orders results from good to bad.
func worse(r Result) int {
	return [...]int{NotEvaluated: 3, Pass: 1, Fail: 4, NotPossible: 2, NotApplicable: 0}[r%5]
}

// Bands of a score against its threshold: what leaves the inspector instead of the score.
const (
	BandBelow    = "below"
	BandMarginal = "marginal" // within a tenth of the threshold, above it
	BandAbove    = "above"
	BandClear    = "clear" // above by a quarter of the way to one
)

// Band names where a score lies.
func Band(score, threshold float64) string {
	switch {
	case !(score >= threshold): // not a number is below
		return BandBelow
	case score < threshold*1.1:
		return BandMarginal
	case score < threshold+(1-threshold)/4:
		return BandAbove
	}
	return BandClear
}
