package main

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"egate/configs"
	"egate/health"
	"egate/health/wear"
)

// TestM05Trends: what is beyond its limit becomes a fault that names the part, and goes with it; limits are the configuration's.
func TestM05Trends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worn, err := wear.Load(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		board := health.New(nil)
		board.Declare(health.PartNFC, health.PartCamera, health.PartController, health.PartEntry, health.PartExit)
		ctx, cancel := context.WithCancel(t.Context())
		var heat atomic.Int64
		heat.Store(40)
		limits := configs.Defaults().Wear
		limits.TemperatureC = 60
		done := make(chan struct{})
		go func() {
			defer close(done)
			trends(ctx, worn, limits, func() (float64, bool) { return float64(heat.Load()), true }, board)
		}()
		for range 60 {
			worn.Used(wear.Reader, 100)
			worn.Used(wear.Camera, 10)
		}
		time.Sleep(2 * wearEvery) // of the bubble's clock
		synctest.Wait()
		if !board.Has(health.Wear, health.PartNFC) || board.Has(health.Wear, health.PartCamera) || board.Has(health.Wear, health.PartController) {
			t.Error("not the reader alone")
		}
		heat.Store(61)
		for range 200 {
			worn.Used(wear.Reader, 0)
		}
		time.Sleep(2 * wearEvery)
		synctest.Wait()
		if board.Has(health.Wear, health.PartNFC) || !board.Has(health.Wear, health.PartController) {
			t.Error("not the board alone")
		}
		cancel()
		<-done
	})
}

// TestM05Stock: temperature of the hottest zone, room on the disk and days of the certificate stand in the health document's counters; what cannot
// be measured does not.
func TestM05Stock(t *testing.T) {
	dir := t.TempDir()
	if _, ok := temperature(dir)(); ok {
		t.Error("a temperature without a sensor")
	}
	for zone, text := range map[string]string{"thermal_zone0": "41000\n", "thermal_zone1": "63500\n", "thermal_zone2": "broken\n"} {
		if err := os.MkdirAll(filepath.Join(dir, zone), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, zone, "temp"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c, ok := temperature(dir)(); !ok || c != 63.5 {
		t.Error(c, ok)
	}
	now := time.Unix(1.8e9, 0)
	none := func() map[string]int64 { return map[string]int64{"steps": 1} }
	leaf := func() *x509.Certificate { return &x509.Certificate{NotAfter: now.Add(29*24*time.Hour + time.Hour)} }
	c := stock(none, leaf, func() (uint64, error) { return 300 << 20, nil }, func() time.Time { return now })()
	if c["steps"] != 1 || c["disk_free_mib"] != 300 || c["certificate_days"] != 29 {
		t.Error(c)
	}
	c = stock(none, nil, func() (uint64, error) { return 0, errors.New("gone") }, func() time.Time { return now })()
	if len(c) != 1 {
		t.Error(c)
	}
}
