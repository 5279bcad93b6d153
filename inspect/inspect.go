package inspect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"egate/emrtd/mrz"
	"egate/emrtd/pa"
	"egate/emrtd/pace"
	"egate/emrtd/trust"
	"egate/facematch"
	"egate/hal"
	"egate/inspect/protocol"
	"egate/verdict"
)

// Devices opens what the inspector was leased.
type Devices interface {
	Scanner(ctx context.Context) (hal.DocumentScanner, error)
	Reader(ctx context.Context) (hal.CardReader, error)
	Camera(ctx context.Context) (hal.Camera, error)
}

// Images decodes and encodes pictures in one-shot children: hostile bytes never meet a decoder here.
type Images interface {
	// Decode turns a JPEG or JPEG 2000 file into bounded pixels.
	Decode(ctx context.Context, data []byte) (*facematch.Image, error)
	// Encode makes a JPEG file of pixels.
	Encode(ctx context.Context, img *facematch.Image) ([]byte, error)
}

// Link is the inspector's end of the socket to egated.
type Link interface {
	Send(protocol.FromInspector) error
	Receive() (protocol.ToInspector, error)
}

// Config is what an inspector is made of. Everything in it is loaded before the traveller comes.
type Config struct {
	Link    Link
	Devices Devices
	Images  Images
	Engine  *facematch.Engine
	Trust   *trust.Store // nil: passive authentication is "not possible"
	Policy  verdict.Policy
	Keys    *pace.Keys // prepared mapping keys; may be nil
	Ready   protocol.Ready

	AllowBAC bool
	// CameraTurn is by how many degrees clockwise a picture must be turned to stand upright.
	CameraTurn int
	// Signatures is the policy of passive authentication.
	Signatures pa.Policy
	// Lookup bounds the wait for the centre's answer, Connect the wait for a chip after the MRZ.
	Lookup, Connect time.Duration
	// Clock is monotonic; nil means time since Run.
	Clock func() time.Duration
}

// Limits that nobody configures.
const (
	beatEvery  = time.Second
	wipeLimit  = 3 * time.Second // until jobs have let go of their buffers after End
	maxChips   = 64              // rows of the read-size table
	minConnect = time.Second
)

// ErrProtocol says that egated spoke out of order: the inspection ends.
var ErrProtocol = errors.New("inspect: dialogue out of order")

// Inspector inspects one traveller. Make one with New, call Run once.
type Inspector struct {
	cfg   Config
	clock func() time.Duration
	do    chan func() // results of jobs, run by the owner

	ctx  context.Context // ends with the inspection
	jobs sync.WaitGroup

	begin *protocol.Begin
	stage string
	began time.Duration
	times []protocol.StageTime

	document documentPart
	face     facePart
	dossier  dossierPart
	chips    []protocol.ChipSize
	optics   *protocol.Optics
	over     bool
	fatal    error
}

// New makes an inspector.
func New(cfg Config) *Inspector {
	i := &Inspector{cfg: cfg, do: make(chan func()), stage: "warm", clock: cfg.Clock}
	if i.clock == nil {
		start := time.Now()
		i.clock = func() time.Duration { return time.Since(start) }
	}
	if i.cfg.Connect < minConnect {
		i.cfg.Connect = 6 * time.Second
	}
	if i.cfg.Lookup <= 0 {
		i.cfg.Lookup = 5 * time.Second
	}
	return i
}

