package centre

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"egate/api"
	"egate/console"
	"egate/seal"
	"egate/verdict"
)

func doc(n int) api.LookupQuestion {
	return api.LookupQuestion{Document: fmt.Sprintf("XK%07d", n), Issuer: "UTO", Name: "SPECIMEN<<ANNA", Birth: "1990-01-01"}
}

// TestP12SameDocument (P-12, X-09, DP-04): two gates and one broker: a document that is used at another gate, or
// again after its holder has crossed, or for the third time at one gate, goes to an officer, who is told
// which gate; another document does not; and the number stands nowhere on the centre's disk.
func TestP12SameDocument(t *testing.T) {
	each(t, func(t *testing.T, embedded bool) {
		if testing.Short() && !embedded {
			t.Skip("the short form asks over the embedded broker only")
		}
		l := newLine(t, embedded)
		l.stop()
		cfg := l.c.cfg
		cfg.RepeatWindow = DefaultRepeatWindow
		c := patient(t, cfg)
		l.c = c
		ctx, cancel := context.WithCancel(context.Background())
		ready, done := make(chan struct{}, 8), make(chan error, 1)
		go func() { done <- c.Run(ctx, func() { ready <- struct{}{} }) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		select {
		case <-ready:
		case <-time.After(patience):
			t.Fatal("the centre does not start")
		}
		a, b := l.gate(here), l.gate(there)
		want := func(what string, g *gateEnd, q api.LookupQuestion, answer string) {
			t.Helper()
			if got := g.lookup(q); got != answer {
				t.Errorf("%s: %s, want %s", what, got, answer)
			}
		}
		want("first use", a, doc(1), "clear")
		want("second try at the same gate", a, doc(1), "clear")
		want("third try", a, doc(1), "refer")
		l.alarmedAt(here, console.AlertRepeat)
		want("another document", a, doc(2), "clear")
		spelled := doc(2)
		spelled.Document += "<<"
		want("at the other gate, spelled otherwise", b, spelled, "refer")
		l.alarmedAt(there, console.AlertRepeat)
		other := doc(2)
		other.Issuer = "XOM"
		want("the same number of another issuer", b, other, "clear")

		// After a crossing.
		q := doc(3)
		p := passage()
		if got := a.lookupOf(p, q); got != "clear" {
			t.Errorf("before the crossing: %s", got)
		}
		a.commit(map[string]any{api.EventPassage: api.Passage{Passage: p, Outcome: verdict.Allow, Reason: verdict.OK, Completed: true,
			Stages: []api.StageTime{}, Checks: []verdict.Check{}}})
		want("after the crossing", a, q, "refer")

		err := filepath.WalkDir(l.disk, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			for _, n := range []int{1, 2, 3} {
				if bytes.Contains(b, []byte(doc(n).Document)) {
					t.Errorf("%s holds a document number", filepath.Base(path))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// lookupOf is lookup of a passage that the test goes on with.
func (e *gateEnd) lookupOf(p string, q api.LookupQuestion) string {
	e.t.Helper()
	pub, priv, err := seal.GenerateHPKE()
	if err != nil {
		e.t.Fatal(err)
	}
	q.Passage, q.ReplyKey = p, pub
	e.request(lookupKind, p, e.line.sealPub, must(json.Marshal(q)))
	for {
		i := e.next()
		if i.Answer == nil || i.Answer.Passage != p {
			continue
		}
		var a api.LookupAnswer
		if err := json.Unmarshal(must(seal.Open(priv, answerKind, e.name, p, i.Answer.Sealed)), &a); err != nil {
			e.t.Fatal(err)
		}
		return a.Answer
	}
}

func (l *line) alarmedAt(gate, reason string) {
	l.t.Helper()
	l.until(reason, func(v map[string]console.GateView) bool {
		for _, a := range v[gate].Alerts {
			if a.Reason == reason {
				return true
			}
		}
		return false
	})
}

// Property (P-12, X-09): whatever is used where and when, the memory says what a list without pseudonyms and
// keys would say, over changes of the key, and forgets after the window.
func TestP12Memory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const window = 10 * time.Minute
		r := newRepeats(window)
		type seen struct {
			doc     int
			gate    string
			at      time.Time
			crossed bool
			passage string
		}
		var all []seen
		now := time.Unix(1.8e9, 0)
		for n := range rapid.IntRange(1, 60).Draw(t, "uses") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(4*time.Minute)).Draw(t, "pause")))
			d, g := rapid.IntRange(1, 3).Draw(t, "document"), rapid.SampledFrom([]string{"g1", "g2"}).Draw(t, "gate")
			var under []docTag
			for _, k := range r.keys(now) {
				under = append(under, pseudonymOf(k, doc(d)))
			}
			passage := fmt.Sprint("p", n)
			got := r.again(now, g, passage, under)
			want, tries := false, 0
			for _, s := range all {
				if s.doc == d && now.Sub(s.at) < window {
					if s.gate != g || s.crossed {
						want = true
					} else {
						tries++
					}
				}
			}
			if want = want || tries >= maxTries; got != want {
				t.Fatalf("use %d of document %d at %s: %v, want %v", n, d, g, got, want)
			}
			all = append(all, seen{d, g, now, false, passage})
			if rapid.Bool().Draw(t, "crosses") {
				r.crossed(g, passage)
				all[len(all)-1].crossed = true
			}
		}
		r.keys(now.Add(window))
		if r.n != 0 || len(r.uses) != 0 {
			t.Fatalf("%d uses after the window", r.n)
		}
	})
}

// The memory is bounded, and who fills it gains nothing; without a window there is none.
func TestX09MemoryIsBounded(t *testing.T) {
	r := newRepeats(time.Hour)
	now := time.Unix(1.8e9, 0)
	keys := r.keys(now)
	r.mu.Lock()
	for i := range maxUses {
		r.uses[docTag{byte(i), byte(i >> 8), 1}] = []use{{gate: "g", at: now}}
	}
	r.mu.Unlock()
	if !r.again(now, "g", "p", []docTag{pseudonymOf(keys[0], doc(1))}) {
		t.Error("a full memory lets a document pass unseen")
	}
	if r.n > maxUses {
		t.Errorf("%d uses", r.n)
	}
	r.forget()
	if len(r.uses) != 0 || r.cur != nil {
		t.Error("not erased")
	}
	var none *repeats = newRepeats(0)
	if none != nil {
		t.Error("a memory without a window")
	}
	none.crossed("g", "p")
	none.forget()
}
