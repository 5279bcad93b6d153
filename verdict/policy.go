package verdict

import (
	"fmt"
	"slices"
	"strings"
)

// Requirement is what a policy asks of one check.
type Requirement string

// Requirements. Required is satisfied by Pass alone. RequiredIfAnnounced is satisfied by Pass, or by
// NotApplicable, which needs proof: the clone check has it if the authenticated SOD lists neither DG14
// nor DG15. Veto is satisfied by anything but Fail: what a signal could not evaluate does not count against the
// traveller, what it refused does. Advisory never decides.
const (
	Required            Requirement = "required"
	RequiredIfAnnounced Requirement = "required_if_announced"
	Veto                Requirement = "veto"
	Advisory            Requirement = "advisory"
)

// Policy says what a gate asks before it lets a traveller across the border. It is data: signed,
// versioned, shown with every decision (F-06).
type Policy struct {
	ID      string `yaml:"id" json:"id"`
	Version int    `yaml:"version" json:"version"` // only rises
	// Checks lists the requirement of every check that decides; one that is not listed is advisory.
	Checks map[CheckID]Requirement `yaml:"checks" json:"checks"`
	// CloneProof lists the issuers whose chips must prove that they are no copy, by year of issue: a chip of
	// theirs without any such proof is not taken for one that never had it (C-03).
	CloneProof []CloneRule `yaml:"clone_proof" json:"clone_proof,omitempty"`
	// Match is the cosine score from which two faces are one person (F-05).
	Match float64 `yaml:"match_threshold" json:"match_threshold"`
	// MatchModel is the id of the embedder that Match is of; a gate in service refuses a policy that names
	// another one, or none (F-06).
	MatchModel string `yaml:"match_model,omitempty" json:"match_model,omitempty"`
	// Rules are the eligibility rules (P-10).
	Rules Rules `yaml:"eligibility" json:"eligibility"`
	// Hold lists the reasons that end as refuse-and-hold instead of refer (P-09). Empty by default:
	// holding somebody is an officer's decision.
	Hold []Reason `yaml:"hold" json:"hold"`
	// CounterOnly lists the reasons that an officer may not turn into an acceptance at the desk, but
	// only at the manual counter.
	CounterOnly []Reason `yaml:"counter_only" json:"counter_only"`
}

// CloneRule names one issuer and the years in which its documents have a proof against copying.
type CloneRule struct {
	Issuer string `yaml:"issuer" json:"issuer"` // two letters, as in the document signer's name; "*" for every issuer
	From   int    `yaml:"from" json:"from"`     // first year of issue
	To     int    `yaml:"to" json:"to"`         // last year of issue; zero is open
}

// CloneProofDue tells whether a document of this issuer and year of issue must have a proof against copying.
// Where the year is not known, zero, it is due as soon as the issuer is named.
func (p Policy) CloneProofDue(issuer string, year int) bool {
	return slices.ContainsFunc(p.CloneProof, func(r CloneRule) bool {
		return (r.Issuer == "*" || r.Issuer == issuer) && (year == 0 || year >= r.From && (r.To == 0 || year <= r.To))
	})
}

// Rules say who may use the gate (P-10).
type Rules struct {
	DocumentTypes string   `yaml:"document_types" json:"document_types"` // first letters of the document code, e.g. "P"
	Nationalities []string `yaml:"nationalities" json:"nationalities"`   // three-letter codes; empty: all
	Excluded      []string `yaml:"excluded_nationalities" json:"excluded_nationalities"`
	MinAge        int      `yaml:"min_age" json:"min_age"` // full years
	// AccompaniedMinAge is the age from which a minor may use the gate whose adult an officer has seen; 0: none may.
	// The minor is inspected like everybody and then referred: one person, one passage, one officer's decision.
	AccompaniedMinAge int `yaml:"accompanied_min_age" json:"accompanied_min_age,omitempty"`
}

// Facts are what the rules look at. They are personal and stay in the inspector.
type Facts struct {
	DocumentType byte
	Nationality  string
	Age          int  // full years, the lowest that the zone allows
	AgeCertain   bool // false where the zone leaves the age open
}

// DefaultMatch is the threshold of the demonstration models: see their manifest for its evidence.
const DefaultMatch = 0.48

// DefaultPolicy asks for everything that this system can prove.
func DefaultPolicy() Policy {
	p := Policy{ID: "default", Version: 1, Match: DefaultMatch, Checks: map[CheckID]Requirement{},
		Rules: Rules{DocumentTypes: "P", MinAge: 18}, CounterOnly: []Reason{CloneSuspected, DGHashMismatch, SODSignatureFailed}}
	for _, c := range []CheckID{CheckMRZ, CheckAccess, CheckSODSignature, CheckDSChain, CheckDSAtSigning, CheckDSToday, CheckDSRevocation,
		CheckGroups, CheckDGHashes, CheckDG1MRZ, CheckDG1Country, CheckValidity, CheckDocumentType, CheckNationality, CheckAge,
		CheckLookup, CheckPortrait, CheckSingleFace, CheckQuality, CheckPADTexture, CheckPADPlanarity, CheckMatch} {
		p.Checks[c] = Required
	}
	p.Checks[CheckClone] = RequiredIfAnnounced
	// It refuses what does not follow the light while the wall behind does, and says nothing where neither does.
	p.Checks[CheckPADLight] = Veto
	for _, c := range []CheckID{CheckPADTemporal, CheckPADEdges, CheckPADHands, CheckPADSpecular, CheckPADMoire, CheckPADGrain} {
		p.Checks[c] = Advisory
	}
	return p
}

