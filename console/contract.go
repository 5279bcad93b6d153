// Package console is the officers' console for a line of gates. The contract between its two halves
// stands here: the centre end of the link (console/centre: broker, acknowledgements, look-ups,
// leases, history) and the desk that officers look at (console/server, console/web).
package console

import (
	"context"
	"time"

	"egate/api"
)

// Officer is a signed-in session at the desk. Keys are made at sign-in, in memory, gone at sign-out.
type Officer struct {
	Session    string // random, the cookie's secret counterpart
	Pseudonym  string
	Demo       bool // the named demo officer of the simulation profile
	Since      time.Time
	Roles      []string
	Credential []byte // id of the passkey
}

// Challenge is what a page certifies its order key for.
type Challenge struct {
	Nonce []byte    `json:"nonce"` // used once, soon
	Site  string    `json:"site"`
	RPID  string    `json:"rp_id"`
	Gates []string  `json:"gates"`
	At    time.Time `json:"at"`
}

// SignIn is a passkey's certificate of an order key, over a Challenge. It signs the officer in at the desk; the same
// certificate goes with every order to the gate, which believes no desk.
type SignIn struct {
	OrderKey  []byte        `json:"order_key"` // exact JSON text of an api.OrderKey
	Assertion api.Assertion `json:"assertion"`
}

// Order is an order as an officer's browser signed it.
type Order struct {
	Payload []byte    `json:"payload"` // exact JSON text of an api.Command
	Proof   api.Proof `json:"proof"`
	// Second says that the payload is the order of another officer that waits for a second signature: this one (SecondView).
	Second bool `json:"second,omitempty"`
}

// GateView is what the desk knows of one gate.
type GateView struct {
	Site      string        `json:"site"`
	Gate      string        `json:"gate"`
	Status    api.Status    `json:"status"`
	State     api.State     `json:"state"`
	Health    api.Health    `json:"health"`
	Referral  *ReferralView `json:"referral,omitempty"`
	Alerts    []AlertView   `json:"alerts"`
	AckedUpto uint64        `json:"acked_upto"`
	Witness   *WitnessView  `json:"witness,omitempty"`
	Second    *SecondView   `json:"second,omitempty"`
}

// SecondView is an order that a gate follows when a second officer signs it too.
type SecondView struct {
	ID      string    `json:"id"`
	Payload []byte    `json:"payload,omitempty"` // exact JSON text that the first officer signed
	Name    string    `json:"name"`
	Officer string    `json:"officer"` // who gave it first
	Passage string    `json:"passage,omitempty"`
	Until   time.Time `json:"until"`
}

// WitnessView tells how far the audit log of a gate is witnessed.
type WitnessView struct {
	Epoch uint64 `json:"epoch"`
	Size  int64  `json:"size"` // leaves below the last checkpoint
	By    string `json:"by"`
	// Independent is false for a witness that runs with the desk: whoever takes the desk over has it too.
	Independent bool `json:"independent"`
}

