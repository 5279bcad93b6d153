package centre

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"egate/api"
)

// EachEvent gives the stored events of some types (api.EventMode …) that happened before a time, gate by gate, each
// gate's in their order. It may run beside the console.
func EachEvent(database string, types []string, before time.Time, f func(gate string, e api.Event) error) (err error) {
	s, err := openStore(database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	args := []any{before.UTC().Format(atFormat)}
	for _, t := range types {
		args = append(args, "egate."+t+".v1")
	}
	rows, err := s.db.Query(`SELECT gate, body FROM event WHERE at < ? AND type IN (?`+strings.Repeat(", ?", len(types)-1)+`) ORDER BY gate, epoch, seq`, args...)
	if err != nil {
		return fmt.Errorf("centre: database: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var gate string
		var body []byte
		var e api.Event
		if err := rows.Scan(&gate, &body); err != nil {
			return fmt.Errorf("centre: database: %w", err)
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return fmt.Errorf("centre: database: %w", err)
		}
		if err := f(gate, e); err != nil {
			return err
		}
	}
	return rows.Err()
}
