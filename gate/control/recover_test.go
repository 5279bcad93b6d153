package control

import (
	"errors"
	"slices"
	"testing"
	"time"

	"egate/api"
	"egate/health"
	"egate/inspect/protocol"
	"egate/verdict"
)

// TestC11RecoveryWaitsForTheLease: a device that failed is taken back from its inspector, and recovered when it was
// given back or the inspector is gone, never before; its fault keeps the gate closed until then.
func TestC11RecoveryWaitsForTheLease(t *testing.T) {
	for name, give := range map[string]func(*rig){
		"given back": func(r *rig) {
			r.says(0, protocol.FromInspector{Released: &protocol.Released{Device: protocol.Scanner}})
			r.says(0, protocol.FromInspector{Released: &protocol.Released{Device: protocol.NFC}})
		},
		"died": func(r *rig) { r.exits(0, errors.New("killed")) },
	} {
		t.Run(name, func(t *testing.T) {
			loop(t, func(r *rig) {
				var asked []string
				r.l.p.Recover = func(c health.Code, part string) { asked = append(asked, string(c)+" "+part) }
				r.touch("accept")
				r.says(0, protocol.FromInspector{Document: &protocol.Document{Present: true}})
				r.says(0, protocol.FromInspector{Fault: &protocol.Fault{Code: "nfc_lost", Device: protocol.NFC}})
				if len(asked) != 0 {
					t.Fatal("a device was reset in an inspector's hands")
				}
				if !r.insp.has(0, func(m protocol.ToInspector) bool {
					return m.Lease != nil && m.Lease.Device == protocol.NFC && !m.Lease.Held
				}) {
					t.Fatal("the lease was not taken back")
				}
				r.says(0, protocol.FromInspector{Beat: &protocol.Beat{}})
				if give(r); !slices.Equal(asked, []string{"nfc_lost chip_reader"}) {
					t.Fatalf("asked %v", asked)
				}
				r.pass(3*time.Second, 1)
				if f, blocked := r.board.Blocked(); !blocked || f.Code != health.NFCLost {
					t.Errorf("the fault of a device that is not back: %v %v", f, blocked)
				}
				r.board.Clear(health.NFCLost, health.PartNFC) // it answers again
				r.pass(time.Second, 1)
				if _, blocked := r.board.Blocked(); blocked || len(r.jn.events("fault")) == 0 && len(r.jn.events("egate.fault.v1")) == 0 {
					t.Error("recovered, and still blocked or never told")
				}
			})
		})
	}
}

// M-02: a gate that left service with a fault stays closed over a restart, until a self-test has passed.
func TestM02OutOfServiceOverARestart(t *testing.T) {
	var record []byte
	loop(t, func(r *rig) {
		for _, name := range []string{api.CmdService, api.CmdOutOfService} {
			if a := r.order(api.Command{Name: name}); a.Result != "accepted" {
				t.Fatal(name, a)
			}
		}
		record = r.jn.records[len(r.jn.records)-1].Model
	})
	recovered(t, record, func(r *rig) {
		r.screen("closed")
		if a := r.order(api.Command{Name: api.CmdOpenGate}); a.Result != "rejected" || a.Reason != verdict.SelfTestFailed.String() {
			t.Errorf("open: %+v", a)
		}
		if a := r.order(api.Command{Name: api.CmdService}); a.Result != "accepted" {
			t.Errorf("service: %+v", a)
		}
	})
}
