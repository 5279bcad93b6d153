package facematch

import "egate/verdict"

// Signal is a presentation attack signal of a sensor beside the camera: near infrared, depth, a second camera. It
// watches the same capture and judges it once, at its end. Result is Pass, Fail, or NotPossible where it saw too little
// to say; score and threshold are in its own unit.
//
// This is a contract only: no sensor of the kind has a driver here. Slots are the checks that such a signal answers
// for; one that a policy names and no signal answers for is not evaluated, which satisfies no requirement.
type Signal interface {
	Check() verdict.CheckID
	Judge() (score, threshold float64, r verdict.Result)
}

// Slots are the checks that wait for a sensor of their own.
var Slots = [...]verdict.CheckID{verdict.CheckPADNIR, verdict.CheckPADDepth, verdict.CheckPADSecondCamera}

// slots answers for the slots that a policy names.
func slots(named []verdict.CheckID, have []Signal, add func(verdict.CheckID, verdict.Result, verdict.Reason, float64, float64)) {
	for _, id := range named {
		r, score, threshold := verdict.NotEvaluated, 0.0, 0.0
		for _, s := range have {
			if s.Check() == id {
				score, threshold, r = s.Judge()
			}
		}
		add(id, r, reasonOf(r), score, threshold)
	}
}
