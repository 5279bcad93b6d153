package api

import "time"

// TopicRoster carries the roster to a gate, below egate/v1/{site}/{gate}/. Never retained: the centre repeats it.
const TopicRoster = "cfg/roster"

// Roster says who may order what at which gates, inside Signed kind "roster". It is signed offline: no program
// that is connected to anything holds the key.
type Roster struct {
	Site      string    `json:"site"`
	Version   uint64    `json:"version"` // only rises
	IssuedAt  time.Time `json:"issued_at"`
	ExpiresAt time.Time `json:"expires_at"`
	RPID      string    `json:"rp_id"`   // WebAuthn relying party: the host name of the officers' pages
	Origins   []string  `json:"origins"` // of the officers' pages
	// Simulated marks a roster that may hold demo officers. A gate in service refuses it.
	Simulated bool            `json:"simulated,omitempty"`
	Officers  []RosterOfficer `json:"officers"`
	// TwoPersons are the orders that a second officer must sign too: the same document, within a minute.
	TwoPersons []string `json:"two_persons"`
}

// RosterOfficer is one officer, by pseudonym.
type RosterOfficer struct {
	Officer   string    `json:"officer"`
	Passkeys  []Passkey `json:"passkeys"`
	Roles     []string  `json:"roles"` // officer, supervisor, technician
	Gates     []string  `json:"gates"`
	Group     string    `json:"group,omitempty"` // for statistics (O-07); empty for the first role
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Demo      bool      `json:"demo,omitempty"` // the named officer of a simulation
}

// Passkey is a WebAuthn credential's public half.
type Passkey struct {
	Credential []byte `json:"credential"` // id
	Alg        string `json:"alg"`        // es256, eddsa
	Key        []byte `json:"key"`        // SubjectPublicKeyInfo, DER
}

// OrderKey is what a passkey certifies: the key that an officer's browser made and cannot give away, for some
// gates and an hour at most. The exact JSON text is what the assertion's challenge is the hash of.
type OrderKey struct {
	Site      string    `json:"site"`
	Gates     []string  `json:"gates"`
	Key       []byte    `json:"key"`   // P-256, uncompressed point, 65 bytes
	Nonce     []byte    `json:"nonce"` // of the console, at sign-in: a seen assertion signs nobody in
	IssuedAt  time.Time `json:"issued_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Assertion is what an authenticator answers (WebAuthn §6.3.3), as the browser gives it.
type Assertion struct {
	Credential []byte `json:"credential"`
	AuthData   []byte `json:"auth_data"`
	ClientData []byte `json:"client_data"` // JSON text
	Signature  []byte `json:"signature"`
}

// Fresh is a passkey's assertion over one order: somebody touched the authenticator for it.
type Fresh struct {
	At        time.Time `json:"at"`
	Assertion Assertion `json:"assertion"`
}

// Proof is an officer's own proof of an order. It stands beside the signatures of Signed and is checked against
// the roster: whoever holds the console's keys cannot make one.
type Proof struct {
	OrderKey  []byte    `json:"order_key"` // exact JSON text of an OrderKey
	Assertion Assertion `json:"assertion"` // over OrderKey
	Signature []byte    `json:"signature"` // of the order key over the payload: ECDSA P-256 with SHA-256, r and s
	Fresh     *Fresh    `json:"fresh,omitempty"`
}
