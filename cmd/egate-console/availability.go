package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"egate/api"
	"egate/console/centre"
	"egate/health/availability"
)

// available writes availability, MTBF and MTTR of every gate over some days as CSV. It may run beside the console.
func available(w io.Writer, cfg Config, days string) error {
	from, to, err := span("--availability", days)
	if err != nil {
		return err
	}
	gates := map[string][]availability.Event{}
	err = centre.EachEvent(filepath.Join(cfg.DataDir, "history.db"), []string{api.EventMode, api.EventFault, api.EventBoot}, to, func(gate string, e api.Event) error {
		x := availability.Event{At: e.Time}
		switch strings.TrimSuffix(strings.TrimPrefix(e.Type, "egate."), ".v1") {
		case api.EventBoot:
			x.Boot = true
		case api.EventMode:
			var m api.ModeEvent
			if err := json.Unmarshal(e.Data, &m); err != nil {
				return err
			}
			x.Mode, x.By = m.To, m.By
		case api.EventFault:
			var f api.FaultEvent
			if err := json.Unmarshal(e.Data, &f); err != nil {
				return err
			}
			x.Code, x.Part, x.Raised = f.Code, f.Part, f.Raised
		}
		gates[gate] = append(gates[gate], x)
		return nil
	})
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("gate,from_utc,to_utc,scheduled_h,availability_percent,failures,mtbf_h,mttr_min,down_by_cause_min\n")
	for _, g := range slices.Sorted(maps.Keys(gates)) {
		r := availability.Compute(gates[g], from, to)
		var causes []string
		for _, c := range slices.Sorted(maps.Keys(r.Causes)) {
			causes = append(causes, fmt.Sprintf("%s %.1f", c, r.Causes[c].Minutes()))
		}
		fmt.Fprintf(&b, "%s,%s,%s,%.2f,%.3f,%d,%.2f,%.1f,%s\n", g, from.Format(time.RFC3339), to.Format(time.RFC3339), r.Scheduled.Hours(), 100*r.Availability(),
			r.Failures, r.MTBF.Hours(), r.MTTR.Minutes(), strings.Join(causes, "; "))
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// span reads two days in UTC.
func span(flag, days string) (from, to time.Time, err error) {
	first, last, ok := strings.Cut(days, "..")
	from, err1 := time.Parse(time.DateOnly, first)
	to, err2 := time.Parse(time.DateOnly, last)
	if !ok || err1 != nil || err2 != nil || !from.Before(to) {
		return from, to, fmt.Errorf("egate-console: %s takes two days, the first before the last: 2026-01-01..2026-02-01", flag)
	}
	return from, to, nil
}
