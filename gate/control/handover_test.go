package control

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"egate/api"
	"egate/gate"
	"egate/inspect/protocol"
	"egate/verdict"
)

// leaseOf is a lease of an officer who signed in at some time.
func (r *rig) leaseOf(officer string, since time.Time, d time.Duration) {
	r.link.in <- Inbound{Lease: &api.Lease{Gate: "g", Principal: "console", Officer: officer, SignedIn: since, ExpiresAt: time.Now().Add(d)}}
	synctest.Wait()
}

// owners are those that the desk was told of, in order: who has the referral after each of its events.
func (r *rig) owners() (out []string) {
	r.t.Helper()
	for _, raw := range r.jn.events(api.EventReferral) {
		var e api.ReferralEvent
		if err := json.Unmarshal(raw, &e); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, e.State+" "+e.Officer)
	}
	return out
}

// O-02, F-06: who handed the gate over is no second officer of it either, until he signs in anew; the emergency release stays anybody's.
func TestO02SecondSignatureAfterAHandOver(t *testing.T) {
	loop(t, func(r *rig) {
		r.l.cfg.TwoPersons = func(name string) bool { return name == api.CmdManual || name == api.CmdRelease }
		began := time.Now()
		r.leaseOf("anna", began, time.Hour)
		r.leaseOf("ben", began, time.Hour)
		if a := r.order(api.Command{Name: api.CmdHandOver, Officer: "anna", To: "ben"}); a.Result != "accepted" {
			t.Fatal(a)
		}
		both := func(id, name string) api.Response {
			c := api.Command{ID: id, Principal: "console", Name: name, Officer: "ben", ExpiresAt: time.Now().Add(time.Second)}
			r.in(Inbound{Command: &c, Pair: &Pair{Officer: "anna", Document: []byte("signed by both")}})
			return r.link.last()
		}
		if a := both("1", api.CmdManual); a.ID != "1" || a.Result != "rejected" || a.Reason != "handed_over" || a.Owner != "ben" {
			t.Errorf("the second word of who handed over: %+v", a)
		}
		r.pass(time.Second)
		r.leaseOf("anna", time.Now(), time.Hour)
		if a := both("2", api.CmdManual); a.ID != "2" || a.Result != "accepted" {
			t.Errorf("signed in anew: %+v", a)
		}
	})
	loop(t, func(r *rig) {
		began := time.Now()
		r.leaseOf("anna", began, time.Hour)
		r.leaseOf("ben", began, time.Hour)
		r.order(api.Command{Name: api.CmdHandOver, Officer: "anna", To: "ben"})
		c := api.Command{ID: "out", Principal: "console", Name: api.CmdRelease, Officer: "ben", ExpiresAt: time.Now().Add(time.Second)}
		r.in(Inbound{Command: &c, Pair: &Pair{Officer: "anna", Document: []byte("signed by both")}})
		if a := r.link.last(); a.ID != "out" || a.Result != "accepted" {
			t.Errorf("an emergency release: %+v", a)
		}
	})
}

