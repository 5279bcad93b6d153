package centre

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"egate/api"
	"egate/verdict"
)

// numbered makes rows of events of one gate.
type numbered struct{ rows []row }

func (n *numbered) add(gate, kind string, at time.Time, data any) {
	e := api.Event{Type: "egate." + kind + ".v1", Time: at, Epoch: 1, Seq: uint64(len(n.rows) + 1), Data: must(json.Marshal(data))}
	n.rows = append(n.rows, row{gate: gate, event: e, body: must(json.Marshal(e))})
}

// overturned is one passage that an officer let through.
func (n *numbered) overturned(gate string, at time.Time, group string) {
	id := fmt.Sprint("p", len(n.rows))
	n.add(gate, api.EventReferral, at.Add(-time.Minute), api.ReferralEvent{Passage: id, State: "open", Reason: verdict.FaceMismatch})
	n.add(gate, api.EventOrder, at.Add(-30*time.Second), api.OrderEvent{Passage: id, Name: api.CmdAccept, Result: "accepted", Officer: "o-1", Group: group, Override: verdict.PersonCompared})
	n.add(gate, api.EventOrder, at.Add(-20*time.Second), api.OrderEvent{Passage: id, Name: api.CmdAccept, Result: "done", Officer: "o-1", Group: group, Override: verdict.PersonCompared})
	n.add(gate, api.EventPassage, at, api.Passage{Passage: id, Outcome: verdict.Allow, Reason: verdict.OfficerAccepted})
}

// TestE06Differencing: what leaves as statistics holds no count below ten; any two exports, of whatever times
// and made whenever, before and after events that come late or are deleted, say the same of every hour and day
// that both have: so no difference of exports tells more than the cells do. Nobody is in two cells.
func TestE06Differencing(t *testing.T) {
	start := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	s, err := openStore(filepath.Join(t.TempDir(), "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := s.db.Exec(`PRAGMA synchronous = OFF`); err != nil { // no power fails here, and a thousand commits need not wait for the disk
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		if _, err := s.db.Exec(`DELETE FROM event; DELETE FROM position; DELETE FROM counted; DELETE FROM cell`); err != nil {
			rt.Fatal(err)
		}
		all, stored := &numbered{}, 0
		truth := map[string]int{} // by gate and day
		some := func() {
			for range rapid.IntRange(1, 6).Draw(rt, "groups") {
				at := start.Add(time.Duration(rapid.IntRange(0, 29*60-1).Draw(rt, "minute")) * time.Minute)
				gate := rapid.SampledFrom([]string{"gate-1", "gate-2"}).Draw(rt, "gate")
				n := rapid.SampledFrom([]int{1, 4, 9, 10, 11, 23}).Draw(rt, "passages")
				what := rapid.IntRange(0, 3).Draw(rt, "what")
				for range n {
					switch what {
					case 0:
						all.add(gate, api.EventPassage, at, api.Passage{Outcome: verdict.Allow, Reason: verdict.OK, Retries: n % 2})
					case 1:
						all.add(gate, api.EventPassage, at, api.Passage{Outcome: verdict.Refer, Reason: verdict.FaceMismatch})
					case 2:
						all.overturned(gate, at, "early")
					case 3:
						all.add(gate, api.EventOrder, at, api.OrderEvent{Name: api.CmdOpenExit, Result: "accepted", Group: "late", Override: verdict.TechnicalCause})
					}
				}
				truth[gate+at.Format(time.DateOnly)] += n
			}
			if _, err := s.put(all.rows[stored:], nil); err != nil {
				rt.Fatal(err)
			}
			stored = len(all.rows)
		}
		some()
		now := start.Add(settled + 3*day)
		told := map[string]Cell{}
		complete := map[string]bool{} // hours and days that were told once
		for range rapid.IntRange(2, 5).Draw(rt, "exports") {
			from := start.Add(time.Duration(rapid.IntRange(0, 26*60).Draw(rt, "from")) * time.Minute)
			to := from.Add(time.Duration(rapid.IntRange(0, 30*60).Draw(rt, "length")) * time.Minute)
			cells, err := s.statistics(now, from, to)
			if err != nil {
				rt.Fatal(err)
			}
			key := func(c Cell) string { return fmt.Sprint(c.Start, c.Hours, c.Class) }
			in := func(c Cell) string { return fmt.Sprint(c.Start, c.Hours) }
			here, persons := map[string]bool{}, map[string]int{}
			for _, c := range cells {
				if c.Count < smallest {
					rt.Fatalf("a count of %d is told", c.Count)
				}
				here[key(c)] = true
				persons[c.Gate+c.Start.Format(time.DateOnly)] += c.Count
				old, again := told[key(c)]
				if again && old != c || !again && complete[in(c)] {
					rt.Fatalf("two exports differ: %+v, %+v", old, c)
				}
				told[key(c)] = c
			}
			for k, n := range persons {
				if n > truth[k] {
					rt.Fatalf("%s: %d are told of, %d were there: somebody is in two cells", k, n, truth[k])
				}
			}
			for _, c := range told {
				end := c.Start.Add(time.Duration(c.Hours) * time.Hour)
				if !c.Start.Before(from.Truncate(time.Hour)) && !end.After(to.Truncate(time.Hour)) && !here[key(c)] {
					rt.Fatalf("a cell has gone: %+v", c)
				}
			}
			for h := from.Truncate(time.Hour); h.Before(to.Truncate(time.Hour)); h = h.Add(time.Hour) {
				complete[in(Cell{Start: h, Hours: 1})] = true
				if h.Equal(h.Truncate(day)) && !h.Add(day).After(to.Truncate(time.Hour)) {
					complete[in(Cell{Start: h, Hours: 24})] = true
				}
			}
			some() // late: after the day was counted, or before
			if rapid.Bool().Draw(rt, "retention") {
				if _, err := s.forget(time.Now(), start.Add(time.Duration(rapid.IntRange(0, 300).Draw(rt, "age"))*time.Minute)); err != nil {
					rt.Fatal(err)
				}
			}
			now = now.Add(time.Hour)
		}
	})
}

