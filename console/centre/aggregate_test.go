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

// TestE06Differencing: what leaves as statistics holds no count below ten; any two exports, of whatever times
// and made whenever, before and after events that come late or are deleted, say the same of every hour
// that both have: so no difference of exports tells more than the cells do.
func TestE06Differencing(t *testing.T) {
	start := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		s, err := openStore(filepath.Join(t.TempDir(), fmt.Sprint(rapid.Uint64().Draw(rt, "name"), time.Now().UnixNano())))
		if err != nil {
			rt.Fatal(err)
		}
		defer s.close()
		if _, err := s.db.Exec(`PRAGMA synchronous = OFF`); err != nil { // no power fails here, and a thousand commits need not wait for the disk
			rt.Fatal(err)
		}
		seq := uint64(0)
		truth := map[string]int{}
		happen := func(at time.Time, gate string, o verdict.Outcome, r verdict.Reason, n int) {
			var rows []row
			for range n {
				seq++
				e := api.Event{Type: "egate.passage.v1", Time: at, Epoch: 1, Seq: seq, Data: must(json.Marshal(api.Passage{Outcome: o, Reason: r}))}
				rows = append(rows, row{gate: gate, event: e, body: must(json.Marshal(e))})
			}
			if _, err := s.put(rows, nil); err != nil {
				rt.Fatal(err)
			}
			truth[fmt.Sprint(at.Truncate(time.Hour), gate, o, r)] += n
		}
		some := func() {
			for range rapid.IntRange(1, 6).Draw(rt, "groups") {
				at := start.Add(time.Duration(rapid.IntRange(0, 5*60-1).Draw(rt, "minute")) * time.Minute)
				gate := rapid.SampledFrom([]string{"gate-1", "gate-2"}).Draw(rt, "gate")
				n := rapid.SampledFrom([]int{1, 4, 9, 10, 11, 23}).Draw(rt, "passages")
				if rapid.Bool().Draw(rt, "allowed") {
					happen(at, gate, verdict.Allow, verdict.OK, n)
				} else {
					happen(at, gate, verdict.Refer, verdict.FaceMismatch, n)
				}
			}
		}
		some()
		now := start.Add(settled + 6*time.Hour)
		told := map[string]Cell{}
		complete := map[string]bool{} // hours that were told once
		for range rapid.IntRange(2, 5).Draw(rt, "exports") {
			from := start.Add(time.Duration(rapid.IntRange(0, 4*60).Draw(rt, "from")) * time.Minute)
			to := from.Add(time.Duration(rapid.IntRange(0, 5*60).Draw(rt, "length")) * time.Minute)
			cells, err := s.statistics(now, from, to)
			if err != nil {
				rt.Fatal(err)
			}
			here := map[string]bool{}
			for _, c := range cells {
				if c.Count < smallest {
					rt.Fatalf("a count of %d is told", c.Count)
				}
				k := fmt.Sprint(c.Hour, c.Gate, c.Outcome, c.Reason)
				here[k] = true
				old, again := told[k]
				if again && old != c || !again && complete[c.Hour.String()] {
					rt.Fatalf("two exports differ: %+v, %+v", old, c)
				}
				told[k] = c
			}
			for h := from.Truncate(time.Hour); h.Before(to.Truncate(time.Hour)); h = h.Add(time.Hour) {
				for k, c := range told {
					if c.Hour.Equal(h) && !here[k] {
						rt.Fatalf("a cell has gone: %+v", c)
					}
				}
				complete[h.String()] = true
			}
			some() // late: after the hour was counted, or before
			if rapid.Bool().Draw(rt, "retention") {
				if _, err := s.forget(start.Add(time.Duration(rapid.IntRange(0, 300).Draw(rt, "age")) * time.Minute)); err != nil {
					rt.Fatal(err)
				}
			}
			now = now.Add(time.Hour)
		}
	})
}

// What is counted is what happened, once settled, and nothing before; as CSV.
func TestE06Statistics(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.db")
	s, err := openStore(file)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 5, 9, 30, 0, 0, time.UTC)
	var rows []row
	add := func(n int, at time.Time, o verdict.Outcome, r verdict.Reason) {
		for range n {
			e := api.Event{Type: "egate.passage.v1", Time: at, Epoch: 1, Seq: uint64(len(rows) + 1), Data: must(json.Marshal(api.Passage{Outcome: o, Reason: r}))}
			rows = append(rows, row{gate: "gate-1", event: e, body: must(json.Marshal(e))})
		}
	}
	add(12, at, verdict.Allow, verdict.OK)
	add(9, at, verdict.Refer, verdict.FaceMismatch)
	add(10, at.Add(time.Hour), verdict.Refer, verdict.FaceMismatch)
	if _, err := s.put(rows, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	day := at.Truncate(24 * time.Hour)
	export := func(now time.Time) string {
		var b bytes.Buffer
		if err := WriteStatistics(&b, file, now, day, day.Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got := export(at.Add(settled)); strings.Count(got, "\n") != 1 {
		t.Errorf("an hour that is not settled is told:\n%s", got)
	}
	want := "hour_utc,gate,outcome,reason,passages\n" +
		"2026-01-05T09:00:00Z,gate-1," + verdict.Allow.String() + "," + verdict.OK.String() + ",12\n" +
		"2026-01-05T10:00:00Z,gate-1," + verdict.Refer.String() + "," + verdict.FaceMismatch.String() + ",10\n"
	if got := export(at.Add(settled + 48*time.Hour)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var b bytes.Buffer
	if err := WriteStatistics(&b, file, at.Add(settled), day, day.Add((maxHours+1)*time.Hour)); err != nil && !strings.Contains(err.Error(), "hours at once") {
		t.Error(err)
	}
}
