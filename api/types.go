// Package api is the MQTT contract in Go: topics, message types and their allow-listed fields.
// asyncapi.yaml and the JSON Schemas beside it are the source of truth; a test holds the Go types
// to them, so that a field the schema does not list fails the build (DP-04).
//
// Nothing personal appears here unsealed: no name, number, date of birth, image, nationality,
// issuer, age, sex, language, chip UID, certificate serial or free text.
package api

import (
	"encoding/json"
	"time"

	"egate/verdict"
)

// Topics below egate/v1/{site}/{gate}/.
const (
	TopicStatus     = "status"           // retained, LWT
	TopicInfo       = "info"             // retained
	TopicState      = "state"            // retained
	TopicHealth     = "health"           // retained
	TopicCheckpoint = "audit/checkpoint" // retained
	TopicReported   = "cfg/reported"     // retained
	TopicEvent      = "evt"              // evt/{type}
	TopicTelemetry  = "tel"              // tel/{group}
	TopicResponse   = "rsp"              // rsp/{principal}/{id}
	TopicRequest    = "req"              // req/{lookup|referral}/{passage}, sealed, and req/time/{nonce}; QoS 0
	TopicCommand    = "cmd"              // cmd/{principal}/{name}, never retained
	TopicAnswer     = "ans"              // ans/{principal}/{passage}
	TopicLease      = "lease"            // lease/{principal}
	TopicAck        = "ack"
	TopicCosign     = "audit/cosign"
	TopicTime       = "time"
)

// TopicAudit is the first part of the topics of the audit log.
const TopicAudit = "audit"

// Topic builds a full topic.
func Topic(site, gate, rest string) string { return "egate/v1/" + site + "/" + gate + "/" + rest }

// Signature is one signature over the exact bytes of a payload.
type Signature struct {
	Alg string `json:"alg"` // "ed25519"
	Kid string `json:"kid"`
	Sig []byte `json:"sig"`
}

// Signed wraps every message that needs proof of origin, both ways. Payload is the exact JSON text
// that was signed, after the context string "egate/v1/{kind}\x00".
type Signed struct {
	Kind       string      `json:"kind"` // lookup, referral, cmd, ans, lease, ack, cosign, cfg, roster, ask_time, time
	Payload    []byte      `json:"payload"`
	Signatures []Signature `json:"signatures"`
	Proof      *Proof      `json:"proof,omitempty"`  // of an order: its officer's own
	Second     *Proof      `json:"second,omitempty"` // of a second officer, over the same payload
}

// Status is retained; the last will is the same document with State offline.
type Status struct {
	State   string    `json:"state"`   // starting, ready, degraded, stopping, offline
	Boot    string    `json:"boot"`    // random per boot
	Session string    `json:"session"` // random per connection: echoed by commands
	Epoch   uint64    `json:"epoch"`   // of the journal: echoed by commands
	At      time.Time `json:"at"`
}

// State is the retained snapshot of the gate.
type State struct {
	Seq       uint64         `json:"seq"`
	Mode      string         `json:"mode"`      // open, closed, standby, service, manual, emergency
	Reception string         `json:"reception"` // reception machine
	Passage   string         `json:"passage"`   // passage machine
	Entry     string         `json:"entry"`     // door position
	Exit      string         `json:"exit"`
	Occupancy string         `json:"occupancy"`         // 0, 1, many, unknown
	Current   string         `json:"current,omitempty"` // passage id in the mantrap
	Next      string         `json:"next,omitempty"`    // passage id at the reader
	Reason    verdict.Reason `json:"reason,omitempty"`
	Referral  string         `json:"referral,omitempty"` // "", open, taken
	Owner     string         `json:"owner,omitempty"`    // officer pseudonym owning the referral
	StageMS   int64          `json:"stage_ms"`           // time in the passage state when published
	Stages    []StageTime    `json:"stages,omitempty"`
	Lease     bool           `json:"lease"`
	Simulated bool           `json:"simulated,omitempty"`
	At        time.Time      `json:"at"`
}

