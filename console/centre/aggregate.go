package centre

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"egate/api"
)

// Small-cell suppression of what leaves as statistics (E-06).
const (
	// smallest is the least count that is told: of fewer passages somebody who was there could find himself.
	smallest = 10
	// settled is how long after an hour its counts are made, once and for good: a gate may have stored its
	// events without a centre for so long (E-03).
	settled = 72 * time.Hour
	// maxHours bounds one export.
	maxHours = 366 * 24
)

// Cell is one count of passages: of one hour (UTC), gate, outcome and reason. A count below smallest has
// no cell: none, one and nine look alike.
type Cell struct {
	Hour    time.Time `json:"hour"`
	Gate    string    `json:"gate"`
	Outcome string    `json:"outcome"`
	Reason  string    `json:"reason"`
	Count   int       `json:"count"`
}

const aggregateSchema = `
CREATE TABLE IF NOT EXISTS aggregated (hour TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aggregate (hour TEXT NOT NULL, gate TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, n INTEGER NOT NULL,
	PRIMARY KEY (hour, gate, outcome, reason)) WITHOUT ROWID;`

// statistics lists the cells of the hours in [from, to). There is one partition, by whole hours, and no sum
// over cells: so two exports, however their times overlap, tell together what the cells tell, and the
// difference of two exports is made of published cells too. An hour is counted once, when it is settled;
// events that come later, or leave by retention, change nothing that was told.
func (s *store) statistics(now, from, to time.Time) ([]Cell, error) {
	from, to = from.UTC().Truncate(time.Hour), to.UTC().Truncate(time.Hour)
	if to.Sub(from) > maxHours*time.Hour {
		return nil, fmt.Errorf("centre: statistics: at most %d hours at once", maxHours)
	}
	if last := now.UTC().Add(-settled).Truncate(time.Hour); to.After(last) {
		to = last
	}
	out := []Cell{}
	for h := from; h.Before(to); h = h.Add(time.Hour) {
		if err := s.count(h); err != nil {
			return nil, fmt.Errorf("centre: statistics: %w", err)
		}
	}
	rows, err := s.db.Query(`SELECT hour, gate, outcome, reason, n FROM aggregate WHERE hour >= ? AND hour < ? ORDER BY hour, gate, outcome, reason`, from.Format(atFormat), to.Format(atFormat))
	if err != nil {
		return nil, fmt.Errorf("centre: statistics: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c Cell
		var hour string
		if err := rows.Scan(&hour, &c.Gate, &c.Outcome, &c.Reason, &c.Count); err != nil {
			return nil, fmt.Errorf("centre: statistics: %w", err)
		}
		if c.Hour, err = time.Parse(atFormat, hour); err != nil {
			return nil, fmt.Errorf("centre: statistics: %w", err)
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("centre: statistics: %w", err)
	}
	return out, nil
}

// count freezes the cells of one hour. What is stored of it is suppressed already: the count of a small
// cell is nowhere but in the events.
func (s *store) count(hour time.Time) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	res, err := tx.Exec(`INSERT OR IGNORE INTO aggregated (hour) VALUES (?)`, hour.Format(atFormat))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	rows, err := tx.Query(`SELECT gate, body FROM event WHERE type = ? AND at >= ? AND at < ?`, "egate."+api.EventPassage+".v1", hour.Format(atFormat), hour.Add(time.Hour).Format(atFormat))
	if err != nil {
		return err
	}
	defer rows.Close()
	cells := map[[3]string]int{}
	for rows.Next() {
		var gate string
		var body []byte
		if err := rows.Scan(&gate, &body); err != nil {
			return err
		}
		var e api.Event
		var p api.Passage
		if json.Unmarshal(body, &e) != nil || json.Unmarshal(e.Data, &p) != nil {
			continue
		}
		cells[[3]string{gate, p.Outcome.String(), p.Reason.String()}]++
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for k, n := range cells {
		if n < smallest {
			continue
		}
		if _, err := tx.Exec(`INSERT INTO aggregate (hour, gate, outcome, reason, n) VALUES (?, ?, ?, ?, ?)`, hour.Format(atFormat), k[0], k[1], k[2], n); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// WriteStatistics writes the passages of the hours in [from, to) of a history database as CSV: per hour, gate,
// outcome and reason, without counts below ten (E-06). Hours that are younger than 72 h are left out:
// their events may still be on their way.
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
	var b strings.Builder
	b.WriteString("hour_utc,gate,outcome,reason,passages\n")
	for _, c := range cells {
		fmt.Fprintf(&b, "%s,%s,%s,%s,%d\n", c.Hour.Format(time.RFC3339), c.Gate, c.Outcome, c.Reason, c.Count)
	}
	_, err = io.WriteString(w, b.String())
	return err
}
