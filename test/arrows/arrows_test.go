// Package arrows holds the design's arrows: which room may know which, and what the doors' program
// must never link.
package arrows

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

type pkg struct {
	ImportPath string
	Doc        string
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, env []string, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Doc,GoFiles,Imports,Deps"}, args...)...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		var e *exec.ExitError
		if errors.As(err, &e) {
			t.Fatalf("go list: %v\n%s", err, e.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// room is the folder that an import path lies in, as the table below names it.
func room(path string) string {
	rest, ours := strings.CutPrefix(path, "egate/")
	if !ours {
		return ""
	}
	best := ""
	for r := range may {
		if (rest == r || strings.HasPrefix(rest, r+"/")) && len(r) > len(best) {
			best = r
		}
	}
	return best
}

// may lists what each room knows of ours; a room always knows itself. "hal" means contracts.
var may = map[string][]string{
	"verdict":             {},
	"gate":                {"verdict"},
	"gate/control":        {"gate", "verdict", "sensors", "journal", "link", "inspect/protocol", "health", "hal", "api"},
	"sensors":             {"hal", "gate"},
	"emrtd":               {"hal", "verdict"},
	"facematch":           {"verdict"},
	"inspect":             {"emrtd", "facematch", "seal", "verdict", "hal", "inspect/protocol", "inspect/decoder", "inspect/sandbox", "api"},
	"inspect/protocol":    {"verdict"},
	"inspect/sandbox":     {},
	"inspect/decoder":     {"inspect/sandbox"},
	"inspect/supervisor":  {"inspect/protocol"},
	"hal":                 {},
	"hal/drivers":         {"hal"}, // see driver below
	"journal":             {},
	"link":                {"journal", "api", "seal", "verdict", "officers"},
	"officers":            {"api", "seal"},
	"audit":               {"journal"},
	"seal":                {},
	"service":             {"seal"},
	"pairing":             {"hal", "hal/drivers", "seal"}, // of the drivers hal/identity, which opens no device
	"policy":              {"verdict", "seal", "api"},
	"clock":               {"seal", "api"},
	"pki":                 {},
	"pki/tpm":             {},
	"health":              {},
	"api":                 {"verdict"},
	"display":             {"gate", "locales"},
	"console":             {"configs", "api", "seal", "verdict", "locales", "audit", "officers"}, // audit: the centre is a witness
	"locales":             {},
	"configs":             {},
	"internal":            {},
	"internal/modelfetch": {},
	"sim":                 {"hal", "hal/drivers", "emrtd", "verdict", "api", "display", "console", "seal", "inspect/protocol", "locales", "health", "officers"}, // health: its officer clears what the catalogue leaves to officers
	"cmd":                 {"*"},
	"test":                {"*"},
	"bench":               {"*"},
	"deploy":              {},
}

// Law of design §3: arrows between rooms. Test files may know more: they build the far end.
func TestArrows(t *testing.T) {
	for _, p := range list(t, nil, "./...") {
		from := drivers(p.ImportPath)
		allowed, known := may[from]
		if !known {
			t.Errorf("%s lies in no room: give it one", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			to := drivers(imp)
			if to == "" || to == from || to == "internal" || slices.Contains(allowed, "*") || slices.Contains(allowed, to) {
				continue
			}
			t.Errorf("%s (%s) must not know %s (%s)", p.ImportPath, from, imp, to)
		}
	}
}

// drivers names the room of a path, with everything below hal as a driver.
func drivers(path string) string {
	if strings.HasPrefix(path, "egate/hal/") {
		return "hal/drivers"
	}
	return room(path)
}

// the program that moves doors links no chip, face, MRZ or image code, on any board, without cgo.
func TestX06EgatedLinksNoPersonalCode(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		for _, p := range list(t, []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch}, "./cmd/egated") {
			for _, d := range p.Deps {
				for _, bad := range []string{"egate/emrtd", "egate/facematch", "egate/inspect/decoder", "egate/hal/mrzscan", "egate/hal/pn532", "egate/hal/pcsc",
					"egate/hal/v4l2", "egate/sim", "image", "github.com/yalue/onnxruntime_go", "github.com/go-webauthn", "C", "runtime/cgo"} {
					if d == bad || strings.HasPrefix(d, bad+"/") {
						t.Errorf("%s: egated links %s", arch, d)
					}
				}
				if d == "egate/inspect" {
					t.Errorf("%s: egated links the inspection itself", arch)
				}
			}
		}
	}
}

// F-13: no demographic or emotion code, no gallery search.
func TestF13NoInferenceOfPersons(t *testing.T) {
	for _, p := range list(t, nil, "./cmd/egate-inspect") {
		for _, d := range p.Deps {
			for _, bad := range []string{"age", "gender", "emotion", "expression", "gallery", "identify"} {
				if last := d[strings.LastIndex(d, "/")+1:]; last == bad {
					t.Errorf("egate-inspect links %s", d)
				}
			}
		}
	}
}

// Every package says what it is.
func TestPackageDocs(t *testing.T) {
	for _, p := range list(t, nil, "./...") {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