// StageTime is one stage of a passage (E-05).
type StageTime struct {
	Stage string `json:"stage"`
	MS    int64  `json:"ms"`
}

// Event is a CloudEvents 1.0 structured envelope. ID is "{epoch}-{seq}".
type Event struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"` // /site/gate
	Type        string          `json:"type"`   // egate.passage.v1 …
	Time        time.Time       `json:"time"`
	Schema      string          `json:"dataschema"`
	ContentType string          `json:"datacontenttype"`
	Epoch       uint64          `json:"epoch"`
	Seq         uint64          `json:"seq"`
	Data        json.RawMessage `json:"data"`
}

// Draft is an event before the journal has numbered it: what a step hands to the evidence. The link
// makes an Event of it.
type Draft struct {
	Type string          `json:"type"` // last part of the evt topic
	Time time.Time       `json:"time"`
	Data json.RawMessage `json:"data"`
}

// Event types (last part of the evt topic; the CloudEvents type is "egate."+type+".v1").
const (
	EventPassage  = "passage"  // one per passage, at its end
	EventAlarm    = "alarm"    // safety or security relevant
	EventReferral = "referral" // opened, taken, returned, decided, closed
	EventMode     = "mode"
	EventOrder    = "order" // an officer's or the centre's order and its answer
	EventDoor     = "door"
	EventFault    = "fault"
	EventChoice   = "choice" // accepted or declined at the notice (DP-05)
	EventBoot     = "boot"
	EventGap      = "gap"
	EventDeletion = "deletion" // evidence that retention deleted (DP-08)
	EventSealed   = "sealed"   // any event but fault and boot, to the centre's key (DP-07)
	EventChange   = "change"   // software, configuration, policy, model or key differ from the last start
)

// Passage is the transaction event.
type Passage struct {
	Passage    string          `json:"passage"`
	Outcome    verdict.Outcome `json:"outcome"`
	Reason     verdict.Reason  `json:"reason"`
	Completed  bool            `json:"completed"` // the person left across the border
	Stages     []StageTime     `json:"stages"`
	TotalMS    int64           `json:"total_ms"`
	Checks     []verdict.Check `json:"checks"`
	MatchBand  string          `json:"match_band,omitempty"`
	PADBand    string          `json:"pad_band,omitempty"`
	Model      string          `json:"model,omitempty"`
	Policy     string          `json:"policy,omitempty"`
	DemoModel  bool            `json:"demo_model,omitempty"`
	Reference  string          `json:"reference,omitempty"` // short reference shown on a refusal (DP-09)
	Retries    int             `json:"retries"`
	OverheadUS int64           `json:"overhead_us"` // controller's own time, summed over its transitions
	Steps      int             `json:"steps"`
}

// Alarm is an event that an officer must see.
type Alarm struct {
	Passage  string         `json:"passage,omitempty"`
	Reason   verdict.Reason `json:"reason"`
	Severity string         `json:"severity"` // danger, warning, notice
	Raised   bool           `json:"raised"`
}

// ReferralEvent tells the life of a referral; it names no person.
type ReferralEvent struct {
	Passage  string         `json:"passage"`
	State    string         `json:"state"` // open, taken, returned, decided, closed, confirmed, handed_over
	Reason   verdict.Reason `json:"reason"`
	Officer  string         `json:"officer,omitempty"`  // staff pseudonym
	Decision string         `json:"decision,omitempty"` // accept, send_back, hold
}

// ModeEvent is a change of mode.
type ModeEvent struct {
	From string `json:"from"`
	To   string `json:"to"`
	By   string `json:"by"`
}

