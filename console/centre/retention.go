package centre

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"
)

// retain deletes events that are older than Keep (DP-08).
func (c *Centre) retain(ctx context.Context) {
	t := time.NewTicker(forgetEvery)
	defer t.Stop()
	for {
		if err := c.store.settle(c.cfg.Now()); err != nil { // what leaves by retention has been counted (E-06)
			c.log.Error("centre: statistics", "err", err)
		}
		now := c.cfg.Now()
		n, err := c.store.forget(now, now.Add(-c.cfg.Keep))
		if err != nil {
			c.log.Error("centre: retention", "err", err)
		} else if n > 0 {
			c.log.Info("centre: retention: events deleted", "count", n, "older_than", c.cfg.Keep.String())
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// forget deletes events that are older than a time (DP-08) and tells how many. It does so in small
// steps: whoever stores waits for one step at most. That they went is kept with the step that takes them.
func (s *store) forget(now, before time.Time) (n int64, err error) {
	for {
		some, err := s.forgetSome(now.UTC().Format(time.DateOnly), before.UTC().Format(atFormat))
		if err != nil {
			return n, fmt.Errorf("centre: database: %w", err)
		}
		if n += some; some == 0 {
			break
		}
	}
	// secure_delete has overwritten the rows; the log of writes still holds them until it is cut. Whatever was
	// deleted: a crash may have come between the two.
	if _, err := s.db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		return n, fmt.Errorf("centre: database: %w", err)
	}
	return n, nil
}

// forgetSome is one step of forget: what goes and the account of it in one transaction.
func (s *store) forgetSome(day, before string) (n int64, err error) {
	tx, err := s.db.Begin()
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	const oldest = `SELECT gate, epoch, seq FROM event WHERE at < ? ORDER BY at, gate, epoch, seq LIMIT 500`
	if _, err := tx.Exec(`INSERT INTO deletion (day, gate, epoch, older_than, first, last, count)
		SELECT ?, gate, epoch, ?, min(seq), max(seq), count(*) FROM (`+oldest+`) WHERE true GROUP BY gate, epoch
		ON CONFLICT (day, gate, epoch) DO UPDATE SET older_than = max(older_than, excluded.older_than),
			first = min(first, excluded.first), last = max(last, excluded.last), count = count + excluded.count`, day, before, before); err != nil {
		return 0, err
	}
	r, err := tx.Exec(`DELETE FROM event WHERE (gate, epoch, seq) IN (`+oldest+`)`, before)
	if err != nil {
		return 0, err
	}
	if n, err = r.RowsAffected(); err != nil {
		return 0, err
	}
	return n, tx.Commit()
}

// Deletion is what retention took on one day from one epoch of a gate: Count events, numbers First to Last, all of
// them older than OlderThan. The gate's own log still holds their hashes.
type Deletion struct {
	Day, Gate          string
	Epoch, First, Last uint64
	Count              uint64
	OlderThan          string
}

// deletions lists them, oldest first.
func (s *store) deletions() (out []Deletion, err error) {
	rows, err := s.db.Query(`SELECT day, gate, epoch, first, last, count, older_than FROM deletion ORDER BY day, gate, epoch`)
	if err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var d Deletion
		if err := rows.Scan(&d.Day, &d.Gate, &d.Epoch, &d.First, &d.Last, &d.Count, &d.OlderThan); err != nil {
			return nil, fmt.Errorf("centre: database: %w", err)
		}
		out = append(out, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	return out, nil
}

// WriteDeletions writes as CSV what retention has taken from a history database (DP-08). It names no passage. Counts and
// numbers of events are what everybody who may read the line's topics has seen, but statistics hold small ones back (E-06):
// this is for the auditor of the site.
func WriteDeletions(w io.Writer, database string) (err error) {
	s, err := openStore(database)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := s.close(); err == nil {
			err = cerr
		}
	}()
	all, err := s.deletions()
	if err != nil {
		return err
	}
	lines := [][]string{{"day_utc", "gate", "epoch", "first", "last", "count", "older_than_utc"}}
	for _, d := range all {
		lines = append(lines, []string{d.Day, d.Gate, strconv.FormatUint(d.Epoch, 10), strconv.FormatUint(d.First, 10), strconv.FormatUint(d.Last, 10),
			strconv.FormatUint(d.Count, 10), d.OlderThan})
	}
	return csv.NewWriter(w).WriteAll(lines)
}
