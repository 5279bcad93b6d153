package centre

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	_ "modernc.org/sqlite" // the database, in Go

	"egate/api"
)

// store is the history: events as they came, none of which names a person.
type store struct{ db *sql.DB }

// schema: event holds what came; position how far each epoch is stored, which outlives retention;
// conflict what came later under the number of another event, which a gate does whose disk lied; witness the
// last checkpoint of each audit log; suspect the checkpoints that do not go with it; deletion what retention has
// taken away, by the day on which it did.
const schema = `
CREATE TABLE IF NOT EXISTS event (gate TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
	type TEXT NOT NULL, at TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (gate, epoch, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (gate TEXT NOT NULL, epoch INTEGER NOT NULL, upto INTEGER NOT NULL, PRIMARY KEY (gate, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS conflict (gate TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
	PRIMARY KEY (gate, epoch, seq, body)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS witness (gate TEXT NOT NULL, epoch INTEGER NOT NULL, note BLOB NOT NULL, PRIMARY KEY (gate, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suspect (gate TEXT NOT NULL, at TEXT NOT NULL, reason TEXT NOT NULL, note BLOB NOT NULL, PRIMARY KEY (gate, note)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deletion (day TEXT NOT NULL, gate TEXT NOT NULL, epoch INTEGER NOT NULL, older_than TEXT NOT NULL,
	first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (day, gate, epoch)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_at ON event (at);
INSERT OR IGNORE INTO position SELECT gate, epoch, max(seq) FROM event GROUP BY gate, epoch;`

// atFormat sorts as text.
const atFormat = "2006-01-02T15:04:05.000Z"

func openStore(path string) (*store, error) {
	// Made here so that only its user may read it: the database engine would ask the umask.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	// FULL: a commit is on the disk when it returns (NORMAL may lose the last ones with WAL).
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_pragma=secure_delete(ON)")
	if err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	db.SetMaxOpenConns(1)
	if _, err = db.Exec(schema + aggregateSchema); err != nil {
		return nil, errors.Join(fmt.Errorf("centre: database %s: %w", path, err), db.Close())
	}
	return &store{db}, nil
}

func (s *store) close() error { return s.db.Close() }

