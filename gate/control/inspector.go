package control

import (
	"crypto/sha256"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"egate/api"
	"egate/gate"
	"egate/health"
	"egate/inspect/protocol"
	"egate/verdict"
)

// inspector is what the loop knows of one process.
type inspector struct {
	gen     int
	alive   bool
	begun   bool
	ending  bool
	ready   protocol.Ready
	given   map[protocol.Device]bool // given back: scanner and reader count together
	held    map[protocol.Device]bool // leased and not given back
	crashes int
}

// crashLimit is how many inspectors in a row may fail to come up before the gate stops serving.
const crashLimit = 3

func slotOf(i int) gate.Slot { return gate.Slot1 + gate.Slot(i) }

func (l *Loop) spawn(i int) {
	s := &l.slots[i]
	*s = inspector{gen: s.gen + 1, alive: true, crashes: s.crashes, given: map[protocol.Device]bool{}, held: map[protocol.Device]bool{}}
	l.p.Inspectors.Start(i, s.gen)
}

// begin hands a traveller to a warm inspector.
func (l *Loop) begin(i int) {
	t := newTrip(time.Now())
	t.slot = i
	t.model, t.policy, t.demo = l.slots[i].ready.ModelPack, l.slots[i].ready.Policy, l.slots[i].ready.DemoModel
	l.trips[gate.LaneReception] = t
	l.slots[i].begun = true
	officers := l.officers()
	if l.m.Specimen {
		officers = nil // nobody is shown one
	}
	l.p.Inspectors.Send(i, protocol.ToInspector{Begin: &protocol.Begin{
		Passage: t.ID, Gate: l.cfg.Gate, Epoch: l.cfg.Epoch(), Date: l.cfg.Clock.Now(), DateSure: l.cfg.Clock.Trusted(), CentreKey: l.cfg.CentreKey,
		Service: l.m.Specimen, Officers: officers, Chips: slices.Clone(l.chips),
		DocumentMS: int(l.cfg.Document.Milliseconds()), CaptureMS: int(l.cfg.Capture.Milliseconds()),
	}})
	l.lease(i, protocol.Scanner, true)
	l.lease(i, protocol.NFC, true)
	l.startTimer(silence(i), l.cfg.Beat)
}

func (l *Loop) lease(i int, d protocol.Device, held bool) {
	if held {
		l.slots[i].held[d] = true
	}
	l.p.Inspectors.Send(i, protocol.ToInspector{Lease: &protocol.Lease{Device: d, Held: held}})
}

// silence is the loop's own timer over an inspector's heartbeat; the machine has no such timer.
func silence(i int) gate.Timer { return gate.Timer(200 + i) }

// heard handles a word or the end of an inspector. What an earlier one of the slot said late is dropped.
func (l *Loop) heard(e protocol.InspectorEvent) {
	if e.Slot < 0 || e.Slot >= len(l.slots) || e.Gen != l.slots[e.Slot].gen {
		return
	}
	s := &l.slots[e.Slot]
	if e.Exited {
		l.stopTimer(silence(e.Slot))
		s.alive = false
		l.exited(e)
		return
	}
	if s.ending && e.Msg.Ended == nil {
		return
	}
	if s.begun {
		l.startTimer(silence(e.Slot), l.cfg.Beat)
	}
	l.message(e.Slot, e.Msg)
}

func (l *Loop) exited(e protocol.InspectorEvent) {
	s := &l.slots[e.Slot]
	if e.Err != nil && !s.ending {
		l.log.Warn("control: inspector ended", "slot", e.Slot, "err", e.Err, "trace", e.Trace)
		if s.begun {
			l.fault(health.InspectorCrash, health.PartInspector, true)
			l.fault(health.InspectorCrash, health.PartInspector, false)
		} else if s.crashes++; s.crashes >= crashLimit {
			l.fault(health.InspectorStart, health.PartInspector, true)
		}
	}
	for _, t := range l.trips {
		if t != nil && t.slot == e.Slot {
			t.slot = -1
		}
	}
	l.handle(gate.Event{Kind: gate.EvExited, Slot: slotOf(e.Slot)})
	l.recover()
}

// misbehaved ends an inspector that broke the dialogue: its traveller is referred.
func (l *Loop) misbehaved(i int, what string) {
	l.log.Warn("control: inspector broke the dialogue", "slot", i, "with", what)
	l.stopTimer(silence(i))
	l.handle(gate.Event{Kind: gate.EvSilent, Slot: slotOf(i)})
}

// tripOf is the traveller of an inspector.
func (l *Loop) tripOf(i int) *trip {
	for _, t := range l.trips {
		if t != nil && t.slot == i {
			return t
		}
	}
	return nil
}

