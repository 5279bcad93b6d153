package pairing

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"egate/hal/identity/sysfake"
	"egate/seal"
)

var (
	scanner = sysfake.USB{Bus: 1, Port: "1.1", Vendor: "0483", Product: "5740", Serial: "OCR-77", Name: "OCR", Class: "02", More: []string{"0a"}, Node: "/dev/ttyACM0", Kind: "tty"}
	reader  = sysfake.USB{Bus: 1, Port: "1.2", Vendor: "0403", Product: "6001", Serial: "A9", Name: "UART", Class: "ff", Node: "/dev/ttyUSB0", Kind: "tty"}
	camera  = sysfake.USB{Bus: 1, Port: "1.3", Vendor: "046d", Product: "085b", Name: "Camera", Class: "0e", Node: "/dev/video0", Kind: "video4linux"}
	hub     = sysfake.USB{Bus: 1, Port: "1", Vendor: "2109", Product: "3431", Name: "Hub", Class: "09"}
	nodes   = map[string]string{"scanner": "/dev/ttyACM0", "reader": "/dev/ttyUSB0", "camera": "/dev/video0", "lines": "/dev/gpiochip0"}
)

func board(t *testing.T) *sysfake.Tree {
	f := sysfake.New(t)
	for _, u := range []sysfake.USB{hub, scanner, reader, camera} {
		f.Plug(u)
	}
	f.Board("/dev/gpiochip0", "platform/soc/fe200000.gpio/gpiochip0/x", "of:Ngpio")
	return f
}

func signer(t *testing.T) *seal.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := seal.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func draft(t *testing.T, f *sysfake.Tree) Pairing {
	t.Helper()
	p, err := Draft(f.Sys(), "harbour", "gate-1", 3, time.Unix(1e9, 0), nodes)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestX04SwapsAreFound: a swap, a move and what nobody paired are told by part; the same devices after a
// restart of the board, under other names, are not.
func TestX04SwapsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sysfake.Tree)
		want   string // part what, …
	}{
		"nothing":               {func(*sysfake.Tree) {}, ""},
		"unplugged":             {func(f *sysfake.Tree) { f.Unplug(reader) }, "reader lost"},
		"other serial":          {func(f *sysfake.Tree) { f.Unplug(scanner); u := scanner; u.Serial = "OCR-78"; f.Plug(u) }, "scanner changed"},
		"other camera":          {func(f *sysfake.Tree) { f.Unplug(camera); u := camera; u.Product = "0825"; f.Plug(u) }, "camera changed"},
		"moved to another port": {func(f *sysfake.Tree) { f.Unplug(camera); u := camera; u.Port = "1.4"; f.Plug(u) }, "camera changed"},
		"two parts exchanged": {func(f *sysfake.Tree) {
			f.Unplug(scanner)
			f.Unplug(reader)
			a, b := scanner, reader
			a.Port, b.Port = b.Port, a.Port
			f.Plug(a)
			f.Plug(b)
		}, "reader changed, scanner changed"},
		"a keyboard in a free port": {func(f *sysfake.Tree) {
			f.Plug(sysfake.USB{Bus: 1, Port: "4", Vendor: "04d9", Product: "1702", Class: "03"})
		}, " unlisted"},
		"a network card": {func(f *sysfake.Tree) {
			f.Plug(sysfake.USB{Bus: 1, Port: "4", Vendor: "0b95", Product: "1790", Class: "02"})
		}, " unlisted"},
		"a reader that became a printer": {func(f *sysfake.Tree) { f.Unplug(reader); u := reader; u.More = []string{"07"}; f.Plug(u) }, "reader changed"},
		"a camera of the kernel": {func(f *sysfake.Tree) {
			f.Unplug(camera)
			f.Board("/dev/video0", "platform/vivid.0/video4linux/video0", "platform:vivid")
		}, "camera simulated"},
	} {
		f := board(t)
		p := draft(t, f)
		c.change(f)
		var got []string
		for _, x := range Check(f.Sys(), &p, nodes) {
			got = append(got, x.Part+" "+x.What)
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%s: %q, want %q", name, s, c.want)
		}
	}
	f := board(t)
	if all := Check(f.Sys(), nil, nodes); len(all) != 0 {
		t.Errorf("not paired: %v", all)
	}
	p := draft(t, f)
	delete(p.Parts, "camera")
	if all := Check(f.Sys(), &p, nodes); PartOK(all, "camera") || !PartOK(all, "reader") {
		t.Errorf("%v", all)
	}
}

