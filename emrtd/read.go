package emrtd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"egate/emrtd/activeauth"
	"egate/emrtd/chipauth"
	"egate/emrtd/cms"
	"egate/emrtd/iso7816"
	"egate/emrtd/lds"
	"egate/emrtd/mrz"
	"egate/emrtd/pa"
	"egate/emrtd/pace"
	"egate/hal"
	"egate/verdict"
)

// reader is one inspection.
type reader struct {
	opt    Options
	doc    mrz.Document
	info   []byte // MRZ information; empty with a CAN alone
	link   link
	report *Report

	limitsKnown, accessKnown  bool
	chipExtended              bool
	chipCommand, chipResponse int // announced, zero where unknown
	cap                       int // read size found so far, zero for none
	remembered                int
	noSFI                     bool
	infos                     []pace.Info
	pace                      pace.Result
	accessDev                 []string
	downgrade                 bool // signed files announce a PACE that EF.CardAccess hid

	files    map[uint16]*fileBuf
	refused  []int
	verifier *pa.Verifier

	caKey     *chipauth.Key
	caPlanned bool // chip authentication is part of every access from now on
	aaDone    bool // so is active authentication
	clone     cloneState
	aaKey     *activeauth.Key
	cardSec   *cardSecurity

	proofFailures int // false first answers after chip authentication

	stageStart time.Duration
}

// cloneState is what the proofs of genuineness have shown so far.
type cloneState struct {
	proven     string // "ca", "aa", "cam"; under a key that is still to be authenticated
	group      int    // data group that holds the key, zero for EF.CardSecurity
	failed     bool   // the chip does not have the key, or refuses to show it
	impossible bool   // announced with parameters unknown here
	deviations []string
}

// Read inspects one document. It always returns a report, whose checks say what could be proven; the
// error tells why the read ended early, as a *ReadError, and is nil where every wanted file came.
//
// doc gives the access key, unless Options.CAN does, and is compared with DG1. ctx bounds the whole
// read; it is honoured between any two APDUs.
func Read(ctx context.Context, card hal.Card, doc mrz.Document, opt Options) (*Report, error) {
	r := &reader{opt: opt, doc: doc, files: map[uint16]*fileBuf{}, report: &Report{}}
	if !doc.Zero() {
		r.info = doc.Information()
		defer clear(r.info)
	}
	if r.opt.Clock == nil {
		start := time.Now()
		r.opt.Clock = func() time.Duration { return time.Since(start) }
	}
	r.report.files = r.files
	r.link = link{card: card, report: r.report, clock: r.opt.Clock, log: opt.Log}
	r.link.onProof = func() { r.clone.proven, r.clone.group = "ca", 14 }
	err := r.run(ctx)
	r.link.use(nil, false)
	var re *ReadError
	if err != nil && !errors.As(err, &re) {
		re = &ReadError{Stage: r.lastStage(), Reason: reasonOf(ctx, err), Err: err}
	}
	r.stage(StageVerify)
	r.judge(re)
	r.closeStage()
	r.link.timing()
	r.report.ReadSize = r.size()
	if re == nil && opt.Remember != nil && len(card.ATS()) > 0 {
		if n := r.report.ReadSize; n != r.remembered {
			opt.Remember(card.ATS(), n)
		}
	}
	if opt.Log != nil {
		opt.Log.LogAttrs(ctx, slog.LevelDebug, "chip read", slog.Any("report", r.report))
	}
	if re != nil {
		return r.report, re
	}
	return r.report, nil
}

// reasonOf maps a cause to the vocabulary of verdicts.
func reasonOf(ctx context.Context, err error) verdict.Reason {
	var a *accessError
	switch {
	case errors.As(err, &a):
		return a.reason
	case errors.Is(err, errLimit):
		return verdict.ChipLimit
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, hal.ErrTimeout):
		return verdict.ChipTooSlow
	case errors.Is(err, hal.ErrLost), errors.Is(err, hal.ErrClosed):
		return verdict.DeviceFault
	case errors.Is(err, errLost), errors.Is(err, context.Canceled):
		return verdict.ChipLost
	}
	return verdict.ChipReadFailed
}

func (r *reader) stage(name string) {
	r.closeStage()
	r.stageStart = r.opt.Clock()
	r.report.Stages = append(r.report.Stages, StageTime{Stage: name})
}

