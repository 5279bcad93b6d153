package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"egate/api"
	"egate/emrtd"
	"egate/emrtd/lds"
	"egate/emrtd/mrz"
	"egate/emrtd/trust"
	"egate/facematch"
	"egate/hal"
	"egate/inspect/protocol"
	"egate/seal"
	"egate/verdict"
)

// documentPart is the document and what became of it.
type documentPart struct {
	scannerLeased, readerLeased bool
	open                        context.CancelFunc // ends the scanner and what reads the chip
	closed                      chan struct{}      // closed when both devices are

	present  bool
	mrz      mrz.Document
	report   *emrtd.Report
	portrait *facematch.Image     // decoded, authenticated or not
	ref      *facematch.Reference // template of an authenticated portrait
	checks   []verdict.Check
	reading  bool
	done     bool // Checked has been said

	waitPortrait bool
	replyKey     []byte // private half of the one-time key for the centre's answer
	lookup       *verdict.Check
	expire       *time.Timer
}

func (d *documentPart) wipe() {
	d.mrz.Wipe()
	if d.report != nil {
		d.report.Wipe()
	}
	d.portrait.Wipe()
	d.ref.Wipe()
	clear(d.replyKey)
	if d.expire != nil {
		d.expire.Stop()
	}
}

// openReaders opens scanner and contactless reader as soon as both are leased and Begin was said.
func (i *Inspector) openReaders() {
	d := &i.document
	if i.begin == nil || !d.scannerLeased || !d.readerLeased || d.open != nil || d.done {
		return
	}
	ctx, cancel := context.WithCancel(i.ctx)
	d.open, d.closed = cancel, make(chan struct{})
	done := d.closed
	i.job(func() {
		defer close(done)
		i.scan(ctx)
	})
}

// closeReaders gives both devices back once nothing uses them any more.
func (i *Inspector) closeReaders() {
	d := &i.document
	give := func() {
		for _, dev := range []protocol.Device{protocol.Scanner, protocol.NFC} {
			i.send(protocol.FromInspector{Released: &protocol.Released{Device: dev}})
		}
	}
	if d.open == nil {
		if d.scannerLeased || d.readerLeased {
			d.scannerLeased, d.readerLeased = false, false
			give()
		}
		return
	}
	d.scannerLeased, d.readerLeased = false, false
	d.open()
	d.open = nil
	closed := d.closed
	i.job(func() {
		select {
		case <-closed:
			i.post(i.ctx, give)
		case <-i.ctx.Done():
		}
	})
}

// scan owns both devices: the scanner tells of the document as long as it is leased, and each zone it
// reads starts one read of the chip. A document that leaves and comes back in the middle of a read is
// the contactless reader's to notice (C-08): the same document goes on at the byte where it stopped.
func (i *Inspector) scan(ctx context.Context) {
	scanner, err := i.cfg.Devices.Scanner(ctx)
	if err != nil {
		i.post(ctx, func() { i.fault("scanner_lost", protocol.Scanner) })
		return
	}
	defer scanner.Close()
	reader, err := i.cfg.Devices.Reader(ctx)
	if err != nil {
		i.post(ctx, func() { i.fault("nfc_lost", protocol.NFC) })
		return
	}
	defer reader.Close()
	readDone := make(chan struct{})
	close(readDone)
	var stopRead context.CancelFunc = func() {}
	defer func() { stopRead(); <-readDone }()
	var first []byte
	defer func() { clear(first) }()
	for {
		s, err := scanner.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, hal.ErrTimeout):
			continue
		case err != nil:
			i.post(ctx, func() { i.fault("scanner_lost", protocol.Scanner) })
			return
		}
		switch s.Kind {
		case hal.ScanPresent:
			i.post(ctx, func() { i.laid() })
		case hal.ScanRemoved:
			i.post(ctx, func() { i.lifted() })
		case hal.ScanUnreadable, hal.ScanWrongPage, hal.ScanUpsideDown, hal.ScanCoverOn:
			i.post(ctx, func() { i.prompt(promptOf(s.Kind)) })
		case hal.ScanMRZ:
			zone := slices.Concat(s.Lines...)
			doc, perr := mrz.Parse(s.Lines, i.begin.Date)
			for _, l := range s.Lines {
				clear(l)
			}
			if perr != nil {
				clear(zone)
				i.post(ctx, func() { i.prompt(emrtd.MRZReason(perr)) })
				continue
			}
			if first != nil && bytes.Equal(first, zone) {
				clear(zone)
				i.post(ctx, func() { i.laid() })
				continue
			}
			// Another zone than the first: the first document is what this inspection is about. It
			// is judged by what it gave; a new inspection reads the other one.
			if first != nil {
				clear(zone)
				stopRead()
				continue
			}
			first = zone
			rctx, cancel := context.WithCancel(ctx)
			stopRead = cancel
			readDone = make(chan struct{})
			go func(done chan struct{}) {
				defer close(done)
				defer cancel()
				i.read(rctx, reader, doc)
			}(readDone)
		}
	}
}

