package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"egate/health"
	"egate/pki"
)

// renewalFile is the request for the renewal of the gate's certificate, in the state folder. It needs no broker: somebody
// carries it to whoever signs, and the answer back to link.cert_file.
const renewalFile = "renewal.csr"

// stageEvery is how often the certificate is looked at.
const stageEvery = 2 * time.Second

// stageFaults are what a stage raises; every other one of them is cleared.
var stageFaults = map[pki.Stage]health.Code{pki.Due: health.CertificateDue, pki.Ending: health.CertificateEnding, pki.LastDay: health.CertificateLastDay,
	pki.Expired: health.CertificateExpired}

// certificate tells of a certificate that nears its end until ctx ends, and asks for its renewal.
func certificate(ctx context.Context, cred *pki.Credential, request string, board *health.Board, log *slog.Logger) {
	tick := time.NewTicker(stageEvery)
	defer tick.Stop()
	last := pki.Stage(-1)
	for {
		stage := cred.Stage()
		for s, code := range stageFaults {
			board.Set(code, health.PartKeys, s == stage)
		}
		if stage != last {
			last = stage
			if err := askRenewal(cred, request, stage); err != nil {
				log.Error("egated: renewal of the certificate", "err", err)
			} else if stage != pki.Fresh {
				log.Warn("egated: the certificate nears its end or has ended", "code", stageFaults[stage], "request", request, "security", true)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// askRenewal writes the request while a renewal is due, and takes it away afterwards.
func askRenewal(cred *pki.Credential, request string, stage pki.Stage) error {
	if stage == pki.Fresh {
		if err := os.Remove(request); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	b, err := cred.Request()
	if err != nil {
		return err
	}
	return pki.Install(request, b)
}