// closeStage ends the stage in hand; the next one starts at once, so that the stages add up.
func (r *reader) closeStage() {
	if n := len(r.report.Stages); n > 0 {
		now := r.opt.Clock()
		r.report.Stages[n-1].Took += now - r.stageStart
		r.stageStart = now
	}
}

func (r *reader) lastStage() string {
	if n := len(r.report.Stages); n > 0 {
		return r.report.Stages[n-1].Stage
	}
	return StageAccess
}

func (r *reader) run(ctx context.Context) error {
	r.stage(StageAccess)
	if err := r.do(ctx, func() error {
		if r.link.sm != nil {
			return nil // a recovery has opened the chip already
		}
		return r.reopen(ctx)
	}); err != nil {
		return err
	}
	r.stage(StageSOD)
	if err := r.get(ctx, lds.FIDSOD, lds.MaxFile); err != nil {
		return err
	}
	r.verifier = pa.New(r.files[lds.FIDSOD].buf, r.opt.Trust, r.opt.Now, r.opt.Policy)
	// Public-key work runs while the large file comes in; judge waits for it.
	go func(v *pa.Verifier) {
		v.Authenticate()
		if r.opt.verified != nil {
			r.opt.verified()
		}
	}(r.verifier)

	if r.verifier.Lists(14) {
		r.stage(StageDG14)
		if err := r.group(ctx, 14); err != nil {
			return err
		}
	}
	var infos []lds.SecurityInfo
	if f := r.files[lds.FID(14)]; f != nil && f.complete() {
		infos = r.announcements(f.buf)
	}
	if r.clone.proven == "cam" || r.clone.failed {
		r.caKey = nil // the chip has shown already whether it is genuine
	}
	if r.caKey != nil {
		r.stage(StageChipAuth)
		if err := r.do(ctx, func() error {
			if r.link.proof || r.clone.proven != "" || r.clone.failed {
				return nil // done in a recovery
			}
			r.caPlanned = true
			return r.chipAuth(ctx)
		}); err != nil {
			return err
		}
	}
	if r.verifier.Lists(15) {
		r.stage(StageDG15)
		if err := r.group(ctx, 15); err != nil {
			return err
		}
		if f := r.files[lds.FID(15)]; f != nil && f.complete() && r.caKey == nil && r.clone.proven == "" && !r.clone.failed {
			r.stage(StageActive)
			if err := r.activeAuth(ctx, f.buf, infos); err != nil {
				return err
			}
		}
	}
	r.stage(StageDG1)
	if err := r.group(ctx, 1); err != nil {
		return err
	}
	r.stage(StageDG2)
	return r.group(ctx, 2)
}

// announcements reads DG14: the chip authentication key, and whether a PACE was hidden.
func (r *reader) announcements(dg14 []byte) []lds.SecurityInfo {
	infos, err := lds.ParseDG14(dg14)
	if err != nil {
		r.clone.impossible = true
		return nil
	}
	if signed, err := pace.ParseInfos(infos); err == nil && !pace.SameAnnouncements(r.infos, signed) {
		r.downgrade = true
	}
	keys, err := chipauth.ParseKeys(infos)
	switch {
	case err == nil:
		r.caKey = &keys[0]
		r.clone.deviations = keys[0].Deviations
	case errors.Is(err, chipauth.ErrNone):
	default:
		r.clone.impossible = true
	}
	return infos
}

// chipAuth runs chip authentication. The proof is complete with the first verified answer after it.
func (r *reader) chipAuth(ctx context.Context) error {
	p, err := chipauth.Prepare(*r.caKey, r.opt.Rand)
	if err != nil {
		r.clone.impossible, r.caPlanned = true, false // the static key is not on its curve
		return nil
	}
	defer p.Wipe()
	s, err := chipauth.Run(ctx, &r.link, *r.caKey, p, r.commandData())
	if errors.Is(err, chipauth.ErrRefused) {
		r.clone.failed, r.caPlanned = true, false
		return nil
	}
	if err != nil {
		return err
	}
	r.link.use(s, true)
	return nil
}

