package control

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"egate/api"
	"egate/gate"
	"egate/inspect/protocol"
)

// TestM09LocalOrders: a technician at the gate, with the broker gone, is bound by the gate's rules like the desk;
// what moves travellers is not for him; each order is a leaf of the log, whatever became of it.
func TestM09LocalOrders(t *testing.T) {
	loop(t, func(r *rig) {
		r.link.in <- Inbound{Up: true}
		permitted := true
		ask := func(name string) string {
			t.Helper()
			var got *api.Response
			r.link.in <- Inbound{Local: &Local{Order: &api.Command{ID: "local-" + name, Name: name, Principal: "service-0123", ExpiresAt: time.Now().Add(time.Second)}, Permitted: permitted,
				Answer: func(x api.Response) { got = &x }}}
			synctest.Wait()
			if got == nil {
				t.Fatalf("%s: no answer", name)
			}
			return strings.TrimSpace(got.Result + " " + got.Reason)
		}
		for _, name := range []string{api.CmdOpenEntry, api.CmdOpenExit, api.CmdRelease, api.CmdAccept, api.CmdOpenGate, api.CmdManual, api.CmdReset, "shell"} {
			if got := ask(name); got != "rejected not_supported" {
				t.Errorf("%s: %s", name, got)
			}
		}
		if got := ask(api.CmdSelfTest); got != "rejected gate_closed" {
			t.Errorf("a self-test of a gate in service: %s", got)
		}
		// P-14: service needs an officer's order where he can be asked, else a code that he made.
		if got := ask(api.CmdService); got != "rejected officer_release" {
			t.Errorf("with a code, though an officer can be asked: %s", got)
		}
		r.link.in <- Inbound{Down: true}
		permitted = false
		if got := ask(api.CmdService); got != "rejected officer_release" {
			t.Errorf("without a code: %s", got)
		}
		permitted = true
		if got := ask(api.CmdService); got != "accepted" || r.l.m.Mode.String() != "service" {
			t.Errorf("service: %s, mode %s", got, r.l.m.Mode)
		}
		// P-14: the next document is a specimen, and its inspector is told.
		if got := ask(api.CmdSpecimen); got != "accepted" {
			t.Errorf("a specimen: %s", got)
		}
		r.screen("notice")
		r.touch("accept")
		if !r.insp.has(0, func(m protocol.ToInspector) bool {
			return m.Begin != nil && m.Begin.Service && len(m.Begin.Officers) == 0
		}) {
			t.Error("its inspector was not told")
		}
		r.touch("decline")
		r.pass(testLimits[gate.LimitNote])
		if got := ask(api.CmdCloseGate); got != "accepted" {
			t.Errorf("close: %s", got)
		}
		r.link.in <- Inbound{Local: &Local{Did: &api.OrderEvent{ID: "x", Principal: "service-0123", Name: "identify", Result: "done"}, Change: &api.Change{What: "pairing", Old: "v1-00", New: "v2-00"}}}
		synctest.Wait()
		var told []string
		for _, d := range r.jn.events(api.EventOrder) {
			told = append(told, string(d))
		}
		all := strings.Join(told, "\n")
		for _, want := range []string{`"name":"self_test","result":"rejected","reason":"gate_closed"`, `"principal":"service-0123","name":"gate_service","result":"accepted"`, `"name":"identify","result":"done"`} {
			if !strings.Contains(all, want) {
				t.Errorf("no leaf with %s in\n%s", want, all)
			}
		}
		if len(r.jn.events(api.EventChange)) != 1 {
			t.Error("the pairing is no leaf")
		}
		if n := len(r.link.responses); n != 0 {
			t.Errorf("%d answers went to the centre", n)
		}
	})
	// Somebody is inside: the gate stays his.
	loop(t, func(r *rig) {
		r.document(0)
		got := ""
		r.link.in <- Inbound{Local: &Local{Order: &api.Command{ID: "1", Name: api.CmdService, Principal: "service-0123", ExpiresAt: time.Now().Add(time.Second)}, Permitted: true,
			Answer: func(x api.Response) { got = x.Result + " " + x.Reason }}}
		synctest.Wait()
		if got != "rejected mantrap_not_empty" {
			t.Errorf("%s with a traveller: %s", api.CmdService, got)
		}
	})
}
