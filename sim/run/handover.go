package run

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"egate/api"
	"egate/console"
)

// handOver has the colleague sign in and the officer hand a gate over to him, what he owns there with it (O-02). Then the
// officer tries to decide all the same: the gate must refuse, and say whose it is now.
func (h *House) handOver(ctx context.Context, gate string) error {
	before, _ := h.Desk.Gate(gate)
	relief, err := NewDesk(h.Site.Console.URL)
	if err != nil {
		return err
	}
	if err := relief.SignIn(ctx, h.Site.Console.Colleague.Credential, h.Site.Console.Colleague.Seed); err != nil {
		return err
	}
	h.relief = relief
	h.spawn(func() { relief.Run(h.ctx) })
	for { // the gate knows him by his first lease
		r, err := h.Desk.HandOver(ctx, gate, relief.me)
		if err == nil {
			break
		}
		if r.Reason != "receiver_absent" || !pause(ctx, 200*time.Millisecond) {
			return err
		}
	}
	owned := before.Referral != nil
	if _, err := relief.Wait(ctx, gate, func(g console.GateView) bool { return !owned || g.Referral != nil && g.Referral.Owner == relief.me }); err != nil {
		return fmt.Errorf("run: the colleague does not own the referral: %w", err)
	}
	name, passage := api.CmdCloseGate, ""
	if owned {
		name, passage = api.CmdSendBack, before.Referral.Passage
	}
	switch r, err := h.Desk.Order(ctx, gate, name, passage, nil, ""); {
	case err == nil:
		return errors.New("run: an order of who handed the gate over is followed")
	case r.Reason != "handed_over" || r.Owner != relief.me:
		return fmt.Errorf("run: who handed the gate over is told %q of %q: %w", r.Reason, r.Owner, err)
	}
	return nil
}

// relieved has the colleague send the traveller back.
func (h *House) relieved(ctx context.Context, gate string) error {
	if h.relief == nil {
		return errors.New("run: nobody has taken the gate over")
	}
	g, ok := h.relief.Gate(gate)
	if !ok || g.Referral == nil {
		return errors.New("run: the colleague has no referral")
	}
	_, err := h.relief.Decide(ctx, gate, g.Referral.Passage, api.CmdSendBack, "")
	return err
}

// handBack ends the colleague's session after a scenario: the officer signs in anew, which gives him his gates back.
func (h *House) handBack(ctx context.Context) error {
	if h.relief == nil {
		return nil
	}
	o := h.Site.Console.Officer
	err := h.Desk.call(ctx, http.MethodPost, "/api/sign-out", struct{}{}, nil)
	err = errors.Join(err, h.Desk.SignIn(ctx, o.Credential, o.Seed), h.relief.call(ctx, http.MethodPost, "/api/sign-out", struct{}{}, nil))
	h.relief = nil
	return err
}
