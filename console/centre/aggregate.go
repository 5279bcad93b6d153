package centre

import (
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"egate/api"
	"egate/verdict"
)

// Small-cell suppression of what leaves as statistics (E-06).
const (
	// smallest is the least count that is told: of fewer passages somebody who was there could find himself.
	smallest = 10
	// settled is how long after a day its counts are made, once and for good: a gate may have stored its
	// events without a centre for so long (E-03).
	settled = 72 * time.Hour
	// maxHours bounds one export.
	maxHours = 366 * 24
	day      = 24 * time.Hour
	// deskTime is how long before the end of a passage its orders can have come.
	deskTime = 2 * time.Hour
)

// Cell is one count of an hour of UTC, or of the rest of a day: what is told nowhere in the hours of that day. A count
// below smallest has no cell: none, one and nine look alike.
type Cell struct {
	Start time.Time
	Hours int // 1, or 24 for the rest of the day
	Class
	Count int
}

// Class is what is told of one passage, or of one order at an empty gate. Every one of them is in one class and so in
// one cell at most.
type Class struct {
	Gate        string
	Unit        string // passage, safeguarding_stop, or the name of an override that concerned no passage
	Outcome     string
	Reason      string
	Referred    string // reason of the last referral; with Decision accept it was a false alarm that an officer confirmed
	Acquisition string // ok, fte (no reference could be made of the portrait), fta (no live face of sufficient quality): ISO/IEC 19795-1
	Retries     string // 0, 1, 2, 3 for three and more
	Decision    string // of an officer: accept, send_back, hold, open_exit
	Override    string // the officer's reason for it (O-07)
	Group       string // of the officer
}

func (c Class) columns() []string {
	return []string{c.Gate, c.Unit, c.Outcome, c.Reason, c.Referred, c.Acquisition, c.Retries, c.Decision, c.Override, c.Group}
}

// aggregated and aggregate are of versions that knew gate, outcome and reason only. What they told stays as it was told: to
// count such an hour again by finer classes would tell the difference.
const aggregateSchema = `
CREATE TABLE IF NOT EXISTS aggregated (hour TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aggregate (hour TEXT NOT NULL, gate TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, n INTEGER NOT NULL,
	PRIMARY KEY (hour, gate, outcome, reason)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counted (day TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cell (start TEXT NOT NULL, hours INTEGER NOT NULL, gate TEXT NOT NULL, unit TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
	referred TEXT NOT NULL, acquisition TEXT NOT NULL, retries TEXT NOT NULL, decision TEXT NOT NULL, override TEXT NOT NULL, grp TEXT NOT NULL, n INTEGER NOT NULL,
	PRIMARY KEY (start, hours, gate, unit, outcome, reason, referred, acquisition, retries, decision, override, grp)) WITHOUT ROWID;`