// Run says Ready, inspects, and returns after the last word: nil after an orderly End or when egated
// closed the socket. Everything personal has been overwritten when it returns.
func (i *Inspector) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	i.ctx = ctx
	defer i.finish(cancel)
	if err := i.cfg.Link.Send(protocol.FromInspector{Ready: &i.cfg.Ready}); err != nil {
		return err
	}
	inbound := make(chan protocol.ToInspector)
	gone := make(chan error, 1)
	go func() {
		for {
			m, err := i.cfg.Link.Receive()
			if err != nil {
				gone <- err
				return
			}
			select {
			case inbound <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for !i.over && i.fatal == nil {
		select {
		case m := <-inbound:
			i.told(m)
		case f := <-i.do:
			f()
		case <-beat.C:
			if i.begin != nil {
				i.send(protocol.FromInspector{Beat: &protocol.Beat{Stage: i.stage}})
			}
		case err := <-gone:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return i.fatal
}

// finish ends every job, overwrites what is personal and says the last word.
func (i *Inspector) finish(cancel context.CancelFunc) {
	cancel()
	rest := make(chan struct{})
	go func() {
		i.jobs.Wait()
		close(rest)
	}()
	limit := time.NewTimer(wipeLimit)
	defer limit.Stop()
	for done := false; !done; {
		select {
		case <-rest:
			done = true
		case <-i.do: // a job's last result is not looked at any more
		case <-limit.C:
			done = true // the process ends now; the kernel takes the memory back
		}
	}
	i.document.wipe()
	i.face.wipe()
	i.dossier.wipe()
	if i.cfg.Engine != nil {
		i.cfg.Engine.Wipe()
	}
	if i.over {
		i.send(protocol.FromInspector{Ended: &protocol.Ended{Chips: i.chips, Optics: i.optics}})
	}
}

// told handles what egated says.
func (i *Inspector) told(m protocol.ToInspector) {
	if m.Begin == nil && m.End == nil && i.begin == nil && m.Lease == nil {
		i.fatal = fmt.Errorf("%w: %s before Begin", ErrProtocol, protocol.Name(m))
		return
	}
	switch {
	case m.Begin != nil:
		if i.begin != nil {
			i.fatal = fmt.Errorf("%w: Begin twice", ErrProtocol)
			return
		}
		i.begin, i.began = m.Begin, i.clock()
		i.chips = m.Begin.Chips[:min(len(m.Begin.Chips), maxChips)]
		if !m.Begin.Service {
			i.dossier.officers = m.Begin.Officers
		}
		i.enter("document")
		i.openReaders()
	case m.Lease != nil:
		i.leased(*m.Lease)
	case m.Capture != nil:
		i.capture()
	case m.Stop != nil:
		i.stop(m.Stop.Reason)
	case m.Answer != nil:
		i.answered(m.Answer.Sealed)
	case m.Shown != nil:
		i.shown(*m.Shown)
	case m.Officers != nil && i.begin.Service: // nobody is shown a specimen
	case m.Officers != nil:
		i.dossier.officers = m.Officers.Officers
		i.sealDossiers()
	case m.End != nil:
		i.over = true
	}
}

// leased notes a device; it is opened when both lease and Begin are there.
func (i *Inspector) leased(l protocol.Lease) {
	switch l.Device {
	case protocol.Scanner:
		i.document.scannerLeased = l.Held
	case protocol.NFC:
		i.document.readerLeased = l.Held
	case protocol.Camera:
		i.face.leased = l.Held
		if !l.Held {
			i.endCapture()
		}
		return
	default:
		i.fatal = fmt.Errorf("%w: unknown device", ErrProtocol)
		return
	}
	if !l.Held {
		i.closeReaders()
		return
	}
	i.openReaders()
}

// send ends the inspection when the socket is gone: nobody would hear the rest.
func (i *Inspector) send(m protocol.FromInspector) {
	if err := i.cfg.Link.Send(m); err != nil && i.fatal == nil {
		i.fatal = err
	}
}

// fault reports a broken part by its code of the health catalogue.
func (i *Inspector) fault(code string, d protocol.Device) {
	i.send(protocol.FromInspector{Fault: &protocol.Fault{Code: code, Device: d}})
}

// enter names what is being done, for heartbeats and stage times.
func (i *Inspector) enter(stage string) {
	now := i.clock()
	if i.stage != "warm" {
		i.times = append(i.times, protocol.StageTime{Stage: i.stage, MS: int((now - i.began).Milliseconds())})
	}
	i.stage, i.began = stage, now
}

// job runs f in a goroutine that Run waits for.
func (i *Inspector) job(f func()) {
	i.jobs.Add(1)
	go func() {
		defer i.jobs.Done()
		f()
	}()
}

// post hands a result to the owner, unless the inspection is over.
func (i *Inspector) post(ctx context.Context, f func()) {
	select {
	case i.do <- f:
	case <-ctx.Done():
	case <-i.ctx.Done():
	}
}

// chipHash names a chip type by its historical bytes (ISO/IEC 14443-4): never a person.
func chipHash(ats []byte) string {
	sum := sha256.Sum256(ats)
	return hex.EncodeToString(sum[:16])
}

func (i *Inspector) readSize(ats []byte) int {
	h := chipHash(ats)
	for _, c := range i.chips {
		if c.Hash == h {
			return c.Size
		}
	}
	return 0
}

func (i *Inspector) remember(ats []byte, size int) {
	h := chipHash(ats)
	for k := range i.chips {
		if i.chips[k].Hash == h {
			i.chips[k].Size = size
			return
		}
	}
	if len(i.chips) >= maxChips {
		i.chips = i.chips[1:]
	}
	i.chips = append(i.chips, protocol.ChipSize{Hash: h, Size: size})
}

// language is the tag suggested by the issuing state: the only thing of the document that leaves.
func language(doc mrz.Document) string { return languages[doc.Issuer] }

// languages maps issuers (ICAO Doc 9303-3 §5) to the languages that a screen may have.
var languages = map[string]string{
	"GBR": "en", "USA": "en", "IRL": "en", "AUS": "en", "NZL": "en", "CAN": "en", "UTO": "en",
	"FRA": "fr", "BEL": "fr", "MCO": "fr", "SEN": "fr", "CIV": "fr",
	"ESP": "es", "MEX": "es", "ARG": "es", "COL": "es", "PER": "es", "CHL": "es", "VEN": "es", "ECU": "es",
	"D": "de", "AUT": "de", "CHE": "de", "LIE": "de",
	"UKR": "uk",
	"EGY": "ar", "MAR": "ar", "DZA": "ar", "TUN": "ar", "SAU": "ar", "ARE": "ar", "JOR": "ar", "IRQ": "ar", "SYR": "ar", "LBN": "ar", "QAT": "ar", "KWT": "ar",
}
