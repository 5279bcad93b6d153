package emrtd

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"egate/emrtd/ber"
	"egate/emrtd/chip"
	"egate/emrtd/chipauth"
	"egate/emrtd/internal/vectors"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/mrz"
	"egate/verdict"
)

// C-02, C-05: the BSI reference passport, played from its files and keys. Its CSCA is not known, it has
// no signing time, its signer and the document are expired: each says so in its own check, and the
// partial results stay visible. DG15 is not in the SOD and is not read; DG3 and DG4 never are.
func TestC02BSIPassport(t *testing.T) {
	dir := filepath.Join(vectors.Dir(t), "bsi-tr03105-5")
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	infos, err := lds.ParseDG14(read("Datagroup14.bin"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := chipauth.ParseKeys(infos)
	if err != nil {
		t.Fatal(err)
	}
	p8, err := ber.ParseExact(read("DG14_sk.pkcs8"))
	if err != nil {
		t.Fatal(err)
	}
	k, _ := p8.Children()
	inner, err := ber.ParseExact(k[2].Content)
	if err != nil {
		t.Fatal(err)
	}
	k, _ = inner.Children()
	p := &issue.Passport{Access: issue.AccessBAC, Master: map[uint16][]byte{}, App: map[uint16][]byte{
		lds.FIDCOM: read("EF_COM.bin"), lds.FIDSOD: read("EF_SOD.bin"), lds.FID(1): read("Datagroup1.bin"), lds.FID(2): read("Datagroup2.bin"),
		lds.FID(3): read("Datagroup3.bin"), lds.FID(4): read("Datagroup4.bin"), lds.FID(14): read("Datagroup14.bin"), lds.FID(15): read("Datagroup15.bin")},
		CA: &issue.ChipKey{Group: keys[0].Group, Private: k[1].Content, Public: keys[0].Public, OID: keys[0].OID, Suite: keys[0].Suite}}
	m, err := lds.ParseDG1(p.App[lds.FID(1)])
	if err != nil {
		t.Fatal(err)
	}
	p.Lines = [2]string{string(m[:44]), string(m[44:])}
	doc, err := mrz.ParseJoined(m, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, genuine := range []bool{true, false} {
		if !genuine {
			p.CA.Private[20] ^= 1
		}
		b := setup(t, p)
		card := chip.Direct(b.chip, nil)
		r, err := Read(context.Background(), card, doc, b.opt)
		if err != nil {
			t.Fatal(err)
		}
		b.lawful(r, err)
		clone := notPossible(verdict.CloneUnproven)
		if !genuine {
			clone = fail(verdict.CloneSuspected)
		}
		b.expect(r, checks{
			verdict.CheckDSChain:      notPossible(verdict.NoAnchor),
			verdict.CheckDSAtSigning:  notPossible(verdict.SigningTimeUnknown),
			verdict.CheckDSToday:      fail(verdict.DSExpired),
			verdict.CheckDSRevocation: notPossible(verdict.CRLStale),
			verdict.CheckValidity:     fail(verdict.DocumentExpired),
			verdict.CheckClone:        clone,
		})
		if r.Authenticated || r.Clone != "" || r.Face.Format != lds.ImageJP2 || len(r.Face.Image) != 14999 {
			t.Errorf("authenticated %v, clone %q, %d bytes", r.Authenticated, r.Clone, len(r.Face.Image))
		}
	}
}
