package centre

import (
	"testing"
	"time"

	"egate/console"
)

// TestE07ClocksApart: a gate whose clock is more than two seconds off is alarmed, ahead at once and behind when no
// message of the last ones was quick; messages that wait on their way alarm nobody; a clock that is put right
// ends it.
func TestE07ClocksApart(t *testing.T) {
	start := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	const quick, slow = 40 * time.Millisecond, 30 * time.Second
	for name, x := range map[string]struct {
		clock  time.Duration   // of the gate, ahead of the centre's
		ways   []time.Duration // of its messages
		alarms bool
	}{
		"together":           {0, []time.Duration{quick, quick, quick, quick, quick, quick, quick}, false},
		"a little apart":     {1900 * time.Millisecond, []time.Duration{quick, quick}, false},
		"ahead":              {2100 * time.Millisecond, []time.Duration{quick}, true},
		"behind":             {-2100 * time.Millisecond, []time.Duration{quick, quick, quick, quick, quick, quick}, true},
		"behind, too few":    {-time.Hour, []time.Duration{quick, quick}, false},
		"messages that wait": {0, []time.Duration{slow, slow, quick, slow, slow, slow, slow}, false},
	} {
		now := start
		c := &Centre{cfg: Config{Now: func() time.Time { return now }}}
		g := &gateState{view: console.GateView{Gate: "gate-1"}}
		for _, way := range x.ways {
			sent := now
			now = now.Add(way)
			c.skew(g, sent.Add(x.clock))
		}
		alarmed := len(g.alerts) == 1 && g.alerts[0].view.Active && g.alerts[0].view.Reason == console.AlertClock
		if alarmed != x.alarms {
			t.Errorf("%s: alarm %v", name, alarmed)
		}
		for range skewSamples { // the clock is put right
			sent := now
			now = now.Add(quick)
			c.skew(g, sent)
		}
		if alarmed && g.alerts[0].view.Active {
			t.Errorf("%s: the alarm does not end", name)
		}
	}
}

// TestO05AlertStorm: ten thousand alerts of one cause at one gate are one row with a count; another cause and
// another gate have rows of their own.
func TestO05AlertStorm(t *testing.T) {
	c := &Centre{}
	g, other := &gateState{view: console.GateView{Gate: "gate-1"}}, &gateState{view: console.GateView{Gate: "gate-2"}}
	now := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	const storm = 10_000
	for range storm {
		now = now.Add(time.Millisecond)
		c.alert(g, now, "two_persons", "danger", "p1", true)
		c.alert(g, now, "two_persons", "danger", "p1", false)
	}
	c.alert(g, now, "tamper", "danger", "", true)
	c.alert(other, now, "two_persons", "danger", "p2", true)
	if len(g.alerts) != 2 || g.alerts[0].view.Count != storm || len(other.alerts) != 1 || other.alerts[0].view.Count != 1 {
		t.Errorf("%d rows, %d times; %d rows at the other gate", len(g.alerts), g.alerts[0].view.Count, len(other.alerts))
	}
	if since := g.alerts[0].view.Since; !since.Equal(time.Date(2026, 11, 2, 8, 0, 0, int(time.Millisecond), time.UTC)) {
		t.Errorf("since %v: a storm is one event", since)
	}
	now = now.Add(alertQuiet + time.Second)
	c.alert(g, now, "two_persons", "danger", "p3", true)
	if a := g.alerts[0].view; a.Count != 1 || !a.Since.Equal(now) {
		t.Errorf("after a quiet time: %d times since %v", a.Count, a.Since)
	}
}

// TestM05ConsoleCertificate: the console's own certificate is told of 30, 7 and 1 days before its end and after it, one stage at a time, until it is
// renewed.
func TestM05ConsoleCertificate(t *testing.T) {
	stage := ""
	g := &gateState{view: console.GateView{Gate: "gate-1"}}
	c := &Centre{cfg: Config{Now: time.Now, Certificate: func() string { return stage }}, gates: map[string]*gateState{"gate-1": g}, order: []string{"gate-1"}}
	for _, stage = range []string{"", console.AlertCertDue, console.AlertCertEnding, console.AlertCertLastDay, console.AlertCertExpired, ""} {
		c.certificate()
		var active []string
		for _, a := range g.alerts {
			if a.view.Active {
				active = append(active, a.view.Reason)
			}
		}
		if stage == "" && len(active) > 0 || stage != "" && (len(active) != 1 || active[0] != stage) {
			t.Errorf("%q: %q", stage, active)
		}
	}
}
