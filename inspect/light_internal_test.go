package inspect

import (
	"testing"

	"egate/facematch"
	"egate/inspect/protocol"
)

// every light challenge that can be asked for is gentle, by the rule of the end that plays it, and both ends
// mean the same lamps. There are 972.
func TestA03EveryLightSchedule(t *testing.T) {
	seen := map[string]bool{}
	for n := range facematch.LightSchedules {
		steps := facematch.LightSchedule(n)
		c := challengeOf(steps)
		if err := c.Validate(); err != nil {
			t.Fatalf("schedule %d: %v", n, err)
		}
		name := ""
		for i, s := range steps {
			name += string(rune('0' + s.Colour>>20&15))
			if i > 0 && s.Colour == steps[i-1].Colour {
				t.Fatalf("schedule %d repeats a colour", n)
			}
			r, g, b := s.Lamps()
			pr, pg, pb := protocol.LightStep{Colour: s.Colour}.Lamps()
			if r != pr || g != pg || b != pb {
				t.Fatalf("%06x: the two ends mean other lamps", s.Colour)
			}
		}
		seen[name] = true
	}
	if len(seen) != facematch.LightSchedules {
		t.Errorf("%d schedules differ, expected %d", len(seen), facematch.LightSchedules)
	}
}