func promptOf(k hal.ScanKind) verdict.Reason {
	switch k {
	case hal.ScanWrongPage:
		return verdict.MRZWrongPage
	case hal.ScanUpsideDown:
		return verdict.MRZUpsideDown
	case hal.ScanCoverOn:
		return verdict.MRZCoverOn
	}
	return verdict.MRZUnreadable
}

func (i *Inspector) laid() {
	if !i.document.present {
		i.document.present = true
		i.send(protocol.FromInspector{Document: &protocol.Document{Present: true}})
	}
}

func (i *Inspector) lifted() {
	if i.document.present {
		i.document.present = false
		i.send(protocol.FromInspector{Document: &protocol.Document{Present: false}})
	}
}

func (i *Inspector) prompt(r verdict.Reason) {
	i.document.present = true
	i.send(protocol.FromInspector{Document: &protocol.Document{Present: true, Prompt: r}})
}

// read opens and reads the chip of one document. It runs in the scan's goroutines.
func (i *Inspector) read(ctx context.Context, reader hal.CardReader, doc mrz.Document) {
	limit := time.Duration(i.begin.DocumentMS) * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tag := language(doc)
	i.post(ctx, func() {
		i.document.mrz, i.document.reading = doc, true
		i.laid()
		if tag != "" {
			i.send(protocol.FromInspector{Language: &protocol.Language{Tag: tag}})
		}
		i.enter("chip")
		i.send(protocol.FromInspector{Progress: &protocol.Progress{}})
	})
	connect, stop := context.WithTimeout(ctx, i.cfg.Connect)
	card, err := reader.Connect(connect)
	stop()
	if err != nil {
		i.post(i.ctx, func() { i.noChip(err) })
		return
	}
	size := i.readSize(card.ATS()) // the table is not written while a chip is read
	var bar progress
	report, err := emrtd.Read(ctx, card, doc, emrtd.Options{
		Now: i.begin.Date, Trust: i.cfg.Trust, CloneProofDue: i.cfg.Policy.CloneProofDue, AllowBAC: i.cfg.AllowBAC, Policy: i.cfg.Signatures, Keys: i.cfg.Keys, Clock: i.clock,
		ReadSize: func([]byte) int { return size },
		Remember: func(ats []byte, n int) {
			ats = bytes.Clone(ats)
			i.post(ctx, func() { i.remember(ats, n) })
		},
		Progress: func(stage string, done, total int) {
			if p, changed := bar.at(stage, done, total); changed {
				i.post(ctx, func() { i.send(protocol.FromInspector{Progress: &protocol.Progress{Percent: p}}) })
			}
		},
		Reconnect: func(ctx context.Context) (hal.Card, error) {
			_ = card.Close()
			c, err := reader.Connect(ctx)
			if err == nil {
				card = c
			}
			return c, err
		},
	})
	_ = card.Close()
	var re *emrtd.ReadError
	if errors.As(err, &re) && errors.Is(re.Err, hal.ErrLost) {
		i.post(i.ctx, func() { i.fault("nfc_lost", protocol.NFC) })
	}
	i.post(i.ctx, func() { i.wasRead(report) })
}

// progress turns bytes of files into per cent of the whole read. The portrait is most of it.
type progress struct{ last int }

// shares are the parts of the bar: where a stage begins and how long it is, per cent.
var shares = map[string][2]int{
	emrtd.StageAccess: {0, 10}, emrtd.StageSOD: {10, 15}, emrtd.StageDG14: {25, 5}, emrtd.StageChipAuth: {30, 5},
	emrtd.StageDG15: {30, 3}, emrtd.StageActive: {33, 2}, emrtd.StageDG1: {35, 5}, emrtd.StageDG2: {40, 60},
}

func (p *progress) at(stage string, done, total int) (percent int, changed bool) {
	s, ok := shares[stage]
	if !ok || total <= 0 {
		return p.last, false
	}
	n := min(s[0]+s[1]*min(done, total)/total, 100)
	if n < p.last+2 && n != 100 || n <= p.last {
		return p.last, false
	}
	p.last = n
	return n, true
}

