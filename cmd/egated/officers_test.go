package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"egate/api"
	"egate/configs"
	"egate/officers"
	"egate/seal"
	"egate/sim/passkey"
)

// TestX02HighestRosterIsKept: after a restart the gate has the highest roster of what its journal kept and what its file
// says; a file that was put back, or one of another key, changes nothing.
func TestX02HighestRosterIsKept(t *testing.T) {
	dir := t.TempDir()
	signer := func(b byte) *seal.Signer {
		s, err := seal.NewSigner(bytes.Repeat([]byte{b}, 32))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, err := passkey.New(officers.ES256, "desk.example", "https://desk.example")
	if err != nil {
		t.Fatal(err)
	}
	pub, err := a.Public()
	if err != nil {
		t.Fatal(err)
	}
	roster := func(version uint64, by *seal.Signer) []byte {
		now := time.Now().UTC()
		raw, err := officers.Sign(api.Roster{Site: "north", Version: version, IssuedAt: now, ExpiresAt: now.Add(time.Hour), RPID: "desk.example", Origins: []string{"https://desk.example"}, TwoPersons: []string{},
			Officers: []api.RosterOfficer{{Officer: "ann", Passkeys: []api.Passkey{pub}, Roles: officers.Roles(), Gates: []string{"gate-1"}, NotBefore: now, NotAfter: now.Add(time.Hour)}}}, by)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	cfg := configs.Gate{Site: "north", Gate: "gate-1", Officers: configs.Officers{Roster: filepath.Join(dir, "roster.signed"), RosterKey: filepath.Join(dir, "roster.pub")}}
	if err := seal.Save(cfg.Officers.RosterKey, signer(1).Public(), false); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		row, file []byte
		want      uint64
	}{
		"nothing":                   {nil, nil, 0},
		"the file":                  {nil, roster(3, signer(1)), 3},
		"the journal":               {roster(4, signer(1)), nil, 4},
		"an older file":             {roster(4, signer(1)), roster(3, signer(1)), 4},
		"a newer file":              {roster(4, signer(1)), roster(5, signer(1)), 5},
		"a file of another key":     {roster(4, signer(1)), roster(9, signer(2)), 4},
		"a journal of an older key": {roster(9, signer(2)), roster(3, signer(1)), 3},
	} {
		_ = os.Remove(cfg.Officers.Roster)
		if c.file != nil {
			if err := os.WriteFile(cfg.Officers.Roster, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		k, err := keeper(cfg, map[string]string{rosterRow: string(c.row)}, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		got := uint64(0)
		if r := k.Current(); r != nil {
			got = r.Version
			if p := rosterPart(r); p.rows[rosterRow] != string(r.Raw()) || document(r).Rows[rosterRow] != p.rows[rosterRow] || token(p.is) != p.is {
				t.Errorf("%s: kept as %+v", what, p)
			}
		}
		if got != c.want {
			t.Errorf("%s: version %d is in force, must be %d", what, got, c.want)
		}
	}
	cfg.Officers.RosterKey = filepath.Join(dir, "none")
	if _, err := keeper(cfg, nil, time.Now, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a gate without the key of its roster runs")
	}
}