// positions is how far each epoch of a gate is stored.
func (s *store) positions(gate string) (map[uint64]uint64, error) {
	rows, err := s.db.Query(`SELECT epoch, upto FROM position WHERE gate = ?`, gate)
	if err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	defer rows.Close()
	out := map[uint64]uint64{}
	for rows.Next() {
		var epoch, upto uint64
		if err := rows.Scan(&epoch, &upto); err != nil {
			return nil, fmt.Errorf("centre: database: %w", err)
		}
		out[epoch] = upto
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	return out, nil
}

// put stores events in one transaction: durable when it returns. Of again, events that are stored
// already, it keeps what differs from what it has and tells their gates.
func (s *store) put(fresh, again []row) (differ []string, err error) {
	tx, err := s.db.Begin()
	if err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	for _, r := range fresh {
		if _, err := tx.Exec(`INSERT INTO event (gate, epoch, seq, type, at, body) VALUES (?, ?, ?, ?, ?, ?)`,
			r.gate, r.event.Epoch, r.event.Seq, r.event.Type, r.event.Time.UTC().Format(atFormat), r.body); err != nil {
			return nil, fmt.Errorf("centre: database: %w", err)
		}
		if _, err := tx.Exec(`INSERT INTO position (gate, epoch, upto) VALUES (?, ?, ?) ON CONFLICT (gate, epoch) DO UPDATE SET upto = excluded.upto`,
			r.gate, r.event.Epoch, r.event.Seq); err != nil {
			return nil, fmt.Errorf("centre: database: %w", err)
		}
	}
	for _, r := range again {
		var b []byte
		var e api.Event
		switch err := tx.QueryRow(`SELECT body FROM event WHERE gate = ? AND epoch = ? AND seq = ?`, r.gate, r.event.Epoch, r.event.Seq).Scan(&b); {
		case errors.Is(err, sql.ErrNoRows):
			continue // gone by retention, or lost by the gate before it came here
		case err != nil:
			return nil, fmt.Errorf("centre: database: %w", err)
		}
		if err := json.Unmarshal(b, &e); err == nil && e.Type == r.event.Type && bytes.Equal(e.Data, r.event.Data) {
			continue
		}
		if _, err := tx.Exec(`INSERT OR IGNORE INTO conflict (gate, epoch, seq, body) VALUES (?, ?, ?, ?)`, r.gate, r.event.Epoch, r.event.Seq, r.body); err != nil {
			return nil, fmt.Errorf("centre: database: %w", err)
		}
		differ = append(differ, r.gate)
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	return differ, nil
}

// after lists events of a gate, oldest first.
func (s *store) after(gate string, epoch, seq uint64, limit int) ([]api.Event, error) {
	return s.list(`SELECT body FROM event WHERE gate = ? AND (epoch > ? OR epoch = ? AND seq > ?) ORDER BY epoch, seq LIMIT ?`, gate, epoch, epoch, seq, limit)
}

// newest lists the newest events of a gate, oldest first.
func (s *store) newest(gate string, limit int) ([]api.Event, error) {
	return s.list(`SELECT body FROM (SELECT epoch, seq, body FROM event WHERE gate = ? ORDER BY epoch DESC, seq DESC LIMIT ?) ORDER BY epoch, seq`, gate, limit)
}

func (s *store) list(query string, args ...any) ([]api.Event, error) {
	rows, err := s.db.Query(query, args...)
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
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	return out, nil
}

// row is one event on its way to the disk.
type row struct {
	gate  string
	event api.Event
	body  []byte
	// cut says that something may be missing before this event; start, instead of an event, that the gate
	// has begun a new connection and sends from its first unacknowledged event on.
	cut, start bool
	// note, instead of an event, is a checkpoint of the gate's audit log.
	note []byte
}

// witness remembers the checkpoint of an epoch: durable when it returns.
func (s *store) witness(gate string, epoch uint64, note []byte) error {
	if _, err := s.db.Exec(`INSERT INTO witness (gate, epoch, note) VALUES (?, ?, ?) ON CONFLICT (gate, epoch) DO UPDATE SET note = excluded.note`, gate, epoch, note); err != nil {
		return fmt.Errorf("centre: database: %w", err)
	}
	return nil
}

// witnessed lists the remembered checkpoints of a gate, oldest epoch first.
func (s *store) witnessed(gate string) (notes [][]byte, err error) {
	rows, err := s.db.Query(`SELECT note FROM witness WHERE gate = ? ORDER BY epoch`, gate)
	if err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, fmt.Errorf("centre: database: %w", err)
		}
		notes = append(notes, b)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	return notes, nil
}

// doubt is a checkpoint that does not go with what is known.
type doubt struct {
	at     time.Time
	reason string
}

// maxSuspects bounds what is kept as evidence of one gate: two histories are proven by one checkpoint.
const maxSuspects = 64

// suspect keeps a checkpoint that contradicts the remembered one: with it, it proves what the gate did.
func (s *store) suspect(gate, reason string, at time.Time, note []byte) error {
	_, err := s.db.Exec(`INSERT OR IGNORE INTO suspect (gate, at, reason, note) SELECT ?, ?, ?, ? WHERE (SELECT count(*) FROM suspect WHERE gate = ?) < ?`,
		gate, at.UTC().Format(atFormat), reason, note, gate, maxSuspects)
	if err != nil {
		return fmt.Errorf("centre: database: %w", err)
	}
	return nil
}

// suspects lists them, oldest first.
func (s *store) suspects(gate string) (out []doubt, err error) {
	rows, err := s.db.Query(`SELECT at, reason FROM suspect WHERE gate = ? ORDER BY at`, gate)
	if err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var at, reason string
		if err := rows.Scan(&at, &reason); err != nil {
			return nil, fmt.Errorf("centre: database: %w", err)
		}
		t, err := time.Parse(atFormat, at)
		if err != nil {
			return nil, fmt.Errorf("centre: database: %w", err)
		}
		out = append(out, doubt{t, reason})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("centre: database: %w", err)
	}
	return out, nil
}