// noChip ends the document part without a chip (C-13): the answer says whether there was none or the
// reader broke.
func (i *Inspector) noChip(err error) {
	reason := verdict.NoChip
	// Without a document a reader says so (hal.ErrNoCard): one that does not answer at all hangs (C-11).
	if errors.Is(err, hal.ErrLost) || errors.Is(err, hal.ErrClosed) || errors.Is(err, hal.ErrTimeout) {
		reason = verdict.DeviceFault
		i.fault("nfc_lost", protocol.NFC)
	}
	i.document.report = nil
	i.document.checks = []verdict.Check{
		{ID: verdict.CheckMRZ, Result: verdict.Pass, Reason: verdict.OK},
		{ID: verdict.CheckAccess, Result: verdict.NotPossible, Reason: reason},
	}
	i.checked()
}

// wasRead judges the chip and starts what needs its content: portrait and look-up.
func (i *Inspector) wasRead(r *emrtd.Report) {
	d := &i.document
	d.report = r
	for _, s := range r.Stages {
		i.times = append(i.times, protocol.StageTime{Stage: "chip." + s.Stage, MS: int(s.Took.Milliseconds())})
	}
	d.checks = append(d.checks, r.Checks...)
	d.checks = append(d.checks, i.eligibility(r)...)
	if !i.begin.DateSure {
		undate(d.checks)
	}
	i.specimen()
	i.enter("portrait")
	if len(r.Face.Image) > 0 {
		d.waitPortrait = true
		i.openPortrait(bytes.Clone(r.Face.Image), r.Face.Format, r.Authenticated)
	} else {
		d.checks = append(d.checks, verdict.Check{ID: verdict.CheckPortrait, Result: verdict.NotPossible, Reason: verdict.PortraitUnusable})
	}
	i.askCentre()
	i.checked()
}

// dated are the checks that compare with today.
var dated = []verdict.CheckID{verdict.CheckValidity, verdict.CheckDSToday, verdict.CheckDSChain, verdict.CheckDSRevocation, verdict.CheckAge}

// undate takes back what passed by a date that is not trusted (E-07): nobody knows. What failed has failed; a
// policy always requires the validity of the document.
func undate(checks []verdict.Check) {
	for n, c := range checks {
		if c.Result == verdict.Pass && slices.Contains(dated, c.ID) {
			checks[n].Result, checks[n].Reason = verdict.NotPossible, verdict.ClockUntrusted
		}
	}
}

// specimen judges whether the document's issuer is one for this mode (P-14): a test CSCA in service, any other elsewhere.
// What proves the document for the one proves nothing for the other.
func (i *Inspector) specimen() {
	for n, c := range i.document.checks {
		if c.ID != verdict.CheckDSChain {
			continue
		}
		switch test := slices.Contains(c.Deviations, trust.DevTestCSCA); {
		case test && !i.begin.Service: // its key may be in anybody's hands
			i.document.checks[n].Result, i.document.checks[n].Reason = verdict.Fail, verdict.SpecimenDocument
		case !test && i.begin.Service && c.Result != verdict.Fail:
			i.document.checks[n].Result, i.document.checks[n].Reason = verdict.Fail, verdict.GateClosed
		}
	}
}

// judged are checks with what is not asked of a specimen: the centre knows none.
func (i *Inspector) judged(checks []verdict.Check) []verdict.Check {
	if !i.begin.Service {
		return checks
	}
	return append(slices.Clone(checks), verdict.Check{ID: verdict.CheckLookup, Result: verdict.Pass, Reason: verdict.OK})
}

// eligibility judges the rules of requirement P-10 on the signed data, or on the zone where the chip
// gave none: it cannot make such a document pass.
func (i *Inspector) eligibility(r *emrtd.Report) []verdict.Check {
	doc := r.DG1
	if doc.Zero() {
		doc = i.document.mrz
	}
	age, certain, ok := doc.AgeAt(i.begin.Date)
	return i.cfg.Policy.Eligibility(verdict.Facts{DocumentType: doc.Type(), Nationality: doc.Nationality, Age: age, AgeCertain: ok && certain})
}

// openPortrait decodes in a child. Only an authenticated portrait becomes a template; another one is
// pixels for an officer and no more (design §2).
func (i *Inspector) openPortrait(file []byte, _ lds.ImageFormat, authenticated bool) {
	i.job(func() {
		defer clear(file)
		img, err := i.cfg.Images.Decode(i.ctx, file)
		var ref *facematch.Reference
		check := verdict.Check{ID: verdict.CheckPortrait, Result: verdict.NotPossible, Reason: verdict.PortraitUnusable}
		switch {
		case err != nil:
			check.Deviations = []string{"not_decoded"}
		case !authenticated:
			check.Deviations = []string{"not_authenticated"}
		default:
			ref, err = i.cfg.Engine.Enrol(img, facematch.PortraitLimits())
			var pe *facematch.PortraitError
			switch {
			case errors.As(err, &pe):
				check = pe.Check()
			case err == nil:
				check = ref.Check()
			}
		}
		i.post(i.ctx, func() {
			d := &i.document
			d.portrait, d.ref, d.waitPortrait = img, ref, false
			d.checks = append(d.checks, check)
			i.checked()
		})
	})
}

