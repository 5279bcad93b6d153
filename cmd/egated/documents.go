package main

import (
	"context"
	"log/slog"
	"time"

	"egate/health"
	"egate/officers"
)

// documentsEvery is how often the ends of signed documents are looked at.
const documentsEvery = time.Second

// rosterWarning is how long before its end a roster is complained of, or a tenth of its life if that is less.
const rosterWarning = 7 * 24 * time.Hour

// documents tells of signed documents that end while the gate runs, by the trusted time: a policy, after which no new
// traveller is taken until the next one is installed and the controller started, and the roster, after which nobody's
// order is followed until a newer one has come.
func documents(ctx context.Context, rules ruling, roster func() *officers.Roster, now func() time.Time, board *health.Board, log *slog.Logger) {
	tick := time.NewTicker(documentsEvery)
	defer tick.Stop()
	for {
		at := now()
		if !rules.until.IsZero() && !at.Before(rules.until) && !board.Has(health.PolicyRefused, health.PartInspector) {
			log.Error("egated: inspect.policy: the policy has ended", "until", rules.until, "security", true)
			board.Raise(health.PolicyRefused, health.PartInspector)
		}
		ended, ending := rosterStage(roster(), at)
		board.Set(health.RosterEnded, health.PartKeys, ended)
		board.Set(health.RosterEnding, health.PartKeys, ending)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// rosterStage tells whether a roster is none or has ended, and whether it will soon.
func rosterStage(r *officers.Roster, at time.Time) (ended, ending bool) {
	if r == nil || !at.Before(r.ExpiresAt) {
		return true, false
	}
	return false, r.ExpiresAt.Sub(at) < min(rosterWarning, r.ExpiresAt.Sub(r.IssuedAt)/10)
}
