package interlock

import (
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/hal/doors"
	"egate/hal/haltest"
)

// D-02, D-09, D-10: a bare door, the two doors behind the interlock of a mantrap and the one behind that of a one-step gate
// keep the laws of hal.Door.
func TestD09DoorConformance(t *testing.T) {
	made := func(t *testing.T, s *haltest.Strip, name string) *doors.Door {
		t.Helper()
		d, err := doors.New(s, name, 0)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	t.Run("door", func(t *testing.T) {
		haltest.Door(t, func(t *testing.T, s *haltest.Strip) haltest.DoorBench {
			return haltest.DoorBench{Door: made(t, s, "entry"), Name: "entry", Free: func() {}}
		})
	})
	for _, name := range []string{"entry", "exit"} {
		t.Run("mantrap/"+name, func(t *testing.T) {
			haltest.Door(t, func(t *testing.T, s *haltest.Strip) haltest.DoorBench {
				m := New(s, made(t, s, "entry"), made(t, s, "exit"), "entry_beam", "exit_beam")
				d, other := m.Entry(), m.Exit()
				if name == "exit" {
					d, other = other, d
				}
				return haltest.DoorBench{Door: d, Name: name, Free: func() {
					s.Put(gpio.High, "entry_closed", "exit_closed")
					if err := m.Restore(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(settle)
					if err := other.Lock(true); err != nil {
						t.Fatal(err)
					}
				}}
			})
		})
	}
	t.Run("one-step", func(t *testing.T) {
		haltest.Door(t, func(t *testing.T, s *haltest.Strip) haltest.DoorBench {
			o := NewOneStep(s, made(t, s, "exit"), "exit_beam", func() bool { return true })
			return haltest.DoorBench{Door: o, Name: "exit", Free: func() {
				s.Put(gpio.High, "exit_closed")
				if err := o.Restore(); err != nil {
					t.Fatal(err)
				}
			}}
		})
	})
}
