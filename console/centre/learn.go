package centre

import (
	"encoding/json"
	"slices"
	"time"

	"egate/api"
	"egate/console"
	"egate/verdict"
)

// alertQuiet is how long the same alert after its end is the same row again (O-05).
const alertQuiet = 10 * time.Second

// alert is one row at the desk: per gate and reason (O-05).
type alert struct {
	view  console.AlertView
	ended time.Time
}

// learn updates what officers see from a stored event; mu is held.
func (c *Centre) learn(g *gateState, e api.Event) {
	gate := g.view.Gate
	switch kind(e) {
	case api.EventPassage:
		var p api.Passage
		if json.Unmarshal(e.Data, &p) != nil {
			return
		}
		c.recent = append([]console.RecentView{{Gate: gate, Passage: p, At: e.Time}}, c.recent[:min(len(c.recent), maxRecent-1)]...)
		g.close(p.Passage)
		if p.Completed {
			c.repeats.crossed(gate, p.Passage)
		}
		c.settle(g, e.Time, func(a *alert) bool { return a.view.Passage == p.Passage && a.view.Severity != "danger" })
	case api.EventReferral:
		var r api.ReferralEvent
		if json.Unmarshal(e.Data, &r) != nil {
			return
		}
		v := g.referral[r.Passage]
		switch r.State {
		case "open":
			who, questions := r.Reason.Overturn()
			g.referral[r.Passage] = &console.ReferralView{Gate: gate, Passage: r.Passage, Reason: r.Reason.String(), Since: e.Time, State: "open",
				Overturn: who.String(), Questions: questions}
		case "taken":
			if v != nil {
				v.State, v.Owner = "taken", r.Officer
			}
		case "handed_over":
			if v != nil {
				v.Owner = r.Officer
			}
		case "returned":
			if v != nil {
				v.State, v.Owner = "open", ""
			}
		case "decided", "closed":
			g.close(r.Passage)
		}
	case api.EventAlarm:
		var a api.Alarm
		if json.Unmarshal(e.Data, &a) == nil {
			c.alert(g, e.Time, a.Reason.String(), a.Severity, a.Passage, a.Raised)
		}
	case api.EventGap:
		// The gate tells of a loss itself, whatever else shows of it here.
		c.alert(g, e.Time, console.AlertLost, "warning", "", true)
	case api.EventMode:
		c.settle(g, e.Time, func(a *alert) bool { return a.view.Passage == "" && a.view.Severity != "danger" && !own[a.view.Reason] })
	case api.EventOrder:
		// What a gate does not lower by itself waits for an officer who resets it.
		var o api.OrderEvent
		if json.Unmarshal(e.Data, &o) != nil {
			return
		}
		switch second := g.view.Second; {
		case o.Reason == secondOfficer:
			g.view.Second = &console.SecondView{ID: o.ID, Payload: g.proposed[o.ID].Payload, Name: o.Name, Officer: o.Officer, Passage: o.Passage, Until: e.Time.Add(secondLife)}
		case second != nil && second.ID == o.ID && o.Result != "rejected":
			g.view.Second = nil
		}
		if o.Name == api.CmdHandOver && o.Result == "accepted" {
			c.handedOver(gate, e, o.Officer)
		}
		if o.Name == api.CmdReset && (o.Result == "accepted" || o.Result == "done") {
			c.settle(g, e.Time, func(a *alert) bool {
				return a.view.Reason == console.AlertLost || a.view.Reason == console.AlertFork || a.view.Reason == console.AlertRollback || !own[a.view.Reason] && a.view.Reason != verdict.Emergency.String()
			})
		}
	case api.EventBoot:
		// Nothing of an earlier run is still open, and what still holds is raised again.
		clear(g.referral)
		clear(g.dossiers)
		c.settle(g, e.Time, func(a *alert) bool {
			return !own[a.view.Reason] && (a.view.Severity != "danger" || a.view.Reason == verdict.Emergency.String())
		})
	}
}

// An order that a gate answers so waits a minute for a second officer.
const (
	secondOfficer = "second_officer"
	secondLife    = time.Minute
)

// own are the alerts that events of a gate do not end.
var own = map[string]bool{console.AlertMissing: true, console.AlertLost: true, console.AlertRefused: true, console.AlertStore: true, console.AlertList: true, console.AlertClock: true,
	console.AlertFork: true, console.AlertRollback: true, console.AlertSilent: true, console.AlertRepeat: true, console.AlertRoster: true,
	console.AlertCertDue: true, console.AlertCertEnding: true, console.AlertCertLastDay: true, console.AlertCertExpired: true}

// alert raises or ends one; mu is held.
func (c *Centre) alert(g *gateState, now time.Time, reason, severity, passage string, raised bool) {
	i := slices.IndexFunc(g.alerts, func(a *alert) bool { return a.view.Reason == reason })
	switch {
	case !raised:
		if i >= 0 && g.alerts[i].view.Active {
			g.alerts[i].view.Active, g.alerts[i].ended = false, now
		}
	case i >= 0:
		a := g.alerts[i]
		if !a.view.Active && now.Sub(a.ended) >= alertQuiet {
			a.view.Since, a.view.Count = now, 0
		}
		if !(own[reason] && a.view.Active) { // the centre finds the same thing again with every message
			a.view.Count++
		}
		a.view.Active, a.view.Passage, a.view.Severity = true, passage, severity
	default:
		g.alerts = append(g.alerts, &alert{view: console.AlertView{ID: g.view.Gate + "/" + reason, Gate: g.view.Gate, Passage: passage, Reason: reason,
			Severity: severity, Since: now, Count: 1, Active: true}})
	}
}

// settle ends alerts; mu is held.
func (c *Centre) settle(g *gateState, now time.Time, which func(*alert) bool) {
	for _, a := range g.alerts {
		if a.view.Active && which(a) {
			a.view.Active, a.ended = false, now
		}
	}
}

// raise raises or ends an alert of the centre's own. One that concerns the whole line stands at one gate:
// the one it was met at, or the first.
func (c *Centre) raise(gate, reason string, on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	severity := "warning"
	if reason == console.AlertStore {
		severity = "danger" // gates go out of service when their journals are full
	}
	if on {
		for _, g := range c.gates {
			if slices.ContainsFunc(g.alerts, func(a *alert) bool { return a.view.Reason == reason && a.view.Active }) {
				return
			}
		}
		if gate == "" {
			gate = c.order[0]
		}
		c.alert(c.gates[gate], c.cfg.Now().UTC(), reason, severity, "", true)
		c.changed()
		return
	}
	for _, g := range c.gates {
		for _, a := range g.alerts {
			if a.view.Reason == reason && a.view.Active {
				c.alert(g, c.cfg.Now().UTC(), reason, severity, "", false)
				c.changed()
			}
		}
	}
}

// close forgets a referral and its envelopes, and remembers that it is over; mu is held.
func (g *gateState) close(passage string) {
	delete(g.referral, passage)
	delete(g.dossiers, passage)
	if !slices.Contains(g.over, passage) {
		g.over = append(g.over, passage)
		if len(g.over) > maxOver {
			g.over = slices.Delete(g.over, 0, 1)
		}
	}
}
