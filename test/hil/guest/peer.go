package main

import (
	"net"
	"os"
	"time"

	"egate/inspect/protocol"
	"egate/verdict"
)

// allows is the file in which the peer notes, before it says so, that it allows.
func allows(config string) string { return config + ".allows" }

// peer stands for the inspector: it says what a real one says, by a script, and allows everybody.
func peer(config string) {
	c, err := net.FileConn(os.NewFile(3, "controller"))
	if err != nil {
		os.Exit(1)
	}
	conn := protocol.NewInspector(c)
	say := func(m protocol.FromInspector) {
		if conn.Send(m) != nil {
			os.Exit(0)
		}
	}
	heard := make(chan protocol.ToInspector)
	go func() {
		for {
			m, err := conn.Receive()
			if err != nil {
				os.Exit(0)
			}
			heard <- m
		}
	}()
	say(protocol.FromInspector{Ready: &protocol.Ready{Sandbox: "none", ModelPack: "none", Policy: "default"}})
	for beat := time.NewTicker(500 * time.Millisecond); ; {
		select {
		case <-beat.C:
			say(protocol.FromInspector{Beat: &protocol.Beat{Stage: "script"}})
		case m := <-heard:
			switch {
			case m.Begin != nil:
				say(protocol.FromInspector{Document: &protocol.Document{Present: true}})
				say(protocol.FromInspector{Checked: &protocol.Checked{Outcome: verdict.Allow, Reason: verdict.OK}})
				say(protocol.FromInspector{Document: &protocol.Document{}})
			case m.Capture != nil:
				say(protocol.FromInspector{Heads: &protocol.Heads{Count: 1, Confidence: 1}})
				f, err := os.OpenFile(allows(config), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
				if err == nil {
					_, err = f.WriteString("allow\n")
				}
				if err != nil {
					os.Exit(1)
				}
				_ = f.Close()
				say(protocol.FromInspector{Verdict: &protocol.Verdict{Outcome: verdict.Allow, Reason: verdict.OK}})
			case m.Lease != nil && !m.Lease.Held:
				say(protocol.FromInspector{Released: &protocol.Released{Device: m.Lease.Device}})
			case m.End != nil:
				say(protocol.FromInspector{Ended: &protocol.Ended{}})
				return
			}
		}
	}
}
