package control

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"egate/api"
	"egate/gate"
	"egate/verdict"
)

// outcomes are what the order events say, oldest first.
func (r *rig) outcomes() (out []string) {
	r.t.Helper()
	for _, b := range r.jn.events(api.EventOrder) {
		var e api.OrderEvent
		if err := json.Unmarshal(b, &e); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, e.Officer+" "+e.Name+" "+e.Result+" "+e.Reason)
	}
	return out
}

// rows are what the journal keeps after all its records.
func (j *fakeJournal) rows() map[string]string {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := map[string]string{}
	for _, r := range j.records {
		for k, v := range r.Meta {
			if all[k] = v; v == "" {
				delete(all, k)
			}
		}
	}
	return all
}

func (r *rig) in(i Inbound) { r.link.in <- i; synctest.Wait() }

// TestO03SameOrderSameAnswer: an order that comes again is not followed again; it has the answer that it had, before
// and after a restart, for as long as anybody asks (O-03).
func TestO03SameOrderSameAnswer(t *testing.T) {
	loop(t, func(r *rig) {
		first := r.order(api.Command{Name: api.CmdCloseGate})
		if first.Result != "accepted" || r.l.m.Open {
			t.Fatalf("%+v", first)
		}
		r.order(api.Command{Name: api.CmdOpenGate})
		n := len(r.jn.records)
		r.in(Inbound{Command: &api.Command{ID: first.ID, Principal: "console", Name: api.CmdCloseGate}, Again: true})
		if a := r.link.last(); a != first || !r.l.m.Open || len(r.jn.records) != n {
			t.Errorf("again: %+v, must be %+v and change nothing", a, first)
		}
		answered := len(r.link.responses)
		r.in(Inbound{Command: &api.Command{ID: "never", Principal: "console", Name: api.CmdCloseGate}, Again: true})
		if len(r.link.responses) != answered || !r.l.m.Open {
			t.Error("an order of an earlier connection that was never answered is answered")
		}
		if b := newAnswers(r.jn.rows(), time.Now()); b.by[first.ID].Result != "accepted" || !b.by[first.ID].At.Equal(first.At) {
			t.Errorf("after a restart: %+v", b.by)
		}
		if b := newAnswers(r.jn.rows(), time.Now().Add(answerKeep+time.Second)); len(b.by) != 0 || b.rows[answerRow+first.ID] != "" {
			t.Errorf("kept for ever: %+v", b.by)
		}
		r.pass(answerKeep + time.Second)
		for i := range maxAnswers + 10 {
			r.l.answers.put(api.Response{ID: fmt.Sprintf("x%d", i), At: time.Now()}, time.Now())
		}
		if len(r.l.answers.by) != maxAnswers || len(r.l.answers.order) != maxAnswers {
			t.Errorf("%d answers are kept, %d are the most", len(r.l.answers.by), maxAnswers)
		}
	})
}

// TestO03RefusedOrder: an order that is not its officer's, or late, moves nothing, is answered with the reason and is
// evidence (O-03, X-02).
func TestO03RefusedOrder(t *testing.T) {
	loop(t, func(r *rig) {
		r.in(Inbound{Command: &api.Command{ID: "r1", Principal: "console", Officer: "eve", Name: api.CmdCloseGate}, Refused: "officer_unknown"})
		if a := r.link.last(); a.ID != "r1" || a.Result != "rejected" || a.Reason != "officer_unknown" || !r.l.m.Open {
			t.Errorf("%+v", a)
		}
		r.in(Inbound{Command: &api.Command{ID: "r2", Principal: "console", Officer: "anna", Name: api.CmdCloseGate}, Refused: "expired"})
		if a := r.link.last(); a.Result != "expired" || !r.l.m.Open {
			t.Errorf("%+v", a)
		}
		if got := fmt.Sprint(r.outcomes()); got != "[eve gate_close rejected officer_unknown anna gate_close expired expired]" {
			t.Errorf("evidence: %s", got)
		}
	})
}