// O-02, P-09: a hand-over moves lease, referral and the confirmation of a hold in one step. The old officer's orders
// are refused with the name of the new one, his console's leases count no more, and his next sign-in is one.
func TestO02HandOver(t *testing.T) {
	loop(t, func(r *rig) {
		began := time.Now()
		r.leaseOf("anna", began, time.Hour)
		r.document(0)
		r.inside()
		r.says(0, protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Refer, Reason: verdict.FaceMismatch}})
		id := r.referral()
		for _, name := range []string{api.CmdTake, api.CmdHold} {
			if a := r.order(api.Command{Name: name, Passage: id}); a.Result != "accepted" {
				t.Fatal(a)
			}
		}
		over := func(from, to string) api.Response {
			return r.order(api.Command{Name: api.CmdHandOver, Officer: from, To: to})
		}
		for who, want := range map[[2]string]string{{"anna", "ben"}: "receiver_absent", {"anna", "anna"}: "receiver_absent", {"anna", ""}: "receiver_absent", {"ben", "anna"}: "lease_lost"} {
			if a := over(who[0], who[1]); a.Result != "rejected" || a.Reason != want {
				t.Errorf("%v: %+v", who, a)
			}
		}
		r.leaseOf("ben", began, time.Hour)
		steps := r.l.step
		if a := over("anna", "ben"); a.Result != "accepted" || r.l.step != steps+1 {
			t.Fatalf("%+v, %d records", a, r.l.step-steps)
		}
		if r.l.state.Owner != "ben" || r.l.state.Referral != "taken" || !r.l.m.Lease || r.l.holds("anna") {
			t.Fatalf("after the hand-over: %+v", r.l.state)
		}
		r.leaseOf("anna", began, time.Hour) // that was on its way
		if r.l.holds("anna") {
			t.Fatal("a lease of the console that gave the gate away counts")
		}
		for _, c := range []api.Command{{Name: api.CmdSendBack, Passage: id}, {Name: api.CmdTake, Passage: id}, {Name: api.CmdHold, Passage: id}, {Name: api.CmdOpenEntry}, {Name: api.CmdCloseGate},
			{Name: api.CmdHandOver, To: "ben"}} {
			if a := r.order(c); a.Result != "rejected" || a.Reason != "handed_over" || a.Owner != "ben" {
				t.Errorf("%s of who handed over: %+v", c.Name, a)
			}
		}
		if a := r.order(api.Command{Name: api.CmdTake, Passage: id, Officer: "cora"}); a.Reason != "officer_held" || a.Owner != "ben" {
			t.Errorf("a third officer takes what is ben's: %+v", a)
		}
		r.pass(testLimits[gate.LimitPrompt]-time.Second, 0) // ben has the whole limit to say that he holds
		r.screen("see_officer")
		if a := r.order(api.Command{Name: api.CmdHold, Passage: id, Officer: "ben"}); a.Result != "accepted" {
			t.Fatal(a)
		}
		r.leaseOf("cora", began, time.Hour)
		if a := over("ben", "cora"); a.Result != "accepted" {
			t.Fatal(a)
		}
		if a := r.order(api.Command{Name: api.CmdCloseGate}); a.Owner != "cora" {
			t.Errorf("the first of three is told of %q", a.Owner)
		}
		r.leaseOf("anna", time.Now(), time.Hour) // she signs in anew
		if a := r.order(api.Command{Name: api.CmdSendBack, Passage: id}); a.Reason != "officer_held" || a.Owner != "cora" {
			t.Errorf("%+v", a)
		}
		if a := r.order(api.Command{Name: api.CmdSendBack, Passage: id, Officer: "cora"}); a.Result != "accepted" {
			t.Fatal(a)
		}
		want := []string{"open ", "taken anna", "handed_over ben", "handed_over cora", "decided cora"}
		if got := r.owners(); len(got) != len(want) {
			t.Fatalf("%q", got)
		} else {
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("%q", got)
				}
			}
		}
	})
}

// O-02, D-12: the entry that an officer holds open is the next officer's, who lets it close.
func TestO02HandOverOfAHeldDoor(t *testing.T) {
	loop(t, func(r *rig) {
		began := time.Now()
		r.leaseOf("anna", began, 48*time.Hour)
		r.leaseOf("ben", began, time.Hour)
		if a := r.order(api.Command{Name: api.CmdHoldEntry}); a.Result != "accepted" || r.l.state.Owner != "anna" {
			t.Fatalf("%+v, held by %q", a, r.l.state.Owner)
		}
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Pos: gate.PosOpen})
		r.pass(testLimits[gate.LimitReferral] - time.Second)
		if a := r.order(api.Command{Name: api.CmdHandOver, To: "ben"}); a.Result != "accepted" || r.l.state.Owner != "ben" {
			t.Fatalf("%+v, held by %q", a, r.l.state.Owner)
		}
		r.pass(testLimits[gate.LimitReferral] - time.Second) // his limit, not the rest of hers
		if n := len(r.jn.events(api.EventAlarm)); n != 0 {
			t.Errorf("%d alarms", n)
		}
		if a := r.order(api.Command{Name: api.CmdLetGo}); a.Reason != "handed_over" || a.Owner != "ben" || r.doors.count("close entry") != 0 {
			t.Errorf("%+v", a)
		}
		if a := r.order(api.Command{Name: api.CmdRelease}); a.Result != "accepted" {
			t.Errorf("the emergency release is anybody's: %+v", a)
		}
	})
	loop(t, func(r *rig) { // ben's console is lost after the hand-over: the door is nobody's, stays, and anybody's order closes it
		began := time.Now()
		r.leaseOf("anna", began, time.Hour)
		r.leaseOf("ben", began, 5*time.Second)
		r.order(api.Command{Name: api.CmdHoldEntry})
		r.sense(gate.Event{Kind: gate.EvDoorMoved, Pos: gate.PosOpen})
		r.order(api.Command{Name: api.CmdHandOver, To: "ben"})
		r.pass(6 * time.Second)
		if r.l.keeper != "" || r.doors.count("close entry") != 0 {
			t.Errorf("held by %q", r.l.keeper)
		}
		r.leaseOf("anna", time.Now(), time.Hour)
		if a := r.order(api.Command{Name: api.CmdLetGo}); a.Result != "accepted" || r.doors.count("close entry") != 1 {
			t.Errorf("%+v", a)
		}
	})
}

