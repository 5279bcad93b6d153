package gate

import "egate/verdict"

// Topology is how a gate is built (P-02).
type Topology uint8

// Topologies. A one-step gate has one door, which leads across the border, and before it a zone bounded
// by beams with the reader inside: its side of origin has no door and is always open. Whoever stands in
// the zone is both the one at the reader and the one inside. Segregated gates, where a token of a kiosk
// enters at admitting, are not built yet.
const (
	Mantrap Topology = iota
	OneStep
)

func (t Topology) String() string { return [...]string{"mantrap", "one-step"}[t&1] }

// Door names one of the two doors of a mantrap. A one-step gate has the exit only.
type Door uint8

// The doors. Exit leads across the border.
const (
	Entry Door = iota
	Exit
)

func (d Door) String() string { return [...]string{"entry", "exit"}[d&1] }

// Other is the other door.
func (d Door) Other() Door { return d ^ 1 }

// Position is where a door is, as its contacts tell (D-10). Unknown satisfies no guard.
type Position uint8

// Positions.
const (
	PosUnknown Position = iota
	PosClosed
	PosBetween
	PosOpen
)

func (p Position) String() string { return [...]string{"unknown", "closed", "between", "open"}[p&3] }

// Tri is a tri-state signal. The meaning of High is the signal's; Unknown takes its declared safe
// reading: an unknown fire input reads as alarm, an unknown beam as broken.
type Tri uint8

// Readings.
const (
	Unknown Tri = iota
	Low
	High
)

func (t Tri) String() string { return [...]string{"unknown", "low", "high", "?"}[t&3] }

// Count is how many people stand in the mantrap, or in the zone of a one-step gate.
type Count uint8

// Counts.
const (
	CountUnknown Count = iota
	CountZero
	CountOne
	CountMany
)

func (c Count) String() string { return [...]string{"unknown", "0", "1", "many"}[c&3] }

// Mode is the mode of the gate (P-14).
type Mode uint8

// Modes. Recovering is how every start begins: prove the mantrap empty, resume nothing.
const (
	ModeRecovering Mode = iota
	ModeOpen
	ModeClosed
	ModeEmergency
	ModeStandby // closed and asleep: no inspector is kept warm
	ModeService // a technician is at work: nobody is served, the self-test may move the doors
	ModeManual  // an officer moves the doors for one person after the other; no document is read
	modeEnd
)

func (m Mode) String() string {
	return [...]string{"recovering", "open", "closed", "emergency", "standby", "service", "manual", "?"}[m&7]
}

// Reception is the state of the machine that handles the document.
type Reception uint8

// States of reception.
const (
	RecIdle    Reception = iota // nobody is served: no inspector, no lease, closed, blocked
	RecNotice                   // notice and free choice of lane (DP-05)
	RecPlace                    // accepted: the document is awaited
	RecReading                  // the chip is read, the centre asked
	RecLift                     // eligible: the document must be lifted (P-13)
	RecWait                     // eligible and lifted: the mantrap is not free yet (P-05)
	RecRefer                    // refused at the reader: an officer decides
	RecLeave                    // ended at the reader: the traveller goes to the staffed lane
	recEnd
)

func (r Reception) String() string {
	return [...]string{"idle", "notice", "place", "reading", "lift", "wait", "refer", "leave"}[r&7]
}

// Passage is the state of the machine that handles the person.
type Passage uint8

// States of passage.
const (
	PasEmpty   Passage = iota
	PasAdmit           // entry door granted and open for exactly one person
	PasSecure          // entry closing, exactly one person
	PasCapture         // live frames, comparison
	PasRelease         // allowed: exit granted and open
	PasRefer           // an officer decides; the traveller can leave to the side of origin
	PasLeave           // way back to the side of origin
	PasClear           // doors closing, mantrap to be empty, inspector to have exited
	PasManual          // let in by an officer's order, in manual mode
	PasTest            // the self-test moves the doors of an empty mantrap, in service mode
	PasHold            // an officer holds the entry open, with nobody served: a wheelchair, cleaning (D-12)
	pasEnd
)

func (p Passage) String() string {
	return [...]string{"empty", "admitting", "securing", "capturing", "releasing", "referred", "leaving_back", "clearing", "manual", "testing", "holding",
		"?", "?", "?", "?", "?"}[p&15]
}

// Command is what a door was last told.
type Command uint8

// Commands.
const (
	CmdNone Command = iota // nothing since it closed
	CmdOpen
	CmdClose
)

func (c Command) String() string { return [...]string{"none", "open", "close", "?"}[c&3] }

// Slot names an inspector's place; NoSlot is none.
type Slot uint8

// Slots.
const (
	NoSlot Slot = iota
	Slot1
	Slot2
)

// Index is the slot's place in Model.Slots.
func (s Slot) Index() int { return int(s) - 1 }

func (s Slot) String() string { return [...]string{"none", "1", "2", "?"}[s&3] }

// SlotState is the life of one inspector.
type SlotState uint8

// States of an inspector.
const (
	SlotFree SlotState = iota
	SlotStarting
	SlotReady
	SlotBegun
	SlotEnding
	SlotPaused // it did not come up: the next try waits
)