// ReferralView is one open referral; the dossier itself stays sealed.
type ReferralView struct {
	Gate    string    `json:"gate"`
	Passage string    `json:"passage"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
	State   string    `json:"state"` // open, taken
	Owner   string    `json:"owner,omitempty"`
	Dossier bool      `json:"dossier"` // a sealed dossier has arrived for this session
	// Overturn says who may accept at a distance, Questions which of them the officer must have answered.
	Overturn  string   `json:"overturn,omitempty"` // one_officer, two_officers, staffed_lane
	Questions []string `json:"questions,omitempty"`
}

// AlertView is one alert, deduplicated (O-05).
type AlertView struct {
	ID       string    `json:"id"`
	Gate     string    `json:"gate"`
	Passage  string    `json:"passage,omitempty"`
	Reason   string    `json:"reason"`
	Severity string    `json:"severity"`
	Since    time.Time `json:"since"`
	Count    int       `json:"count"`
	Active   bool      `json:"active"`
}

// Line is a snapshot of all gates. Seq rises with every change.
type Line struct {
	Seq       uint64       `json:"seq"`
	Gates     []GateView   `json:"gates"`
	Recent    []RecentView `json:"recent"`  // last passages, newest first, no person in them
	OnDuty    []string     `json:"on_duty"` // pseudonyms of who is signed in, to hand a gate over to
	Simulated bool         `json:"simulated"`
	At        time.Time    `json:"at"`
}

// RecentView is one ended passage.
type RecentView struct {
	Gate    string      `json:"gate"`
	Passage api.Passage `json:"passage"`
	At      time.Time   `json:"at"`
}

// SealedDossier is a referral envelope with the session's private key to open it, handed to the
// one-shot child that shows it and to nobody else.
type SealedDossier struct {
	Envelope   api.Envelope
	PrivateKey []byte
}

// Centre is what the desk needs of the centre's end.
type Centre interface {
	// Watch calls f with the whole line at once and after every change, until ctx ends. f must not block.
	Watch(ctx context.Context, f func(Line)) error
	// Challenge begins a sign-in.
	Challenge() (Challenge, error)
	// SignIn starts an officer session: makes its keys, publishes leases for all gates of the line.
	SignIn(ctx context.Context, in SignIn) (Officer, error)
	// Active tells whether a session lives: it ends when its officer leaves the roster.
	Active(session string) bool
	// SignOut ends it: keys are gone, leases end, owned referrals return to the queue.
	SignOut(session string)
	// Touch keeps the session alive: 60 s without it closes dossiers (the desk does), the lease rule is the centre's.
	Touch(session string)
	// Order carries an officer's order to its gate and waits for the answer. c is what its payload says.
	Order(ctx context.Context, session string, c api.Command, o Order) (api.Response, error)
	// History returns acknowledged events of a gate after a sequence number, oldest first, at most limit.
	History(gate string, afterEpoch, afterSeq uint64, limit int) ([]api.Event, error)
	// Dossier returns the sealed dossier of an open referral for this session.
	Dossier(session, gate, passage string) (SealedDossier, error)
}

// Alerts of the centre itself, beside those that gates raise. Their texts stand in package locales like those of
// every reason (O-04).
const (
	AlertMissing = "events_missing"     // the gate's oldest event does not follow the last one here
	AlertLost    = "events_lost"        // the gate has lost events, or sends others under the same numbers
	AlertRefused = "event_refused"      // an event breaks the contract and is not acknowledged
	AlertStore   = "history_failed"     // the history cannot be written: nothing is acknowledged
	AlertList    = "watch_list_refused" // the watch list has a mistake: the one before it is used
	AlertClock   = "clock_skew"         // the clocks of gate and centre are apart (E-07)

	AlertFork     = "audit_fork"      // the audit log of a gate has two histories (E-02)
	AlertRollback = "audit_rollback"  // the audit log of a gate has become shorter
	AlertSilent   = "audit_silent"    // events of a gate come, and no checkpoint over them
	AlertRepeat   = "document_repeat" // a document was used again in a short time (P-12)

	// The console's own certificate, or its authority's, nears its end: 30, 7 and 1 days before it (M-05).
	AlertCertDue     = "console_certificate_due"
	AlertCertEnding  = "console_certificate_ending"
	AlertCertLastDay = "console_certificate_last_day"
	AlertCertExpired = "console_certificate_expired"

	AlertRoster = "roster_refused" // the roster's file has a mistake, or the roster has run out
)

// Alerts lists them.
func Alerts() []string {
	return []string{AlertMissing, AlertLost, AlertRefused, AlertStore, AlertList, AlertClock, AlertFork, AlertRollback, AlertSilent, AlertRepeat, AlertRoster,
		AlertCertDue, AlertCertEnding, AlertCertLastDay, AlertCertExpired}
}