// O-02, O-01: wherever a console is lost around a hand-over, the referral has one owner or waits in the queue, for
// whoever is there, and never two.
func TestO02ConsoleLostAroundAHandOver(t *testing.T) {
	for name, c := range map[string]struct {
		lost        string // whose console goes
		before      bool   // before the order
		answer      string
		owner, take string // who owns it 5 s later, and else who can take it
	}{
		"the old one before":  {"anna", true, "lease_lost", "", "ben"},
		"the old one after":   {"anna", false, "", "ben", ""},
		"the new one before":  {"ben", true, "receiver_absent", "anna", ""},
		"the new one after":   {"ben", false, "", "", "cora"},
		"neither, and a lull": {"", false, "", "ben", ""},
	} {
		t.Run(name, func(t *testing.T) {
			loop(t, func(r *rig) {
				began := time.Now()
				live := func(but string) {
					for _, o := range []string{"anna", "ben", "cora"} {
						if o != but {
							r.leaseOf(o, began, 5*time.Second)
						}
					}
				}
				live("")
				r.document(0)
				r.inside()
				r.says(0, protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Refer, Reason: verdict.FaceMismatch}})
				id := r.referral()
				r.order(api.Command{Name: api.CmdTake, Passage: id})
				lull := func() {
					for range 6 {
						r.pass(time.Second, 0)
						live(c.lost)
					}
				}
				if c.before {
					lull()
				}
				if a := r.order(api.Command{Name: api.CmdHandOver, To: "ben"}); a.Reason != c.answer {
					t.Fatalf("%+v", a)
				}
				lull()
				if r.l.state.Owner != c.owner {
					t.Fatalf("owned by %q: %q", r.l.state.Owner, r.owners())
				}
				if c.take != "" {
					if a := r.order(api.Command{Name: api.CmdTake, Passage: id, Officer: c.take}); a.Result != "accepted" {
						t.Fatalf("%s cannot take it: %+v", c.take, a)
					}
				}
			})
		})
	}
}

// O-02: who confirmed as the second officer and is handed the referral does not decide alone.
func TestO02HandOverToTheSecondOfficer(t *testing.T) {
	loop(t, func(r *rig) {
		began := time.Now()
		r.leaseOf("anna", began, time.Hour)
		r.leaseOf("ben", began, time.Hour)
		r.document(0)
		r.inside()
		r.says(0, protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Refer, Reason: twoOfficers(t)}})
		id := r.referral()
		r.order(api.Command{Name: api.CmdTake, Passage: id})
		_, questions := r.l.m.PReason.Overturn()
		accept := api.Command{Name: api.CmdAccept, Passage: id, Officer: "ben", Reason: append(questions, "x")[0]}
		if a := r.order(accept); a.Result != "accepted" || !r.l.m.PSecond {
			t.Fatalf("the second officer's word: %+v", a)
		}
		r.order(api.Command{Name: api.CmdHandOver, To: "ben"})
		if a := r.order(accept); a.Reason != verdict.SecondOfficerNeeded.String() || r.doors.count("open exit") != 0 {
			t.Errorf("ben decided twice: %+v", a)
		}
	})
}

// twoOfficers is a reason that two officers may overturn.
func twoOfficers(t *testing.T) verdict.Reason {
	t.Helper()
	for _, x := range verdict.Reasons() {
		if who, _ := x.Overturn(); who == verdict.TwoOfficers {
			return x
		}
	}
	t.Fatal("no reason needs two officers")
	return verdict.ReasonNone
}

// O-02, P-15: a restart is no way back for who handed the gate over.
func TestO02HandOverSurvivesARestart(t *testing.T) {
	loop(t, func(r *rig) {
		began := time.Now()
		r.leaseOf("anna", began, time.Hour)
		r.leaseOf("ben", began, time.Hour)
		r.order(api.Command{Name: api.CmdHandOver, To: "ben"})
		rows := map[string]string{}
		r.jn.mu.Lock()
		for _, rec := range r.jn.records {
			for k, v := range rec.Meta {
				rows[k] = v
			}
		}
		r.jn.mu.Unlock()
		h := handedOver(rows, time.Now())
		if h["anna"].To != "ben" || !h["anna"].SignedIn.Equal(began) || len(handedOver(rows, time.Now().Add(2*handedKeep))) != 0 {
			t.Fatalf("%+v", h)
		}
		r.leaseOf("anna", time.Now().Add(time.Second), time.Hour)
		r.jn.mu.Lock()
		last := r.jn.records[len(r.jn.records)-1].Meta
		r.jn.mu.Unlock()
		if v, ok := last[handedRow+"anna"]; ok && v != "" {
			t.Errorf("she signed in anew: %q", v)
		}
	})
}
