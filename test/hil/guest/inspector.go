package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"egate/api"
	"egate/configs"
	"egate/display"
	"egate/emrtd/issue"
	"egate/seal"
	"egate/sim/faces"
	"egate/sim/pn532end"
	"egate/sim/run"
	"egate/sim/scanner"
	"egate/sim/scenario"
	"egate/verdict"
)

// inspector: the real inspector reads a chip and looks through the kernel's camera, in which nobody ever stands: vivid shows
// colour bars. What is expected: the chip is proven genuine, the centre answers, the traveller is let in; pictures are
// looked at and none shows a face, which is a failed check and no technical fault; he is referred for that reason,
// no_face, nothing across the border opens, and at the end of the referral he goes back to where he came from.
func inspector(ctx context.Context, _ map[string]string) error {
	s, err := openSite("/tmp", "")
	if err != nil {
		return err
	}
	at, err := s.equip()
	if err != nil {
		return err
	}
	defer at.close()
	if err := s.openCentre(ctx); err != nil {
		return err
	}
	if err := s.start("-700"); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go at.obey(ctx)
	report("open", s.open(ctx))
	p, err := s.passage(ctx)
	if err != nil {
		report("a passage ends", err)
		return s.stop()
	}
	chip := true
	for _, id := range []verdict.CheckID{verdict.CheckAccess, verdict.CheckSODSignature, verdict.CheckDSChain, verdict.CheckDGHashes, verdict.CheckClone} {
		chip = chip && result(p, id) == verdict.Pass
	}
	reportIf("the chip is genuine", chip, p)
	reportIf("the centre answered", result(p, verdict.CheckLookup) == verdict.Pass, p)
	reportIf("pictures were looked at, and no face is in them", found(p, verdict.CheckSingleFace, verdict.Fail, verdict.NoFace) && found(p, verdict.CheckMatch, verdict.NotPossible, verdict.NoFace), p)
	reportIf("referred for no_face", p.Outcome == verdict.Refer && p.Reason == verdict.NoFace && !p.Completed, p)
	tell("INFO %v after %d exchanges with the chip; %s", p.Reason, at.reader.Stats().Exchanges, stages(p))
	report("the traveller left on the side of origin", s.await("BACK", 1))
	report("orderly end", s.stop())
	what, err := s.intact(nil, s.notes)
	report("journal and audit log: "+what, err)
	return s.safe()
}

func reportIf(name string, holds bool, p api.Passage) {
	var err error
	if !holds {
		err = fmt.Errorf("%v, %v: %+v", p.Outcome, p.Reason, p.Checks)
	}
	report(name, err)
}

func result(p api.Passage, id verdict.CheckID) verdict.Result {
	for _, c := range p.Checks {
		if c.ID == id {
			return c.Result
		}
	}
	return verdict.NotEvaluated
}

// found tells whether a check ended so, for this reason.
func found(p api.Passage, id verdict.CheckID, res verdict.Result, why verdict.Reason) bool {
	return slices.ContainsFunc(p.Checks, func(c verdict.Check) bool { return c.ID == id && c.Result == res && c.Reason == why })
}

func stages(p api.Passage) (s string) {
	for _, t := range p.Stages {
		s += fmt.Sprintf("%s %.1f s ", t.Stage, float64(t.MS)/1000)
	}
	return s
}

// counter is where a traveller lays his passport: scanner and reader at pseudo-terminals.
type counter struct {
	scanner  *scanner.End
	reader   *pn532end.End
	passport *run.Passport
	screen   *run.Screen
}

func (c *counter) close() {
	c.scanner.Close()
	c.reader.Close()
}

// equip gives the site real devices in place of the scripted inspector: vivid, and serial lines whose far ends are ours.
func (s *site) equip() (*counter, error) {
	const scannerAt, readerAt = "/run/scanner", "/run/nfc"
	a, err := issue.NewAuthority("UTO", rand.Reader, time.Now())
	if err != nil {
		return nil, err
	}
	b, err := issue.Bundle(siteName, 1, time.Now(), a)
	if err != nil {
		return nil, err
	}
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	trust, trustKey := filepath.Join(s.dir, "trust.json"), filepath.Join(s.dir, "trust.pub")
	if err := errors.Join(b.Save(trust, key), seal.Save(trustKey, pub, false)); err != nil {
		return nil, err
	}
	face, err := faces.Get("astronaut")
	if err != nil {
		return nil, err
	}
	portrait, err := run.NewPortrait(face.DG2JPEG())
	if err != nil {
		return nil, err
	}
	c := &counter{screen: run.NewScreen("http://" + screenAt)}
	if c.passport, err = (&run.Issuers{Known: a, Unknown: a}).Issue(scenario.Document{Access: "pace", ChipAuth: "ecdh"}, portrait, time.Now()); err != nil {
		return nil, err
	}
	if c.scanner, err = scanner.Open(scannerAt); err != nil {
		return nil, err
	}
	if c.reader, err = pn532end.Open(readerAt); err != nil {
		return nil, err
	}
	g := &s.cfg
	g.Inspect = configs.Inspect{Program: "/bin/egate-inspect", Models: "/models", Trust: trust, TrustKey: trustKey, AllowBAC: true, Threads: 1}
	g.Devices = configs.Devices{Scanner: configs.Device{Driver: "mrzscan", Device: scannerAt, Baud: 115200},
		NFC: configs.Device{Driver: "pn532", Device: readerAt, Baud: 921600}, Camera: configs.Camera{Driver: "v4l2", Device: "/dev/video0", Width: 640, Height: 360}}
	// An emulated processor computes some fifty times as long.
	l := &g.Limits
	l.Chip, l.NoShow, l.Secure, l.Capture, l.Release, l.Clear, l.Warm = time.Minute, time.Minute, time.Minute, 30*time.Second, time.Minute, time.Minute, 3*time.Minute
	l.Lookup, l.Decide = 30*time.Second, 30*time.Second
	l.Referral = 10 * time.Second // nobody comes
	y, err := yaml.Marshal(g)
	if err != nil {
		return nil, err
	}
	return c, os.WriteFile(s.config, y, 0o600)
}

// obey lays the passport down and takes it up again as the screen says.
func (c *counter) obey(ctx context.Context) {
	go c.screen.Run(ctx)
	wake, end := c.screen.Changes()
	defer end()
	laid := false
	for {
		now, _ := c.screen.Current()
		switch now.Name {
		case display.ScreenPlace, display.ScreenReading:
			if !laid {
				laid = true
				c.reader.Lay(c.passport.Chip)
				_ = c.scanner.Lay(c.passport.Lines)
			}
		case display.ScreenLift, display.ScreenEnter:
			if laid {
				laid = false
				c.reader.Lift()
				_ = c.scanner.Lift()
			}
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// passage waits for the first transaction event.
func (s *site) passage(ctx context.Context) (p api.Passage, err error) {
	select {
	case b := <-s.passages:
		return p, json.Unmarshal(b, &p)
	case <-ctx.Done():
		return p, fmt.Errorf("no transaction event: %w", ctx.Err())
	}
}