// message handles one word of a living inspector.
func (l *Loop) message(i int, m *protocol.FromInspector) {
	s := &l.slots[i]
	slot := slotOf(i)
	t := l.tripOf(i)
	if !s.begun && m.Ready == nil && m.Fault == nil && m.Beat == nil && m.Ended == nil || s.begun && m.Ready != nil {
		l.misbehaved(i, protocol.Name(*m))
		return
	}
	switch {
	case m.Ready != nil:
		s.ready, s.crashes = *m.Ready, 0
		for _, x := range []*string{&s.ready.ModelPack, &s.ready.Policy, &s.ready.Trust, &s.ready.Sandbox} {
			if !versionText.MatchString(*x) {
				*x = ""
			}
		}
		l.fault(health.InspectorStart, health.PartInspector, false)
		l.fault(health.DemoModels, health.PartInspector, m.Ready.DemoModel)
		l.handle(gate.Event{Kind: gate.EvReady, Slot: slot})
	case m.Beat != nil:
	case m.Ended != nil:
		l.chips = m.Ended.Chips[:min(len(m.Ended.Chips), maxChips)]
		for _, c := range l.chips {
			l.log.Debug("control: read size", "chip", c.Hash, "bytes", c.Size)
		}
		l.lensAndLamps(m.Ended.Optics)
	case m.Fault != nil:
		l.deviceFault(i, *m.Fault)
	case t == nil:
		// Its traveller is gone: nothing it says concerns anybody.
	case m.Document != nil:
		l.document(slot, t, *m.Document)
	case m.Progress != nil:
		t.progress = min(max(m.Progress.Percent, 0), 100)
		l.show()
	case m.Language != nil:
		t.language = m.Language.Tag
		l.show()
	case m.Lookup != nil:
		l.request("lookup", t, "centre", m.Lookup.Sealed, nil)
	case m.Checked != nil:
		if len(m.Checked.Checks) > maxChecks {
			l.misbehaved(i, "checks")
			return
		}
		t.checks = plain(m.Checked.Checks)
		l.log.Info("control: document part", "outcome", m.Checked.Outcome.String(), "reason", m.Checked.Reason.String(), "stages_ms", stageText(m.Checked.Stages))
		l.handle(gate.Event{Kind: gate.EvChecked, Slot: slot, Outcome: m.Checked.Outcome, Reason: m.Checked.Reason})
	case m.Guidance != nil:
		t.prompt = string(m.Guidance.Instruction)
		t.dot = nil
		if m.Guidance.Instruction == protocol.FollowDot {
			x := min(max(m.Guidance.DotX, -1), 1)
			t.dot = &x
		}
		l.show()
	case m.Challenge != nil:
		l.challenged(i, t, *m.Challenge)
	case m.Heads != nil:
		if m.Heads.Count > 1 {
			l.log.Info("control: more than one head", "heads", m.Heads.Count, "confidence", math.Round(100*m.Heads.Confidence)/100)
		}
		l.handle(gate.Event{Kind: gate.EvHeads, Slot: slot, N: uint8(min(max(m.Heads.Count, 0), 9))})
	case m.TrackLost != nil:
		l.handle(gate.Event{Kind: gate.EvTrackLost, Slot: slot})
	case m.Verdict != nil:
		if len(m.Verdict.Checks) > maxChecks || m.Verdict.Outcome == verdict.OutcomeNone {
			l.misbehaved(i, "verdict")
			return
		}
		l.log.Info("control: face part", "outcome", m.Verdict.Outcome.String(), "reason", m.Verdict.Reason.String(), "stages_ms", stageText(m.Verdict.Stages))
		t.checks, t.match, t.pad = plain(m.Verdict.Checks), band(m.Verdict.MatchBand), band(m.Verdict.PADBand)
		l.handle(gate.Event{Kind: gate.EvVerdict, Slot: slot, Outcome: m.Verdict.Outcome, Reason: m.Verdict.Reason})
	case m.Dossier != nil:
		t.dossier = m.Dossier.Hash
		l.request("referral", t, m.Dossier.KeyID, m.Dossier.Sealed, m.Dossier.Hash)
	case m.Released != nil:
		s.given[m.Released.Device], s.held[m.Released.Device] = true, false
		l.recover()
		switch {
		case m.Released.Device == protocol.Camera:
			l.handle(gate.Event{Kind: gate.EvCameraFree, Slot: slot})
		case s.given[protocol.Scanner] && s.given[protocol.NFC]:
			l.handle(gate.Event{Kind: gate.EvReaderFree, Slot: slot})
		}
	}
}

func (l *Loop) document(slot gate.Slot, t *trip, d protocol.Document) {
	switch {
	case d.Prompt != verdict.ReasonNone:
		t.retries++
		l.handle(gate.Event{Kind: gate.EvPrompt, Slot: slot, Reason: d.Prompt})
	case d.Present:
		l.handle(gate.Event{Kind: gate.EvLaid, Slot: slot})
	default:
		l.handle(gate.Event{Kind: gate.EvLifted, Slot: slot})
	}
}

