package emrtd

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"egate/emrtd/chip"
	"egate/emrtd/iso7816"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/mrz"
	"egate/hal"
)

// said are the texts that a log of a read may hold: words of the procedure, instruction bytes, status
// words. Anything else is a leak until it is put here.
var said = regexp.MustCompile(`^(DEBUG|INFO|WARN|ERROR|apdu|recovery|chip read|bac|ca|aa|cam|pace-(gm|im|cam)/[A-Za-z0-9-]+/(3des|aes-(128|192|256))|[0-9A-F]{2}|[0-9A-F]{4}|)$`)

// bytesIn finds what looks like data: eight bytes or more in hexadecimal, in base 64 or as a list of numbers.
var bytesIn = regexp.MustCompile(`[0-9A-Fa-f]{16}|[A-Za-z0-9+/]{24}|(\d+[ ,]+){7}\d+`)

// keep records what a source of randomness gave: keys, nonces, challenges.
type keep struct {
	io.Reader
	got *bytes.Buffer
}

func (k keep) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p)
	k.got.Write(p[:n])
	return n, err
}

// quiet holds one read to silence: every attribute of the log at the lowest level is of the vocabulary, and
// neither log nor errors hold a secret, a line of the zone or bytes of a file, in any usual spelling.
func (b *bench) quiet(where string, err error, secrets *bytes.Buffer) {
	b.t.Helper()
	for line := range strings.Lines(b.log.String()) {
		var rec map[string]any
		if json.Unmarshal([]byte(line), &rec) != nil {
			b.t.Fatalf("%s: log line is no record", where)
		}
		var walk func(string, any)
		walk = func(key string, v any) {
			switch v := v.(type) {
			case string:
				if !said.MatchString(v) {
					b.t.Errorf("%s: %q was logged under %q", where, v, key)
				}
			case map[string]any:
				for k, x := range v {
					walk(k, x)
				}
			case []any:
				b.t.Errorf("%s: a list was logged under %q", where, key)
			}
		}
		walk("", rec)
	}
	text := b.log.String()
	if err != nil {
		text += err.Error() + fmt.Sprintf(" %+v %#v", err, err)
		for e := err; e != nil; e = errors.Unwrap(e) {
			text += " " + e.Error()
		}
		if found := bytesIn.FindString(err.Error()); found != "" {
			b.t.Errorf("%s: the error holds data: %q", where, found)
		}
	}
	for _, line := range b.p.Lines {
		for _, f := range strings.FieldsFunc(line, func(r rune) bool { return r == '<' }) {
			if len(f) > 3 && strings.Contains(text, f) {
				b.t.Errorf("%s: %q of the zone was said", where, f)
			}
		}
	}
	// Four bytes in a row, in hexadecimal, of anything drawn or read.
	var all [][]byte
	if secrets != nil {
		all = append(all, secrets.Bytes())
	}
	for _, f := range b.p.App {
		all = append(all, f[:min(len(f), 3000)])
	}
	lower := strings.ToLower(text)
	for _, d := range all {
		for i := 0; i+4 <= len(d); i += 4 {
			if w := d[i : i+4]; !bytes.Equal(w, []byte{w[0], w[0], w[0], w[0]}) && strings.Contains(lower, fmt.Sprintf("%x", w)) {
				b.t.Fatalf("%s: four bytes of a secret or a file were said", where)
			}
		}
	}
}

// Everything that is logged at the lowest level, and every error, over every misbehaviour that the chip knows
// and every kind of access: sizes, status words and names of steps, nothing else.
func TestNothingSecretIsSaid(t *testing.T) {
	var stray bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&stray, &slog.HandlerOptions{Level: slog.LevelDebug - 100})))
	defer slog.SetDefault(was)
	value := map[chip.Kind]string{chip.TagLoss: "@5000", chip.StatusWord: "=6F00@12", chip.ReadStatus: "=6700@200", chip.Empty: "@150", chip.NoAnswer: "@12", chip.Mute: "@12",
		chip.Truncate: "=2@500", chip.WrongSSC: "@3", chip.Replay: "@3", chip.CardAccessStatus: "=6982", chip.MFStatus: "=6A86"}
	edits := map[string]func(*issue.Profile){
		"pace, ca": nil,
		"bac, aa":  func(p *issue.Profile) { p.Access, p.ChipAuth, p.ActiveAuth = issue.AccessBAC, "none", "ecdsa" },
		"cam": func(p *issue.Profile) {
			p.PACE, p.ChipAuth = []issue.PACEOption{{OID: "0.4.0.127.0.7.2.2.4.6.4", Param: 12}}, "none"
		},
	}
	reads := 0
	for name, edit := range edits {
		p := passport(t, func(p *issue.Profile) {
			p.ExtendedLength = false
			if edit != nil {
				edit(p)
			}
		})
		misbehaviours := []string{""}
		for _, k := range chip.Kinds() {
			misbehaviours = append(misbehaviours, string(k)+value[k])
		}
		for i, m := range misbehaviours {
			if testing.Short() && (i+len(name))%4 != 0 {
				continue
			}
			var list []string
			if m != "" {
				list = []string{m}
			}
			b := setup(t, p, list...)
			drawn := &bytes.Buffer{}
			b.opt.Rand = keep{rand.Reader, drawn}
			_, err := b.read()
			b.quiet(name+" "+m, err, drawn)
			reads++
		}
		// The zone of another document, and bits changed on the way of every answer.
		b := setup(t, p)
		other, err := mrz.ParseJoined([]byte("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10"), now)
		if err != nil {
			t.Fatal(err)
		}
		card, _ := b.reader.Connect(context.Background())
		_, err = Read(context.Background(), card, other, b.opt)
		b.quiet(name+" other zone", err, nil)
		step := 2
		if testing.Short() {
			step = 10
		}
		for at := 1; at < 30; at += step {
			b := setup(t, p)
			_, err := b.withAnswers(func(n int, a []byte) []byte {
				if n == at && len(a) > 2 {
					a[len(a)/2] ^= 4
				}
				return a
			})
			b.quiet(fmt.Sprint(name, " bit in answer ", at), err, nil)
			reads++
		}
	}
	if stray.Len() > 0 {
		t.Errorf("something wrote to the default log: %q", stray.String())
	}
	t.Logf("%d reads", reads)
}

