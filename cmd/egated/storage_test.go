package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"egate/health"
)

// E-03: little room is told of, less takes the gate out of service, and both end when there is clearly more.
func TestE03Room(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := health.New(nil)
		board.Declare(health.PartJournal)
		type answer struct {
			free uint64
			err  error
		}
		var room atomic.Pointer[answer]
		room.Store(&answer{free: 1 << 30})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			storage(ctx, func() (uint64, error) { a := room.Load(); return a.free, a.err }, board, slog.New(slog.DiscardHandler))
		}()
		for _, x := range []struct {
			what      string
			free      uint64
			err       error
			low, full bool
		}{
			{"enough", 1 << 30, nil, false, false}, {"low", lowRoom - 1, nil, true, false}, {"a little more", lowRoom + 1, nil, true, false}, {"full", fullRoom - 1, nil, true, true},
			{"at the limit again", fullRoom, nil, true, true}, {"nobody knows", 1 << 30, errors.New("gone"), true, true}, {"freed", fullRoom * 5 / 4, nil, true, false},
			{"nobody knows, later", 0, errors.New("gone"), true, false}, {"enough again", lowRoom * 5 / 4, nil, false, false}, {"none", 0, nil, true, true},
		} {
			room.Store(&answer{x.free, x.err})
			time.Sleep(roomEvery)
			synctest.Wait()
			if low, full := board.Has(health.DiskLow, health.PartJournal), board.Has(health.DiskFull, health.PartJournal); low != x.low || full != x.full {
				t.Errorf("%s: low %v, full %v", x.what, low, full)
			}
		}
		if !health.Lookup(health.DiskFull).Blocks || health.Lookup(health.DiskLow).Blocks {
			t.Error("the catalogue takes the wrong one out of service")
		}
		cancel()
		<-done
	})
	if free, err := roomOf(t.TempDir())(); err != nil || free == 0 {
		t.Errorf("%d bytes free, %v", free, err)
	}
	if _, err := roomOf("/nonexistent")(); err == nil {
		t.Error("room in no folder")
	}
}
