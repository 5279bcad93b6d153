package verdict

import "fmt"

// CheckID names one check. The text form is stable: events, reports and policies use it.
type CheckID uint8

// The checks, in the order in which an inspection makes them.
const (
	CheckNone CheckID = iota
	CheckMRZ
	CheckAccess
	CheckSODSignature
	CheckDSChain
	CheckDSAtSigning
	CheckDSToday
	CheckDSRevocation
	CheckGroups
	CheckDGHashes
	CheckDG1MRZ
	CheckDG1Country
	CheckClone
	CheckValidity
	CheckDocumentType
	CheckNationality
	CheckAge
	CheckLookup
	CheckPortrait
	CheckSingleFace
	CheckQuality
	CheckPADTexture
	CheckPADPlanarity
	CheckPADLight
	CheckPADTemporal
	CheckPADEdges
	CheckPADHands
	CheckPADSpecular
	CheckPADMoire
	CheckPADGrain // camera injection
	// Slots for sensors that a gate may have beside its camera. None has a driver yet: a policy may name them, and
	// they are not evaluated.
	CheckPADNIR
	CheckPADDepth
	CheckPADSecondCamera
	CheckMorph // advisory whatever a policy says (F-10)
	CheckMatch
	checkEnd
)

var checkNames = [...]string{
	CheckNone: "none", CheckMRZ: "mrz", CheckAccess: "chip_access", CheckSODSignature: "sod_signature",
	CheckDSChain: "ds_chain", CheckDSAtSigning: "ds_valid_at_signing", CheckDSToday: "ds_valid_today",
	CheckDSRevocation: "ds_revocation", CheckGroups: "group_consistency", CheckDGHashes: "dg_hashes",
	CheckDG1MRZ: "dg1_mrz", CheckDG1Country: "dg1_ds_country", CheckClone: "chip_clone",
	CheckValidity: "document_validity", CheckDocumentType: "document_type", CheckNationality: "nationality",
	CheckAge: "age", CheckLookup: "centre_lookup", CheckPortrait: "portrait", CheckSingleFace: "single_face",
	CheckQuality: "face_quality", CheckPADTexture: "pad_texture", CheckPADPlanarity: "pad_planarity",
	CheckPADLight: "pad_light", CheckPADTemporal: "pad_temporal", CheckPADEdges: "pad_edges", CheckPADHands: "pad_hands", CheckPADSpecular: "pad_specular", CheckPADMoire: "pad_moire", CheckPADGrain: "pad_grain",
	CheckPADNIR: "pad_nir", CheckPADDepth: "pad_depth", CheckPADSecondCamera: "pad_second_camera", CheckMorph: "morph_hint", CheckMatch: "face_match",
}

// Reason is the machine-readable reason of a verdict, a check result or the end of a passage.
type Reason uint8

// Reasons. The text form is stable; docs and locales key on it.
const (
	ReasonNone Reason = iota
	OK
	// Document reading.
	MRZUnreadable
	MRZWrongPage
	MRZUpsideDown
	MRZCoverOn
	MRZCheckDigits
	NoChip
	ChipAccessFailed
	PACEDowngrade
	ChipLost
	ChipReadFailed
	ChipLimit
	ChipTooSlow
	// Document authentication.
	CloneSuspected
	CloneUnproven
	SODSignatureFailed
	DGHashMismatch
	NoAnchor
	DSChainFailed
	DSExpired
	DSNotYetValid
	DSRevoked
	CRLStale
	SigningTimeUnknown
	GroupInconsistent
	DG1MRZMismatch
	CountryMismatch
	DeviationKnown
	// Eligibility and centre.
	DocumentExpired
	DocumentNotYetValid
	DocumentReportedLost
	DocumentTypeNotEligible
	NationalityNotEligible
	AgeNotEligible
	CompanionNeeded
	CentreHit
	CentreRefer
	CentreNoAnswer
	CentreAnswerInvalid
	// Face.
	PortraitUnusable
	NoFace
	TwoFaces
	FaceQuality
	FaceOccluded
	FaceTrackLost
	PADFailed
	PADNotEvaluated
	FaceMismatch
	// Passage.
	Declined
	NoShow
	StageTimeout
	DocumentLeftOnReader
	OccupancyChanged
	TwoPersons
	WrongDirection
	ObjectLeft
	PersonTrapped
	DoorBlocked
	DoorForced
	IntruderDuringRelease
	MantrapNotEmpty
	// Technical and operational.
	InspectorFault
	DeviceFault
	EvidenceFault
	LeaseLost
	GateRestarted
	GateClosed
	Emergency
	Tamper
	SelfTestFailed
	// Officer decisions.
	OfficerAccepted
	OfficerSentBack
	OfficerNoDecision
	OfficerHeld
	AlreadyDecided
	NotAtADistance
	SecondOfficerNeeded
	ClockUntrusted // E-07: dates cannot be judged
	MorphSuspected // F-10: a hint for an officer, never a verdict
	// SpecimenDocument is one of a test CSCA (P-14).
	SpecimenDocument
	reasonEnd
)

