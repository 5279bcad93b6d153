package control

import (
	"testing"
	"time"

	"egate/gate"
	"egate/inspect/protocol"
	"egate/verdict"
)

// P-07: a document is asked for three times at most, each time with another picture, whatever the trouble is and
// even when it is the same again; then the officer is asked.
func TestP07PromptsAreCountedAndChange(t *testing.T) {
	troubles := []verdict.Reason{verdict.ReasonNone}
	for r := range prompts {
		troubles = append(troubles, r)
	}
	for _, first := range troubles {
		for _, second := range troubles {
			if (first == verdict.ReasonNone) != (second == verdict.ReasonNone) {
				continue // nobody lays down, or somebody does
			}
			loop(t, func(r *rig) {
				r.touch("accept")
				r.disp.mu.Lock()
				from := len(r.disp.shown) - 1
				r.disp.mu.Unlock()
				for _, why := range []verdict.Reason{first, second, first} {
					if why == verdict.ReasonNone {
						r.pass(testLimits[gate.LimitDocument], 0)
						continue
					}
					r.says(0, protocol.FromInspector{Document: &protocol.Document{Present: true, Prompt: why}})
					r.pass(time.Second, 0)
				}
				r.screen("see_officer")
				r.disp.mu.Lock()
				defer r.disp.mu.Unlock()
				var shown []string
				for _, s := range r.disp.shown[from:] {
					if s.Name != "place_document" {
						break
					}
					if p := s.Prompt; len(shown) == 0 || shown[len(shown)-1] != p {
						shown = append(shown, p)
					}
				}
				if len(shown) != maxAsked {
					t.Fatalf("%v, then %v: asked with %d pictures: %q", first, second, len(shown), shown)
				}
				text := func(p string) string { // as it is read: two share it with another
					for r := range prompts {
						if r.String() == p {
							return picture(r).String()
						}
					}
					return p
				}
				for i := 1; i < len(shown); i++ {
					if a, b := shown[i-1], shown[i]; text(a) == text(b) || b == "" {
						t.Errorf("%v, then %v: asked again with the same picture: %q", first, second, shown)
					}
				}
			})
		}
	}
}

// maxAsked is how often a document is asked for (P-07: reader 3).
const maxAsked = 3
