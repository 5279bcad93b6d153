package main

import (
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/configs"
	"egate/gate"
	"egate/hal/simhal"
	"egate/health"
	"egate/health/wear"
)

// TestC11LampsComeBack: lines that were lost are all Low when they are opened again, and before they are opened for the
// first time nobody can drive them. The lamps are then as the loop wants them all the same.
func TestC11LampsComeBack(t *testing.T) {
	cfg, err := configs.Example(configs.SimYAML)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Lines.Device = filepath.Join(t.TempDir(), "lines.sock")
	geometry, err := matrix(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := simhal.NewLineServer(cfg.Lines.Device, slices.Collect(maps.Keys(cfg.Lines.Inputs)), slices.Collect(maps.Keys(cfg.Lines.Outputs)))
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	driven := make(chan bool, 64)
	srv.OnOutput(func(name string, l gpio.Level, _ time.Time) {
		if name == "lamp_red" {
			driven <- bool(l)
		}
	})
	worn, err := wear.Load(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	wires := newLines(cfg)
	lit := newLamps(wires)
	if err := lit.Set("lamp_red", true); err != nil {
		t.Fatalf("before the lines are open: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	sensed := make(chan gate.Event)
	go func() {
		ended <- sense(ctx, geometry, wires, lit, health.New(nil), worn, sensed, slog.New(slog.DiscardHandler))
	}()
	go func() {
		for range sensed {
		}
	}()
	high := func(when string) {
		for {
			select {
			case on := <-driven:
				if on {
					return
				}
			case <-time.After(time.Minute):
				t.Fatalf("%s: the lamp stays dark", when)
			}
		}
	}
	high("opened")
	srv.Disconnect()
	high("opened again")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	close(sensed)
	wires.Close()
}
