package emrtd

import (
	"context"
	"fmt"
	"testing"

	"egate/emrtd/chip"
	"egate/emrtd/issue"
	"egate/hal"
	"egate/verdict"
)

// C-01, C-03: every mapping and cipher of PACE with every kind and cipher of chip authentication, over links and
// chips with and without extended length: what each does alone they must do together.
func TestC01Together(t *testing.T) {
	type access struct {
		oid   string
		param int
	}
	var paces []access
	for suite := 1; suite <= 4; suite++ {
		for _, m := range []struct {
			mapping int
			params  []int
		}{{1, []int{0, 2}}, {2, []int{8, 13, 18}}, {3, []int{1}}, {4, []int{12, 17}}, {6, []int{15}}} {
			if m.mapping == 6 && suite == 1 {
				continue // chip authentication mapping is defined for AES
			}
			paces = append(paces, access{fmt.Sprintf("0.4.0.127.0.7.2.2.4.%d.%d", m.mapping, suite), m.params[suite%len(m.params)]})
		}
	}
	paces = append(paces, access{}) // BAC
	n := 0
	for i, a := range paces {
		for j, ca := range []string{"ecdh", "dh"} {
			if testing.Short() && (i+3*j)%5 != 0 {
				continue // under the race detector a fifth of them, of every kind
			}
			suite := []string{"3des", "aes128", "aes192", "aes256"}[(i+j)%4]
			param := []int{11, 13, 16, 18}[(i+2*j)%4]
			if ca == "dh" {
				param = i % 3
			}
			p := passport(t, func(p *issue.Profile) {
				p.Portrait = p.Portrait[:1500]
				p.ChipAuth, p.ChipAuthSuite, p.ChipAuthParam = ca, suite, param
				if a.oid == "" {
					p.Access = issue.AccessBAC
				} else {
					p.PACE = []issue.PACEOption{{OID: a.oid, Param: a.param}}
				}
				p.ExtendedLength = (i+j)%2 == 0
			})
			for _, limit := range []int{0, 262} {
				c := chip.New(p, chip.Options{})
				connect := func(context.Context) (hal.Card, error) {
					card := chip.Direct(c, nil)
					if limit > 0 {
						card.CommandLimit, card.ResponseLimit = limit, limit
					}
					return card, nil
				}
				card, _ := connect(context.Background())
				b := setup(t, p)
				b.opt.Reconnect = connect
				name := fmt.Sprintf("%s %d, ca %s %s %d, extended %v, link %d", a.oid, a.param, ca, suite, param, p.Extended, limit)
				r, err := Read(context.Background(), card, b.doc(), b.opt)
				n++
				// A public key of 256 bytes needs extended length: PACE uses the chaining of commands for its own
				// steps, so its keys cannot be cut (Doc 9303-11 §4.4.4.2). That is not possible, not a failure.
				if big := a.param > 0 && a.param < 3; big && (limit > 0 || !p.Extended) {
					if c := r.Check(verdict.CheckAccess); err == nil || c.Result != verdict.NotPossible || c.Reason != verdict.ChipAccessFailed {
						t.Errorf("%s: %s %s", name, c.Result, c.Reason)
					}
					continue
				}
				if err != nil || !r.Authenticated || r.Recoveries > 0 || r.Clone == "" {
					t.Errorf("%s: %d recoveries, clone %q: %v", name, r.Recoveries, r.Clone, err)
				}
			}
		}
	}
	t.Logf("%d reads", n)
}
