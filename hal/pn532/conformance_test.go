package pn532

import (
	"context"
	"testing"

	"egate/hal"
	"egate/hal/haltest"
)

// C-10, C-11: the generic hostile far ends.
func TestC11HostilePeers(t *testing.T) {
	proper := func() func([]byte) []byte {
		answer := pn(func(code byte, _ []byte) ([]byte, bool) {
			switch code {
			case cmdInListPassive:
				return []byte{1, 1, 0x00, 0x08, 0x20, 0, 5, 0x78, 0x77, 0xE1, 0x02}, true
			case cmdInDataExchange:
				return []byte{0x00, 0x6A, 0x82, 0x90, 0x00}, true
			}
			return nil, false
		})
		return func(b []byte) []byte { return answer(b) }
	}
	haltest.Hostile(t, proper, func(ctx context.Context, p hal.SerialPort) []error {
		r, err := Open(ctx, p, Options{Baud: 921600})
		if err != nil {
			return []error{err}
		}
		defer r.Close()
		errs := make([]error, 3)
		c, err := r.Connect(ctx)
		errs[0] = err
		if err == nil {
			for range 5 {
				if _, err := c.Transmit(ctx, []byte{0, 0xB0, 0, 0, 0}); err != nil {
					errs[1] = err
				}
			}
			_ = c.Close()
		}
		errs[2] = r.Reset(ctx)
		return errs
	})
}