var reasonNames = [...]string{
	ReasonNone: "none", OK: "ok",
	MRZUnreadable: "mrz_unreadable", MRZWrongPage: "mrz_wrong_page", MRZUpsideDown: "mrz_upside_down",
	MRZCoverOn: "mrz_cover_on", MRZCheckDigits: "mrz_check_digits", NoChip: "no_chip",
	ChipAccessFailed: "chip_access_failed", PACEDowngrade: "pace_downgrade", ChipLost: "chip_lost",
	ChipReadFailed: "chip_read_failed", ChipLimit: "chip_limit_exceeded", ChipTooSlow: "chip_too_slow",
	CloneSuspected: "clone_suspected", CloneUnproven: "clone_unproven", SODSignatureFailed: "sod_signature_failed",
	DGHashMismatch: "dg_hash_mismatch", NoAnchor: "no_trust_anchor", DSChainFailed: "ds_chain_failed",
	DSExpired: "ds_expired", DSNotYetValid: "ds_not_yet_valid", DSRevoked: "ds_revoked", CRLStale: "crl_stale",
	SigningTimeUnknown: "signing_time_unknown", GroupInconsistent: "group_inconsistent",
	DG1MRZMismatch: "dg1_mrz_mismatch", CountryMismatch: "country_mismatch", DeviationKnown: "deviation_known",
	DocumentExpired: "document_expired", DocumentNotYetValid: "document_not_yet_valid",
	DocumentReportedLost: "document_reported_lost", DocumentTypeNotEligible: "document_type_not_eligible",
	NationalityNotEligible: "nationality_not_eligible", AgeNotEligible: "age_not_eligible",
	CompanionNeeded: "companion_needed",
	CentreHit:       "centre_hit", CentreRefer: "centre_refer", CentreNoAnswer: "centre_no_answer",
	CentreAnswerInvalid: "centre_answer_invalid",
	PortraitUnusable:    "portrait_unusable", NoFace: "no_face", TwoFaces: "two_faces", FaceQuality: "face_quality",
	FaceOccluded: "face_occluded", FaceTrackLost: "face_track_lost", PADFailed: "pad_failed",
	PADNotEvaluated: "pad_not_evaluated", FaceMismatch: "face_mismatch",
	Declined: "declined", NoShow: "no_show", StageTimeout: "stage_timeout",
	DocumentLeftOnReader: "document_left_on_reader", OccupancyChanged: "occupancy_changed", TwoPersons: "two_persons",
	WrongDirection: "wrong_direction", ObjectLeft: "object_left", PersonTrapped: "person_trapped",
	DoorBlocked: "door_blocked", DoorForced: "door_forced", IntruderDuringRelease: "intruder_during_release",
	MantrapNotEmpty: "mantrap_not_empty",
	InspectorFault:  "inspector_fault", DeviceFault: "device_fault", EvidenceFault: "evidence_fault",
	LeaseLost: "lease_lost", GateRestarted: "gate_restarted", GateClosed: "gate_closed", Emergency: "emergency",
	Tamper: "tamper", SelfTestFailed: "self_test_failed",
	OfficerAccepted: "officer_accepted", OfficerSentBack: "officer_sent_back",
	OfficerNoDecision: "officer_no_decision", OfficerHeld: "officer_held",
	AlreadyDecided: "already_decided", NotAtADistance: "not_at_a_distance", SecondOfficerNeeded: "second_officer_needed",
	ClockUntrusted: "clock_untrusted", MorphSuspected: "morph_suspected",
	SpecimenDocument: "specimen_document",
}

var (
	outcomeNames = [...]string{"none", "allow", "refer", "refuse_and_hold"}
	resultNames  = [...]string{"not_evaluated", "pass", "fail", "not_possible", "not_applicable"}
)

func (c CheckID) String() string { return name(checkNames[:], uint8(c)) }
func (r Reason) String() string  { return name(reasonNames[:], uint8(r)) }
func (o Outcome) String() string { return name(outcomeNames[:], uint8(o)) }
func (r Result) String() string  { return name(resultNames[:], uint8(r)) }

// MarshalText writes the stable name.
func (c CheckID) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalText writes the stable name.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// MarshalText writes the stable name.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// MarshalText writes the stable name.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText accepts only a stable name.
func (c *CheckID) UnmarshalText(b []byte) error { return parse(checkNames[:], b, (*uint8)(c)) }

// UnmarshalText accepts only a stable name.
func (r *Reason) UnmarshalText(b []byte) error { return parse(reasonNames[:], b, (*uint8)(r)) }

// UnmarshalText accepts only a stable name.
func (o *Outcome) UnmarshalText(b []byte) error { return parse(outcomeNames[:], b, (*uint8)(o)) }

// UnmarshalText accepts only a stable name.
func (r *Result) UnmarshalText(b []byte) error { return parse(resultNames[:], b, (*uint8)(r)) }

// Reasons lists every reason, for catalogues and tests.
func Reasons() []Reason { return all[Reason](int(reasonEnd)) }

// CheckIDs lists every check, for catalogues and tests.
func CheckIDs() []CheckID { return all[CheckID](int(checkEnd)) }

func all[T ~uint8](end int) []T {
	out := make([]T, 0, end-1)
	for i := 1; i < end; i++ {
		out = append(out, T(i))
	}
	return out
}

func name(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return fmt.Sprintf("undefined(%d)", i)
}

func parse(names []string, b []byte, out *uint8) error {
	for i, n := range names {
		if n == string(b) {
			*out = uint8(i)
			return nil
		}
	}
	return fmt.Errorf("verdict: unknown name %q", b)
}