// TestE06RestTellsNoHour: whatever the hours of a day hold, with what is told of them each hour that is not told itself may
// have held anything from none to nine.
func TestE06RestTellsNoHour(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var hours [24]int
		var skip [24]bool
		n := rapid.SampledFrom([]int{0, 1, 9, 12}).Draw(rt, "most")
		for h := range hours {
			hours[h], skip[h] = rapid.IntRange(0, n).Draw(rt, "n"), rapid.IntRange(0, 3).Draw(rt, "skip") == 0
		}
		hidden, rest := 24, -1
		for _, c := range cells(hours, skip) {
			if c.n < smallest || c.hours == 1 && (c.n != hours[c.hour] || skip[c.hour]) {
				rt.Fatalf("%+v", c)
			}
			if c.hours == 1 {
				hidden--
			} else {
				rest = c.n
			}
		}
		for _, s := range skip {
			if s {
				hidden--
			}
		}
		// The others can make up the rest with nobody in this hour, and with nine in it.
		if rest >= 0 && (rest > (hidden-1)*(smallest-1) || rest < smallest-1) {
			rt.Fatalf("a rest of %d in %d hours tells of one of them", rest, hidden)
		}
	})
}

// What is counted is what happened, once settled, and nothing before; as CSV. Small hours are in the rest of their
// day: overrides by officer group, reason and gate among them (O-07).
func TestE06Statistics(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.db")
	s, err := openStore(file)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 5, 9, 30, 0, 0, time.UTC)
	var all numbered
	add := func(n int, at time.Time, p api.Passage) {
		for range n {
			all.add("gate-1", api.EventPassage, at, p)
		}
	}
	add(12, at, api.Passage{Outcome: verdict.Allow, Reason: verdict.OK})
	add(9, at, api.Passage{Outcome: verdict.Refer, Reason: verdict.FaceMismatch})
	add(10, at.Add(time.Hour), api.Passage{Outcome: verdict.Refer, Reason: verdict.FaceMismatch, Retries: 7})
	failed := func(id verdict.CheckID, r verdict.Reason) []verdict.Check {
		return []verdict.Check{{ID: id, Result: verdict.NotPossible, Reason: r}}
	}
	add(10, at, api.Passage{Outcome: verdict.Refer, Reason: verdict.PortraitUnusable, Checks: failed(verdict.CheckPortrait, verdict.PortraitUnusable)})
	add(11, at, api.Passage{Outcome: verdict.Refer, Reason: verdict.FaceQuality, Checks: failed(verdict.CheckMatch, verdict.FaceQuality)})
	for h := range 4 {
		for range 4 {
			all.overturned("gate-1", at.Add(time.Duration(h)*time.Hour), "early")
		}
		all.overturned("gate-1", at.Add(time.Duration(h)*time.Hour), "late") // four: nobody's count
	}
	for range 10 {
		all.add("gate-2", api.EventOrder, at, api.OrderEvent{Name: api.CmdOpenExit, Result: "accepted", Group: "late", Override: verdict.TechnicalCause})
		all.add("gate-2", api.EventOrder, at, api.OrderEvent{Name: api.CmdOpenExit, Result: "rejected", Group: "late", Override: verdict.TechnicalCause})
	}
	for i := range 21 { // safeguarding stops (O-08): ten and eleven of two reasons in an hour
		all.add("gate-1", api.EventOrder, at, api.OrderEvent{Name: api.CmdSafeguard, Result: "accepted", Officer: "o-1", Group: "early", Override: verdict.Safeguarding()[i%2+i/20]})
	}
	if _, err := s.put(all.rows, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	monday := at.Truncate(day)
	export := func(now, from, to time.Time) string {
		var b bytes.Buffer
		if err := WriteStatistics(&b, file, now, from, to); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got := export(monday.Add(day+settled-time.Second), monday, monday.Add(day)); strings.Count(got, "\n") != 1 {
		t.Errorf("a day that is not settled is told:\n%s", got)
	}
	const columns = "start_utc,hours,gate,unit,outcome,reason,referred,acquisition,retries,decision,override,group,count\n"
	hours := "2026-01-05T09:00:00Z,1,gate-1,passage,allow,ok,,ok,0,,,,12\n" +
		"2026-01-05T09:00:00Z,1,gate-1,passage,refer,face_quality,,fta,0,,,,11\n" +
		"2026-01-05T09:00:00Z,1,gate-1,passage,refer,portrait_unusable,,fte,0,,,,10\n" +
		"2026-01-05T09:00:00Z,1,gate-1,safeguarding_stop,,,,,,,child_alone,,10\n" +
		"2026-01-05T09:00:00Z,1,gate-1,safeguarding_stop,,,,,,,companion_doubtful,,11\n" +
		"2026-01-05T09:00:00Z,1,gate-2,door_open_exit,,,,,,open_exit,technical_cause,late,10\n" +
		"2026-01-05T10:00:00Z,1,gate-1,passage,refer,face_mismatch,,ok,3,,,,10\n"
	rest := "2026-01-05T00:00:00Z,24,gate-1,passage,allow,officer_accepted,face_mismatch,ok,0,accept,person_compared,early,16\n"
	later := monday.Add(day + settled)
	if got := export(later, monday, monday.Add(day)); got != columns+rest+hours {
		t.Errorf("got\n%s\nwant\n%s", got, columns+rest+hours)
	}
	if got := export(later, monday, monday.Add(23*time.Hour)); got != columns+hours {
		t.Errorf("the rest of a day that is not whole in the times: got\n%s", got)
	}
	var b bytes.Buffer
	if err := WriteStatistics(&b, file, at.Add(settled), monday, monday.Add((maxHours+1)*time.Hour)); err == nil || !strings.Contains(err.Error(), "hours at once") {
		t.Error(err)
	}
}

// TestE06CountedHoursStay: an hour that a version before counted by fewer columns is told as it was, and never again by finer
// ones, nor in the rest of its day; and what leaves by retention has been counted.
func TestE06CountedHoursStay(t *testing.T) {
	s, err := openStore(filepath.Join(t.TempDir(), "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	monday := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	var all numbered
	for h := range 4 {
		for i := range 8 + 4*(h%2) {
			all.add("gate-1", api.EventPassage, monday.Add(time.Duration(h)*time.Hour), api.Passage{Outcome: verdict.Allow, Reason: verdict.OK, Retries: i % 2})
		}
	}
	if _, err := s.put(all.rows, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec(`INSERT INTO aggregated VALUES ('2026-01-05T00:00:00.000Z'), ('2026-01-05T01:00:00.000Z');
		INSERT INTO aggregate VALUES ('2026-01-05T01:00:00.000Z', 'gate-1', 'allow', 'ok', 12)`); err != nil {
		t.Fatal(err)
	}
	now := monday.Add(day + settled)
	if err := s.settle(now); err != nil {
		t.Fatal(err)
	}
	if n, err := s.forget(time.Now(), monday.Add(day)); err != nil || n != 40 {
		t.Fatal(n, err)
	}
	got, err := s.statistics(now, monday, monday.Add(day))
	if err != nil {
		t.Fatal(err)
	}
	want := []Cell{
		{Start: monday, Hours: 24, Class: Class{Gate: "gate-1", Unit: "passage", Outcome: "allow", Reason: "ok", Acquisition: "ok", Retries: "0"}, Count: 10}, // 4 and 6 of the hours two and three
		{Start: monday, Hours: 24, Class: Class{Gate: "gate-1", Unit: "passage", Outcome: "allow", Reason: "ok", Acquisition: "ok", Retries: "1"}, Count: 10},
		{Start: monday.Add(time.Hour), Hours: 1, Class: Class{Gate: "gate-1", Unit: "passage", Outcome: "allow", Reason: "ok"}, Count: 12},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}
