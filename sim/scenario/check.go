package scenario

import (
	"fmt"
	"slices"
	"strings"

	"egate/api"
	"egate/verdict"
)

// Seen is what was observed of one run: by the plant, at the far ends of the devices, on the
// traveller screen, in the events that the centre acknowledged, and by the memory scan.
type Seen struct {
	Passage    *api.Passage // the traveller's passage event, nil for none
	Passages   int          // passage events in all
	Crossed    []string     // labels of people who crossed the border
	Traveller  string       // label of the traveller
	Violations []string     // measured by the plant
	Alarms     []string     // reason codes of alarms and referrals
	Faults     []string     // fault codes raised
	Screens    []string     // names shown, in order, repetitions dropped
	Frames     int          // frames that left the camera
	EarlyFrame int          // frames that left it before the capture was due (DP-06)
	Released   bool         // the doors were released
	Restarted  bool         // a boot event of a new daemon was acknowledged
	Shown      Shown        // to the officer of a referral
	Documents  int          // documents whose inspection was begun and accepted
	Inside     int          // people between the doors at the end
	Seconds    float64
	Events     int      // events committed
	Acked      int      // of them acknowledged by the centre
	Leaks      []string // hits of the memory scan
	Troubles   []string // what kept the scenario from being played as written
}

// Check compares what was seen with what was expected and returns every difference as one line.
func (s *Scenario) Check(o *Seen) []string {
	var bad []string
	say := func(format string, a ...any) { bad = append(bad, fmt.Sprintf(format, a...)) }
	e := s.Expect
	bad = append(bad, o.Troubles...)
	for _, v := range o.Violations {
		say("plant: %s", v)
	}
	for _, l := range o.Leaks {
		say("memory scan: %s", l)
	}
	if e.Outcome == "none" {
		if o.Passage != nil && o.Passage.Outcome != verdict.OutcomeNone && o.Passage.Outcome.String() != "none" {
			say("no verdict was expected, the passage ended %s (%s)", o.Passage.Outcome, o.Passage.Reason)
		}
		if o.Passage != nil && len(e.Reason) > 0 && !slices.Contains(e.Reason, o.Passage.Reason.String()) {
			say("reason is %s, expected %s", o.Passage.Reason, strings.Join(e.Reason, " or "))
		}
	} else if o.Passage == nil {
		say("no passage event reached the centre, expected %s", e.Outcome)
	} else {
		if got := o.Passage.Outcome.String(); got != e.Outcome {
			say("outcome is %s (%s), expected %s", got, o.Passage.Reason, e.Outcome)
		}
		if len(e.Reason) > 0 && !slices.Contains(e.Reason, o.Passage.Reason.String()) {
			say("reason is %s, expected %s", o.Passage.Reason, strings.Join(e.Reason, " or "))
		}
		sum := int64(0)
		for _, st := range o.Passage.Stages {
			sum += st.MS
		}
		if sum != o.Passage.TotalMS {
			say("the stages add up to %d ms, the total is %d ms (E-05)", sum, o.Passage.TotalMS)
		}
	}
	me := slices.Contains(o.Crossed, o.Traveller)
	switch e.Crosses {
	case "traveller":
		if !me {
			say("the traveller did not cross the border")
		}
		if len(o.Crossed) > 1 {
			say("%s crossed the border", strings.Join(o.Crossed, " and "))
		}
	case "everybody":
		if !me || len(o.Crossed) != max(1, e.Documents) {
			say("%d crossed the border, expected all %d", len(o.Crossed), max(1, e.Documents))
		}
	case "nobody":
		if len(o.Crossed) > 0 {
			say("%s crossed the border", strings.Join(o.Crossed, " and "))
		}
	}
	if p := o.Passage; p != nil {
		if e.Completed != nil && p.Completed != *e.Completed {
			say("the passage event says completed=%v, expected %v", p.Completed, *e.Completed)
		}
		if p.Completed != me && e.Crosses != "anybody" && e.Completed == nil {
			say("the passage event says completed=%v while the plant measured crossed=%v", p.Completed, me)
		}
		for id, want := range e.Checks {
			if got := result(p, id); got != want {
				say("check %s is %s, expected %s", id, got, want)
			}
		}
		if id := e.FailedBesides; id != "" {
			other := false
			for _, c := range p.Checks {
				other = other || (c.ID.String() != id && c.Result == verdict.Fail)
			}
			if !other {
				say("no check but %s failed: the refusal rests on it alone", id)
			}
		}
	}
	for _, a := range e.Alarms {
		if !slices.Contains(o.Alarms, a) {
			say("alarm %s was not acknowledged by the centre (seen: %s)", a, list(o.Alarms))
		}
	}
	for _, a := range e.Faults {
		if !slices.Contains(o.Faults, a) {
			say("fault %s was not raised (seen: %s)", a, list(o.Faults))
		}
	}
	i := 0
	for _, sc := range o.Screens {
		if i < len(e.Screens) && sc == e.Screens[i] {
			i++
		}
	}
	if i < len(e.Screens) {
		say("screen %s was not shown in its turn (shown: %s)", e.Screens[i], list(o.Screens))
	}
	switch {
	case e.Frames == "none" && o.Frames > 0:
		say("%d pictures were taken, none was allowed (DP-06)", o.Frames)
	case e.Frames == "some" && o.Frames == 0:
		say("no picture was taken")
	}
	if o.EarlyFrame > 0 {
		say("%d pictures were taken before the capture (DP-06)", o.EarlyFrame)
	}
	if e.Released != nil && *e.Released != o.Released {
		say("doors released: %v, expected %v", o.Released, *e.Released)
	}
	if e.Shown != nil && *e.Shown != o.Shown {
		say("the officer was shown %+v of the document, expected %+v (F-11)", o.Shown, *e.Shown)
	}
	if e.Restarted != nil && *e.Restarted != o.Restarted {
		say("restart seen: %v, expected %v", o.Restarted, *e.Restarted)
	}
	if e.Documents > 0 && o.Documents != e.Documents {
		say("%d documents were inspected, expected %d", o.Documents, e.Documents)
	}
	if o.Inside != e.Inside {
		say("%d people stand in the mantrap at the end, expected %d", o.Inside, e.Inside)
	}
	if e.Seconds > 0 && o.Seconds > e.Seconds {
		say("took %.1f s, at most %.1f s were expected", o.Seconds, e.Seconds)
	}
	if o.Acked < o.Events {
		say("%d of %d events were acknowledged by the centre", o.Acked, o.Events)
	}
	return bad
}

func result(p *api.Passage, id string) string {
	for _, c := range p.Checks {
		if c.ID.String() == id {
			return c.Result.String()
		}
	}
	return "not_evaluated"
}

func list(l []string) string {
	if len(l) == 0 {
		return "none"
	}
	return strings.Join(l, ", ")
}
