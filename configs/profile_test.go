package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// M-08: every key in which a gate differs from its site's profile is found, with what it is and what it should be;
// one that fits has none.
func TestM08SiteProfile(t *testing.T) {
	g, err := Example(GateYAML)
	if err != nil {
		t.Fatal(err)
	}
	check := func(g Gate, profile string) ([]Mismatch, error) {
		t.Helper()
		g.Profile = filepath.Join(t.TempDir(), "profile.yaml")
		if err := os.WriteFile(g.Profile, []byte(profile), 0o600); err != nil {
			t.Fatal(err)
		}
		return g.CheckProfile()
	}
	if list, err := check(g, string(SiteProfileYAML)); err != nil || len(list) != 0 {
		t.Errorf("the example does not fit the example: %v %v", list, err)
	}
	bad := g
	bad.Topology, bad.Languages, bad.Simulated, bad.LengthMM = OneStep, []string{"en"}, true, 1800
	bad.Limits.NoShow, bad.Limits.Shift, bad.Limits.Referral = 20*time.Second, 0, time.Minute
	bad.Inspect.ForbidSHA1 = true
	bad.Doors.Facts.ClearWidth = 550
	bad.Lines.Inputs = map[string]Line{}
	list, err := check(bad, string(SiteProfileYAML))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range list {
		got = append(got, m.Key+" "+m.Has+" "+m.Want)
		if !strings.Contains(m.At, "profile.yaml:") {
			t.Errorf("%s: at %s", m.Key, m.At)
		}
	}
	want := []string{"simulated true false", "topology one-step mantrap", "languages [en] [en fr es de ar uk]", "length_mm 1800 at most 1700", "lines.inputs.beam_16 missing it",
		"doors.facts.clear_width_mm 550 at least 600", "inspect.forbid_sha1 true false", "limits.no_show 20s at most 15s", "limits.referral 1m0s 2m0s", "limits.shift 0s at least 30m0s"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("found:\n%s\nwanted:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for name, c := range map[string]struct{ profile, want string }{
		"unknown key":    {"topologie: mantrap", "profile.yaml:1: topologie: is no key"},
		"unknown inside": {"site: example\nlimits: {refferal: 2m}", "profile.yaml:2: limits.refferal: is no key"},
		"no unit":        {"limits: {referral: 120}", "limits.referral"},
		"no number":      {"limits: {referral: {max: many}}", "min and max are expected"},
		"neither bound":  {"limits: {referral: {most: 2m}}", "min and max are expected"},
		"bounds of text": {"site: {min: 1}", "min and max are for numbers"},
		"a list of all":  {"- site", "keys and values are expected"},
		"empty":          {"", "the file is empty"},
	} {
		if list, err := check(g, c.profile); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v %v", name, list, err)
		}
	}
	g.Profile = filepath.Join(t.TempDir(), "none.yaml")
	if _, err := g.CheckProfile(); err == nil {
		t.Error("a profile that is not there was taken for one that fits")
	}
}

// FuzzM08Profile: whatever a profile says, the comparison ends with a list or an error.
func FuzzM08Profile(f *testing.F) {
	g, err := Example(GateYAML)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(SiteProfileYAML)
	f.Add([]byte("lines: {inputs: {beam_01: {pin: 3}, fire_ok: {pin: {min: 1}}}}"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var any yaml.Node
		file, err := Parse("profile.yaml", raw, &any, exampleProfile)
		if err != nil {
			return
		}
		list, _ := g.compare(file)
		for _, m := range list {
			if m.Key == "" || m.Want == "" || m.Has == "" {
				t.Errorf("%+v", m)
			}
		}
	})
}
