package pn532end_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"egate/emrtd"
	"egate/emrtd/chip"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/mrz"
	"egate/hal"
	"egate/hal/haltest"
	"egate/hal/pn532"
	"egate/hal/serialhal"
	"egate/sim/pn532end"
	"egate/verdict"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var authority = sync.OnceValue(func() *issue.Authority {
	a, err := issue.NewAuthority("UTO", rand.Reader, now)
	if err != nil {
		panic(err)
	}
	return a
})

func passport(t *testing.T, edit func(*issue.Profile)) *issue.Passport {
	t.Helper()
	pr := issue.Profile{Number: "X0000001", Surname: "MUSTERFRAU", GivenNames: "ANNA", Nationality: "UTO", BirthDate: "1990-02-03",
		Sex: "F", Expiry: "2031-05-06", Portrait: append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, bytes.Repeat([]byte{0x5A}, 15000)...),
		Access: issue.AccessPACE, ChipAuth: "ecdh", ActiveAuth: "none", ExtendedLength: true}
	if edit != nil {
		edit(&pr)
	}
	p, err := authority().Personalise(pr)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// antenna opens both ends.
func antenna(t *testing.T, baud int) (*pn532end.End, *pn532.Reader, string) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "gate-1-nfc")
	e, err := pn532end.Open(link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e, open(t, link, baud), link
}

func open(t *testing.T, link string, baud int) *pn532.Reader {
	t.Helper()
	return openAs(t, link, baud, patience)
}

