package issue

import (
	"strings"
	"testing"

	"egate/emrtd/lds"
)

// Files of a dump are known by the names that tools give them, and nothing else is.
func TestKnownNames(t *testing.T) {
	for name, want := range map[string]uint16{
		"EF_SOD.bin": lds.FIDSOD, "EF.SOD": lds.FIDSOD, "ef.sod.bin": lds.FIDSOD, "SOD.dat": lds.FIDSOD, "011D.bin": lds.FIDSOD, "011d": lds.FIDSOD,
		"EF.COM": lds.FIDCOM, "DG1": lds.FID(1), "dg01.bin": lds.FID(1), "EF.DG14": lds.FID(14), "Datagroup2.bin": lds.FID(2), "0110": lds.FID(16),
		"EF.CardAccess": lds.FIDCardAccess, "EF_CardSecurity.bin": lds.FIDCardSecurity, "EF.ATR": lds.FIDATRInfo,
		"DG0": 0, "DG17.bin": 0, "dg": 0, "dg1x": 0, "DG14_sk.pkcs8": 0, "readme": 0, "0111": 0, "beef": 0, "": 0,
	} {
		fid, app, ok := known(name)
		if ok != (want != 0) || fid != want {
			t.Errorf("%s: %04X %v, want %04X", name, fid, ok, want)
		}
		if master := strings.Contains(name, "Card") || strings.Contains(name, "ATR"); ok && app == master {
			t.Errorf("%s: application %v", name, app)
		}
	}
}