func (s SlotState) String() string {
	return [...]string{"free", "starting", "ready", "begun", "ending", "paused", "?", "?"}[s&7]
}

// Grant is what may open once it is on disk.
type Grant uint8

// Grants.
const (
	GrantNone  Grant = iota
	GrantEntry       // for a checked document
	GrantExit        // for a live verdict
	GrantOrder       // exit, for an officer's signed order
)

func (g Grant) String() string { return [...]string{"none", "entry", "exit", "order"}[g&3] }

// Referral is the state of a referral at the desk.
type Referral uint8

// States of a referral.
const (
	RefNone Referral = iota
	RefOpen
	RefTaken
)

func (r Referral) String() string { return [...]string{"", "open", "taken", "?"}[r&3] }

// Lane tells the two travellers apart that a gate may serve at once.
type Lane uint8

// Lanes.
const (
	LaneNone Lane = iota
	LaneReception
	LanePassage
)

// MaxMore is how often more time may be asked for in one stage (design §4).
const MaxMore = 3

// maxTries bounds how often a blocked door is tried (D-08) and a prompt repeated (P-07).
const maxTries = 3

// Model is the whole state. It is comparable, bounded and holds nothing personal.
type Model struct {
	Topology Topology
	Mode     Mode
	Open     bool // the mode wanted once recovery ends

	// Facts.
	Fire    Tri // High is healthy
	Pos     [2]Position
	Beam    [2]Tri // safety beams in the door planes, High is broken
	Occ     Count
	Object  bool // something that is no person lies in the mantrap
	Lease   bool // an officer's console holds the gate open (O-01)
	Over    bool // the shift of every officer at a console has ended (O-02)
	Blocked bool // a fault that forbids new travellers

	// Doors.
	Cmd   [2]Command
	Tries [2]uint8
	Guard [2]bool // the safety beam has just cleared: closing waits (D-05)
	Hold  [2]bool // a blocked door pauses before the next try (D-08)
	// Locked is what the locks were told; Restored that the emergency release has been taken back.
	Locked   [2]bool
	Restored bool

	// Inspectors and what they are leased.
	Slots  [2]SlotState
	Reader Slot // who holds scanner and contactless reader
	Camera Slot // who holds the camera

	Reception Reception
	RSlot     Slot
	RReason   verdict.Reason
	RRef      Referral
	RTries    uint8
	RMore     uint8
	Doc       bool // a document lies on the reader
	RHeld     bool // the centre wants who laid it down to be admitted and held

	Passage  Passage
	PSlot    Slot
	POutcome verdict.Outcome
	PReason  verdict.Reason
	PRef     Referral
	PSecond  bool // a second officer has confirmed
	PMore    uint8
	PTries   uint8
	Allowed  bool // the verdict allows and nothing has voided it
	Held     bool // admitted to be held: no grant for the exit is possible (P-09)
	Crossed  bool // the person left across the border
	Tested   bool // the self-test has the entry door behind it
	LetGo    bool // the officer no longer holds the entry: it closes once nobody is inside
	After    Mode // to reach once the self-test has passed, which ends service; recovering: it was asked for alone
	Freeing  bool // it begins with the exit, whose contacts must be seen free before they are believed
	Untested bool // left service without a passed self-test: closed until one has passed, restarts and all
	Specimen bool // in service: a technician's specimen is inspected; nothing of it is ever granted

	Grant   Grant
	GrantID uint8 // rises modulo 256 with every grant
}

// New is the model at start: everything unknown, nothing granted. open is the mode to reach.
func New(t Topology, open bool) Model {
	return Model{Topology: t, Mode: ModeRecovering, Open: open}
}

// has tells whether the gate has that door.
func (m *Model) has(d Door) bool { return d == Exit || m.Topology == Mantrap }

// secured tells that a door is proven closed and locked (P-03), and has not just been told to open: a door
// still touches its contact when it starts to move. A door that the gate does not have stands in nobody's
// way and needs no proof.
func (m *Model) secured(d Door) bool {
	return !m.has(d) || m.Pos[d] == PosClosed && m.Locked[d] && m.Cmd[d] == CmdNone
}

// mayOpen is the interlock of the model: the other door is proven closed and locked (P-03). In a one-step
// gate a law of its own stands in its place: the door opens only for exactly one person in the zone.
func (m *Model) mayOpen(d Door) bool { return m.secured(d.Other()) }

// closed tells that both doors are secured.
func (m *Model) closed() bool { return m.secured(Entry) && m.secured(Exit) }

// clear tells that nothing stands in a door: an unknown beam is a broken one.
func (m *Model) clear(d Door) bool { return m.Beam[d] == Low || !m.has(d) }

// empty tells that the mantrap is proven empty.
func (m *Model) empty() bool { return m.Occ == CountZero && !m.Object }

// live tells whether an inspector may still speak.
func (m *Model) live(s Slot) bool {
	return s != NoSlot && (m.Slots[s.Index()] == SlotReady || m.Slots[s.Index()] == SlotBegun)
}
