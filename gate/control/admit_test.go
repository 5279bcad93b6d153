package control

import (
	"encoding/json"
	"testing"
	"time"

	"egate/api"
	"egate/inspect/protocol"
	"egate/verdict"
)

// P-09: whom the centre wants admitted and held is let in like any other and asked nothing; the desk alone is
// told, at once; no officer can open the exit for him, nor can an inspector; he can go back.
func TestP09AdmitAndHold(t *testing.T) {
	loop(t, func(r *rig) {
		r.touch("accept")
		r.says(0, protocol.FromInspector{Document: &protocol.Document{Present: true}})
		r.says(0, protocol.FromInspector{Checked: &protocol.Checked{Outcome: verdict.RefuseAndHold, Reason: verdict.CentreHit}})
		r.screen("lift_document")
		var told api.Alarm
		if all := r.jn.events(api.EventAlarm); len(all) != 1 || json.Unmarshal(all[0], &told) != nil || told.Reason != verdict.CentreHit {
			t.Fatalf("the desk was told %s", all)
		}
		r.says(0, protocol.FromInspector{Document: &protocol.Document{}})
		for _, d := range []protocol.Device{protocol.Scanner, protocol.NFC} {
			r.says(0, protocol.FromInspector{Released: &protocol.Released{Device: d}})
		}
		r.screen("enter")
		r.enter()
		r.screen("see_officer") // as in any referral
		if r.insp.has(0, isCapture) {
			t.Error("he was asked to look into the camera")
		}
		id := r.referral()
		if a := r.order(api.Command{Name: api.CmdTake, Passage: id}); a.Result != "accepted" {
			t.Fatal(a)
		}
		for _, c := range []api.Command{{Name: api.CmdAccept, Passage: id, Reason: verdict.PersonCompared}, {Name: api.CmdOpenExit, Reason: verdict.DocumentExamined}} {
			if a := r.order(c); a.Result != "rejected" {
				t.Errorf("%s: %+v", c.Name, a)
			}
		}
		r.allow(0)
		r.pass(time.Second, 0)
		if r.doors.count("open exit") != 0 {
			t.Fatal("the exit was opened")
		}
		r.touch("exit_request")
		r.screen("leave_back")
		if r.doors.count("open entry") != 2 {
			t.Error("there is no way back")
		}
	})
}