// commandData is the largest data field of a command through the present channel.
func (r *reader) commandData() int {
	cmd, _ := r.link.card.Limits()
	n := min(cmd-6, iso7816.MaxShortData)
	if r.extended() {
		if n = cmd - 9; r.chipCommand > 0 {
			n = min(n, r.chipCommand-9)
		}
	}
	return r.link.sm.Suite().MaxCommandData(n)
}

func (r *reader) activeAuth(ctx context.Context, dg15 []byte, infos []lds.SecurityInfo) error {
	spki, err := lds.ParseDG15(dg15)
	if err == nil {
		r.aaKey, err = activeauth.ParseKey(spki, infos)
	}
	if err != nil {
		r.clone.impossible = true
		return nil
	}
	return r.do(ctx, func() error { return r.runActive(ctx) })
}

func (r *reader) runActive(ctx context.Context) error {
	ne := r.size()
	dev, err := activeauth.Run(ctx, &r.link, r.aaKey, r.opt.Rand, ne)
	switch {
	case err == nil:
		r.clone.proven, r.clone.group = "aa", 15
		r.clone.deviations = dev
		return nil
	case errors.Is(err, activeauth.ErrUnsupported), errors.Is(err, activeauth.ErrTooLong):
		r.clone.impossible = true
		return nil
	case errors.Is(err, activeauth.ErrSignature), errors.Is(err, activeauth.ErrRefused):
		r.clone.failed, r.clone.proven = true, ""
		return nil
	}
	return err
}

// group reads one data group. A refusal is a status of that group and shows in the checks; only without
// DG1 or DG2 there is nothing to go on with.
func (r *reader) group(ctx context.Context, n int) error {
	err := r.get(ctx, lds.FID(n), lds.MaxSize(n))
	var s *iso7816.StatusError
	if errors.As(err, &s) && s.SW != iso7816.SWDead && !errors.Is(err, errLost) {
		if len(r.files[lds.FID(n)].buf) == 0 {
			r.refused = append(r.refused, n)
		}
		r.report.Files = append(r.report.Files, File{Name: fileName(lds.FID(n), false), Status: s.SW.String()})
		if n == 1 || n == 2 {
			return err
		}
		if r.link.sm.Dead() {
			return r.do(ctx, func() error {
				if r.link.sm != nil && !r.link.sm.Dead() {
					return nil
				}
				return errSession
			})
		}
		return nil
	}
	return err
}

// get reads one file, through recoveries where they are needed.
func (r *reader) get(ctx context.Context, fid uint16, limit int) error {
	f := r.files[fid]
	if f == nil {
		f = &fileBuf{}
		r.files[fid] = f
	}
	bare := 0
	err := r.do(ctx, func() error {
		err := r.readFile(ctx, fid, limit, f, r.lastStage())
		var b *bareError
		if errors.As(err, &b) {
			// An unprotected refusal proves nothing; said twice in fresh sessions it is taken as the
			// chip's word on this file, and the missing group shows in the checks.
			if bare++; bare > 1 && (b.sw == iso7816.SWFileNotFound || b.sw == iso7816.SWSecurityStatus || b.sw == iso7816.SWFileDeactivated) {
				return &iso7816.StatusError{Step: "read", SW: b.sw}
			}
		}
		return err
	})
	if err == nil {
		r.report.Files = append(r.report.Files, File{Name: fileName(fid, false), Size: len(f.buf)})
	}
	return err
}

// do runs a step and repairs what can be repaired, a bounded number of times: a lost tag, a broken
// channel. The step continues where it stopped.
func (r *reader) do(ctx context.Context, step func() error) error {
	err := step()
	for {
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case errors.Is(err, errProof):
			// The chip opened the channel of chip authentication with a key that it does not have. Once
			// may be a fault of the link or a session that the chip dropped; twice is an answer.
			if r.proofFailures++; r.proofFailures > 1 {
				r.clone = cloneState{failed: true}
				r.caPlanned = false
			}
		case errors.Is(err, errLost), errors.Is(err, errSession):
		default:
			return err
		}
		if r.report.Recoveries == MaxRecoveries {
			return err
		}
		r.report.Recoveries++
		// Where no reconnection was given, a lost card stays lost.
		if errors.Is(err, errLost) && r.opt.Reconnect == nil {
			return err
		}
		if r.opt.Log != nil {
			r.opt.Log.LogAttrs(ctx, slog.LevelDebug, "recovery", slog.Int("n", r.report.Recoveries), slog.Bool("lost", errors.Is(err, errLost)))
		}
		if err = r.recover(ctx); err == nil {
			err = step()
		}
	}
}

