// Package service is the way to a gate for a technician who stands at it: a unix socket of egated, network or
// not (M-09). Nothing personal crosses it: modes, parts, faults and the levels of lines.
//
// # Contract
//
// One JSON object per line, at most MaxFrame bytes, in each direction. The gate speaks first: Hello, with a
// challenge of this connection. The client sends Asked: a Request, and for what changes something a signature of
// a technician's key (kind "service") over the exact bytes of a Payload, which names gate, challenge and the
// number of the request: nothing can be replayed on another connection, gate or later. Each request has one
// Reply; only Watch has many.
//
// # Roles
//
// Who may connect: root, the gate's own user and members of the socket's group, as the kernel tells them
// (SO_PEERCRED). They may ask for State and Watch. Everything else needs the signature of a key of the
// configuration (hardware.technicians). Orders go through the gate's own rules as those of the desk do, and every
// signed request is a leaf of the audit log under "service-" and the id of the key.
//
// A technician brings a gate into service mode only where an officer has released it (P-14): by his order, or, while
// the gate's network is dead, by a code for this gate and technician that ends (officers.Permit).
package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"egate/seal"
)

// Contract is the version of this protocol.
const Contract = 1

// MaxFrame caps a line, bytes.
const MaxFrame = 128 << 10

const kind = "service"

// Principal begins the name of a technician in orders and leaves; the id of the key follows.
const Principal = "service-"

// Names of requests.
const (
	AskState    = "state"
	AskWatch    = "watch"    // replies with Lines until the client closes
	AskIdentify = "identify" // blink the beacon for Seconds
	AskSound    = "sound"    // play every tone of the sounder once; in service mode only
	AskOrder    = "order"    // one of Orders
	AskHold     = "hold"     // lease Part to the client until it closes; in service mode only
	AskPair     = "pair"     // take File into use
)

// Orders that a technician may give: none of them moves a door outside of service mode, and none opens the gate.
var Orders = []string{"gate_service", "self_test", "gate_close", "specimen_inspect"}

// signed are the requests that need a technician's key.
var signed = map[string]bool{AskIdentify: true, AskSound: true, AskOrder: true, AskHold: true, AskPair: true}

// Hello is the gate's first line.
type Hello struct {
	Contract  int    `json:"contract"`
	Site      string `json:"site"`
	Gate      string `json:"gate"`
	Challenge string `json:"challenge"` // 32 hexadecimal digits
}

// Request is one question.
type Request struct {
	Name    string `json:"name"`
	Order   string `json:"order,omitempty"`
	Code    string `json:"code,omitempty"` // of gate_service where no officer can be asked: officers.Permit
	Part    string `json:"part,omitempty"`
	Seconds int    `json:"seconds,omitempty"`
	File    []byte `json:"file,omitempty"`
}

// Payload is what is signed.
type Payload struct {
	Gate      string  `json:"gate"`
	Challenge string  `json:"challenge"`
	Number    int     `json:"number"` // of the request on this connection, from 1
	Request   Request `json:"request"`
}

// Asked is one line of the client.
type Asked struct {
	Payload   []byte          `json:"payload"` // JSON of Payload
	Signature *seal.Signature `json:"signature,omitempty"`
}

// Reply is one line of the gate after Hello.
type Reply struct {
	Error  string `json:"error,omitempty"`
	State  *State `json:"state,omitempty"`
	Lines  *Lines `json:"lines,omitempty"`
	Order  *Order `json:"order,omitempty"`
	Paired string `json:"paired,omitempty"` // the pairing in use now
}

// State is the gate as a technician sees it.
type State struct {
	Mode     string    `json:"mode"`
	Overall  string    `json:"overall"`
	Version  string    `json:"version"`
	Pairing  string    `json:"pairing"`
	Parts    []Part    `json:"parts"`
	Faults   []Fault   `json:"faults"`
	Held     []string  `json:"held"` // parts that are leased to technicians
	SelfTest *SelfTest `json:"self_test,omitempty"`
	// Counters are those of the health document.
	Counters map[string]int64 `json:"counters,omitempty"`
}

// Part is one part with its state.
type Part struct {
	Name  string `json:"name"`
	State string `json:"state"`
}

// Fault is an active fault.
type Fault struct {
	Code     string    `json:"code"`
	Part     string    `json:"part"`
	Severity string    `json:"severity"`
	Since    time.Time `json:"since"`
}

// SelfTest is the last test of the moving parts.
type SelfTest struct {
	At     time.Time `json:"at"`
	Passed bool      `json:"passed"`
	Reason string    `json:"reason"`
}

// Lines are the levels of the lines now: "high", "low", or "unknown" for an input that cannot be read.
type Lines struct {
	Inputs  map[string]string `json:"inputs"`
	Outputs map[string]string `json:"outputs"` // as driven last; they are never read back
}

// Order is what became of one.
type Order struct {
	Result string `json:"result"` // accepted, rejected
	Reason string `json:"reason,omitempty"`
}

// Gate is what the server shows and does. Calls may come from several connections at once and return soon.
type Gate interface {
	State() State
	Lines() Lines
	// Identify blinks for d and returns at once.
	Identify(technician string, d time.Duration) error
	// Sound plays every tone once and returns at once.
	Sound(technician string) error
	// Order gives one of Orders; code is that of the request, or empty.
	Order(ctx context.Context, technician, name, code string) (Order, error)
	// Hold leases a part; the lease ends with give. revoked is closed when the gate takes it back.
	Hold(technician, part string) (give func(), revoked <-chan struct{}, err error)
	// Pair takes a pairing into use and names it.
	Pair(ctx context.Context, technician string, file []byte) (string, error)
}

// ErrRefused is a refusal of the gate, with its reason.
var ErrRefused = errors.New("service: refused")

// verify returns who asks: "" for a member of the group.
func verify(keys seal.Keys, h Hello, n int, a Asked) (Request, string, error) {
	var p Payload
	if err := json.Unmarshal(a.Payload, &p); err != nil {
		return Request{}, "", fmt.Errorf("%w: not a request of this contract", ErrRefused)
	}
	if p.Gate != h.Gate || p.Challenge != h.Challenge || p.Number != n {
		return Request{}, "", fmt.Errorf("%w: the request is of another gate, connection or place in it", ErrRefused)
	}
	if a.Signature == nil {
		if signed[p.Request.Name] {
			return Request{}, "", fmt.Errorf("%w: %s needs the key of a technician (--key)", ErrRefused, p.Request.Name)
		}
		return p.Request, "", nil
	}
	kid, err := keys.Verify(kind, a.Payload, []seal.Signature{*a.Signature})
	if err != nil {
		return Request{}, "", fmt.Errorf("%w: the key is none of hardware.technicians", ErrRefused)
	}
	return p.Request, kid, nil
}