// deviceFault notes a broken part under its name; the traveller is referred.
func (l *Loop) deviceFault(i int, f protocol.Fault) {
	p, ok := deviceParts[f.Device]
	if !ok {
		p = health.PartInspector
	}
	code := health.Code(f.Code)
	if !health.Known(code) {
		code = health.Unlisted
	}
	l.log.Warn("control: device", "code", code, "part", p)
	l.fault(code, p, true)
	l.handle(gate.Event{Kind: gate.EvBroken, Slot: slotOf(i)})
	if l.p.Recover == nil || !ok {
		// The next inspector opens the device afresh: the fault shows again if it is still there.
		l.fault(code, p, false)
		return
	}
	// The lease comes back first: nobody resets a device that an inspector holds. Scanner and reader have one owner.
	l.sick = append(l.sick, sick{code, p, f.Device})
	l.ailing = append(l.ailing, latched{code, p})
	for _, d := range together[f.Device] {
		l.lease(i, d, false)
	}
	l.recover()
}

var deviceParts = map[protocol.Device]string{protocol.Scanner: health.PartScanner, protocol.NFC: health.PartNFC, protocol.Camera: health.PartCamera}

// together are the devices that an inspector gives back as one.
var together = map[protocol.Device][]protocol.Device{protocol.Scanner: {protocol.Scanner, protocol.NFC}, protocol.NFC: {protocol.Scanner, protocol.NFC}, protocol.Camera: {protocol.Camera}}

// sick is a device that failed, until its lease is free.
type sick struct {
	code health.Code
	part string
	dev  protocol.Device
}

// recover hands over the devices that failed and that nobody holds any more.
func (l *Loop) recover() {
	l.sick = slices.DeleteFunc(l.sick, func(x sick) bool {
		for i := range l.slots {
			if l.slots[i].alive && l.slots[i].held[x.dev] {
				return false
			}
		}
		l.mending[x.part] = true
		l.p.Recover(x.code, x.part)
		return true
	})
}

// lostCodes are the faults of devices that are not there.
var lostCodes = map[protocol.Device]health.Code{protocol.Scanner: health.ScannerLost, protocol.NFC: health.NFCLost, protocol.Camera: health.CameraLost}

// unplugged has devices recovered that nobody used when they went: whoever looks at the bus has told the board (C-11).
func (l *Loop) unplugged() {
	if l.p.Recover == nil {
		return
	}
	for dev, code := range lostCodes {
		part := deviceParts[dev]
		switch lost := l.p.Health.Has(code, part); {
		case !lost:
			delete(l.mending, part)
		case !l.mending[part] && !slices.ContainsFunc(l.sick, func(x sick) bool { return x.part == part }):
			l.sick = append(l.sick, sick{code, part, dev})
		}
	}
	l.recover()
}

// requestLife is how long a sealed question is worth answering, dossierLife how long a sealed dossier may
// be opened: longer than any referral waits for an officer.
const (
	requestLife = 30 * time.Second
	dossierLife = 20 * time.Minute
)

func (l *Loop) request(kind string, t *trip, recipient string, sealed, plainHash []byte) {
	h := sha256.Sum256(sealed)
	life := requestLife
	if len(plainHash) > 0 {
		life = dossierLife
	}
	l.p.Link.Request(kind, api.Envelope{Gate: l.cfg.Gate, Passage: t.ID, Epoch: l.cfg.Epoch(), Type: kind, Recipient: recipient,
		ExpiresAt: l.now().Add(life), Sealed: sealed, Hash: h[:], PlainHash: plainHash, Reason: t.reason})
}

// officers are the sessions that dossiers are sealed to.
func (l *Loop) officers() []protocol.Officer {
	out := []protocol.Officer{}
	for _, le := range l.leases {
		for _, k := range le.Keys {
			if !slices.ContainsFunc(out, func(o protocol.Officer) bool { return o.KeyID == k.Kid }) {
				out = append(out, protocol.Officer{KeyID: k.Kid, Key: k.Key})
			}
		}
	}
	slices.SortFunc(out, func(a, b protocol.Officer) int {
		if a.KeyID < b.KeyID {
			return -1
		}
		return 1
	})
	return out
}

// stageText is "scan 500 chip.access 120 …": names and milliseconds only.
func stageText(s []protocol.StageTime) string {
	var b strings.Builder
	for _, x := range s[:min(len(s), maxChecks)] {
		fmt.Fprintf(&b, "%s %d ", x.Stage, x.MS)
	}
	return strings.TrimSpace(b.String())
}

// What an inspector says goes into events unsealed: only words of our own vocabulary pass (DP-04).
var (
	deviationText = regexp.MustCompile(`^[a-z0-9_.:/-]{1,64}$`)
	versionText   = regexp.MustCompile(`^[A-Za-z0-9_.@= -]{0,200}$`)
)

// plain keeps the deviations that are ids.
func plain(checks []verdict.Check) []verdict.Check {
	out := slices.Clone(checks)
	for i := range out {
		out[i].Score, out[i].Threshold = 0, 0
		out[i].Deviations = slices.DeleteFunc(slices.Clone(out[i].Deviations), func(d string) bool { return !deviationText.MatchString(d) })
	}
	return out
}

// band keeps a band that there is.
func band(s string) string {
	switch s {
	case verdict.BandBelow, verdict.BandMarginal, verdict.BandAbove, verdict.BandClear:
		return s
	}
	return ""
}