// Validate refuses a policy that would let anybody through by omission.
func (p Policy) Validate() error {
	if p.ID == "" || p.Version < 1 {
		return fmt.Errorf("verdict: policy: id and version are needed")
	}
	for _, c := range []CheckID{CheckMRZ, CheckAccess, CheckSODSignature, CheckDSChain, CheckDGHashes, CheckDG1MRZ, CheckValidity, CheckLookup, CheckSingleFace, CheckMatch} {
		if p.Checks[c] != Required {
			return fmt.Errorf("verdict: policy: %s must be required", c)
		}
	}
	if p.Checks[CheckClone] != Required && p.Checks[CheckClone] != RequiredIfAnnounced {
		return fmt.Errorf("verdict: policy: %s must be required or required_if_announced (C-03)", CheckClone)
	}
	if p.Checks[CheckPADTexture] != Required && p.Checks[CheckPADPlanarity] != Required {
		return fmt.Errorf("verdict: policy: at least one presentation attack detection must be required (F-08)")
	}
	for c, r := range p.Checks {
		if r != Required && r != RequiredIfAnnounced && r != Veto && r != Advisory {
			return fmt.Errorf("verdict: policy: %s: unknown requirement %q; there are required, required_if_announced, veto and advisory", c, r)
		}
		if r == Veto && (c < CheckPADTexture || c > CheckPADSecondCamera) {
			return fmt.Errorf("verdict: policy: %s: veto is for presentation attack detection", c)
		}
		if c == CheckMorph && r != Advisory {
			return fmt.Errorf("verdict: policy: %s is a hint for officers: it may be advisory or left out (F-10)", c)
		}
		if r == RequiredIfAnnounced && c != CheckClone {
			return fmt.Errorf("verdict: policy: %s: required_if_announced is for %s", c, CheckClone)
		}
	}
	for _, r := range p.CloneProof {
		if r.Issuer != "*" && (len(r.Issuer) != 2 || r.Issuer != strings.ToUpper(r.Issuer)) {
			return fmt.Errorf("verdict: policy: clone_proof: issuer %q is neither two capital letters nor *", r.Issuer)
		}
		if r.From < 2004 || r.From > 2100 || r.To != 0 && r.To < r.From {
			return fmt.Errorf("verdict: policy: clone_proof: %s: from must be a year since 2004, and to no earlier one", r.Issuer)
		}
	}
	if p.Match < 0.3 || p.Match >= 1 {
		return fmt.Errorf("verdict: policy: match_threshold %.2f lies outside 0.30 … 0.99", p.Match)
	}
	if a := p.Rules.AccompaniedMinAge; a < 0 || a > p.Rules.MinAge {
		return fmt.Errorf("verdict: policy: eligibility: accompanied_min_age %d must lie between 0 (nobody) and min_age", a)
	}
	if p.Rules.DocumentTypes == "" || p.Rules.MinAge < 0 || p.Rules.MinAge > 120 {
		return fmt.Errorf("verdict: policy: eligibility: document_types and a min_age of 0 to 120 are needed")
	}
	return nil
}

// Eligibility judges the rules (P-10). What the zone leaves open is not possible, never passed.
func (p Policy) Eligibility(f Facts) []Check {
	one := func(id CheckID, ok bool, r Reason) Check {
		if ok {
			return Check{ID: id, Result: Pass, Reason: OK}
		}
		return Check{ID: id, Result: Fail, Reason: r}
	}
	nat := !slices.Contains(p.Rules.Excluded, f.Nationality) && f.Nationality != "" &&
		(len(p.Rules.Nationalities) == 0 || slices.Contains(p.Rules.Nationalities, f.Nationality))
	age := one(CheckAge, f.Age >= p.Rules.MinAge, AgeNotEligible)
	switch from := p.Rules.AccompaniedMinAge; {
	case age.Result == Fail && !f.AgeCertain:
		age.Result = NotPossible
	case age.Result == Fail && from > 0 && f.Age >= from:
		age.Result, age.Reason = NotPossible, CompanionNeeded
	}
	return []Check{
		one(CheckDocumentType, f.DocumentType != 0 && slices.Contains([]byte(p.Rules.DocumentTypes), f.DocumentType), DocumentTypeNotEligible),
		one(CheckNationality, nat, NationalityNotEligible),
		age,
	}
}

// OfficerMayAccept tells whether an officer at the desk may turn a referral for this reason into an
// acceptance.
func (p Policy) OfficerMayAccept(r Reason) bool { return !slices.Contains(p.CounterOnly, r) }
