package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"egate/inspect/protocol"
)

// TestMain plays the inspector where it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "play" {
		play(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

func play(part string) {
	sock, err := net.FileConn(os.NewFile(3, "controller"))
	if err != nil {
		os.Exit(3)
	}
	c := protocol.NewInspector(sock)
	_ = c.Send(protocol.FromInspector{Ready: &protocol.Ready{Sandbox: "none"}})
	switch part {
	case "good":
		for {
			m, err := c.Receive()
			if err != nil {
				return
			}
			if m.End != nil {
				_ = c.Send(protocol.FromInspector{Ended: &protocol.Ended{}})
				return
			}
		}
	case "panic":
		_, _ = c.Receive()
		panicWith("SECRET<<TRAVELLER")
	case "garbage":
		_, _ = sock.Write([]byte("\x00\x00\x00\x08{\"x\":1}}"))
		select {}
	case "deaf":
		select {}
	case "parent":
		child := exec.Command("sleep", "1000")
		_ = child.Start()
		b, _ := json.Marshal(child.Process.Pid)
		_ = c.Send(protocol.FromInspector{Beat: &protocol.Beat{Stage: string(b)}})
		_ = child.Wait()
	case "leaver":
	case "lingerer":
		sock.Close()
		syscall.Close(3)
		select {}
	}
}

//go:noinline
func panicWith(s string) { panic(s) }

func started(t *testing.T, part string) *Supervisor {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := New(self, "play", part)
	t.Cleanup(s.Close)
	s.Start(1, 7)
	if e := next(t, s); e.Msg == nil || e.Msg.Ready == nil || e.Slot != 1 || e.Gen != 7 {
		t.Fatalf("first word: %+v", e)
	}
	return s
}

func next(t *testing.T, s *Supervisor) Event {
	t.Helper()
	select {
	case e := <-s.Events():
		return e
	case <-time.After(5 * time.Minute):
		t.Fatal("nothing came")
		return Event{}
	}
}

func TestOrderlyEnd(t *testing.T) {
	s := started(t, "good")
	s.Send(1, protocol.ToInspector{Capture: &protocol.Capture{}})
	s.Send(1, protocol.ToInspector{End: &protocol.End{}})
	if e := next(t, s); e.Msg == nil || e.Msg.Ended == nil {
		t.Fatalf("%+v", e)
	}
	if e := next(t, s); !e.Exited || e.Err != nil {
		t.Fatalf("%+v", e)
	}
	if s.Alive() != 0 {
		t.Error("slot is not free")
	}
}

// P-05, X-02: a crash costs one inspection, and its text is not passed on.
func TestCrashIsAnEventWithoutItsText(t *testing.T) {
	s := started(t, "panic")
	s.Send(1, protocol.ToInspector{Capture: &protocol.Capture{}})
	e := next(t, s)
	if !e.Exited || e.Err == nil {
		t.Fatalf("%+v", e)
	}
	all := fmt.Sprint(e.Err, e.Trace)
	if strings.Contains(all, "SECRET") {
		t.Errorf("the panic text came through: %s", all)
	}
	if !strings.Contains(all, "panicWith") {
		t.Errorf("no function name: %s", all)
	}
}

func TestEnds(t *testing.T) {
	for _, part := range []string{"garbage", "leaver"} {
		s := started(t, part)
		if e := next(t, s); !e.Exited || e.Err == nil {
			t.Errorf("%s: %+v", part, e)
		}
	}
	s := started(t, "deaf")
	big := protocol.ToInspector{Answer: &protocol.Answer{Sealed: make([]byte, protocol.MaxFrame/2)}}
	for range 2 * queued {
		s.Send(1, big)
	}
	if e := next(t, s); !e.Exited || e.Err == nil {
		t.Errorf("deaf: %+v", e)
	}
	s.Start(1, 8)
	if e := next(t, s); e.Msg == nil || e.Gen != 8 {
		t.Errorf("the slot is not free again: %+v", e)
	}
	s.Start(1, 9)
	if e := next(t, s); !e.Exited || e.Gen != 9 {
		t.Errorf("a taken slot: %+v", e)
	}
	s.Kill(1)
	if e := next(t, s); !e.Exited || e.Gen != 8 {
		t.Errorf("killed: %+v", e)
	}
}

// P-05, P-06: each way in which an inspector stalls ends it for its own reason, by itself: nobody waits for another one's.
func TestStallsEndForTheirOwnReason(t *testing.T) {
	for part, c := range map[string]struct {
		say func(s *Supervisor)
		why func(error) bool
	}{
		"garbage":  {func(*Supervisor) {}, func(err error) bool { return strings.HasPrefix(err.Error(), "protocol:") }},
		"lingerer": {func(*Supervisor) {}, func(err error) bool { return strings.Contains(err.Error(), "lived on") }},
		"deaf": {func(s *Supervisor) { // the queue does not fill
			for range 8 { // more than any socket holds
				s.Send(1, protocol.ToInspector{Answer: &protocol.Answer{Sealed: make([]byte, protocol.MaxFrame/2)}})
			}
		}, func(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }},
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			s := started(t, part)
			c.say(s)
			if e := next(t, s); !e.Exited || e.Err == nil || !c.why(e.Err) {
				t.Errorf("%+v", e)
			}
		})
	}
	s := New("nothing")
	t.Cleanup(s.Close)
	x := &child{out: make(chan protocol.ToInspector, queued)} // whose writer has stopped
	s.slots[0] = x
	for n := range queued + 1 {
		if x.err != nil {
			t.Fatalf("%v after %d words", x.err, n)
		}
		s.Send(0, protocol.ToInspector{End: &protocol.End{}})
	}
	if !errors.Is(x.err, ErrStalled) {
		t.Errorf("a full queue: %v", x.err)
	}
}

// DP-01: what an inspector started dies with it.
func TestChildrenDieToo(t *testing.T) {
	s := started(t, "parent")
	e := next(t, s)
	if e.Msg == nil || e.Msg.Beat == nil {
		t.Fatalf("%+v", e)
	}
	var pid int
	if err := json.Unmarshal([]byte(e.Msg.Beat.Stage), &pid); err != nil {
		t.Fatal(err)
	}
	s.Kill(1)
	if e := next(t, s); !e.Exited {
		t.Fatalf("%+v", e)
	}
	deadline := time.Now().Add(time.Minute)
	for syscall.Kill(pid, 0) == nil {
		if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); strings.Contains(string(b), ") Z ") {
			break // dead, waiting for init
		}
		if time.Now().After(deadline) {
			t.Fatal("the child of a killed inspector lives")
		}
		time.Sleep(time.Millisecond) // polling the kernel: there is nothing to wait on for a grandchild
	}
}

func TestMissingProgram(t *testing.T) {
	s := New("/nonexistent/egate-inspect")
	t.Cleanup(s.Close)
	s.Start(0, 1)
	if e := next(t, s); !e.Exited || e.Err == nil {
		t.Fatalf("%+v", e)
	}
}
