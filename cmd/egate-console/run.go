package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"egate/console"
	"egate/console/dossier"
	"egate/console/server"
	"egate/console/web"
)

// Limits of the HTTP server. There is no write limit: event streams last; each message has its own.
const (
	headerLimit = 5 * time.Second
	idleLimit   = 2 * time.Minute
	stopLimit   = 5 * time.Second
	maxHeader   = 16 << 10
)

// childArg is the argument that makes this program a dossier child.
const childArg = "open-dossier"

// runDesk serves the officers' pages for a centre until ctx ends. ready is called once, with the
// address, when they can be opened.
func runDesk(ctx context.Context, c Config, centre console.Centre, log *slog.Logger, ready func(addr string)) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("egate-console: own path: %w", err)
	}
	child := dossier.Command{Path: self, Args: []string{childArg}}
	opt := server.Options{
		Site: c.Site, Simulated: c.Simulated, IdleClose: c.IdleOpen, IdleOut: c.IdleOut, Files: web.Files(), Log: log,
		Open: func(ctx context.Context, gate, passage string, sealed console.SealedDossier) (server.Opened, error) {
			ch, err := child.Start(ctx, gate, passage, sealed)
			if err != nil {
				return nil, err
			}
			log.Info("dossier child", "gate", gate, "sandbox", ch.Sandbox())
			return ch, nil
		},
	}
	if c.Demo != nil {
		if opt.Demo, err = c.Demo.passkey(); err != nil {
			return fmt.Errorf("egate-console: demo_officer %w", err)
		}
	}
	desk := server.New(centre, opt)

	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("egate-console: listen: %w", err)
	}
	srv := &http.Server{
		Handler: desk, ReadHeaderTimeout: headerLimit, ReadTimeout: 2 * headerLimit, IdleTimeout: idleLimit, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return desk.Run(ctx) })
	g.Go(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("egate-console: serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		if err := srv.Shutdown(stop); err != nil {
			return srv.Close() // event streams that did not end by themselves
		}
		return nil
	})
	ready(ln.Addr().String())
	return g.Wait()
}
