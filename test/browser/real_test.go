package browser

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"egate/sim/memscan"
	"egate/sim/passkey"
	"egate/sim/run"
	"egate/sim/scenario"
	"egate/sim/scenarios"
)

// enlist puts officer-07 with an enrolled passkey on the roster of a site, beside the demo officer, who stays.
func enlist(bin string, site *run.Site, registration []byte) error {
	file := filepath.Join(site.Dir, "registration.json")
	if err := os.WriteFile(file, registration, 0o600); err != nil {
		return err
	}
	ctl := func(args ...string) ([]byte, error) {
		out, err := exec.Command(filepath.Join(bin, "egatectl"), args...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("egatectl %s: %w: %s", args, err, out)
		}
		return out, err
	}
	lines, err := ctl("roster", "enrol", "--rp-id", "localhost", "--origin", site.Console.URL, file)
	if err != nil {
		return err
	}
	demo, err := passkey.Load("localhost", site.Console.URL, site.Console.Officer.Credential, site.Console.Officer.Seed)
	if err != nil {
		return err
	}
	pub, err := demo.Public()
	if err != nil {
		return err
	}
	day := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	var y strings.Builder
	fmt.Fprintf(&y, "site: %s\nversion: %d\nexpires: %s\nrp_id: localhost\norigins: [%s]\nsimulated: true\ntwo_persons: []\nofficers:\n", site.Name, time.Now().Unix()+1, day(24*time.Hour), site.Console.URL)
	for _, o := range []struct{ name, keys string }{
		{"officer-demo", fmt.Sprintf("      - {credential: %s, alg: %s, key: %s}\n", base64.RawURLEncoding.EncodeToString(pub.Credential), pub.Alg, base64.StdEncoding.EncodeToString(pub.Key))},
		{"officer-07", string(lines)},
	} {
		fmt.Fprintf(&y, "  - officer: %s\n    demo: %t\n    roles: [officer, supervisor, technician]\n    gates: [%s]\n    from: %s\n    until: %s\n    passkeys:\n%s", o.name, o.name == "officer-demo", site.Gates[0].Name, day(-time.Hour), day(time.Hour), o.keys)
	}
	src := filepath.Join(site.Dir, "roster.yaml")
	if err := os.WriteFile(src, []byte(y.String()), 0o600); err != nil {
		return err
	}
	_, err = ctl("roster", "sign", "--key", filepath.Join(site.Dir, "keys", "roster.key"), src, filepath.Join(site.Dir, "roster.signed"))
	return err
}

// TestRealGate has both pages of a running gate in the browser: egated, inspectors and console are the
// programs themselves, the simulator plays the traveller. A passage is watched on the traveller screen from
// the notice to the open exit, and a referral is decided on the officers' console by hand: DP-05, O-03, O-06,
// Afterwards nothing of either traveller is found in the browser's profile (O-06, DP-03).
func TestRealGate(t *testing.T) {
	bin := os.Getenv("EGATE_BIN")
	if bin == "" {
		bin = filepath.Join("..", "..", "bin")
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(bin, "egated")); err != nil {
		t.Skip("SKIP: the programs are not built: the pages of a running gate are NOT tested (make build)")
	}
	needs(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	site, err := run.NewSite(ctx, bin, filepath.Join(t.TempDir(), "site"), "", scenario.Mantrap)
	if err != nil {
		t.Fatal(err)
	}
	h, err := run.Open(ctx, bin, site, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	// The browser holds the dossier that is open: its memory is not the gate's, its disk is searched below.
	h.Ours = func(comm string) bool { return strings.HasPrefix(comm, "egate") }
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	var mu sync.Mutex
	var marks []*memscan.Markers
	photos := memscan.New()

	mux := http.NewServeMux()
	mux.HandleFunc("POST /play/{name}", func(w http.ResponseWriter, r *http.Request) {
		list, err := scenario.Load(scenarios.Files, r.PathValue("name"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		sc := list[0]
		sc.Officer, sc.Expect.Shown = "does nothing", nil // the simulated one: a hand in the browser decides, and sees
		res := h.Play(ctx, h.Lanes[0], sc)
		t.Log(res.Line())
		for _, f := range res.Faults {
			t.Errorf("%s: %s", sc.Name, f)
		}
		mu.Lock()
		if res.Marks != nil {
			marks = append(marks, res.Marks)
		}
		mu.Unlock()
		_ = json.NewEncoder(w).Encode(res)
	})
	// The roster of the running site is signed anew, as its keeper does it: by egatectl, with the key of the throw-away site.
	mux.HandleFunc("POST /roster", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<10))
		if err == nil {
			err = enlist(bin, site, b)
		}
		if err != nil {
			t.Error(err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("POST /photo", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if photos.AddBlocks("photo as served", b) == 0 {
			http.Error(w, "no photo", http.StatusBadRequest)
		}
	})
	mux.HandleFunc("POST /profile", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Dir string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if len(marks) != 2 || photos.Len() == 0 {
			t.Errorf("%d travellers and %d blocks of photos to look for", len(marks), photos.Len())
		}
		var st memscan.Stats
		for _, m := range append([]*memscan.Markers{photos}, marks...) {
			hits, err := m.Tree(in.Dir, &st)
			if err != nil {
				t.Error(err)
			}
			for _, x := range hits {
				t.Errorf("the browser's profile: %s", x)
			}
		}
		if st.Bytes < 1<<16 {
			t.Errorf("only %d bytes of the profile were searched", st.Bytes)
		}
		t.Logf("browser profile: %d bytes searched, nothing found", st.Bytes)
	})
	mux.HandleFunc("POST /planted", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Dir string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		mu.Lock()
		defer mu.Unlock()
		var st memscan.Stats
		if hits, err := photos.Tree(in.Dir, &st); err != nil || len(hits) == 0 {
			t.Errorf("the search did not find a photo that was planted in the profile (%v)", err)
		}
	})
	control := httptest.NewServer(mux)
	t.Cleanup(control.Close)
	script(t, "real.mjs", map[string]string{"screen": h.Lanes[0].Gate.Display, "console": site.Console.URL, "control": control.URL, "chromium": chromium, "artefacts": artefacts(t)})
}