// TestO07EvidenceOfAnOverride: what an order event says of an override: the officer's reason, his group, and of a door that was ordered without a
// passage whose it was.
func TestO07EvidenceOfAnOverride(t *testing.T) {
	loop(t, func(r *rig) {
		r.l.cfg.Group = func(o string) string { return "group-of-" + o }
		r.l.trips[gate.LanePassage] = newTrip(time.Now())
		in := r.l.trips[gate.LanePassage].ID
		r.order(api.Command{Name: api.CmdOpenExit, Officer: "anna", Reason: verdict.TechnicalCause})
		r.order(api.Command{Name: api.CmdCloseGate, Officer: "ben"})
		var got []api.OrderEvent
		for _, b := range r.jn.events(api.EventOrder) {
			var e api.OrderEvent
			if err := json.Unmarshal(b, &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
		}
		if len(got) != 2 || got[0].Override != verdict.TechnicalCause || got[0].Group != "group-of-anna" || got[0].Passage != in || got[1].Override != "" || got[1].Group != "group-of-ben" || got[1].Passage != "" {
			t.Errorf("%+v", got)
		}
	})
}

// TestO08SafeguardingStop: an officer's order records that a safeguarding stop was made and why, with a reason of the list and no other; it moves
// nothing, and nothing leads from the record to a person.
func TestO08SafeguardingStop(t *testing.T) {
	loop(t, func(r *rig) {
		r.document(0)
		r.inside()
		before := r.l.m
		in := r.l.trips[gate.LanePassage].ID
		for _, why := range []string{"", "because", verdict.PersonCompared} {
			if a := r.order(api.Command{Name: api.CmdSafeguard, Officer: "anna", Reason: why}); a.Result+" "+a.Reason != "rejected reason_needed" {
				t.Errorf("%q: %+v", why, a)
			}
		}
		for _, why := range verdict.Safeguarding() {
			if a := r.order(api.Command{Name: api.CmdSafeguard, Officer: "anna", Passage: in, Reason: why}); a.Result != "accepted" {
				t.Errorf("%q: %+v", why, a)
			}
		}
		if r.l.m != before {
			t.Error("the record moved the gate")
		}
		all := r.jn.events(api.EventOrder)
		for i, b := range all[len(all)-len(verdict.Safeguarding()):] {
			var e api.OrderEvent
			if json.Unmarshal(b, &e) != nil || e.Name != api.CmdSafeguard || e.Override != verdict.Safeguarding()[i] || e.Officer != "anna" || strings.Contains(string(b), in) {
				t.Errorf("%s", b)
			}
		}
	})
}

// TestF06TwoPersons: what the roster lists is refused with one signature and followed with two; the evidence names both officers and holds the
// document that both signed (O-03, F-06). That they are two, and signed the same, is the link's to verify.
func TestF06TwoPersons(t *testing.T) {
	loop(t, func(r *rig) {
		r.l.cfg.TwoPersons = func(name string) bool { return name == api.CmdManual }
		for range 2 { // however often one gives it
			if a := r.order(api.Command{Name: api.CmdManual, Officer: "anna"}); a.Result+" "+a.Reason != "rejected second_officer" || r.l.m.Mode.String() != "open" {
				t.Fatalf("%+v", a)
			}
		}
		c := api.Command{ID: "both", Principal: "console", Name: api.CmdManual, Officer: "anna", ExpiresAt: time.Now().Add(-30 * time.Second)}
		r.in(Inbound{Command: &c, Pair: &Pair{Officer: "ben", Document: []byte("signed by both")}})
		if a := r.link.last(); a.ID != "both" || a.Result != "accepted" || r.l.m.Mode.String() != "manual" {
			t.Errorf("%+v", a)
		}
		all := r.jn.events(api.EventOrder)
		var e api.OrderEvent
		if json.Unmarshal(all[len(all)-1], &e) != nil || e.Officer != "anna" || e.Second != "ben" || string(e.Signed) != "signed by both" {
			t.Errorf("evidence: %+v", e)
		}
		if leaf := string(r.jn.records[len(r.jn.records)-1].Leaves[0]); !strings.Contains(leaf, base64.StdEncoding.EncodeToString([]byte("signed by both"))) {
			t.Errorf("leaf: %s", leaf)
		}
		if a := r.order(api.Command{Name: api.CmdOpenGate}); a.Result != "accepted" {
			t.Errorf("an order that needs one: %+v", a)
		}
		if a := r.order(api.Command{Name: api.CmdManual, Officer: "ben"}); a.Reason != "second_officer" {
			t.Errorf("both were used up: %+v", a)
		}
	})
}

// TestF06DocumentInForce: a roster that comes into force is evidence and stays in the journal (F-06).
func TestF06DocumentInForce(t *testing.T) {
	loop(t, func(r *rig) {
		r.in(Inbound{Document: &Document{What: "roster", Is: "v3-ab", Rows: map[string]string{"doc/roster": "signed"}}})
		r.in(Inbound{Document: &Document{What: "roster", Is: "v4-cd", Rows: map[string]string{"doc/roster": "signed too"}}})
		if rows := r.jn.rows(); rows["doc/roster"] != "signed too" || documents(rows)["roster"] != "v4-cd" {
			t.Errorf("%v", rows)
		}
		all := r.jn.events(api.EventChange)
		var c api.Change
		if len(all) != 2 || json.Unmarshal(all[1], &c) != nil || c.What+" "+c.Old+" "+c.New != "roster v3-ab v4-cd" {
			t.Errorf("%s", all)
		}
	})
}
