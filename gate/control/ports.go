// Package control is the loop that feeds gate.Step and carries its actions out. One goroutine owns the
// model; sensors, inspectors, screen, link and journal speak to it through channels, and it speaks to
// them through ports that never block it.
//
// Releases act at once and are journalled after; a grant waits for Committed. A commit that does not
// come is an ordinary timer. A panic of the loop releases the doors.
package control

import (
	"context"
	"time"

	"egate/api"
	"egate/gate"
	"egate/hal"
	"egate/health"
	"egate/inspect/protocol"
	"egate/journal"
)

// Doors are the two doors with their interlock.
type Doors interface {
	Entry() hal.Door
	Exit() hal.Door
	// Release frees both doors at once, Restore takes that back. Release never waits.
	Release() error
	Restore() error
}

// Lamps are the output levels that people look at.
type Lamps interface {
	Set(name string, on bool) error
}

// Screen is one picture of the traveller screen.
type Screen struct {
	Name      string
	Language  string
	Progress  int // per cent, -1 for none
	Prompt    string
	DotX      *float64
	Deadline  time.Duration // time left when shown; zero for none
	More      bool
	Decline   bool
	Reference string
	Light     uint32
}

// Display is the traveller screen.
type Display interface {
	Show(Screen)
	// Touches delivers accept, decline, more_time and exit_request.
	Touches() <-chan string
	RendererAlive() bool
}

// Inspectors are the processes of the travellers.
type Inspectors interface {
	Start(slot, gen int)
	Send(slot int, m protocol.ToInspector)
	Kill(slot int)
	Events() <-chan protocol.InspectorEvent
}

// Inbound is one verified item of the centre. Exactly one of Command, Answer, Lease, Document, Local, Up and Down is set.
type Inbound struct {
	Command *api.Command
	Refused string // why a Command is not followed: it is answered and nothing else
	Again   bool   // a Command that was seen: it has the answer that it had
	Pair    *Pair  // of a Command that two officers have signed
	Answer  *api.Envelope
	Lease   *api.Lease
	// Document is a signed document that came into force.
	Document *Document
	Local    *Local // a technician at the gate
	Up       bool   // connected, subscribed
	Down     bool
}

// Pair is the second officer of an order, with the document that both signed; the link has verified it.
type Pair struct {
	Officer  string
	Document []byte
}

// Local is what a technician at the gate does, network or not (M-09). Exactly one of the fields is set.
type Local struct {
	// Order goes by the same rules as one of the desk; Answer is called once, from the loop, and must not block.
	Order *api.Command
	// Permitted says that a code of an officer for this technician and gate came with it (P-14).
	Permitted bool
	Answer    func(api.Response)
	// Did is something that was done already, and Change what it changed: they become evidence.
	Did    *api.OrderEvent
	Change *api.Change
}

// Document is a signed document, such as the roster, that came into force.
type Document struct {
	What, Is string            // as in api.Change
	Rows     map[string]string // what the journal keeps of it
}

// Link is the way to the centre. Nothing here blocks.
type Link interface {
	PublishState(api.State)
	PublishHealth(api.Health)
	Request(kind string, e api.Envelope)
	Respond(principal string, r api.Response)
	Inbound() <-chan Inbound
}

// Ports are everything around the loop.
type Ports struct {
	Doors      Doors
	Lamps      Lamps
	Sounder    hal.Sounder // nil: the gate has none
	Display    Display
	Inspectors Inspectors
	Journal    journal.Committer
	Link       Link
	Sensors    <-chan gate.Event
	Health     *health.Board
	// Kick feeds the watchdog; nil where there is none. It is called by the loop itself: while it turns, the drivers
	// come back from what they were told and the state breaks no law of safety.
	Kick func()
	// Recover brings a device back that failed or was found unplugged, and clears its fault on the board when it answers
	// again (C-11). It is
	// called while no inspector holds the device's lease, and must not block. Nil where nothing is recovered: there a
	// fault shows again at the next opening.
	Recover func(code health.Code, part string)
}

// Limits are the durations of the configuration.
type Limits map[gate.Limit]time.Duration

// Config is what does not change while the gate runs.
type Config struct {
	Clock      Clock // wall time (E-07); nil for the system's, which is trusted
	Site, Gate string
	Simulated  bool
	Version    string
	Boot       string        // random per boot
	Epoch      func() uint64 // of the journal
	LastStep   uint64        // of the journal: steps rise above it
	CentreKey  []byte        // HPKE, for look-ups
	Limits     Limits
	Document   time.Duration // what an inspector is given for document and chip
	Capture    time.Duration
	Beat       time.Duration // silence of an inspector
	// Shift is how long an officer may be at the gate without a break, ShiftWarning how long before its end the
	// desk is told (O-02). A Shift of zero never ends.
	Shift, ShiftWarning time.Duration
	Languages           []string
	// Topology is how the gate is built.
	Topology gate.Topology
	// Recovered is what the journal had at start: the state of an earlier run; nil for none.
	Recovered []byte
	Found     string // clean, passage_interrupted, torn_tail: see api.Boot
	// Rows are the small rows that the journal had at start: answers to orders, what documents were in force.
	Rows map[string]string
	// TwoPersons tells which orders a second officer must give too; nil for none.
	TwoPersons func(order string) bool
	// Used is told what part of a use of a device, in per cent, had to be done again (reader) or was lost (camera); nil for nobody (M-05).
	Used func(device string, percent float64)
	// Group is that of an officer, for statistics (O-07); nil for none.
	Group    func(officer string) string
	Versions map[string]string
	// Counters are further counts for the health document, by name; may be nil.
	Counters func() map[string]int64
}

// Runner runs until ctx ends.
type Runner interface {
	Run(ctx context.Context) error
}