// statistics lists the cells that lie whole in [from, to). There is one partition and no sum over cells: so two
// exports, however their times overlap, tell together what the cells tell, and the difference of two exports is made of
// published cells too. A day is counted once, when it is settled; events that come later, or leave by retention, change
// nothing that was told.
func (s *store) statistics(now, from, to time.Time) ([]Cell, error) {
	from, to = from.UTC().Truncate(time.Hour), to.UTC().Truncate(time.Hour)
	if to.Sub(from) > maxHours*time.Hour {
		return nil, fmt.Errorf("centre: statistics: at most %d hours at once", maxHours)
	}
	for d := from.Truncate(day); d.Before(to) && over(d, now); d = d.Add(day) {
		if err := s.count(d); err != nil {
			return nil, fmt.Errorf("centre: statistics: %w", err)
		}
	}
	rows, err := s.db.Query(`SELECT hour, 1, gate, 'passage', outcome, reason, '', '', '', '', '', '', n FROM aggregate WHERE hour >= ?1 AND hour < ?2
		UNION ALL SELECT start, hours, gate, unit, outcome, reason, referred, acquisition, retries, decision, override, grp, n FROM cell
		WHERE start >= ?1 AND start < ?2 AND (hours = 1 OR start <= ?3) ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12`,
		from.Format(atFormat), to.Format(atFormat), to.Add(-day).Format(atFormat))
	if err != nil {
		return nil, fmt.Errorf("centre: statistics: %w", err)
	}
	defer rows.Close()
	out := []Cell{}
	for rows.Next() {
		var c Cell
		var start string
		if err := rows.Scan(&start, &c.Hours, &c.Gate, &c.Unit, &c.Outcome, &c.Reason, &c.Referred, &c.Acquisition, &c.Retries, &c.Decision, &c.Override, &c.Group, &c.Count); err != nil {
			return nil, fmt.Errorf("centre: statistics: %w", err)
		}
		if c.Start, err = time.Parse(atFormat, start); err != nil {
			return nil, fmt.Errorf("centre: statistics: %w", err)
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("centre: statistics: %w", err)
	}
	return out, nil
}

// over tells whether a day is settled.
func over(d, now time.Time) bool { return !d.Add(day + settled).After(now) }

// settle counts every day that is settled and has events: before retention takes them.
func (s *store) settle(now time.Time) error {
	last := now.UTC().Add(-settled).Truncate(day)
	rows, err := s.db.Query(`SELECT DISTINCT substr(at, 1, 10) FROM event WHERE at < ? EXCEPT SELECT substr(day, 1, 10) FROM counted`, last.Format(atFormat))
	if err != nil {
		return fmt.Errorf("centre: statistics: %w", err)
	}
	defer rows.Close()
	var days []time.Time
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return fmt.Errorf("centre: statistics: %w", err)
		}
		if d, err := time.Parse(time.DateOnly, text); err == nil {
			days = append(days, d)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("centre: statistics: %w", err)
	}
	for _, d := range days {
		if err := s.count(d); err != nil {
			return fmt.Errorf("centre: statistics: %w", err)
		}
	}
	return nil
}