// askCentre seals the look-up to the centre (P-11). A document that would be referred anyway asks
// nothing: its data have no reason to leave the gate.
func (i *Inspector) askCentre() {
	d := &i.document
	hoped := append(slices.Clone(d.checks),
		verdict.Check{ID: verdict.CheckLookup, Result: verdict.Pass, Reason: verdict.OK},
		verdict.Check{ID: verdict.CheckPortrait, Result: verdict.Pass, Reason: verdict.OK})
	if i.begin.Service || verdict.DecideDocument(i.cfg.Policy, hoped).Outcome != verdict.Allow {
		d.lookup = &verdict.Check{ID: verdict.CheckLookup, Result: verdict.NotEvaluated, Reason: verdict.ReasonNone}
		return
	}
	noAnswer := verdict.Check{ID: verdict.CheckLookup, Result: verdict.NotPossible, Reason: verdict.CentreNoAnswer}
	pub, priv, err := seal.GenerateHPKE()
	if err != nil {
		d.lookup = &noAnswer
		return
	}
	d.replyKey = priv
	doc := d.report.DG1
	question, err := json.Marshal(api.LookupQuestion{
		Passage: i.begin.Passage, Document: doc.Number, Issuer: doc.Issuer, Name: doc.Surname + "<<" + doc.GivenNames,
		Birth: fmt.Sprintf("%04d-%02d-%02d", doc.Birth.Year, doc.Birth.Month, doc.Birth.Day), ReplyKey: pub,
	})
	if err == nil {
		var sealed []byte
		sealed, err = seal.Seal(i.begin.CentreKey, "lookup", i.begin.Gate, i.begin.Passage, question)
		clear(question)
		if err == nil {
			i.send(protocol.FromInspector{Lookup: &protocol.Lookup{Sealed: sealed}})
		}
	}
	if err != nil {
		d.lookup = &noAnswer
		return
	}
	d.expire = time.AfterFunc(i.cfg.Lookup, func() {
		i.post(i.ctx, func() {
			if d.lookup == nil {
				d.lookup = &noAnswer
				i.checked()
			}
		})
	})
}

// answered opens the centre's answer. What cannot be opened, or is about somebody else, is no answer.
func (i *Inspector) answered(sealed []byte) {
	d := &i.document
	if d.replyKey == nil || d.lookup != nil {
		return // late or not asked for: it changes nothing
	}
	c := verdict.Check{ID: verdict.CheckLookup, Result: verdict.NotPossible, Reason: verdict.CentreAnswerInvalid}
	plain, err := seal.Open(d.replyKey, "ans", i.begin.Gate, i.begin.Passage, sealed)
	if err == nil {
		var a api.LookupAnswer
		if json.Unmarshal(plain, &a) == nil && a.Passage == i.begin.Passage {
			switch a.Answer {
			case "clear":
				c.Result, c.Reason = verdict.Pass, verdict.OK
			case "refer":
				c.Result, c.Reason = verdict.Fail, verdict.CentreRefer
			case "hold":
				c.Result, c.Reason = verdict.Fail, verdict.CentreHit
			}
		}
		clear(plain)
	}
	d.lookup = &c
	i.checked()
}

// checked says the outcome of the document part once everything is there.
func (i *Inspector) checked() {
	d := &i.document
	if d.done {
		return
	}
	if d.report != nil && (d.waitPortrait || d.lookup == nil) {
		return
	}
	d.done, d.reading = true, false
	if d.expire != nil {
		d.expire.Stop()
	}
	clear(d.replyKey)
	if d.lookup != nil && d.lookup.Result != verdict.NotEvaluated {
		d.checks = append(d.checks, *d.lookup)
	}
	slices.SortStableFunc(d.checks, func(a, b verdict.Check) int { return int(a.ID) - int(b.ID) })
	i.enter("checked")
	v := verdict.DecideDocument(i.cfg.Policy, i.judged(d.checks))
	if i.begin.Service && v.Outcome != verdict.Allow {
		v.Outcome = verdict.Refer
	}
	i.send(protocol.FromInspector{Checked: &protocol.Checked{Outcome: v.Outcome, Reason: v.Reason, Checks: d.checks, Stages: i.times}})
	if v.Outcome != verdict.Allow {
		i.refer(v.Reason)
	}
}