// OrderEvent records an order and what became of it.
type OrderEvent struct {
	ID        string `json:"id"`
	Principal string `json:"principal"`
	Officer   string `json:"officer,omitempty"` // staff pseudonym, as received
	Name      string `json:"name"`
	Passage   string `json:"passage,omitempty"`
	To        string `json:"to,omitempty"` // of a hand-over, as received
	Result    string `json:"result"`       // accepted, rejected, done, failed, expired
	Reason    string `json:"reason,omitempty"`
	Override  string `json:"override,omitempty"` // the officer's own reason for it, as received (O-07)
	Group     string `json:"group,omitempty"`    // of the officer, as the roster has it (O-07)
	Second    string `json:"second,omitempty"`   // staff pseudonym of who signed the same order second
	Signed    []byte `json:"signed,omitempty"`   // of an order of two persons: the JSON text of a Signed with both proofs
}

// DoorEvent is a door movement or discrepancy.
type DoorEvent struct {
	Door string `json:"door"` // entry, exit
	What string `json:"what"` // opened, closed, forced, blocked, released
}

// FaultEvent is raised and cleared.
type FaultEvent struct {
	Code   string `json:"code"`
	Part   string `json:"part"`
	Raised bool   `json:"raised"`
}

// Choice is the traveller's free choice of lane.
type Choice struct {
	Passage string `json:"passage"`
	Choice  string `json:"choice"` // accept, decline
	Stage   string `json:"stage"`
}

// Boot tells a new start: Recovered says what was found.
type Boot struct {
	Boot      string `json:"boot"`
	Version   string `json:"version"`
	Recovered string `json:"recovered"` // clean, passage_interrupted, torn_tail
}

// Change tells that a part of what decides differs from what the gate ran with before (E-02, F-06).
type Change struct {
	What string   `json:"what"` // software, config, policy, model, trust, key_gate, key_centre, pairing, key_roster, key_policy, roster
	Old  string   `json:"old"`  // version, or the first 16 bytes of a SHA-256 in hex; "none" at the first start
	New  string   `json:"new"`
	By   []string `json:"by,omitempty"` // ids of the keys that signed it: of a policy, of two persons
}

// SealedEvent is the data of an event that the centre alone reads (DP-07): its JSON text, padded with blanks to a multiple
// of 1 KiB, under HPKE for gate and id.
type SealedEvent struct {
	Recipient string `json:"recipient"` // key id of the centre
	Sealed    []byte `json:"sealed"`    // enc || ciphertext
}

// Deletion tells of evidence that retention deletes, before it goes: the audit log goes on to prove what remains, and that
// nothing else has gone (DP-08).
type Deletion struct {
	Class  string    `json:"class"`          // journal; found_gone: missing at the first start of a version that tells
	Upto   time.Time `json:"upto"`           // nothing that goes is later
	Leaves uint64    `json:"leaves"`         // how many go
	Epoch  uint64    `json:"epoch"`          // of the first leaf that remains
	Leaf   uint64    `json:"leaf"`           // its number
	Root   string    `json:"root,omitempty"` // of the Merkle tree of the leaves before it, hex
}

// Gap tells that evidence may be missing: a new epoch began.
type Gap struct {
	OldEpoch uint64 `json:"old_epoch"`
	Why      string `json:"why"`
}