// A leak must be seen: the check itself is checked.
func TestALeakIsSeen(t *testing.T) {
	for _, leak := range []func(*bench){
		func(b *bench) { b.opt.Log.Debug("key", "k", b.p.Lines[1]) },
		func(b *bench) { b.opt.Log.Debug("apdu", "in", fmt.Sprintf("%X", b.p.App[lds.FIDSOD][:40])) },
		func(b *bench) { b.opt.Log.Debug("apdu", "in", b.p.App[lds.FID(1)]) },
	} {
		b := setup(t, passport(t, nil))
		leak(b)
		probe := &testing.T{}
		done := make(chan bool)
		go func() { // Fatal ends the goroutine
			defer func() { done <- probe.Failed() }()
			x := &bench{t: probe, p: b.p}
			x.log.Write(b.log.Bytes())
			x.quiet("probe", nil, nil)
		}()
		if !<-done {
			t.Errorf("not seen: %s", b.log.String())
		}
	}
}

// changed is a card whose answers are changed on the way.
type changed struct {
	hal.Card
	n  *int
	do func(n int, a []byte) []byte
}

func (c *changed) Transmit(ctx context.Context, b []byte) ([]byte, error) {
	a, err := c.Card.Transmit(ctx, b)
	*c.n++
	if err != nil {
		return a, err
	}
	return c.do(*c.n, bytes.Clone(a)), nil
}

func (b *bench) withAnswers(do func(n int, a []byte) []byte) (*Report, error) {
	b.t.Helper()
	n := 0
	connect := func(ctx context.Context) (hal.Card, error) {
		c, err := b.reader.Connect(ctx)
		return &changed{Card: c, n: &n, do: do}, err
	}
	b.opt.Reconnect = connect
	card, err := connect(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := Read(context.Background(), card, b.doc(), b.opt)
	b.lawful(r, err)
	return r, err
}

// C-08: signature and chain have been judged before the last byte of DG2 is in. The last command for it is
// held until they have; a reader that begins with them after the file would wait for ever.
func TestC08VerifiedBeforeTheLastByte(t *testing.T) {
	for _, ext := range []bool{false, true} {
		p := passport(t, func(p *issue.Profile) { p.ExtendedLength = ext })
		full := 0
		if r, err := setup(t, p).read(); err == nil {
			full = r.APDUs
		}
		b := setup(t, p)
		judged := make(chan struct{})
		b.opt.verified = func() { close(judged) }
		held := false
		r, err := b.with(func(n int, c iso7816.Command, _ []byte) ([]byte, error, bool) {
			if n == full {
				held = true
				select {
				case <-judged:
				case <-time.After(20 * time.Second):
					t.Error("the last byte came before signature and chain were judged")
				}
			}
			return nil, nil, false
		})
		if err != nil || !r.Authenticated || !held || r.APDUs != full {
			t.Fatalf("%d of %d: %v", r.APDUs, full, err)
		}
	}
}

// Files, portrait and zone are overwritten when the report is wiped, in whatever state the read ended.
func TestWipedAtTheEnd(t *testing.T) {
	for _, m := range [][]string{nil, {"bitflip-dg2"}, {"tag-loss@4000"}, {"truncate=2@500"}, {"clone"}} {
		b := setup(t, passport(t, nil), m...)
		r, _ := b.read()
		var held [][]byte
		for fid, f := range r.files {
			if len(f.buf) == 0 {
				t.Errorf("%v: file %04X empty", m, fid)
			}
			held = append(held, f.buf[:cap(f.buf)])
		}
		if len(held) < 4 {
			t.Fatalf("%v: %d files", m, len(held))
		}
		r.Wipe()
		for i, h := range held {
			if !bytes.Equal(h, make([]byte, len(h))) {
				t.Errorf("%v: file %d is still there", m, i)
			}
		}
		if !r.DG1.Zero() || r.Face.Image != nil || r.File(lds.FIDSOD) != nil {
			t.Errorf("%v: something is still there", m)
		}
	}
}
