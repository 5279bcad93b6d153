package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"egate/api"
	"egate/console/centre"
)

// TestM04AvailabilityCommand: the figures come from the events of the history database, as CSV.
func TestM04AvailabilityCommand(t *testing.T) {
	cfg := Config{DataDir: t.TempDir()}
	file := filepath.Join(cfg.DataDir, "history.db")
	if err := centre.EachEvent(file, []string{api.EventMode}, time.Now(), nil); err != nil { // makes the tables
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	seq := uint64(0)
	put := func(at string, kind string, data any) {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		seq++
		raw, _ := json.Marshal(data)
		body, _ := json.Marshal(api.Event{ID: fmt.Sprint("1-", seq), Type: "egate." + kind + ".v1", Time: when, Epoch: 1, Seq: seq, Data: raw})
		if _, err := db.Exec(`INSERT INTO event (gate, epoch, seq, type, at, body) VALUES ('gate-1', 1, ?, ?, ?, ?)`, seq, "egate."+kind+".v1", when.UTC().Format("2006-01-02T15:04:05.000Z"), body); err != nil {
			t.Fatal(err)
		}
	}
	put("2026-01-04T05:00:00Z", api.EventMode, api.ModeEvent{From: "closed", To: "open", By: "officer-1"})
	put("2026-01-05T06:00:00Z", api.EventFault, api.FaultEvent{Code: "camera_lost", Part: "camera", Raised: true})
	put("2026-01-05T07:00:00Z", api.EventFault, api.FaultEvent{Code: "camera_lost", Part: "camera"})
	put("2026-01-05T10:00:00Z", api.EventBoot, api.Boot{Boot: "0123456789abcdef", Version: "v1", Recovered: "clean"})
	put("2026-01-05T10:12:00Z", api.EventMode, api.ModeEvent{From: "recovering", To: "open"})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := available(&out, cfg, "2026-01-05..2026-01-06"); err != nil {
		t.Fatal(err)
	}
	if want := "gate-1,2026-01-05T00:00:00Z,2026-01-06T00:00:00Z,24.00,95.000,2,11.40,36.0,camera_lost 60.0; start 12.0\n"; !strings.HasSuffix(out.String(), "\n"+want) {
		t.Errorf("got\n%s", out.String())
	}
	if err := available(&out, cfg, "today"); err == nil || !strings.Contains(err.Error(), "--availability") {
		t.Error(err)
	}
}
