package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/api"
	"egate/configs"
	"egate/gate/control"
	"egate/hal"
	"egate/health"
	"egate/seal"
	"egate/service"
)

// wires notes how its outputs were driven.
type fakeWires struct {
	hal.Lines
	mu     sync.Mutex
	levels []bool
}

func (f *fakeWires) Set(_ string, l gpio.Level) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.levels = append(f.levels, bool(l))
	return nil
}

// TestM09LeasesInServiceModeOnly: a technician gets a device in service mode, alone, and loses it when the gate
// goes back into service; what he did is evidence.
func TestM09LeasesInServiceModeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := &centre{in: make(chan control.Inbound, 16)}
		mode := func(m string) {
			c.mu.Lock()
			c.state.Mode = m
			c.mu.Unlock()
		}
		x := newLocal(ctx, c, newLines(configs.Gate{}), newLamps(&fakeWires{}), nil, &hardware{}, health.New(nil), time.Now)
		mode("open")
		if _, _, err := x.Hold("service-1", health.PartCamera); !errors.Is(err, service.ErrRefused) {
			t.Errorf("a device of a gate that serves: %v", err)
		}
		mode("service")
		if _, _, err := x.Hold("service-1", health.PartEntry); !errors.Is(err, service.ErrRefused) {
			t.Errorf("a door is leased: %v", err)
		}
		give, revoked, err := x.Hold("service-1", health.PartCamera)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := x.Hold("service-2", health.PartCamera); !errors.Is(err, service.ErrRefused) {
			t.Errorf("one device for two: %v", err)
		}
		if s := x.State(); len(s.Held) != 1 || s.Held[0] != health.PartCamera || s.Pairing != "none" {
			t.Errorf("%+v", s)
		}
		mode("closed")
		<-revoked
		give() // late, and of no harm
		mode("service")
		if give, _, err = x.Hold("service-2", health.PartCamera); err != nil {
			t.Fatal(err)
		}
		give()
		if s := x.State(); len(s.Held) != 0 {
			t.Errorf("%+v", s)
		}
		synctest.Wait()
		if in := <-c.in; in.Local == nil || in.Local.Did == nil || in.Local.Did.Name != "hold_camera" || in.Local.Did.Principal != "service-1" {
			t.Errorf("%+v", in)
		}
		if _, err := x.Pair(ctx, "service-1", []byte("{}")); !errors.Is(err, service.ErrRefused) {
			t.Errorf("%v", err)
		}
	})
}

// TestM09Identify: the beacon blinks and stands afterwards as the loop wants it, also when that changed meanwhile.
func TestM09Identify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeWires{}
		l := newLamps(f)
		if err := l.Set("beacon", false); err != nil {
			t.Fatal(err)
		}
		if !l.blink(t.Context(), "beacon", 2*time.Second) || l.blink(t.Context(), "beacon", time.Second) {
			t.Fatal("blinks not once")
		}
		time.Sleep(time.Second)
		if err := l.Set("beacon", true); err != nil { // an alarm
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(f.levels); n < 8 || !f.levels[n-1] {
			t.Errorf("driven %v", f.levels)
		}
	})
}

// TestM09SocketToLoop: a signed request of a technician reaches the loop as a command in his name, and its answer
// comes back; without the loop he is told.
func TestM09SocketToLoop(t *testing.T) {
	w := newWired(t)
	h, board := w.start(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	at, err := service.Listen(w.cfg.Hardware.Socket)
	if err != nil {
		t.Fatal(err)
	}
	c := &centre{in: make(chan control.Inbound)}
	done := make(chan error, 1)
	go func() {
		done <- (&service.Server{Site: w.cfg.Site, Gate: w.cfg.Gate, Technicians: seal.Trust(w.technician.Public()), Do: newLocal(ctx, c, newLines(w.cfg), newLamps(&fakeWires{}), nil, h, board, time.Now),
			Log: slog.New(slog.DiscardHandler)}).Serve(ctx, at)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	go func() { // the loop
		for {
			select {
			case in := <-c.in:
				if o := in.Local.Order; o != nil {
					if !o.ExpiresAt.After(time.Now()) || o.Principal != "service-"+w.technician.KeyID() {
						t.Errorf("%+v", o)
					}
					in.Local.Answer(api.Response{ID: o.ID, Result: "rejected", Reason: "mantrap_not_empty"})
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	k, err := service.Dial(ctx, w.cfg.Hardware.Socket, w.technician)
	if err != nil {
		t.Fatal(err)
	}
	r, err := k.Do(service.Request{Name: service.AskOrder, Order: "gate_service"})
	if err != nil || r.Order == nil || r.Order.Reason != "mantrap_not_empty" {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := k.Do(service.Request{Name: service.AskPair, File: w.pairing(t, 1, w.technician)}); err == nil || !strings.Contains(err.Error(), "countersignature of an officer") {
		t.Errorf("%v", err)
	}
	if r, err := k.Do(service.Request{Name: service.AskPair, File: w.pairing(t, 1, w.technician, w.officer)}); err != nil || versionIn(r.Paired) != 1 {
		t.Errorf("%+v %v", r, err)
	}
	r, err = k.Do(service.Request{Name: service.AskState})
	if err != nil || r.State == nil || versionIn(r.State.Pairing) != 1 {
		t.Errorf("%+v %v", r, err)
	}
	for _, f := range r.State.Faults {
		if f.Code == string(health.DevicesUnpaired) {
			t.Error("paired at run time, and still a fault")
		}
	}
}
