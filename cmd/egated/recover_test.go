package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"egate/hal/recovery"
	"egate/health"
)

// TestC11FaultUntilTheDeviceIsBack: what a ladder cures is no fault any more and counted by its step; what it does
// not cure stays a fault with its part until somebody has, without a second recovery beside it.
func TestC11FaultUntilTheDeviceIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		board := health.New(nil)
		var back atomic.Bool // a technician has changed the cable
		runs := 0
		r := &recoverer{ctx: ctx, board: board, log: slog.New(slog.DiscardHandler), busy: map[string]bool{}, counts: map[string]int64{}}
		r.ladder = func(string) recovery.Ladder {
			runs++
			return recovery.Ladder{Probe: func(context.Context) error {
				if !back.Load() {
					return errors.New("silent")
				}
				return nil
			}, Reset: func(context.Context) error { return nil }}
		}
		board.Raise(health.NFCLost, health.PartNFC)
		r.Recover(health.NFCLost, health.PartNFC)
		r.Recover(health.NFCLost, health.PartNFC)
		time.Sleep(time.Minute)
		synctest.Wait()
		if f, blocked := board.Blocked(); !blocked || f.Part != health.PartNFC || runs != 1 {
			t.Fatalf("%v %v, %d ladders", f, blocked, runs)
		}
		back.Store(true)
		time.Sleep(2 * again)
		synctest.Wait()
		if board.Has(health.NFCLost, health.PartNFC) {
			t.Fatal("back, and still a fault")
		}
		board.Raise(health.CameraFrozen, health.PartCamera)
		r.Recover(health.CameraFrozen, health.PartCamera)
		time.Sleep(time.Second)
		synctest.Wait()
		if board.Has(health.CameraFrozen, health.PartCamera) {
			t.Fatal("opened again, and still a fault")
		}
		c := r.counters(func() map[string]int64 { return map[string]int64{"cycles": 7} })()
		if c["cycles"] != 7 || c["device_chip_reader_given_up"] != 1 || c["device_chip_reader_reopened"] != 1 || c["device_camera_reopened"] != 1 {
			t.Errorf("%v", c)
		}
		cancel()
		r.wg.Wait()
		r.Recover(health.NFCLost, health.PartNFC) // the program ends
		r.wg.Wait()
	})
}

// TestC11ProbeIsBounded: a probe that hangs ends with its context, and a program that refuses is told.
func TestC11ProbeIsBounded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- probe(ctx, []string{"sh", "-c", "exec sleep 1000"}, "nfc") }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := probe(t.Context(), []string{"sh", "-c", "exit 3"}, "nfc"); err == nil {
		t.Error("a refusal is an answer")
	}
	if err := probe(t.Context(), []string{"true"}, "nfc"); err != nil {
		t.Error(err)
	}
}

// TestC11PortOfTheParts: the port that is reset is the one that was paired, also when the device is gone.
func TestC11PortOfTheParts(t *testing.T) {
	w := newWired(t)
	h, _ := w.start(t, "")
	if _, err := h.port(health.PartScanner); err != nil {
		t.Error(err)
	}
	if _, _, err := h.install(w.pairing(t, 1, w.technician, w.officer)); err != nil {
		t.Fatal(err)
	}
	w.Unplug(usbScanner)
	if _, err := h.port(health.PartScanner); err != nil {
		t.Errorf("a scanner that is gone: %v", err)
	}
	if _, err := h.port(health.PartNFC); err == nil {
		t.Error("a UART has a USB port")
	}
}
