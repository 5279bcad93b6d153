package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"egate/api"
	"egate/console"
	"egate/internal/sdnotify"
)

// idleCentre has a line without gates and no officers.
type idleCentre struct{ console.Centre }

func (idleCentre) Watch(ctx context.Context, f func(console.Line)) error {
	f(console.Line{Seq: 1, Gates: []console.GateView{{Gate: "gate-1", State: api.State{}}}})
	<-ctx.Done()
	return ctx.Err()
}

// TestDeskStartsAndEnds: the pages answer once ready was called, and the end of the context ends all.
func TestDeskStartsAndEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- runDesk(ctx, Config{Site: "north", Listen: "127.0.0.1:0", IdleOpen: time.Minute, IdleOut: time.Hour}, idleCentre{}, slog.New(slog.DiscardHandler), func(a string) { addr <- a })
	}()
	rsp, err := http.Get("http://" + <-addr + "/api/hello")
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	var hello struct{ Site string }
	if err := json.NewDecoder(rsp.Body).Decode(&hello); err != nil || hello.Site != "north" {
		t.Errorf("%v %+v", err, hello)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestDeskAddressTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	err = runDesk(t.Context(), Config{Listen: ln.Addr().String()}, idleCentre{}, slog.New(slog.DiscardHandler), func(string) { t.Error("ready") })
	if err == nil {
		t.Error("no error")
	}
}

// TestNotify: the service manager is told, over its socket and nowhere else.
func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	sdnotify.Ready()
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != "READY=1" {
		t.Errorf("%v %q", err, buf[:n])
	}
	t.Setenv("NOTIFY_SOCKET", "")
	sdnotify.Ready()
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"--config"}, {"--config", "x", "y"}, {"--nope"}} {
		if err := run(args); err == nil {
			t.Errorf("%v accepted", args)
		}
	}
	if err := run([]string{"--config", filepath.Join("..", "..", "configs", "console.example.yaml"), "--check"}); err != nil {
		t.Error(err)
	}
}
