package pa_test

import (
	"bytes"
	"fmt"
	"maps"
	"testing"
	"time"

	"egate/emrtd/cms"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/pa"
	"egate/emrtd/trust"
	"egate/verdict"
)

// outcome is what a row expects of one check.
type outcome struct {
	verdict.Result
	verdict.Reason
}

func fail(r verdict.Reason) outcome       { return outcome{verdict.Fail, r} }
func impossible(r verdict.Reason) outcome { return outcome{verdict.NotPossible, r} }

// row is one mutation: exactly the checks named change, every other passes as before.
type row struct {
	name   string
	mutate func(*world)
	change map[verdict.CheckID]outcome
	// deviates names a tolerance that must be reported, on no matter which check.
	deviates string
}

type world struct {
	t  *testing.T
	a  *issue.Authority
	p  *issue.Passport
	in pa.Input
}

// reseal signs the passport's groups again after the authority changed.
func (w *world) reseal(at time.Time) {
	w.t.Helper()
	if err := w.p.Seal(w.a, w.p.Groups(), at); err != nil {
		w.t.Fatal(err)
	}
	w.in.SOD, w.in.DGs = w.p.App[lds.FIDSOD], w.p.Groups()
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// replace changes the one occurrence of old in the SOD.
func (w *world) replace(old, new []byte) {
	w.t.Helper()
	if bytes.Count(w.in.SOD, old) != 1 || len(old) != len(new) {
		w.t.Fatalf("%d occurrences", bytes.Count(w.in.SOD, old))
	}
	w.in.SOD = bytes.Replace(w.in.SOD, old, new, 1)
}

func (w *world) sd() *cms.SignedData {
	w.t.Helper()
	in, err := lds.ParseSOD(w.in.SOD)
	w.must(err)
	sd, err := cms.Parse(in)
	w.must(err)
	return sd
}

func flip(b []byte, i int) []byte {
	c := bytes.Clone(b)
	c[i] ^= 1
	return c
}

// C-02: one mutation per row; exactly the checks named in it change, and none hides another.
func TestC02MutationMatrix(t *testing.T) {
	signedAt := now.Add(-30 * 24 * time.Hour)
	sodFails := map[verdict.CheckID]outcome{verdict.CheckSODSignature: fail(verdict.SODSignatureFailed)}
	rows := []row{
		{name: "genuine"},
		{name: "signature value changed", mutate: func(w *world) {
			s := w.sd().Signers[0].Signature
			w.replace(s, flip(s, len(s)-1))
		}, change: sodFails},
		{name: "security object changed: a hash of a group that is not read", mutate: func(w *world) {
			w.addGroup(16)
			h := w.object().Groups[16]
			w.replace(h, flip(h, 3))
		}, change: sodFails},
		{name: "signed attribute changed: signing time", mutate: func(w *world) {
			old := []byte(signedAt.UTC().Format("060102150405Z"))
			w.replace(old, []byte(signedAt.Add(time.Hour).UTC().Format("060102150405Z")))
		}, change: sodFails},
		{name: "signed by another key than the certificate's", mutate: func(w *world) {
			other := authority(w.t, "UTO", issue.ECDSAP256)
			sod, err := other.SignSOD(w.p.Groups(), signedAt)
			w.must(err)
			in, err := lds.ParseSOD(sod)
			w.must(err)
			sd, err := cms.Parse(in)
			w.must(err)
			mine := w.sd()
			// The signature of the other signer in place of ours; lengths may differ by a byte or two.
			w.in.SOD = splice(w.in.SOD, mine.Signers[0].Signature, sd.Signers[0].Signature)
		}, change: sodFails},
		{name: "content type is another", mutate: func(w *world) {
			// Twice in the SOD: encapsulated content and signed attribute.
			w.in.SOD = bytes.Replace(w.in.SOD, oidBytes(0x67, 0x81, 0x08, 1, 1, 1), oidBytes(0x67, 0x81, 0x08, 1, 1, 9), 1)
		}, change: sodFails},
		{name: "sod is no structure", mutate: func(w *world) { w.in.SOD = []byte{0x77, 0x03, 0x30, 0x01, 0x00} },
			change: map[verdict.CheckID]outcome{
				verdict.CheckSODSignature: fail(verdict.SODSignatureFailed),
				verdict.CheckDSChain:      impossible(verdict.NoAnchor),
				verdict.CheckDSAtSigning:  impossible(verdict.SigningTimeUnknown),
				verdict.CheckDSToday:      impossible(verdict.NoAnchor),
				verdict.CheckDSRevocation: impossible(verdict.CRLStale),
				verdict.CheckGroups:       impossible(verdict.GroupInconsistent),
				verdict.CheckDGHashes:     impossible(verdict.DGHashMismatch),
				verdict.CheckDG1Country:   impossible(verdict.CountryMismatch),
			}},
		{name: "unknown csca", mutate: func(w *world) { w.in.Trust = store(w.t, nil, authority(w.t, "D", issue.ECDSAP256)) },
			change: map[verdict.CheckID]outcome{
				verdict.CheckDSChain:      impossible(verdict.NoAnchor),
				verdict.CheckDSRevocation: impossible(verdict.CRLStale),
			}},
		{name: "another csca of the same name", mutate: func(w *world) { w.in.Trust = store(w.t, nil, authority(w.t, "UTO", issue.ECDSAP256)) },
			change: map[verdict.CheckID]outcome{verdict.CheckDSChain: impossible(verdict.NoAnchor)}},
		{name: "no trust store", mutate: func(w *world) { w.in.Trust = nil },
			change: map[verdict.CheckID]outcome{
				verdict.CheckDSChain:      impossible(verdict.NoAnchor),
				verdict.CheckDSRevocation: impossible(verdict.CRLStale),
			}},
		{name: "certificate's signature changed", mutate: func(w *world) {
			c := w.sd().Certificates[0]
			w.replace(c.Signature, flip(c.Signature, len(c.Signature)-1))
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSChain: fail(verdict.DSChainFailed)}},
		{name: "csca signs the document itself", mutate: func(w *world) {
			sod, err := w.a.SignSODAsCSCA(w.p.Groups(), signedAt)
			w.must(err)
			w.in.SOD = sod
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSChain: impossible(verdict.NoAnchor)}},
		{name: "ds expired today", mutate: func(w *world) {
			w.must(w.a.ReissueDS(now.Add(-90*24*time.Hour), now.Add(-time.Hour)))
			w.reseal(signedAt)
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSToday: fail(verdict.DSExpired)}},
		{name: "ds not yet valid today", mutate: func(w *world) {
			w.must(w.a.ReissueDS(now.Add(time.Hour), now.Add(9000*time.Hour)))
			w.reseal(now.Add(2 * time.Hour))
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSToday: fail(verdict.DSNotYetValid)}},
		{name: "signed before the ds was valid", mutate: func(w *world) { w.reseal(now.Add(-100 * 24 * time.Hour)) },
			change: map[verdict.CheckID]outcome{verdict.CheckDSAtSigning: fail(verdict.DSNotYetValid)}},
		{name: "signed after the ds had expired", mutate: func(w *world) {
			w.must(w.a.ReissueDS(now.Add(-90*24*time.Hour), now.Add(-40*24*time.Hour)))
			w.reseal(signedAt)
		}, change: map[verdict.CheckID]outcome{
			verdict.CheckDSAtSigning: fail(verdict.DSExpired), verdict.CheckDSToday: fail(verdict.DSExpired),
		}},
		{name: "signing time in the future", mutate: func(w *world) { w.reseal(now.Add(72 * time.Hour)) },
			change: map[verdict.CheckID]outcome{verdict.CheckDSAtSigning: fail(verdict.DSNotYetValid)}},
		{name: "no signing time", mutate: func(w *world) { w.reseal(time.Time{}) },
			change: map[verdict.CheckID]outcome{verdict.CheckDSAtSigning: impossible(verdict.SigningTimeUnknown)}},
		{name: "ds revoked", mutate: func(w *world) {
			w.must(w.a.Revoke())
			w.in.Trust = store(w.t, nil, w.a)
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSRevocation: fail(verdict.DSRevoked)}},
		{name: "ds revoked by a list that is stale", mutate: func(w *world) {
			w.must(w.a.Revoke())
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.CRLs[0].Fetched = now.Add(-30 * 24 * time.Hour) }, w.a)
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSRevocation: fail(verdict.DSRevoked)}},
		{name: "list of revocations fetched eight days ago", mutate: func(w *world) {
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.CRLs[0].Fetched = now.Add(-8 * 24 * time.Hour) }, w.a)
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSRevocation: impossible(verdict.CRLStale)}},
		{name: "list of revocations past its next update", mutate: func(w *world) {
			l, err := w.a.CRL(now.Add(-200 * 24 * time.Hour))
			w.must(err)
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.CRLs[0].DER = l }, w.a)
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSRevocation: impossible(verdict.CRLStale)}},
		{name: "list of revocations two days old", mutate: func(w *world) {
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.CRLs[0].Fetched = now.Add(-48 * time.Hour) }, w.a)
		}, deviates: trust.DevCRLAge},
		{name: "no list of revocations", mutate: func(w *world) {
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.CRLs = nil }, w.a)
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSRevocation: impossible(verdict.CRLStale)}},
		{name: "list of revocations with a false signature", mutate: func(w *world) {
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.CRLs[0].DER = flip(b.CRLs[0].DER, len(b.CRLs[0].DER)-1) }, w.a)
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSRevocation: impossible(verdict.CRLStale)}},
		{name: "bit of DG2 changed", mutate: func(w *world) { w.in.DGs[2] = flip(w.in.DGs[2], 2000) },
			change: map[verdict.CheckID]outcome{verdict.CheckDGHashes: fail(verdict.DGHashMismatch)}},
		{name: "bit of DG14 changed", mutate: func(w *world) { w.in.DGs[14] = flip(w.in.DGs[14], 40) },
			change: map[verdict.CheckID]outcome{verdict.CheckDGHashes: fail(verdict.DGHashMismatch)}},
		{name: "bit of DG15 changed", mutate: func(w *world) { w.in.DGs[15] = flip(w.in.DGs[15], 40) },
			change: map[verdict.CheckID]outcome{verdict.CheckDGHashes: fail(verdict.DGHashMismatch)}},
		{name: "byte appended to DG1", mutate: func(w *world) { w.in.DGs[1] = append(bytes.Clone(w.in.DGs[1]), 0) },
			change: map[verdict.CheckID]outcome{verdict.CheckDGHashes: fail(verdict.DGHashMismatch)}},
		{name: "name in DG1 changed", mutate: func(w *world) { w.in.DGs[1] = flip(w.in.DGs[1], 5+5) },
			change: map[verdict.CheckID]outcome{
				verdict.CheckDGHashes: fail(verdict.DGHashMismatch), verdict.CheckDG1MRZ: fail(verdict.DG1MRZMismatch),
			}},
		{name: "other chip in the booklet: MRZ differs", mutate: func(w *world) { w.in.MRZ = flip(w.in.MRZ, 50) },
			change: map[verdict.CheckID]outcome{verdict.CheckDG1MRZ: fail(verdict.DG1MRZMismatch)}},
		{name: "nothing scanned", mutate: func(w *world) { w.in.MRZ = nil },
			change: map[verdict.CheckID]outcome{verdict.CheckDG1MRZ: impossible(verdict.DG1MRZMismatch)}},
		{name: "signed by another country's signer", mutate: func(w *world) {
			w.a = authority(w.t, "D", issue.ECDSAP256)
			w.reseal(signedAt)
			w.in.Trust = store(w.t, nil, w.a)
		}, change: map[verdict.CheckID]outcome{verdict.CheckDG1Country: fail(verdict.CountryMismatch)}},
		{name: "group read that the SOD does not list", mutate: func(w *world) { w.in.DGs[11] = []byte{0x6B, 0x00} },
			change: map[verdict.CheckID]outcome{verdict.CheckGroups: fail(verdict.GroupInconsistent)}},
		{name: "DG14 never read", mutate: func(w *world) { delete(w.in.DGs, 14) },
			change: map[verdict.CheckID]outcome{verdict.CheckGroups: impossible(verdict.GroupInconsistent)}},
		{name: "DG2 never read", mutate: func(w *world) { delete(w.in.DGs, 2) },
			change: map[verdict.CheckID]outcome{
				verdict.CheckGroups: impossible(verdict.GroupInconsistent), verdict.CheckDGHashes: impossible(verdict.DGHashMismatch),
			}},
		{name: "SOD lists no DG2", mutate: func(w *world) {
			g := w.p.Groups()
			delete(g, 2)
			sod, err := w.a.SignSOD(g, signedAt)
			w.must(err)
			w.in.SOD = sod
		}, change: map[verdict.CheckID]outcome{verdict.CheckGroups: fail(verdict.GroupInconsistent)}},
		{name: "EF.COM lists less", mutate: func(w *world) {
			w.in.COM = lds.BuildCOM(lds.COM{LDSVersion: "0107", UnicodeVersion: "040000", Groups: []int{1, 2}})
		}, deviates: pa.DevCOMDiffers},
		{name: "csca reached by a link certificate only", mutate: func(w *world) {
			anchors := w.a.Anchors()
			link, err := w.a.Rollover(issue.RSAPSS)
			w.must(err)
			w.reseal(signedAt)
			w.in.Trust = store(w.t, func(b *trust.Bundle) {
				b.Anchors = append(anchors, trust.Entry{Kind: trust.Link, Source: "link", DER: link})
			}, w.a)
		}, deviates: trust.DevLinkPath},
		{name: "csca without the ca flag", mutate: func(w *world) {
			der, err := w.a.CSCAWithoutFlag()
			w.must(err)
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.Anchors[0].DER = der }, w.a)
		}, deviates: trust.DevCSCANotCA},
		{name: "link certificate without the ca flag", mutate: func(w *world) {
			der, err := w.a.CSCAWithoutFlag()
			w.must(err)
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.Anchors[0] = trust.Entry{Kind: trust.Link, Source: "link", DER: der} }, w.a)
		}, change: map[verdict.CheckID]outcome{
			verdict.CheckDSChain: fail(verdict.DSChainFailed), verdict.CheckDSRevocation: impossible(verdict.CRLStale),
		}},
		{name: "new csca without its link", mutate: func(w *world) {
			anchors := w.a.Anchors()
			_, err := w.a.Rollover(issue.ECDSAP384)
			w.must(err)
			w.reseal(signedAt)
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.Anchors = anchors }, w.a)
		}, change: map[verdict.CheckID]outcome{
			verdict.CheckDSChain: impossible(verdict.NoAnchor), verdict.CheckDSRevocation: impossible(verdict.CRLStale),
		}},
		{name: "link certificate whose anchor is unknown", mutate: func(w *world) {
			link, err := w.a.Rollover(issue.ECDSAP256)
			w.must(err)
			w.reseal(signedAt)
			w.in.Trust = store(w.t, func(b *trust.Bundle) {
				b.Anchors = []trust.Entry{{Kind: trust.Link, Source: "link", DER: link}}
			}, w.a)
		}, change: map[verdict.CheckID]outcome{
			verdict.CheckDSChain: impossible(verdict.NoAnchor), verdict.CheckDSRevocation: impossible(verdict.CRLStale),
		}},
		{name: "known deviation excuses the country", mutate: func(w *world) {
			w.a = authority(w.t, "D", issue.ECDSAP256)
			w.reseal(signedAt)
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.Deviations = []trust.Deviation{known("DE", now.Add(time.Hour))} }, w.a)
		}, change: map[verdict.CheckID]outcome{verdict.CheckDG1Country: {verdict.Pass, verdict.DeviationKnown}}, deviates: pa.DevKnown + "UT-1"},
		{name: "known deviation has expired", mutate: func(w *world) {
			w.a = authority(w.t, "D", issue.ECDSAP256)
			w.reseal(signedAt)
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.Deviations = []trust.Deviation{known("DE", now.Add(-time.Hour))} }, w.a)
		}, change: map[verdict.CheckID]outcome{verdict.CheckDG1Country: fail(verdict.CountryMismatch)}},
		{name: "known deviation of another country", mutate: func(w *world) {
			w.a = authority(w.t, "D", issue.ECDSAP256)
			w.reseal(signedAt)
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.Deviations = []trust.Deviation{known("FR", now.Add(time.Hour))} }, w.a)
		}, change: map[verdict.CheckID]outcome{verdict.CheckDG1Country: fail(verdict.CountryMismatch)}},
		{name: "known deviation, but the signature is false", mutate: func(w *world) {
			w.a = authority(w.t, "D", issue.ECDSAP256)
			w.reseal(signedAt)
			w.in.Trust = store(w.t, func(b *trust.Bundle) { b.Deviations = []trust.Deviation{known("DE", now.Add(time.Hour))} }, w.a)
			s := w.sd().Signers[0].Signature
			w.replace(s, flip(s, len(s)-1))
		}, change: map[verdict.CheckID]outcome{
			verdict.CheckSODSignature: fail(verdict.SODSignatureFailed), verdict.CheckDG1Country: fail(verdict.CountryMismatch),
		}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			a := authority(t, "UTO", issue.ECDSAP256)
			w := &world{t: t, a: a, p: passport(t, a)}
			w.in = input(w.p, store(t, nil, a))
			w.in.DGs = maps.Clone(w.in.DGs)
			if r.mutate != nil {
				r.mutate(w)
			}
			got := pa.Verify(w.in)
			for _, c := range got.Checks {
				want, ok := r.change[c.ID]
				if !ok {
					want = outcome{verdict.Pass, verdict.OK}
				}
				if c.Result != want.Result || c.Reason != want.Reason {
					t.Errorf("%v: %v %v, want %v %v", c.ID, c.Result, c.Reason, want.Result, want.Reason)
				}
			}
			if r.deviates != "" && !contains(got.Deviations, r.deviates) {
				t.Errorf("deviations %v, want %s", got.Deviations, r.deviates)
			}
			if r.deviates == "" && len(got.Deviations) > 0 && len(r.change) == 0 {
				t.Errorf("deviations %v", got.Deviations)
			}
		})
	}
	fmt.Printf("matrix: %d mutations, %d checks each\n", len(rows)-1, 9)
}

func known(country string, expires time.Time) trust.Deviation {
	return trust.Deviation{ID: "UT-1", Country: country, Check: verdict.CheckDG1Country, Reason: verdict.CountryMismatch, Expires: expires}
}

func contains(l []string, s string) bool {
	for _, x := range l {
		if x == s {
			return true
		}
	}
	return false
}

func oidBytes(b ...byte) []byte { return append([]byte{6, byte(len(b))}, b...) }
