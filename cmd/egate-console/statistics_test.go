package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestE06StatisticsCommand: counts come as CSV with a head; days that are none are refused with an example.
func TestE06StatisticsCommand(t *testing.T) {
	cfg := Config{DataDir: t.TempDir()}
	var out bytes.Buffer
	if err := statistics(&out, cfg, "2026-01-01..2026-02-01"); err != nil || out.String() != "start_utc,hours,gate,unit,outcome,reason,referred,acquisition,retries,decision,override,group,count\n" {
		t.Errorf("%v\n%s", err, out.String())
	}
	for _, bad := range []string{"", "2026-01-01", "2026-02-01..2026-01-01", "yesterday..today", "2026-01-01..2030-01-01"} {
		if err := statistics(&out, cfg, bad); err == nil || !strings.Contains(err.Error(), "2026-01-01..2026-02-01") && !strings.Contains(err.Error(), "hours at once") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
