package run

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"egate/api"
	"egate/console"
	"egate/sim/passkey"
	"egate/sim/scenario"
)

// Desk is the officer at the console: signed in over the console's HTTP interface with an authenticator of his own,
// watching the line and giving orders as the page does.
type Desk struct {
	base   string
	client *http.Client

	mu   sync.Mutex
	line map[string]console.GateView
	subs map[chan struct{}]struct{}
	auth *passkey.Authenticator
	key  *passkey.OrderKey
	me   string // pseudonym
}

// callLimit bounds one call to the console.
const callLimit = 15 * time.Second

// NewDesk makes an officer at the console at base.
func NewDesk(base string) (*Desk, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("run: desk: %w", err)
	}
	return &Desk{base: strings.TrimSuffix(base, "/"), client: &http.Client{Jar: jar},
		line: map[string]console.GateView{}, subs: map[chan struct{}]struct{}{}}, nil
}

func (d *Desk) call(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, r)
	if err != nil {
		return err
	}
	if method != http.MethodGet {
		req.Header.Set("X-Egate", "1")
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Origin", d.base)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return fmt.Errorf("run: desk: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("run: desk: %s: %w", path, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("run: desk: %s: %s: %s", path, resp.Status, bytes.TrimSpace(b[:min(len(b), 200)]))
	}
	if into != nil && len(b) > 0 {
		if err := json.Unmarshal(b, into); err != nil {
			return fmt.Errorf("run: desk: %s: %w", path, err)
		}
	}
	return nil
}

// keyLife is how long an order key is certified for; a new one is made well before its end.
const keyLife = time.Hour

// SignIn signs the officer in with his passkey: credential id and seed in hexadecimal digits.
func (d *Desk) SignIn(ctx context.Context, credential, seed string) error {
	u, err := url.Parse(d.base)
	if err != nil {
		return fmt.Errorf("run: desk: %w", err)
	}
	auth, err := passkey.Load(u.Hostname(), d.base, credential, seed)
	if err != nil {
		return fmt.Errorf("run: desk: %w", err)
	}
	d.mu.Lock()
	d.auth = auth
	d.mu.Unlock()
	var me struct {
		Pseudonym string `json:"pseudonym"`
	}
	key, err := d.certify(ctx)
	if err != nil {
		return err
	}
	if err := d.call(ctx, http.MethodPost, "/api/sign-in", console.SignIn{OrderKey: key.Text, Assertion: key.Assertion}, &me); err != nil {
		return err
	}
	d.mu.Lock()
	d.me = me.Pseudonym
	d.mu.Unlock()
	return nil
}

// certify makes an order key for the whole line.
func (d *Desk) certify(ctx context.Context) (*passkey.OrderKey, error) {
	var ch console.Challenge
	if err := d.call(ctx, http.MethodPost, "/api/challenge", struct{}{}, &ch); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	key, err := d.auth.Certify(ch.Site, ch.Gates, ch.Nonce, time.Now(), keyLife)
	if err != nil {
		return nil, fmt.Errorf("run: desk: %w", err)
	}
	d.key = key
	return key, nil
}

// Run watches the line until ctx ends. The officer is awake: keys are pressed now and then.
func (d *Desk) Run(ctx context.Context) {
	go func() {
		t := time.NewTicker(20 * time.Second)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				_ = d.call(ctx, http.MethodPost, "/api/input", struct{}{}, nil)
			}
		}
	}()
	for ctx.Err() == nil {
		_ = d.watch(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond): // pace of reconnecting
		}
	}
}

func (d *Desk) watch(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+"/api/events", nil)
	if err != nil {
		return err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("run: desk: events: %s", resp.Status)
	}
	in := bufio.NewScanner(resp.Body)
	in.Buffer(make([]byte, 0, 64<<10), 4<<20)
	event := ""
	for in.Scan() {
		l := in.Text()
		switch {
		case strings.HasPrefix(l, "event:"):
			event = strings.TrimSpace(l[6:])
		case strings.HasPrefix(l, "data:"):
			d.take(event, []byte(strings.TrimSpace(l[5:])))
		case l == "":
			event = ""
		}
	}
	return in.Err()
}