// Command is an order to a gate, inside Signed kind "cmd".
type Command struct {
	ID        string    `json:"id"`
	Gate      string    `json:"gate"`
	Session   string    `json:"session"` // echo of Status.Session
	Epoch     uint64    `json:"epoch"`
	Name      string    `json:"name"`
	Principal string    `json:"principal"`         // console
	Officer   string    `json:"officer,omitempty"` // staff pseudonym
	Passage   string    `json:"passage,omitempty"`
	Dossier   []byte    `json:"dossier,omitempty"` // hash of the dossier the officer was shown
	Reason    string    `json:"reason,omitempty"`  // reason code of an override (O-07)
	To        string    `json:"to,omitempty"`      // of a hand-over: who has the gate then
	IssuedAt  time.Time `json:"issued_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Names of commands (O-03).
const (
	CmdTake         = "referral_take"
	CmdReturn       = "referral_return"
	CmdAccept       = "referral_accept"
	CmdSendBack     = "referral_send_back"
	CmdHold         = "referral_hold"
	CmdOpenGate     = "gate_open"
	CmdCloseGate    = "gate_close"
	CmdReset        = "gate_reset"
	CmdOpenEntry    = "door_open_entry"
	CmdOpenExit     = "door_open_exit"
	CmdRelease      = "emergency_release"
	CmdEndEmergency = "emergency_end"
	CmdSelfTest     = "self_test" // in service mode; the answer says that it began, health what came of it
	CmdStandby      = "gate_standby"
	CmdService      = "gate_service"
	CmdManual       = "gate_manual"
	CmdHoldEntry    = "door_hold_entry" // D-12; again: the officer is still there
	CmdLetGo        = "door_let_go"
	CmdSpecimen     = "specimen_inspect"    // in service mode: the next document is a specimen
	CmdOutOfService = "gate_out_of_service" // from service, without a passed self-test: closed until one has passed
	// CmdHandOver moves what the officer owns at the gate (his lease, referrals, the entry that he holds) to another
	// officer who is signed in, in one step (O-02). His further orders are refused until he signs in anew.
	CmdHandOver = "desk_hand_over"
	// CmdSafeguard records that an officer has stopped somebody for that person's protection, and why (O-08). It moves
	// nothing and names no passage: the officer has closed the gate, held or sent back as he saw fit.
	CmdSafeguard = "safeguarding_stop"
)

// Response answers a command on rsp/{principal}/{id}. An order that moves a door is accepted first, and then done or
// failed, with the reason, when the door has moved or will not; every other one is done when it is accepted.
type Response struct {
	ID     string    `json:"id"`
	Result string    `json:"result"` // accepted, rejected, done, failed, expired
	Reason string    `json:"reason,omitempty"`
	Owner  string    `json:"owner,omitempty"` // of a refusal: the officer whose it is
	At     time.Time `json:"at"`
}

// Envelope is a sealed message, inside Signed kind "lookup", "referral" or "ans".
type Envelope struct {
	Gate      string         `json:"gate"`
	Passage   string         `json:"passage"`
	Epoch     uint64         `json:"epoch"`
	Type      string         `json:"type"`
	Recipient string         `json:"recipient"` // key id
	ExpiresAt time.Time      `json:"expires_at"`
	Sealed    []byte         `json:"sealed"`               // enc || ciphertext
	Hash      []byte         `json:"hash"`                 // SHA-256 of Sealed
	PlainHash []byte         `json:"plain_hash,omitempty"` // of a dossier: what an order names
	Reason    verdict.Reason `json:"reason,omitempty"`     // of a referral: why
}

// Lease keeps a gate open for passages (O-01), inside Signed kind "lease".
type Lease struct {
	Gate      string    `json:"gate"`
	Session   string    `json:"session"`
	Epoch     uint64    `json:"epoch"`
	Principal string    `json:"principal"`
	Officer   string    `json:"officer"`
	Seq       uint64    `json:"seq"`
	ExpiresAt time.Time `json:"expires_at"`
	// SignedIn is when the officer signed in, by the centre's clock: after a hand-over only a later one counts.
	SignedIn time.Time      `json:"signed_in,omitzero"`
	Keys     []RecipientKey `json:"keys"` // where to seal referral dossiers to
}

// RecipientKey is an HPKE public key of a signed-in officer session.
type RecipientKey struct {
	Kid string `json:"kid"`
	Key []byte `json:"key"`
}

// Ack is the centre's cumulative acknowledgement, inside Signed kind "ack".
type Ack struct {
	Gate    string `json:"gate"`
	Epoch   uint64 `json:"epoch"`
	Upto    uint64 `json:"upto"`
	Session string `json:"session"`
}

// Cosign is a witness's signature over a checkpoint of the audit log (C2SP cosignature/v1), inside Signed
// kind "cosign". It is the last one that the witness holds of the epoch: a gate whose proof begins
// elsewhere learns from it where to begin.
type Cosign struct {
	Gate    string `json:"gate"`
	Epoch   uint64 `json:"epoch"`
	Size    int64  `json:"size"`
	Hash    []byte `json:"hash"` // root of the tree
	Line    string `json:"line"` // signature line of a signed note
	Session string `json:"session"`
}

// AskTime asks the centre for the time, inside Signed kind "ask_time" (E-07).
type AskTime struct {
	Gate    string `json:"gate"`
	Session string `json:"session"`
	Nonce   string `json:"nonce"` // 128 random bits, hex
}

// Time is the centre's time, inside Signed kind "time": the answer to one question and no other (E-07).
type Time struct {
	Gate    string    `json:"gate"`
	Session string    `json:"session"`
	Nonce   string    `json:"nonce"`
	At      time.Time `json:"at"`
}

// Health is the one retained document with every part in it (M-01, at most 16 KiB).
type Health struct {
	At        time.Time         `json:"at"`
	Overall   string            `json:"overall"` // ok, degraded, out_of_service
	Parts     []Part            `json:"parts"`
	Faults    []Fault           `json:"faults"`
	DemoModel bool              `json:"demo_model,omitempty"`
	Simulated bool              `json:"simulated,omitempty"`
	Versions  map[string]string `json:"versions,omitempty"`
	Counters  map[string]int64  `json:"counters,omitempty"`
	SelfTest  *SelfTest         `json:"self_test,omitempty"`
}

// SelfTest is what came of the last test of the moving parts since boot (M-02).
type SelfTest struct {
	At     time.Time      `json:"at"`
	Passed bool           `json:"passed"`
	Reason verdict.Reason `json:"reason"`
}

// Part is one part of the gate.
type Part struct {
	Name  string    `json:"name"`
	State string    `json:"state"` // ok, degraded, failed, unknown
	Since time.Time `json:"since"`
	Code  string    `json:"code,omitempty"`
}

// Fault is an active fault of the catalogue.
type Fault struct {
	Code     string    `json:"code"`
	Part     string    `json:"part"`
	Severity string    `json:"severity"`
	Since    time.Time `json:"since"`
}

// LookupQuestion is what the inspector seals to the centre. Personal: exists sealed only.
type LookupQuestion struct {
	Passage  string `json:"passage"`
	Document string `json:"document"` // document number
	Issuer   string `json:"issuer"`
	Name     string `json:"name"` // as in the MRZ
	Birth    string `json:"birth"`
	ReplyKey []byte `json:"reply_key"` // inspector's one-time HPKE public key
}

// LookupAnswer is sealed to ReplyKey and padded to one size whatever it says.
type LookupAnswer struct {
	Passage string    `json:"passage"`
	Answer  string    `json:"answer"` // clear, refer, hold
	At      time.Time `json:"at"`
	Pad     string    `json:"pad"`
}

// Dossier is what an officer sees of a referral. Personal: exists sealed, and in the one child
// process that opened it. Portrait and Live are JPEG files re-encoded by the decoder child.
type Dossier struct {
	Passage     string          `json:"passage"`
	Reason      verdict.Reason  `json:"reason"`
	Checks      []verdict.Check `json:"checks"`
	Verified    bool            `json:"verified"` // portrait is authenticated
	Portrait    []byte          `json:"portrait"`
	Live        []byte          `json:"live"`
	Name        string          `json:"name"`
	Document    string          `json:"document"`
	Nationality string          `json:"nationality"`
	Sex         string          `json:"sex"`
	Age         int             `json:"age"`
	MatchScore  float64         `json:"match_score"`
	Threshold   float64         `json:"threshold"`
}
