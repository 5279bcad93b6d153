package main

import (
	"fmt"
	"log/slog"
	"time"

	"egate/configs"
	"egate/gate/control"
	"egate/officers"
	"egate/seal"
)

// rosterRow is the journal's row of the roster in force, as it was signed.
const rosterRow = "doc/roster"

// keeper makes the keeper of the roster: the highest version of what the journal has and the file names. A roster
// that is none is told of and left: without a roster nobody's order is followed, and all else works.
func keeper(cfg configs.Gate, rows map[string]string, now func() time.Time, log *slog.Logger) (*officers.Keeper, error) {
	key, err := seal.LoadPublic(cfg.Officers.RosterKey)
	if err != nil {
		return nil, fmt.Errorf("egated: officers.roster_key: %w", err)
	}
	k := officers.NewKeeper(cfg.Site, cfg.Gate, cfg.Simulated, seal.Trust(key), now)
	if raw := rows[rosterRow]; raw != "" {
		if _, err := k.Offer([]byte(raw)); err != nil { // the key was changed, for one
			log.Warn("egated: roster of the journal", "err", err, "security", true)
		}
	}
	if cfg.Officers.Roster != "" {
		if err := k.Read(cfg.Officers.Roster); err != nil {
			log.Error("egated: officers.roster", "err", err, "security", true)
		}
	}
	return k, nil
}

// rosterPart names the roster in force, with the row that keeps it.
func rosterPart(r *officers.Roster) part {
	return part{what: "roster", is: fmt.Sprintf("v%d-%s", r.Version, hash(r.Raw())), rows: map[string]string{rosterRow: string(r.Raw())}}
}

// document is a roster as the loop takes it.
func document(r *officers.Roster) *control.Document {
	if r == nil {
		return nil
	}
	p := rosterPart(r)
	return &control.Document{What: p.what, Is: p.is, Rows: p.rows}
}
