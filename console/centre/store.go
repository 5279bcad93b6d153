package centre

import (
	"database/sql"
	"encoding/json"
	"fmt"

	_ "modernc.org/sqlite" // the database, in Go

	"egate/api"
)

// store is the history: events as they came, none of which names a person.
type store struct{ db *sql.DB }

func openStore(path string) (*store, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS event (gate TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
		type TEXT NOT NULL, at TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (gate, epoch, seq)) WITHOUT ROWID`)
	if err != nil {
		return nil, fmt.Errorf("centre: database %s: %w", path, err)
	}
	return &store{db}, nil
}

func (s *store) close() error { return s.db.Close() }

// last is the newest stored event of a gate, zero where there is none.
func (s *store) last(gate string) (epoch, seq uint64, err error) {
	err = s.db.QueryRow(`SELECT epoch, seq FROM event WHERE gate = ? ORDER BY epoch DESC, seq DESC LIMIT 1`, gate).Scan(&epoch, &seq)
	if err == sql.ErrNoRows {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("centre: database: %w", err)
	}
	return epoch, seq, nil
}

// put stores events in one transaction: durable when it returns.
func (s *store) put(rows []row) error {
	tx, err := s.db.Begin()
	if err != nil {
		return fmt.Errorf("centre: database: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	for _, r := range rows {
		if _, err := tx.Exec(`INSERT OR IGNORE INTO event (gate, epoch, seq, type, at, body) VALUES (?, ?, ?, ?, ?, ?)`,
			r.gate, r.event.Epoch, r.event.Seq, r.event.Type, r.event.Time.UTC().Format("2006-01-02T15:04:05.000Z"), r.body); err != nil {
			return fmt.Errorf("centre: database: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("centre: database: %w", err)
	}
	return nil
}

// after lists events of a gate, oldest first.
func (s *store) after(gate string, epoch, seq uint64, limit int) ([]api.Event, error) {
	rows, err := s.db.Query(`SELECT body FROM event WHERE gate = ? AND (epoch > ? OR epoch = ? AND seq > ?) ORDER BY epoch, seq LIMIT ?`, gate, epoch, epoch, seq, limit)
	if err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	defer rows.Close()
	out := []api.Event{}
	for rows.Next() {
		var b []byte
		var e api.Event
		if err := rows.Scan(&b); err != nil {
			return nil, fmt.Errorf("centre: database: %w", err)
		}
		if err := json.Unmarshal(b, &e); err != nil {
			return nil, fmt.Errorf("centre: database: %w", err)
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// row is one event on its way to the disk.
type row struct {
	gate  string
	event api.Event
	body  []byte
}
