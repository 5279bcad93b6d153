package protocol

import (
	"errors"
	"math"

	"golang.org/x/sys/unix"
)

// Bounds of a light challenge (A-03, WCAG 2.2 criterion 2.3.1): what egated plays whoever asks for it.
const (
	MaxLightSteps = 12
	MinLightMS    = 334  // of a step: at most three changes a second, which are one and a half flashes
	MaxLightMS    = 1000 // of a step
	maxLightJump  = 0.10 // of relative luminance between two steps: less is no flash
	maxRed        = 0.80 // part of red in the linear channels from which a red is saturated
	lampFrom      = 0xA0 // value of a channel from which its lamp is on
)

// Validate refuses a schedule that is not gentle: too long, too fast, a jump of brightness between two steps, a
// saturated red, or black, which is no light.
func (c Challenge) Validate() error {
	if len(c.Schedule) == 0 || len(c.Schedule) > MaxLightSteps {
		return errors.New("protocol: a light challenge has 1 to 12 steps")
	}
	for i, s := range c.Schedule {
		if s.MS < MinLightMS || s.MS > MaxLightMS {
			return errors.New("protocol: a step of a light challenge lasts 334 to 1000 ms")
		}
		if s.Colour == 0 || s.Colour > 0xFFFFFF {
			return errors.New("protocol: a step of a light challenge has a colour 0xRRGGBB")
		}
		r, g, b := linear(s.Colour>>16), linear(s.Colour>>8), linear(s.Colour)
		if r/(r+g+b) >= maxRed {
			return errors.New("protocol: a light challenge with a saturated red")
		}
		if i > 0 && math.Abs(s.luminance()-c.Schedule[i-1].luminance()) >= maxLightJump {
			return errors.New("protocol: a light challenge that jumps in brightness")
		}
	}
	return nil
}

// luminance is the relative luminance of the colour, 0 to 1 (WCAG 2.2).
func (s LightStep) luminance() float64 {
	return 0.2126*linear(s.Colour>>16) + 0.7152*linear(s.Colour>>8) + 0.0722*linear(s.Colour)
}

// linear decodes one channel of sRGB (IEC 61966-2-1).
func linear(c uint32) float64 {
	v := float64(c&255) / 255
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// Lamps are those of the three lamps, which have no dimmer, that go with the colour. Red never shines alone.
func (s LightStep) Lamps() (r, g, b bool) {
	on := func(shift uint) bool { return s.Colour>>shift&255 >= lampFrom }
	r, g, b = on(16), on(8), on(0)
	return r && (g || b), g, b
}

// Monotonic is CLOCK_MONOTONIC, nanoseconds: the clock of Shown, which both ends of the socket share.
func Monotonic() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0 // cannot fail on Linux
	}
	return ts.Nano()
}
