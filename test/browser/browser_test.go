// Package browser runs both pages in a real browser (Debian's chromium, driven by playwright-core)
// against real servers. Screenshots are kept in artefacts/browser.
package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"egate/display"
)

const chromium = "/usr/bin/chromium"

// needs skips where the browser cannot be driven, and returns the path of node.
func needs(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("SKIP: node is not installed: the pages are NOT tested in a browser (apt-get install nodejs)")
	}
	if _, err := os.Stat(chromium); err != nil {
		t.Skip("SKIP: " + chromium + " is not installed: the pages are NOT tested in a browser (apt-get install chromium)")
	}
	if _, err := os.Stat("node_modules/playwright-core"); err != nil {
		t.Skip("SKIP: playwright-core is not installed: the pages are NOT tested in a browser (npm ci --ignore-scripts in test/browser)")
	}
	return node
}

// script runs one node script with its parameters as JSON on stdin; what it prints is logged.
func script(t *testing.T, name string, param any) {
	t.Helper()
	node := needs(t)
	in, err := json.Marshal(param)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, name)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// artefacts is the folder of the screenshots, below the module root.
func artefacts(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "artefacts", "browser"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestScreenPassage watches a passage on the traveller screen in every language: DP-05, DP-09, A-01,
// The script tells the far end, over /control, what the gate shows next.
func TestScreenPassage(t *testing.T) {
	srv := display.New(display.Options{Simulated: true})
	page := httptest.NewServer(srv.Handler())
	t.Cleanup(page.Close)

	mux := http.NewServeMux()
	mux.HandleFunc("POST /show", func(w http.ResponseWriter, r *http.Request) {
		var sc display.Screen
		if err := json.NewDecoder(r.Body).Decode(&sc); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		srv.Show(sc)
	})
	mux.HandleFunc("POST /touched", func(w http.ResponseWriter, r *http.Request) {
		select {
		case touch := <-srv.Touches():
			_ = json.NewEncoder(w).Encode(touch)
		case <-time.After(time.Minute):
			http.Error(w, "nothing was touched", http.StatusGatewayTimeout)
		}
	})
	mux.HandleFunc("POST /alive", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(srv.RendererAlive())
	})
	mux.HandleFunc("POST /silence", func(w http.ResponseWriter, r *http.Request) {
		page.CloseClientConnections()
		page.Listener.Close() // the stream is gone and nobody answers any more
	})
	control := httptest.NewServer(mux)
	t.Cleanup(control.Close)

	script(t, "screen.mjs", map[string]string{"url": page.URL, "control": control.URL, "chromium": chromium, "artefacts": artefacts(t)})
}
