package protocol

import "testing"

// what egated does not play, whoever asks for it.
func TestA03LightRefused(t *testing.T) {
	ok := func(c ...uint32) (s []LightStep) {
		for _, x := range c {
			s = append(s, LightStep{x, 400})
		}
		return s
	}
	for name, c := range map[string]struct {
		schedule []LightStep
		fine     bool
	}{
		"gentle":         {ok(0x95BCFF, 0x89CE95, 0xF9AE6C, 0xE0AEED), true},
		"empty":          {nil, false},
		"too long":       {make([]LightStep, MaxLightSteps+1), false},
		"too fast":       {[]LightStep{{0x95BCFF, 333}}, false},
		"too slow":       {[]LightStep{{0x95BCFF, 1001}}, false},
		"black":          {ok(0x95BCFF, 0), false},
		"no colour":      {ok(0x1000000), false},
		"saturated red":  {ok(0xFF2010), false},
		"dark then pale": {ok(0x303060, 0xE0E0FF), false},
		"a flash":        {ok(0x95BCFF, 0xFFFFFF), false},
	} {
		if err := (Challenge{c.schedule}).Validate(); (err == nil) != c.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
	for c := range uint32(1 << 12) {
		s := LightStep{Colour: c>>8<<20 | c>>4&15<<12 | c&15<<4}
		if r, g, b := s.Lamps(); r && !g && !b {
			t.Fatalf("%06x: red alone", s.Colour)
		}
	}
}
