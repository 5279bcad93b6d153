package clock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"egate/api"
	"egate/seal"
)

// Kind is that of a signed confirmation.
const Kind = "time_confirmed"

// Quorum is how many persons confirm.
const Quorum = 2

// maxConfirmation caps a file, bytes.
const maxConfirmation = 16 << 10

// Question is what a gate without trusted time asks by a file. Its nonce is of this start: an answer to an earlier one is
// none.
type Question struct {
	Site  string `json:"site"`
	Gate  string `json:"gate"`
	Nonce string `json:"nonce"`
}

// Confirmation is what the persons sign.
type Confirmation struct {
	Question
	At time.Time `json:"at"`
}

// Answer is the first person's: it says what time it is.
func Answer(question []byte, at time.Time, s *seal.Signer) ([]byte, error) {
	var c Confirmation
	if err := strict(question, &c.Question); err != nil || c.Nonce == "" {
		return nil, errors.New("clock: no question of a gate: it writes time.request into its state folder")
	}
	c.At = at.UTC().Truncate(time.Second)
	body, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("clock: %w", err)
	}
	return add(api.Signed{Kind: Kind, Payload: body}, s)
}

// Agree adds the second person's signature, who sees the time as well and must not differ by more than limit.
func Agree(raw []byte, now time.Time, limit time.Duration, s *seal.Signer) ([]byte, error) {
	d, c, err := read(raw)
	if err != nil {
		return nil, err
	}
	if off := now.Sub(c.At); off.Abs() > limit {
		return nil, fmt.Errorf("clock: the first person said %s, and it is %s here: begin again", c.At.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return add(d, s)
}

func add(d api.Signed, s *seal.Signer) ([]byte, error) {
	d.Signatures = slices.DeleteFunc(d.Signatures, func(x api.Signature) bool { return x.Kid == s.KeyID() })
	x := s.Sign(Kind, d.Payload)
	d.Signatures = append(d.Signatures, api.Signature{Alg: x.Alg, Kid: x.Kid, Sig: x.Sig})
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("clock: %w", err)
	}
	return append(b, '\n'), nil
}

func read(raw []byte) (d api.Signed, c Confirmation, err error) {
	if len(raw) > maxConfirmation || strict(raw, &d) != nil || d.Kind != Kind || d.Proof != nil || strict(d.Payload, &c) != nil {
		return d, c, errors.New("clock: no confirmation: make one with egatectl time confirm")
	}
	return d, c, nil
}

// Confirmed is the time that two of the persons have confirmed for a question.
func Confirmed(raw []byte, q Question, persons seal.Keys) (time.Time, error) {
	d, c, err := read(raw)
	if err != nil {
		return time.Time{}, err
	}
	if c.Question != q {
		return time.Time{}, errors.New("clock: the confirmation is of another gate or question")
	}
	var who []string
	for _, x := range d.Signatures {
		kid, err := persons.Verify(Kind, d.Payload, []seal.Signature{{Alg: x.Alg, Kid: x.Kid, Sig: x.Sig}})
		if err == nil && !slices.Contains(who, kid) {
			who = append(who, kid)
		}
	}
	if len(who) < Quorum {
		return time.Time{}, fmt.Errorf("clock: %d of %d persons have confirmed", len(who), Quorum)
	}
	return c.At, nil
}

// strict parses one JSON document without unknown fields.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("clock: something follows the document")
	}
	return nil
}
