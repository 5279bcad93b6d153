package control

import (
	"testing"
	"time"

	"egate/api"
)

// ahead is a gate whose machine's clock is behind the time that the centre has signed.
type ahead struct{ by time.Duration }

func (a ahead) Now() time.Time { return time.Now().Add(a.by).UTC() }
func (a ahead) Trusted() bool  { return true }
func (a ahead) Row() string    { return "" }

// E-07, O-01: leases and orders go by the gate's trusted time. On a board whose own clock is hours behind, a lease that
// has ended is none, and one that lasts is one.
func TestE07LeasesAndOrdersByTrustedTime(t *testing.T) {
	loop(t, func(r *rig) {
		c := ahead{9 * time.Hour}
		r.l.cfg.Clock = c
		delete(r.l.leases, "console\x00anna")
		r.lease("anna", time.Hour) // by the machine's clock; it ended eight hours ago
		r.screen("closed")
		r.in(Inbound{Lease: &api.Lease{Gate: "g", Principal: "console", Officer: "anna", ExpiresAt: c.Now().Add(time.Minute)}})
		r.screen("notice")
		for _, x := range []struct {
			ends time.Time
			want string
		}{{time.Now().Add(time.Hour), "expired"}, {c.Now().Add(5 * time.Second), "accepted"}} {
			r.in(Inbound{Command: &api.Command{ID: x.want, Name: api.CmdCloseGate, Principal: "console", Officer: "anna", ExpiresAt: x.ends}})
			if got := r.link.last(); got.Result != x.want || got.At.Sub(c.Now()).Abs() > time.Second {
				t.Errorf("%s: answered %s (%s) at %v", x.want, got.Result, got.Reason, got.At)
			}
		}
	})
}
