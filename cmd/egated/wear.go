package main

import (
	"context"
	"crypto/x509"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"egate/configs"
	"egate/health"
	"egate/health/wear"
	"egate/pki"
)

// wearEvery is how often trends are looked at.
const wearEvery = 2 * time.Second

// wearParts are the parts of the book's names.
var wearParts = map[string]string{"entry": health.PartEntry, "exit": health.PartExit, wear.Reader: health.PartNFC, wear.Camera: health.PartCamera, wear.Board: health.PartController}

// trends raises and clears the fault of what wears until ctx ends (M-05). heat tells the temperature of the board, false where it has no sensor.
func trends(ctx context.Context, worn *wear.Book, limits configs.Wear, heat func() (float64, bool), board *health.Board) {
	tick := time.NewTicker(wearEvery)
	defer tick.Stop()
	for {
		if c, ok := heat(); ok {
			worn.Heat(c)
		}
		for name, on := range worn.Worn(wear.Limits(limits)) {
			if part := wearParts[name]; part != "" {
				board.Set(health.Wear, part, on)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// temperature is that of the hottest zone that the kernel tells of, below a folder like /sys/class/thermal.
func temperature(dir string) func() (float64, bool) {
	return func() (hottest float64, any bool) {
		files, err := filepath.Glob(filepath.Join(dir, "thermal_zone*", "temp"))
		if err != nil {
			return 0, false
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				continue
			}
			if milli, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
				if c := float64(milli) / 1000; !any || c > hottest {
					hottest, any = c, true
				}
			}
		}
		return hottest, any
	}
}

// stock adds what is left of certificate and disk to counters, for the health document.
func stock(counters func() map[string]int64, leaf func() *x509.Certificate, room func() (uint64, error), now func() time.Time) func() map[string]int64 {
	return func() map[string]int64 {
		out := counters()
		if free, err := room(); err == nil {
			out["disk_free_mib"] = int64(free >> 20)
		}
		if leaf != nil {
			if c := leaf(); c != nil {
				out["certificate_days"] = int64(c.NotAfter.Sub(now()) / (24 * time.Hour))
			}
		}
		return out
	}
}

// leafOf is the certificate in use, nil for a link without one.
func leafOf(cred *pki.Credential) func() *x509.Certificate {
	if cred == nil {
		return nil
	}
	return cred.Leaf
}
