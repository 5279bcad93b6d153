package emrtd

import (
	"errors"
	"testing"

	"egate/emrtd/iso7816"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/verdict"
)

// One row per weak spot that was seen in other readers running; ours must do better.
func TestWeakSpotsOfPeers(t *testing.T) {
	reason := func(t *testing.T, err error, want verdict.Reason) {
		t.Helper()
		var re *ReadError
		if !errors.As(err, &re) || re.Reason != want {
			t.Fatalf("%v, want %s", err, want)
		}
	}
	t.Run("reads in the clear after a failed pace", func(t *testing.T) {
		b := setup(t, passport(t, nil), "pace-fail", "plain-read")
		r, err := b.read()
		reason(t, err, verdict.ChipAccessFailed)
		for _, s := range b.chip.Log() {
			if s.FID == lds.FIDSOD || s.FID == lds.FID(1) || s.FID == lds.FID(2) || s.INS == 0x82 {
				t.Errorf("%02X %04X after a failed access procedure", s.INS, s.FID)
			}
		}
		if r.Check(verdict.CheckAccess).Result != verdict.Fail || !r.DG1.Zero() {
			t.Error("something was read")
		}
	})
	t.Run("reads in the clear after a failed bac", func(t *testing.T) {
		b := setup(t, passport(t, func(p *issue.Profile) { p.Access = issue.AccessBAC }), "plain-read")
		_, err := b.with(func(_ int, c iso7816.Command, _ []byte) ([]byte, error, bool) {
			return sw(0x6300), nil, c.INS == 0x82
		})
		reason(t, err, verdict.ChipAccessFailed)
	})
	t.Run("pace refused by a status is a downgrade and not a reason for bac", func(t *testing.T) {
		b := setup(t, passport(t, nil))
		r, err := b.with(func(_ int, c iso7816.Command, _ []byte) ([]byte, error, bool) {
			return sw(0x6A80), nil, c.INS == 0x22
		})
		reason(t, err, verdict.PACEDowngrade)
		if r.Check(verdict.CheckAccess).Reason != verdict.PACEDowngrade {
			t.Error("another reason in the check")
		}
		for _, s := range b.chip.Log() {
			if s.INS == 0x84 || s.INS == 0x82 {
				t.Error("bac was tried")
			}
		}
	})
	t.Run("long expected length in general authenticate", func(t *testing.T) {
		b := setup(t, passport(t, nil))
		if _, err := b.with(func(_ int, c iso7816.Command, _ []byte) ([]byte, error, bool) {
			if c.INS == 0x86 && c.CLA&0x0C == 0 && (c.Extended || c.Ne > 256) {
				t.Error("extended general authenticate for a curve")
			}
			if (c.INS == 0xA4 || c.INS == 0x22) && c.CLA&0x0C == 0 && c.Ne != 0 {
				t.Error("expected length on select or mse")
			}
			return nil, nil, false
		}); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("application that cannot be selected is ignored", func(t *testing.T) {
		b := setup(t, passport(t, func(p *issue.Profile) { p.Access = issue.AccessBAC }))
		_, err := b.with(func(_ int, c iso7816.Command, _ []byte) ([]byte, error, bool) {
			return sw(0x6A82), nil, c.INS == 0xA4 && c.P1 == 4
		})
		reason(t, err, verdict.ChipReadFailed)
		for _, s := range b.chip.Log() {
			if s.INS == 0xB0 && s.FID == lds.FIDCardSecurity {
				t.Error("another file was read under the identifier of EF.SOD")
			}
		}
	})
	t.Run("counter set back after a bare error", func(t *testing.T) {
		b := setup(t, passport(t, func(p *issue.Profile) { p.ExtendedLength = false }))
		seen := 0
		r, err := b.with(func(_ int, c iso7816.Command, _ []byte) ([]byte, error, bool) {
			if c.CLA&0x0C != 0 {
				seen++
			}
			return sw(0x6988), nil, c.CLA&0x0C != 0 && seen == 20
		})
		if err != nil || r.Recoveries != 1 || !r.Authenticated {
			t.Fatal(err)
		}
	})
	t.Run("endless waiting time extension", func(t *testing.T) {
		b := setup(t, passport(t, nil), "wtx@14")
		r, err := b.read()
		reason(t, err, verdict.ChipTooSlow)
		if r.Recoveries != MaxRecoveries {
			t.Error(r.Recoveries)
		}
	})
}
