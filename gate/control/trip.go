package control

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"egate/api"
	"egate/verdict"
)

// trip is what is told of one traveller's passage: an id that is fresh and random (E-08), times, check
// results. Nothing of it is personal but the language, which goes to the screen and nowhere else.
type trip struct {
	ID    string
	slot  int // inspector, -1 for none
	start time.Time
	mark  time.Duration // end of the last closed stage, since start
	stage string
	since time.Time // of the stage

	stages   []api.StageTime
	checks   []verdict.Check
	match    string
	pad      string
	model    string
	policy   string
	demo     bool
	retries  int
	overhead time.Duration
	steps    int
	// challenges is how many light challenges were played.
	challenges int

	hints     hints
	language  string
	progress  int
	dot       *float64
	prompt    string
	owner     string // officer who took the referral
	reason    verdict.Reason
	reference string
	dossier   []byte // hash of the dossier as sealed
}

// maxChecks bounds what an inspector may report.
const maxChecks = 64

func newTrip(now time.Time) *trip {
	var id [16]byte
	var ref [5]byte
	_, _ = rand.Read(id[:])
	_, _ = rand.Read(ref[:])
	return &trip{ID: hex.EncodeToString(id[:]), slot: -1, start: now, since: now, progress: -1, reference: reference(ref)}
}

// reference is what a traveller can quote at the counter (DP-09): random, short, without letters that
// are mistaken for digits.
func reference(b [5]byte) string {
	const letters = "ABCDEFGHJKLMNPRSTUVWXYZ2345679"
	out := make([]byte, 0, 6)
	for i, x := range b {
		if i == 2 {
			out = append(out, '-')
		}
		out = append(out, letters[int(x)%len(letters)])
	}
	return string(out)
}

// enter closes the running stage and begins another. Times are cut to milliseconds at their ends, so
// that the sum of the stages is the total (E-05).
func (t *trip) enter(stage string, now time.Time) {
	if t.stage == stage {
		return
	}
	at := now.Sub(t.start)
	if t.stage != "" {
		ms := at.Milliseconds() - t.mark.Milliseconds()
		if n := len(t.stages); n > 0 && t.stages[n-1].Stage == t.stage {
			t.stages[n-1].MS += ms
		} else {
			t.stages = append(t.stages, api.StageTime{Stage: t.stage, MS: ms})
		}
	}
	t.mark, t.stage, t.since = at, stage, now
	t.dot, t.prompt = nil, ""
}

// total is the sum of the stages.
func (t *trip) total() (ms int64) {
	for _, s := range t.stages {
		ms += s.MS
	}
	return ms
}
