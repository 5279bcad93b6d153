package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"egate/api"
	"egate/clock"
	"egate/configs"
	"egate/health"
	"egate/internal/buildinfo"
	"egate/pki"
	"egate/seal"
)

// Limits of keeping time.
const (
	askEvery     = 5 * time.Minute // the centre, while the time is trusted
	askPatience  = clock.MaxWay    // until the question is put again
	questionFile = "time.request"  // in the state folder, for two persons
	answerFile   = "time.confirmed"
)

// clockFaults are the reasons for which time is not trusted.
var clockFaults = map[clock.Why]health.Code{clock.Unset: health.ClockUnset, clock.Jumped: health.ClockJumped, clock.Stale: health.ClockStale}

// machineClocks are the wall clock and the one that goes on in sleep.
func machineClocks() clock.Sources {
	return clock.Sources{
		Wall: func() time.Time { return time.Now().Round(0) }, // without its monotonic reading
		Mono: func() time.Duration {
			var t unix.Timespec
			if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
				panic(err) // Linux has had it since 2.6.39
			}
			return time.Duration(t.Nano())
		},
	}
}

// openClock starts the clock with what program and journal know. A damaged row knows nothing: time is not trusted then.
func openClock(row string, log *slog.Logger) *clock.Clock {
	known, err := clock.ParseRow(row)
	if err != nil {
		log.Error("egated: time", "err", err)
	}
	known.Built = buildinfo.Time()
	return clock.New(machineClocks(), known)
}

// journalled is the clock as the loop knows it.
type journalled struct{ *clock.Clock }

// Row implements control.Clock.
func (j journalled) Row() string { return j.Known().Row() }

// timekeeper watches the clock, asks the centre and takes what two persons have confirmed (E-07).
type timekeeper struct {
	clock    *clock.Clock
	link     interface{ AskTime(nonce string) bool } // of link
	board    *health.Board
	log      *slog.Logger
	question clock.Question
	dir      string
	persons  seal.Keys
	told     chan api.Time
}

func newTimekeeper(c *clock.Clock, cfg configs.Gate, board *health.Board, log *slog.Logger) (*timekeeper, error) {
	t := &timekeeper{clock: c, board: board, log: log, dir: cfg.StateDir, question: clock.Question{Site: cfg.Site, Gate: cfg.Gate}, told: make(chan api.Time, 1)}
	persons, err := seal.LoadPublics(cfg.Inspect.PolicyKeys)
	if err != nil {
		return nil, fmt.Errorf("egated: inspect.policy_keys: %w", err)
	}
	t.persons = persons
	t.question.Nonce, err = nonce()
	return t, err
}

func nonce() (string, error) {
	var b [16]byte
	_, err := rand.Read(b[:])
	return hex.EncodeToString(b[:]), err
}

// answer takes an answer of the centre out of the connection's handler.
func (t *timekeeper) answer(a api.Time) {
	select {
	case t.told <- a:
	default: // one that nobody waits for stands there
	}
}

func (t *timekeeper) run(ctx context.Context) {
	tick := time.NewTicker(clock.Every)
	defer tick.Stop()
	var asked struct {
		nonce string
		mono  time.Duration
	}
	var next time.Duration // monotonic, of the next question
	last := clock.Why("?")
	for {
		why := t.clock.Look()
		for w, code := range clockFaults {
			t.board.Set(code, health.PartClock, w == why)
		}
		if why != last {
			if why != clock.Trusted {
				t.log.Warn("egated: the time is not trusted: documents are referred", "code", clockFaults[why], "security", true)
				next = 0
			}
			t.ask(why)
			last = why
		}
		if why != clock.Trusted {
			t.confirmed()
		}
		if mono := t.clock.Mono(); mono >= next {
			n, err := nonce()
			if err == nil && t.link.AskTime(n) {
				asked.nonce, asked.mono = n, mono
				next = mono + askPatience
			}
		}
		select {
		case a := <-t.told:
			if a.Nonce != asked.nonce {
				continue // late: another question was put meanwhile
			}
			asked.nonce = ""
			behind, err := t.clock.Signed(a.At, asked.mono)
			if err != nil {
				t.log.Error("egated: the centre's time", "err", err, "security", true)
				continue
			}
			next = asked.mono + askEvery
			t.log.Info("egated: the centre has signed the time", "behind_ms", behind.Milliseconds())
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// ask lays a question for two persons into the state folder while time is not trusted.
func (t *timekeeper) ask(why clock.Why) {
	path := filepath.Join(t.dir, questionFile)
	if why == clock.Trusted {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.log.Error("egated: time", "err", err)
		}
		return
	}
	b, err := json.Marshal(t.question)
	if err == nil {
		err = pki.Install(path, append(b, '\n'))
	}
	if err != nil {
		t.log.Error("egated: time", "err", err)
	}
}

// confirmed takes the file of two persons, once.
func (t *timekeeper) confirmed() {
	path := filepath.Join(t.dir, answerFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return // there is none
	}
	_ = os.Remove(path) // good or not: it is looked at once
	at, err := clock.Confirmed(raw, t.question, t.persons)
	if err == nil {
		err = t.clock.Confirm(at)
	}
	if err != nil {
		t.log.Error("egated: confirmation of the time", "err", err, "security", true)
		return
	}
	if n, err := nonce(); err == nil { // one answer to one question
		t.question.Nonce = n
	}
	t.log.Warn("egated: two persons have confirmed the time", "at", at, "security", true)
}