func TestDraftIsOfACompleteGate(t *testing.T) {
	f := board(t)
	f.Unplug(camera)
	if _, err := Draft(f.Sys(), "harbour", "gate-1", 1, time.Now(), nodes); err == nil || !strings.Contains(err.Error(), "camera") {
		t.Errorf("%v", err)
	}
	p := draft(t, board(t))
	if len(p.Parts) != 4 || len(p.USB) != 1 || p.USB[0].Vendor != "2109" || !slices.Equal(p.USB[0].Classes, []string{"09"}) {
		t.Errorf("%+v", p)
	}
}

// TestX04PairingOfTwoPersons: a pairing counts with the signatures of a technician and of an officer, for its
// gate, and not when one byte of it is another.
func TestX04PairingOfTwoPersons(t *testing.T) {
	tech, officer, both, other := signer(t), signer(t), signer(t), signer(t)
	rule := Rule{Site: "harbour", Gate: "gate-1", Technicians: seal.Trust(tech.Public(), both.Public()), Officer: seal.Trust(officer.Public(), both.Public()), MinVersion: 3}
	p := draft(t, board(t))
	for name, c := range map[string]struct {
		by   []*seal.Signer
		rule func(*Rule)
		want string
	}{
		"both":            {[]*seal.Signer{tech, officer}, nil, ""},
		"other order":     {[]*seal.Signer{officer, tech}, nil, ""},
		"technician only": {[]*seal.Signer{tech}, nil, "countersignature of an officer"},
		"officer only":    {[]*seal.Signer{officer}, nil, "signature of a technician"},
		"one person":      {[]*seal.Signer{both}, nil, "countersignature of an officer"},
		"stranger":        {[]*seal.Signer{tech, other}, nil, "countersignature of an officer"},
		"other gate":      {[]*seal.Signer{tech, officer}, func(r *Rule) { r.Gate = "gate-2" }, "it is of gate gate-1"},
		"other site":      {[]*seal.Signer{tech, officer}, func(r *Rule) { r.Site = "airport" }, "site harbour"},
		"older":           {[]*seal.Signer{tech, officer}, func(r *Rule) { r.MinVersion = 4 }, "older than 4"},
	} {
		f, err := Sign(p, c.by[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.by[1:] {
			f.Countersign(s)
		}
		path := filepath.Join(t.TempDir(), "pairing.json")
		if err := f.Write(path); err != nil {
			t.Fatal(err)
		}
		g, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		r := rule
		if c.rule != nil {
			c.rule(&r)
		}
		got, err := g.Verify(r)
		if c.want == "" && (err != nil || got.Version != 3) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if c.want != "" {
			continue
		}
		for i := 0; i < len(g.Payload); i += 5 {
			bad := File{slices.Clone(g.Payload), g.Signatures}
			bad.Payload[i] ^= 1
			if _, err := bad.Verify(r); err == nil {
				t.Fatalf("%s: byte %d changed and accepted", name, i)
			}
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); err != ErrNone {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	p, _ := json.Marshal(Pairing{Type: typeName})
	b, _ := json.Marshal(File{Payload: p})
	f.Add(b)
	f.Add([]byte(`{"payload":"e30=","signatures":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := Parse(b)
		if err != nil {
			return
		}
		_, _ = g.Look()
		if _, err := g.Verify(Rule{}); err == nil {
			t.Fatal("nobody signed it")
		}
	})
}