// recover activates the card again where that is possible, and opens it as before.
func (r *reader) recover(ctx context.Context) error {
	r.link.use(nil, false)
	r.aaDone = r.aaDone || r.clone.proven == "aa"
	r.clone.proven = "" // to be repeated over the new channel
	if r.opt.Reconnect != nil {
		card, err := r.opt.Reconnect(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, hal.ErrLost) || errors.Is(err, hal.ErrClosed) {
				return err
			}
			return fmt.Errorf("%w: %w", errLost, err)
		}
		r.link.card = card
	} else if _, err := r.link.Transmit(ctx, iso7816.Command{INS: iso7816.INSSelect, P1: 0x00, P2: 0x0C}); err != nil {
		return err // a plain command ends what the chip still has of a session; its answer does not matter
	}
	return r.reopen(ctx)
}

// errChanged says that another chip, or another file, came back.
var errChanged = errors.New("not the same chip")

// reopen gains access, requires the same SOD, and repeats the chip's proof.
func (r *reader) reopen(ctx context.Context) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	sod := r.files[lds.FIDSOD]
	if sod == nil || !sod.complete() {
		return nil
	}
	var again fileBuf
	if err := r.readFile(ctx, lds.FIDSOD, lds.MaxFile, &again, ""); err != nil {
		return err
	}
	if !bytes.Equal(again.buf, sod.buf) {
		return errChanged
	}
	if r.caPlanned && !r.clone.failed {
		return r.chipAuth(ctx)
	}
	if r.aaDone && !r.clone.failed {
		return r.runActive(ctx)
	}
	return nil
}

// judge turns what was read into checks.
func (r *reader) judge(failure *ReadError) {
	rep := r.report
	add := func(c verdict.Check) { rep.Checks = append(rep.Checks, c) }
	reason := verdict.ChipReadFailed
	if failure != nil {
		reason = failure.Reason
	}
	add(r.checkMRZ())
	add(r.checkAccess(failure))

	if v := r.verifier; v != nil {
		g := pa.Groups{Files: map[int][]byte{}, Refused: r.refused}
		if !r.doc.Zero() {
			g.MRZ = r.doc.Joined()
		}
		for _, n := range []int{1, 2, 14, 15} {
			if f := r.files[lds.FID(n)]; f != nil && f.complete() {
				g.Files[n] = f.buf
			}
		}
		res := v.Finish(g)
		clear(g.MRZ)
		if failure != nil {
			// What could not be judged because the read ended says why it ended, not what it missed.
			for i := range res.Checks {
				c := &res.Checks[i]
				if c.Result == verdict.NotPossible && (c.ID == verdict.CheckGroups || c.ID == verdict.CheckDGHashes || c.ID == verdict.CheckDG1MRZ) {
					c.Reason = failure.Reason
				}
			}
		}
		rep.Checks = append(rep.Checks, res.Checks...)
		rep.Country, rep.Groups = res.Country, res.Groups
		rep.Authenticated = v.Authentic() && v.Matches(1, g.Files[1]) && v.Matches(2, g.Files[2])
		if g.Files[1] != nil {
			if b, err := lds.ParseDG1(g.Files[1]); err == nil {
				if d, err := mrz.ParseJoined(bytes.Clone(b), r.opt.Now); err == nil {
					rep.DG1 = d
				}
			}
		}
		if g.Files[2] != nil {
			if faces, err := lds.ParseDG2(g.Files[2]); err == nil {
				rep.Face = faces[0]
			}
		}
		add(r.checkValidity(res.SigningTime))
	} else {
		for _, id := range []verdict.CheckID{verdict.CheckSODSignature, verdict.CheckDSChain, verdict.CheckDSAtSigning, verdict.CheckDSToday,
			verdict.CheckDSRevocation, verdict.CheckGroups, verdict.CheckDGHashes, verdict.CheckDG1MRZ, verdict.CheckDG1Country} {
			add(verdict.Check{ID: id, Result: verdict.NotPossible, Reason: reason})
		}
		add(r.checkValidity(time.Time{}))
	}
	add(r.checkClone(failure))
	slices.SortStableFunc(rep.Checks, func(a, b verdict.Check) int { return int(a.ID) - int(b.ID) })
	var dev [][]string
	for _, c := range rep.Checks {
		dev = append(dev, c.Deviations)
	}
	rep.Deviations = cms.MergeDeviations(dev...)
}

