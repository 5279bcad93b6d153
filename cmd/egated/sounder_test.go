package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"egate/configs"
	"egate/gate/control"
	"egate/hal"
	"egate/health"
	"egate/service"
)

// M-02, A-03: a technician hears every tone of a gate in service mode, again and again; a gate that serves, or has no
// sounder, refuses.
func TestM02SounderIsTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := configs.Defaults()
		if newHorn(cfg, nil) != nil {
			t.Error("a sounder that is not wired")
		}
		cfg.Lines.Outputs = map[string]configs.Line{configs.LineSounder: {}}
		f := &fakeWires{}
		lit := newLamps(f)
		horn := newHorn(cfg, lit)
		defer horn.Close()
		c := &centre{in: make(chan control.Inbound, 16)}
		mode := func(m string) {
			c.mu.Lock()
			c.state.Mode = m
			c.mu.Unlock()
		}
		made := func(h hal.Sounder) *local {
			return newLocal(t.Context(), c, newLines(cfg), lit, h, &hardware{}, health.New(nil), time.Now)
		}
		mode("service")
		if err := made(nil).Sound("service-1"); !errors.Is(err, service.ErrRefused) {
			t.Errorf("no sounder: %v", err)
		}
		x := made(horn)
		mode("open")
		if err := x.Sound("service-1"); !errors.Is(err, service.ErrRefused) {
			t.Errorf("a gate that serves: %v", err)
		}
		mode("service")
		for n := 1; n <= 2; n++ {
			if err := x.Sound("service-1"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			high := 0
			for _, on := range f.levels {
				if on {
					high++
				}
			}
			if high != 6*n || f.levels[len(f.levels)-1] {
				t.Errorf("sounded %d times after %d tests: %v", high, n, f.levels)
			}
			if in := <-c.in; in.Local == nil || in.Local.Did == nil || in.Local.Did.Name != "sound" {
				t.Errorf("%+v", in)
			}
		}
	})
}
