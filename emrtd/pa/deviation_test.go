package pa_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/cms"
	"egate/emrtd/issue"
	"egate/emrtd/pa"
	"egate/emrtd/trust"
	"egate/verdict"
)

// deviation encodes one entry of a deviation list: which documents, what.
func deviation(documents [][]byte, kind string, parameter int64, text string) []byte {
	var what [][]byte
	if text != "" {
		what = append(what, ber.Encode(ber.PrintableString, []byte(text)))
	}
	what = append(what, ber.EncodeOID(trust.OIDDeviationList+"."+kind))
	if parameter >= 0 {
		what = append(what, ber.Encode(0xA0, ber.EncodeInt(parameter)))
	}
	return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, documents...), ber.Encode(ber.Set, ber.Encode(ber.Sequence, what...)))
}

func period(from, to time.Time) []byte {
	g := func(t time.Time) []byte {
		return ber.Encode(ber.GeneralizedTime, []byte(t.UTC().Format("20060102150405Z")))
	}
	return ber.Encode(0xA4, g(from), g(to))
}

// C-06: a deviation list as a state publishes it, verified to its CSCA, excuses what it can excuse of the documents
// that it names, for as long as the site says, and nothing else.
func TestC06PublishedDeviations(t *testing.T) {
	a := authority(t, "UTO", issue.ECDSAP256)
	p := passport(t, a)
	ds, err := cms.ParseCertificate(a.DS())
	if err != nil {
		t.Fatal(err)
	}
	serial := func(n int64) []byte { return ber.Encode(0xA1, ds.Issuer.Raw, ber.EncodeInt(n)) }
	mine := ber.Encode(0xA1, ds.Issuer.Raw, ber.EncodeBig(ds.Serial))
	key := ber.Encode(0x82, ds.SKI)
	around := period(now.Add(-90*24*time.Hour), now)
	const life = 30 * 24 * time.Hour
	for name, x := range map[string]struct {
		entry   []byte
		taken   int
		excused bool
		later   time.Duration
	}{
		"zone, signer by serial":        {entry: deviation([][]byte{mine}, "3.1", 4, "number printed wrongly"), taken: 1, excused: true},
		"zone, signer by key":           {entry: deviation([][]byte{key}, "3.2", 4, ""), taken: 1, excused: true},
		"zone, signer and period":       {entry: deviation([][]byte{key, around}, "3", -1, "x"), taken: 1, excused: true},
		"zone, another period":          {entry: deviation([][]byte{key, period(now.Add(-900*24*time.Hour), now.Add(-800*24*time.Hour))}, "3", -1, "x"), taken: 1},
		"zone, another signer":          {entry: deviation([][]byte{serial(7)}, "3.1", 4, "x"), taken: 1},
		"zone, no signer named":         {entry: deviation([][]byte{around}, "3.1", 4, "x")},
		"zone, documents by number":     {entry: deviation([][]byte{mine, ber.Encode(0xA5, ber.Encode(ber.PrintableString, []byte("X0000001")))}, "3.1", 4, "x")},
		"another check":                 {entry: deviation([][]byte{mine}, "1.2", 4, "country"), taken: 1},
		"hash of a group":               {entry: deviation([][]byte{mine}, "2.2", 2, "x")},
		"signature of the sod":          {entry: deviation([][]byte{mine}, "2.3", -1, "x")},
		"key of active authentication":  {entry: deviation([][]byte{mine}, "1.4", -1, "x")},
		"of national use":               {entry: deviation([][]byte{mine}, "5.9", -1, "x")},
		"after the life that was given": {entry: deviation([][]byte{mine}, "3.1", 4, "x"), taken: 1, later: life + time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := a.DeviationList([][]byte{x.entry}, now.Add(-time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			var got *trust.Imported
			s := store(t, func(b *trust.Bundle) {
				b.Expires = now.Add(2 * life)
				i := trust.Importer{Bundle: b, DeviationLife: life, Now: now}
				if got, err = i.Add("dl", list, now); err != nil {
					t.Fatal(err)
				}
			}, a)
			if got.Kind != trust.InputPublished || got.Deviations != x.taken || got.Left != 1-x.taken || len(got.Notes) != 1 || strings.Contains(got.Notes[0], "X0000001") {
				t.Errorf("%+v", got)
			}
			in := input(p, s)
			in.MRZ, in.Now = bytes.Clone(in.MRZ), now.Add(x.later)
			in.MRZ[50] ^= 1
			c := pa.Verify(in)
			check := c.Check(verdict.CheckDG1MRZ)
			if excused := check.Result == verdict.Pass && check.Reason == verdict.DeviationKnown; excused != x.excused || !excused && check.Result != verdict.Fail {
				t.Errorf("%s %s %v", check.Result, check.Reason, check.Deviations)
			}
		})
	}
	// Without a life for them, entries are shown and not taken; a list of a stranger, one that another kind of
	// signer signed and one with a bit changed are refused.
	list, err := a.DeviationList([][]byte{deviation([][]byte{mine}, "3.1", 4, "x")}, now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := issue.Bundle("test", 1, now, a)
	if err != nil {
		t.Fatal(err)
	}
	shown := trust.Importer{Bundle: b, Now: now}
	if got, err := shown.Add("dl", list, now); err != nil || got.Deviations != 0 || got.Left != 1 || len(b.Deviations) != 0 {
		t.Errorf("%+v %v", got, err)
	}
	alien, err := issue.Bundle("test", 1, now, authority(t, "UTO", issue.ECDSAP256))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(list)
	flipped[len(flipped)-1] ^= 1
	for name, f := range map[string]func() error{
		"stranger": func() error {
			_, err := (&trust.Importer{Bundle: alien, DeviationLife: life, Now: now}).Add("dl", list, now)
			return err
		},
		"bit changed": func() error {
			_, err := (&trust.Importer{Bundle: b, DeviationLife: life, Now: now}).Add("dl", flipped, now)
			return err
		},
		"from the future": func() error {
			_, err := (&trust.Importer{Bundle: b, DeviationLife: life, Now: now.Add(-50 * time.Hour)}).Add("dl", list, now)
			return err
		},
	} {
		if err := f(); !errors.Is(err, trust.ErrDeviationList) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if ml, err := a.MasterList([][]byte{a.CSCA()}, now); err != nil {
		t.Fatal(err)
	} else if root, err := cms.ParseCertificate(a.CSCA()); err != nil {
		t.Fatal(err)
	} else if _, err := trust.ParseDeviationList(ml, root); !errors.Is(err, trust.ErrDeviationList) {
		t.Errorf("master list: %v", err)
	}
}
