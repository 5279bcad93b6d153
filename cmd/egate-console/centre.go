package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"egate/console"
	"egate/console/centre"
	"egate/internal/sdnotify"
	"egate/pki"
	"egate/seal"
)

// serve runs both halves: the centre's end of the link and the desk in front of it.
func serve(ctx context.Context, cfg Config, log *slog.Logger) error {
	c, err := newCentre(cfg, log)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	broker, desk := make(chan struct{}), make(chan struct{})
	g.Go(func() error {
		first := true
		return c.Run(ctx, func() {
			if first { // it connects again after a lost connection
				first = false
				close(broker)
			}
		})
	})
	g.Go(func() error {
		return runDesk(ctx, cfg, c, log, func(addr string) {
			log.Info("officers' pages", "address", "http://"+addr)
			close(desk)
		})
	})
	g.Go(func() error {
		for _, ch := range []chan struct{}{broker, desk} {
			select {
			case <-ch:
			case <-ctx.Done():
				return nil
			}
		}
		sdnotify.Ready()
		<-ctx.Done()
		sdnotify.Stopping()
		return nil
	})
	return g.Wait()
}

func newCentre(cfg Config, log *slog.Logger) (*centre.Centre, error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("egate-console: data_dir: %w", err)
	}
	signer, err := seal.LoadSigner(cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("egate-console: key_file: %w", err)
	}
	sealKey, err := seal.LoadPrivate(cfg.SealKeyFile)
	if err != nil {
		return nil, fmt.Errorf("egate-console: seal_key_file: %w", err)
	}
	gates := map[string]ed25519.PublicKey{}
	for _, g := range cfg.Gates {
		if gates[g.Name], err = seal.LoadPublic(g.KeyFile); err != nil {
			return nil, fmt.Errorf("egate-console: gates: %s: %w", g.Name, err)
		}
	}
	rosterKey, err := seal.LoadPublic(cfg.RosterKey)
	if err != nil {
		return nil, fmt.Errorf("egate-console: roster_key_file: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("egate-console: own path: %w", err)
	}
	conf := centre.Config{
		Site: cfg.Site, Simulated: cfg.Simulated, Gates: gates, Listen: cfg.Broker.Listen, Broker: centre.Broker{URLs: cfg.Broker.URL}, Signer: signer, SealKey: sealKey,
		Roster: cfg.RosterFile, RosterKey: rosterKey, WatchList: cfg.WatchList, Database: filepath.Join(cfg.DataDir, "history.db"), AnswerChild: []string{self, answerArg},
		SessionLife: cfg.IdleOut + sessionGrace, GatesPerOfficer: cfg.GatesPerOfficer, Keep: cfg.HistoryKeep, RepeatWindow: cfg.RepeatWindow, Log: log,
	}
	if b := cfg.Broker; b.TLS() {
		own := pki.Options{Log: log}
		if b.Listen == "" {
			own.Name = centre.Principal // the access lists of brokers know it by this name
		}
		cred, err := pki.Load(pki.Files{CA: b.CAFile, Cert: b.CertFile, Key: b.CertKey, List: b.CRLFile}, own)
		if err != nil {
			return nil, fmt.Errorf("egate-console: broker: %w", err)
		}
		conf.Certificate = func() string { return certAlerts[cred.Stage()] }
		if b.Listen != "" {
			conf.ListenTLS = cred.Server()
		} else {
			conf.Broker.TLS = cred.Client
		}
	}
	return centre.New(conf)
}

// sessionGrace is how much longer than the desk the centre waits before it ends an idle session.
const sessionGrace = time.Minute

// certAlerts are what the desk is told of the stages of the console's own certificate.
var certAlerts = map[pki.Stage]string{pki.Due: console.AlertCertDue, pki.Ending: console.AlertCertEnding, pki.LastDay: console.AlertCertLastDay, pki.Expired: console.AlertCertExpired}