func (d *Desk) take(event string, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch event {
	case "line":
		var l console.Line
		if json.Unmarshal(data, &l) != nil {
			return
		}
		for _, g := range l.Gates {
			d.line[g.Gate] = g
		}
	case "gate":
		var g console.GateView
		if json.Unmarshal(data, &g) != nil || g.Gate == "" {
			return
		}
		d.line[g.Gate] = g
	default:
		return
	}
	for c := range d.subs {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Gate returns what the desk shows of a gate.
func (d *Desk) Gate(name string) (console.GateView, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, ok := d.line[name]
	return g, ok
}

// Wait blocks until cond holds of what the desk shows of a gate.
func (d *Desk) Wait(ctx context.Context, gate string, cond func(console.GateView) bool) (console.GateView, error) {
	c := make(chan struct{}, 1)
	c <- struct{}{}
	d.mu.Lock()
	d.subs[c] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.subs, c)
		d.mu.Unlock()
	}()
	for {
		g, ok := d.Gate(gate)
		if ok && cond(g) {
			return g, nil
		}
		select {
		case <-c:
		case <-ctx.Done():
			return g, ctx.Err()
		}
	}
}

// Order signs an order, touching the authenticator where it needs that, gives it, and returns the gate's answer.
func (d *Desk) Order(ctx context.Context, gate, name, passage string, hash []byte, reason string) (api.Response, error) {
	return d.order(ctx, gate, name, passage, hash, reason, "")
}

// HandOver hands a gate over to another officer who is signed in (O-02).
func (d *Desk) HandOver(ctx context.Context, gate, to string) (api.Response, error) {
	return d.order(ctx, gate, api.CmdHandOver, "", nil, "", to)
}

func (d *Desk) order(ctx context.Context, gate, name, passage string, hash []byte, reason, to string) (api.Response, error) {
	var r api.Response
	d.mu.Lock()
	key := d.key
	d.mu.Unlock()
	if key == nil || time.Until(key.Expires) < time.Minute {
		var err error
		if key, err = d.certify(ctx); err != nil {
			return r, err
		}
	}
	now := time.Now()
	d.mu.Lock()
	c := passkey.Order(gate, d.line[gate].Status, d.me, name, passage, hash, reason, now)
	c.To = to
	payload, proof, err := key.Sign(c, now)
	d.mu.Unlock()
	if err != nil {
		return r, fmt.Errorf("run: desk: %w", err)
	}
	err = d.call(ctx, http.MethodPost, "/api/orders", console.Order{Payload: payload, Proof: *proof}, &r)
	if err == nil && (r.Result == "rejected" || r.Result == "failed" || r.Result == "expired") {
		err = fmt.Errorf("run: desk: order %s was %s: %s", name, r.Result, r.Reason)
	}
	return r, err
}

// Decide opens the referral, looks at it, and gives the order. It returns what the console showed of the document.
func (d *Desk) Decide(ctx context.Context, gate, passage, order, reason string) (scenario.Shown, error) {
	var facts struct {
		Hash []byte `json:"dossier_hash"`
		scenario.Shown
	}
	path := "/api/referrals/" + url.PathEscape(gate) + "/" + url.PathEscape(passage)
	opened := d.call(ctx, http.MethodPost, path+"/open", struct{}{}, &facts)
	_, taken := d.Order(ctx, gate, api.CmdTake, passage, nil, "")
	if opened == nil {
		for _, photo := range []string{"portrait", "live"} {
			_ = d.call(ctx, http.MethodGet, path+"/photo/"+photo, nil, nil) // not every referral has both
		}
	} else if order == api.CmdAccept {
		return facts.Shown, opened // nobody is accepted unseen
	}
	if order != api.CmdAccept {
		reason = ""
	}
	if _, err := d.Order(ctx, gate, order, passage, facts.Hash, reason); err != nil {
		return facts.Shown, errors.Join(err, taken)
	}
	_ = d.call(ctx, http.MethodDelete, path, nil, nil) // the decision has closed it already
	return facts.Shown, nil
}

// History returns acknowledged events of a gate after a position, oldest first.
func (d *Desk) History(ctx context.Context, gate string, epoch, after uint64) ([]api.Event, error) {
	q := url.Values{"gate": {gate}, "epoch": {strconv.FormatUint(epoch, 10)}, "after": {strconv.FormatUint(after, 10)}, "limit": {"1000"}}
	var l []api.Event
	return l, d.call(ctx, http.MethodGet, "/api/history?"+q.Encode(), nil, &l)
}