// DevMRZRepaired prefixes the field of the MRZ in which a confusion of optical reading was repaired.
const DevMRZRepaired = "mrz.repaired."

func (r *reader) checkMRZ() verdict.Check {
	c := verdict.Check{ID: verdict.CheckMRZ, Result: verdict.Pass, Reason: verdict.OK}
	if r.doc.Zero() {
		c.Result, c.Reason = verdict.NotPossible, verdict.MRZUnreadable
	}
	for _, f := range r.doc.Repaired {
		c.Deviations = append(c.Deviations, DevMRZRepaired+string(f))
	}
	return c
}

func (r *reader) checkAccess(failure *ReadError) verdict.Check {
	c := verdict.Check{ID: verdict.CheckAccess, Result: verdict.Pass, Reason: verdict.OK, Deviations: r.accessDev}
	var a *accessError
	switch {
	case failure != nil && errors.As(failure.Err, &a):
		c.Result, c.Reason = a.result, a.reason
	case r.report.Access == "":
		c.Result, c.Reason = verdict.NotPossible, verdict.ChipAccessFailed
		if failure != nil {
			c.Reason = failure.Reason
		}
	case r.downgrade, r.hiddenInCardSecurity():
		c.Result, c.Reason = verdict.Fail, verdict.PACEDowngrade
	}
	return c
}

func (r *reader) checkValidity(signed time.Time) verdict.Check {
	c := verdict.Check{ID: verdict.CheckValidity, Result: verdict.Pass, Reason: verdict.OK}
	d := r.report.DG1
	if d.Zero() {
		d = r.doc
	}
	if d.Zero() {
		c.Result, c.Reason = verdict.NotPossible, verdict.DocumentExpired
		return c
	}
	expired, known := d.ExpiredAt(r.opt.Now)
	switch {
	case !known:
		c.Result, c.Reason = verdict.NotPossible, verdict.DocumentExpired
	case expired:
		c.Result, c.Reason = verdict.Fail, verdict.DocumentExpired
	case !signed.IsZero() && signed.After(r.opt.Now.Add(24*time.Hour)):
		// The zone has no date of issue; a document signed tomorrow is not valid today.
		c.Result, c.Reason = verdict.Fail, verdict.DocumentNotYetValid
	}
	return c
}

// checkClone decides on the proof of genuineness (C-03). It is required whenever the signed files
// announce one, and what it proves is worth as much as the signature over the key.
func (r *reader) checkClone(failure *ReadError) verdict.Check {
	c := verdict.Check{ID: verdict.CheckClone, Deviations: r.clone.deviations}
	set := func(res verdict.Result, reason verdict.Reason) verdict.Check {
		c.Result, c.Reason = res, reason
		return c
	}
	v := r.verifier
	stripped := slices.Contains(r.refused, 14) || slices.Contains(r.refused, 15)
	switch {
	case r.clone.failed:
		return set(verdict.Fail, verdict.CloneSuspected)
	case v == nil:
		if failure != nil {
			return set(verdict.NotPossible, failure.Reason)
		}
		return set(verdict.NotPossible, verdict.CloneUnproven)
	case stripped:
		// The SOD lists the group, the chip denies it: how a copy hides that it has no key.
		return set(verdict.Fail, verdict.CloneSuspected)
	case r.clone.proven != "":
		if !r.authenticKey() {
			return set(verdict.NotPossible, verdict.CloneUnproven)
		}
		c.Deviations = r.clone.deviations
		r.report.Clone = r.clone.proven
		return set(verdict.Pass, verdict.OK)
	case v.Groups() != nil && !v.Lists(14) && !v.Lists(15) && v.Authentic():
		if due := r.opt.CloneProofDue; due != nil && due(r.report.Country, v.IssuedYear()) {
			return set(verdict.NotPossible, verdict.CloneUnproven)
		}
		return set(verdict.NotApplicable, verdict.CloneUnproven)
	}
	return set(verdict.NotPossible, verdict.CloneUnproven)
}
