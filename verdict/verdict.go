// Package verdict holds the vocabulary in which an inspection is judged: checks, results, reason
// codes and outcomes, and the pure function that turns checks and a policy into one verdict.
//
// It imports nothing of the project, so that the gate, the inspector, the link and the console
// all speak of the same thing by the same name.
package verdict

// Outcome is what becomes of a traveller (requirement P-09).
type Outcome uint8

// The three outcomes. OutcomeNone is the zero value: nothing decided yet.
const (
	OutcomeNone Outcome = iota
	Allow
	Refer
	RefuseAndHold
)

// Result is how a single check ended. Only Pass satisfies a requirement; NotApplicable needs proof
// (design: checks) and NotPossible never counts as a pass.
type Result uint8

// Results of a check. NotEvaluated is the zero value: the check has not run.
const (
	NotEvaluated Result = iota
	Pass
	Fail
	NotPossible
	NotApplicable
)

// Check is the result of one named check.
//
// Score and Threshold are set by checks that compare (face match, PAD, quality); they never leave
// the inspector unbanded. Deviations name tolerances that were applied, as a list of stable ids.
type Check struct {
	ID         CheckID  `json:"id"`
	Result     Result   `json:"result"`
	Reason     Reason   `json:"reason"`
	Score      float64  `json:"-"`
	Threshold  float64  `json:"-"`
	Deviations []string `json:"deviations,omitempty"`
}

// Verdict is the outcome of an inspection with the one reason that decided it and every check.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason"`
	Checks  []Check `json:"checks"`
}
