package centre

import (
	"errors"

	"egate/api"
	"egate/seal"
)

// timeKind is what a gate asks for at req/time.
const timeKind = "time"

// askTime answers a gate's question for the time with this machine's, signed and bound to the question (E-07). What a
// gate does with it is the gate's: it refuses one that lies behind what it knows.
func (c *Centre) askTime(gate string, payload []byte) error {
	var s api.Signed
	if err := strict(payload, &s); err != nil {
		return err
	}
	sigs := make([]seal.Signature, 0, len(s.Signatures))
	for _, x := range s.Signatures {
		sigs = append(sigs, seal.Signature{Alg: x.Alg, Kid: x.Kid, Sig: x.Sig})
	}
	if _, err := seal.Trust(c.cfg.Gates[gate]).Verify("ask_time", s.Payload, sigs); err != nil {
		return errors.New("centre: signature of the gate")
	}
	var q api.AskTime
	if err := strict(s.Payload, &q); err != nil {
		return err
	}
	c.send(gate, timeKind, api.TopicTime, 0, api.Time{Gate: gate, Session: q.Session, Nonce: q.Nonce, At: c.cfg.Now().UTC()})
	return nil
}