func openAs(t *testing.T, link string, baud, patience int) *pn532.Reader {
	t.Helper()
	p, err := serialhal.Open(serialhal.Options{Device: link})
	if err != nil {
		t.Fatal(err)
	}
	r, err := pn532.Open(within(t), p, pn532.Options{Baud: baud, Patience: patience})
	if err != nil {
		p.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// patience is for a far end that shares the processors with the driver, and with whatever else the machine does.
const patience = 40

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, r *pn532.Reader) hal.Card {
	t.Helper()
	c, err := r.Connect(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var selectMF = []byte{0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00}

func works(t *testing.T, c hal.Card) {
	t.Helper()
	if got, err := c.Transmit(within(t), selectMF); err != nil || len(got) != 2 {
		t.Fatalf("% X %v", got, err)
	}
}

// The whole way: inspection system, tarm/serial, pseudo-terminal, PN532 frames, chip. Every byte of SOD,
// DG1 and DG2 arrives, the genuine chip proves itself, a tag lost in DG2 is put back.
func TestReadPassport(t *testing.T) {
	for name, c := range map[string]struct {
		baud      int
		profile   string
		misbehave []string
		typ       pn532end.CardType
		edit      func(*issue.Profile)
		short     bool // of the short run
	}{
		"pace-ca typical 921600": {baud: 921600, profile: "typical"},
		"pace-ca fast 921600":    {baud: 921600, profile: "fast", short: true},
		"pace-ca fast 115200":    {profile: "fast"},
		"bac typical 921600 type B": {baud: 921600, profile: "typical", typ: pn532end.TypeB,
			edit: func(p *issue.Profile) { p.Access, p.ChipAuth = issue.AccessBAC, "none" }},
		"tag lost in DG2": {baud: 921600, short: true, misbehave: []string{"tag-loss@7000"}},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && !c.short {
				t.Skip("reads in the time of a real chip: left out of the short run")
			}
			e, r, _ := antenna(t, c.baud)
			p := passport(t, c.edit)
			ch, err := chip.NewChecked(p, chip.Options{Profile: c.profile, Misbehave: c.misbehave})
			if err != nil {
				t.Fatal(err)
			}
			e.LayAs(ch, c.typ)
			doc, err := mrz.Parse([][]byte{[]byte(p.Lines[0]), []byte(p.Lines[1])}, now)
			if err != nil {
				t.Fatal(err)
			}
			b, err := issue.Bundle("test", 1, now, authority())
			if err != nil {
				t.Fatal(err)
			}
			store, err := b.Store()
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			card := connect(t, r)
			rep, err := emrtd.Read(within(t), card, doc, emrtd.Options{Now: now, Trust: store, AllowBAC: true,
				Reconnect: func(ctx context.Context) (hal.Card, error) { return r.Connect(ctx) }})
			took := time.Since(start)
			if err != nil {
				t.Fatal(err)
			}
			defer rep.Wipe()
			for _, fid := range []uint16{lds.FIDSOD, lds.FID(1), lds.FID(2)} {
				if !bytes.Equal(rep.File(fid), p.App[fid]) {
					t.Errorf("file %04X: %d of %d bytes", fid, len(rep.File(fid)), len(p.App[fid]))
				}
			}
			for _, k := range rep.Checks {
				if k.Result == verdict.Fail {
					t.Errorf("check %v: %v", k.ID, k.Reason)
				}
			}
			s := e.Stats()
			t.Logf("%.2f s for %d exchanges, read size %d, %d activations, at %d baud", took.Seconds(), s.Exchanges, rep.ReadSize, s.Activations, e.Baud())
			if len(c.misbehave) > 0 && s.Activations < 2 {
				t.Error("the tag was not lost")
			}
		})
	}
}

func TestCardLostIsNotReaderLost(t *testing.T) {
	e, r, link := antenna(t, 921600)
	ch := chip.New(passport(t, nil), chip.Options{})
	e.Lay(ch)
	c := connect(t, r)
	works(t, c)
	e.Lift()
	for range 2 {
		if _, err := c.Transmit(within(t), selectMF); !errors.Is(err, hal.ErrCardLost) || errors.Is(err, hal.ErrLost) {
			t.Fatal(err)
		}
	}
	// Lifted in the middle of an exchange.
	e.OnExchange(func(int) { e.Lift() })
	e.Lay(ch)
	if _, err := connect(t, r).Transmit(within(t), selectMF); !errors.Is(err, hal.ErrCardLost) {
		t.Fatal(err)
	}
	e.OnExchange(nil)
	e.Lay(ch)
	works(t, connect(t, r))
	e.Unplug()
	c2, err := r.Connect(within(t))
	if !errors.Is(err, hal.ErrLost) || c2 != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := e.Replug(); err != nil {
		t.Fatal(err)
	}
	works(t, connect(t, open(t, link, 921600)))
}

func TestNoCard(t *testing.T) {
	e, r, _ := antenna(t, 0)
	for _, lay := range []bool{false, true} {
		if lay {
			e.LayAs(chip.New(passport(t, nil), chip.Options{}), pn532end.NoISODEP)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		_, err := r.Connect(ctx)
		cancel()
		if !errors.Is(err, hal.ErrNoCard) || errors.Is(err, hal.ErrLost) {
			t.Fatal(err)
		}
	}
	e.Lay(chip.New(passport(t, nil), chip.Options{}))
	c := connect(t, r)
	if n := c.ATS(); len(n) == 0 || n[0] != 0x80 {
		t.Errorf("historical bytes % X", n)
	}
	if cmd, resp := c.Limits(); cmd != 262 || resp != 262 {
		t.Error(cmd, resp)
	}
	if _, err := c.Transmit(within(t), make([]byte, 263)); err == nil || errors.Is(err, hal.ErrCardLost) {
		t.Error(err)
	}
	works(t, c)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Transmit(within(t), selectMF); !errors.Is(err, hal.ErrCardLost) {
		t.Error(err)
	}
}

// A chip that asks for more time for ever ends with the caller's context; the reader lives.
func TestEndlessWaitingTime(t *testing.T) {
	e, r, _ := antenna(t, 0)
	ch, err := chip.NewChecked(passport(t, nil), chip.Options{Misbehave: []string{"wtx@1"}})
	if err != nil {
		t.Fatal(err)
	}
	e.Lay(ch)
	c := connect(t, r)
	ctx, cancel := context.WithCancel(context.Background())
	e.OnExchange(func(int) { cancel() })
	if _, err := c.Transmit(ctx, selectMF); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	e.OnExchange(nil)
	e.Lay(chip.New(passport(t, nil), chip.Options{}))
	works(t, connect(t, r))
	if e.Stats().Aborts == 0 {
		t.Error("the exchange was not aborted")
	}
}

func TestReset(t *testing.T) {
	e, r, _ := antenna(t, 0)
	e.Lay(chip.New(passport(t, nil), chip.Options{}))
	c := connect(t, r)
	before := e.Stats().FieldOffs
	if err := r.Reset(within(t)); err != nil {
		t.Fatal(err)
	}
	if e.Stats().FieldOffs != before+1 || !e.Field() {
		t.Error("the field was not off and on")
	}
	if _, err := c.Transmit(within(t), selectMF); !errors.Is(err, hal.ErrCardLost) {
		t.Error(err)
	}
	works(t, connect(t, r))
}

// Faults of the line are mended by the protocol; a lost answer is a time-out, never a loss of reader or card.
func TestLineFaults(t *testing.T) {
	e, r, link := antenna(t, 0)
	r.Close()
	r = openAs(t, link, 0, 4) // it waits for answers that do not come
	e.Lay(chip.New(passport(t, nil), chip.Options{}))
	c := connect(t, r)
	for _, f := range []pn532end.Fault{pn532end.BadChecksum, pn532end.NoAck, pn532end.Noise, pn532end.Nack, pn532end.Crumbs} {
		e.Inject(f)
		works(t, c)
	}
	if s := r.Stats(); s.BadFrames == 0 || s.Repeats < 3 {
		t.Errorf("%+v", s)
	}
	e.Inject(pn532end.Syntax)
	if _, err := c.Transmit(within(t), selectMF); err == nil || errors.Is(err, hal.ErrLost) || errors.Is(err, hal.ErrCardLost) {
		t.Error(err)
	}
	e.Inject(pn532end.NoAnswer)
	if err := r.Reset(within(t)); !errors.Is(err, hal.ErrTimeout) || errors.Is(err, hal.ErrLost) {
		t.Error(err)
	}
	if err := r.Reset(within(t)); err != nil {
		t.Error(err)
	}
	e.Inject(pn532end.NoAck, pn532end.NoAck, pn532end.NoAck)
	if err := r.Reset(within(t)); !errors.Is(err, hal.ErrTimeout) {
		t.Error(err)
	}
	works(t, connect(t, r))
}

// The PN532 stays at the speed of an owner that died; the next one finds it.
func TestFindsLeftSpeed(t *testing.T) {
	link := filepath.Join(t.TempDir(), "nfc")
	e, err := pn532end.Open(link)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	port, err := serialhal.Open(serialhal.Options{Device: link})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pn532.Open(within(t), port, pn532.Options{Baud: 921600, Patience: patience}); err != nil {
		t.Fatal(err)
	}
	port.Close() // no farewell
	if e.Baud() != 921600 {
		t.Fatal(e.Baud())
	}
	for _, baud := range []int{0, 921600, 230400} {
		r := open(t, link, baud)
		e.Lay(chip.New(passport(t, nil), chip.Options{}))
		works(t, connect(t, r))
		if r.Version() != "PN532 1.6" {
			t.Error(r.Version())
		}
		r.Close()
		if e.Field() {
			t.Error("the field is on after Close")
		}
	}
}

// Close ends a search and an exchange from another goroutine, and leaves nothing behind.
func TestCloseUnblocks(t *testing.T) {
	before := runtime.NumGoroutine()
	link := filepath.Join(t.TempDir(), "nfc")
	e, err := pn532end.Open(link)
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, link, 0)
	done := make(chan error, 1)
	go func() { _, err := r.Connect(context.Background()); done <- err }()
	r.Close()
	r.Close()
	if err := <-done; !errors.Is(err, hal.ErrClosed) {
		t.Error(err)
	}
	r = open(t, link, 0)
	ch, err := chip.NewChecked(passport(t, nil), chip.Options{Misbehave: []string{"wtx@1"}})
	if err != nil {
		t.Fatal(err)
	}
	e.Lay(ch)
	c := connect(t, r)
	began := make(chan struct{})
	e.OnExchange(func(int) { close(began) })
	go func() { _, err := c.Transmit(context.Background(), selectMF); done <- err }()
	<-began
	r.Close()
	if err := <-done; !errors.Is(err, hal.ErrClosed) {
		t.Error(err)
	}
	if err := r.Reset(context.Background()); !errors.Is(err, hal.ErrClosed) {
		t.Error(err)
	}
	e.Close()
	for i := 0; runtime.NumGoroutine() > before && i < 6000; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, before %d", n, before)
	}
}

func TestConformance(t *testing.T) {
	p := passport(t, nil)
	haltest.CardReader(t, func(t *testing.T) haltest.CardBench {
		e, r, _ := antenna(t, 0)
		return haltest.CardBench{Reader: r, Command: selectMF, Lift: e.Lift, Unplug: e.Unplug,
			Lay: func() { e.Lay(chip.New(p, chip.Options{})) },
			LayMute: func() {
				e.Lay(chip.New(p, chip.Options{Misbehave: []string{"wtx@1"}}))
			}}
	})
}