// count freezes the cells of one day. What is stored of it is suppressed already: the count of a small
// cell is nowhere but in the events.
func (s *store) count(d time.Time) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	res, err := tx.Exec(`INSERT OR IGNORE INTO counted (day) VALUES (?)`, d.Format(atFormat))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	told, err := before(tx, d)
	if err != nil {
		return err
	}
	counts, err := classes(tx, d)
	if err != nil {
		return err
	}
	for class, hours := range counts {
		for _, c := range cells(*hours, told) {
			args := []any{d.Add(time.Duration(c.hour) * time.Hour).Format(atFormat), c.hours}
			for _, x := range class.columns() {
				args = append(args, x)
			}
			if _, err := tx.Exec(`INSERT INTO cell VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, append(args, c.n)...); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}

// told is a cell of one class and day.
type told struct{ hour, hours, n int }

// cells are what is told of the counts of one class over the hours of a day; of hours in skip nothing is. An hour with
// a count that is too small gives it to the rest of the day. The rest is told unless it is too small itself, or so large that it
// says of some hour that it is not empty: with n in h hours of at most smallest-1 each, an hour may hold anything from
// none to smallest-1 as long as n <= (smallest-1)(h-1).
func cells(hours [24]int, skip [24]bool) (out []told) {
	rest, small := 0, 0
	for h, n := range hours {
		switch {
		case skip[h]:
		case n >= smallest:
			out = append(out, told{h, 1, n})
		default:
			rest += n
			small++
		}
	}
	if rest >= smallest && rest <= (smallest-1)*(small-1) {
		out = append(out, told{0, 24, rest})
	}
	return out
}

// before tells which hours of a day a version that knew fewer columns has told.
func before(tx *sql.Tx, d time.Time) (told [24]bool, err error) {
	rows, err := tx.Query(`SELECT hour FROM aggregated WHERE hour >= ? AND hour < ?`, d.Format(atFormat), d.Add(day).Format(atFormat))
	if err != nil {
		return told, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return told, err
		}
		if at, err := time.Parse(atFormat, text); err == nil {
			told[at.Hour()] = true
		}
	}
	return told, rows.Err()
}

// classes counts the passages of a day by class and hour, and the overrides that concerned none.
func classes(tx *sql.Tx, d time.Time) (map[Class]*[24]int, error) {
	rows, err := tx.Query(`SELECT gate, type, at, body FROM event WHERE type IN (?, ?, ?) AND at >= ? AND at < ? ORDER BY gate, epoch, seq`,
		"egate."+api.EventPassage+".v1", "egate."+api.EventOrder+".v1", "egate."+api.EventReferral+".v1", d.Add(-deskTime).Format(atFormat), d.Add(day).Format(atFormat))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[Class]*[24]int{}
	desk := map[[2]string]Class{} // by gate and passage: what officers did
	for rows.Next() {
		var gate, typ, text string
		var body []byte
		if err := rows.Scan(&gate, &typ, &text, &body); err != nil {
			return nil, err
		}
		at, err := time.Parse(atFormat, text)
		var e api.Event
		if err != nil || json.Unmarshal(body, &e) != nil {
			continue
		}
		add := func(c Class) {
			if c.Gate = gate; !at.Before(d) {
				if out[c] == nil {
					out[c] = new([24]int)
				}
				out[c][at.Hour()]++
			}
		}
		switch kind(e) {
		case api.EventReferral:
			var r api.ReferralEvent
			if json.Unmarshal(e.Data, &r) == nil && r.State == "open" {
				c := desk[[2]string{gate, r.Passage}]
				c.Referred = r.Reason.String()
				desk[[2]string{gate, r.Passage}] = c
			}
		case api.EventOrder:
			var o api.OrderEvent
			if json.Unmarshal(e.Data, &o) != nil {
				continue
			}
			switch did := decisions[o.Name]; {
			case o.Name == api.CmdSafeguard && o.Result == "accepted": // by itself: nothing of the passage, nothing of the officer (O-08)
				add(Class{Unit: o.Name, Override: o.Override})
			case did == "" || o.Result != "accepted": // done and failed come after it
			case o.Passage != "":
				c := desk[[2]string{gate, o.Passage}]
				c.Decision, c.Override, c.Group = did, o.Override, o.Group
				desk[[2]string{gate, o.Passage}] = c
			case o.Name == api.CmdOpenExit:
				add(Class{Unit: o.Name, Decision: did, Override: o.Override, Group: o.Group})
			}
		case api.EventPassage:
			var p api.Passage
			if json.Unmarshal(e.Data, &p) != nil {
				continue
			}
			c := desk[[2]string{gate, p.Passage}]
			delete(desk, [2]string{gate, p.Passage})
			c.Unit, c.Outcome, c.Reason, c.Acquisition, c.Retries = "passage", p.Outcome.String(), p.Reason.String(), acquisition(p.Checks), strconv.Itoa(min(max(p.Retries, 0), 3))
			add(c)
		}
	}
	return out, rows.Err()
}

// decisions are the orders that decide about a traveller.
var decisions = map[string]string{api.CmdAccept: "accept", api.CmdSendBack: "send_back", api.CmdHold: "hold", api.CmdOpenExit: "open_exit"}

// acquisition tells what could not be had to compare: failure to enrol of the portrait, to acquire the live face.
func acquisition(checks []verdict.Check) string {
	out := "ok"
	for _, c := range checks {
		if c.Result != verdict.Fail && c.Result != verdict.NotPossible {
			continue
		}
		switch c.Reason {
		case verdict.PortraitUnusable:
			return "fte"
		case verdict.NoFace, verdict.FaceQuality, verdict.FaceOccluded:
			out = "fta"
		}
	}
	return out
}

// head names the columns of statistics.
var head = []string{"start_utc", "hours", "gate", "unit", "outcome", "reason", "referred", "acquisition", "retries", "decision", "override", "group", "count"}

// WriteStatistics writes the passages of the hours in [from, to) of a history database as CSV, without counts below ten
// (E-06). Days that are younger than 72 h are left out: their events may still be on their way.
func WriteStatistics(w io.Writer, database string, now, from, to time.Time) (err error) {
	s, err := openStore(database)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := s.close(); err == nil {
			err = cerr
		}
	}()
	cells, err := s.statistics(now, from, to)
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	lines := [][]string{head}
	for _, c := range cells {
		line := append([]string{c.Start.Format(time.RFC3339), strconv.Itoa(c.Hours)}, c.columns()...)
		lines = append(lines, append(line, strconv.Itoa(c.Count)))
	}
	return out.WriteAll(lines)
}
