package main

import (
	"context"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/configs"
	"egate/hal"
	"egate/sensors"
)

// wires remembers what was driven.
type wires map[string]gpio.Level

func (w wires) Read(string) (gpio.Level, error)                    { return gpio.Low, nil }
func (w wires) Edges() <-chan hal.Edge                             { return nil }
func (w wires) Err() error                                         { return nil }
func (w wires) Set(n string, l gpio.Level) error                   { w[n] = l; return nil }
func (w wires) Pulse(context.Context, string, time.Duration) error { return nil }
func (w wires) Close() error                                       { return nil }

// D-03: the doors drive the lines of the position that the site has chosen without power.
func TestD03DoorsOfTheSite(t *testing.T) {
	for _, c := range []struct {
		entry, exit string
		oneStep     bool
		want        []string // energised by a release
		never       []string
	}{
		{"open", "open", false, nil, []string{"entry_unlock", "exit_unlock", "entry_release", "exit_release"}},
		{"free", "shut", false, []string{"exit_unlock", "exit_release"}, []string{"exit_lock", "entry_unlock", "entry_release"}},
		{"shut", "free", false, []string{"entry_unlock", "entry_release"}, []string{"entry_lock", "exit_unlock", "exit_release"}},
		{"", "shut", true, []string{"exit_unlock", "exit_release"}, []string{"exit_lock", "entry_lock", "entry_unlock"}},
	} {
		w := wires{}
		var cfg configs.Gate
		cfg.Doors.Unpowered = configs.Unpowered{Entry: c.entry, Exit: c.exit}
		d, err := guard(cfg, sensors.Config{OneStep: c.oneStep}, w)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Release(); err != nil {
			t.Fatal(err)
		}
		for _, n := range c.want {
			if w[n] != gpio.High {
				t.Errorf("%+v: %s is not energised", c, n)
			}
		}
		for _, n := range c.never {
			if _, there := w[n]; there {
				t.Errorf("%+v: %s was driven", c, n)
			}
		}
	}
}
