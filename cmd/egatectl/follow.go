package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"egate/api"
	"egate/api/contract"
)

// followLimit bounds connecting and subscribing.
const followLimit = 10 * time.Second

// seen is what is known of one gate.
type seen struct {
	status string
	health *api.Health
}

// diagFollow shows the health of one gate or of a whole site as it changes, until it is interrupted. It reads what
// names no person, as the broker's user for maintenance may, and orders nothing.
func diagFollow(ctx context.Context, out io.Writer, args []string) error {
	f := flags("diag follow", out)
	broker := f.String("broker", "tcp://127.0.0.1:1883", "the site's broker, tcp:// on this machine or tls://")
	site := f.String("site", "", "the site")
	gate := f.String("gate", "+", "the gate; all of the site without it")
	ca := f.String("ca", "", "file of the site's certificate authority, PEM")
	cert := f.String("cert", "", "file of the certificate of maintenance, PEM")
	key := f.String("key", "", "file of its key, PEM")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 0 || *site == "" {
		return errUsage
	}
	opt := mqtt.NewClientOptions().AddBroker(*broker).SetClientID("diag-" + randomName()).SetAutoReconnect(false).SetConnectRetry(false).SetCleanSession(true).
		SetProtocolVersion(4).SetConnectTimeout(followLimit).SetOrderMatters(true)
	if strings.HasPrefix(*broker, "tls://") {
		cfg, err := followTLS(*ca, *cert, *key)
		if err != nil {
			return err
		}
		opt.SetTLSConfig(cfg)
	}
	lost := make(chan error, 1)
	opt.SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
	type message struct {
		topic   string
		payload []byte
	}
	in := make(chan message, 256)
	c := mqtt.NewClient(opt)
	if t := c.Connect(); !t.WaitTimeout(followLimit) || t.Error() != nil {
		return fmt.Errorf("the broker %s does not let this in: %w", *broker, errors.Join(t.Error(), ctx.Err()))
	}
	defer c.Disconnect(100)
	filters := map[string]byte{api.Topic(*site, *gate, api.TopicHealth): 0, api.Topic(*site, *gate, api.TopicStatus): 0}
	sub := c.SubscribeMultiple(filters, func(_ mqtt.Client, m mqtt.Message) {
		select {
		case in <- message{m.Topic(), m.Payload()}:
		case <-ctx.Done():
		}
	})
	if !sub.WaitTimeout(followLimit) || sub.Error() != nil {
		return fmt.Errorf("the broker does not give health: %w", errors.Join(sub.Error(), ctx.Err()))
	}
	if t, ok := sub.(*mqtt.SubscribeToken); ok {
		for topic, granted := range t.Result() {
			if granted > 2 {
				return fmt.Errorf("the broker refuses %s to this user: take the certificate of maintenance", topic)
			}
		}
	}
	gates := map[string]*seen{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-lost:
			return fmt.Errorf("the connection to the broker ended: %w", err)
		case m := <-in:
			if err := contract.Validate(m.topic, m.payload); err != nil {
				fmt.Fprintf(out, "refused: %v\n", err)
				continue
			}
			name := strings.Split(m.topic, "/")[3]
			g := gates[name]
			if g == nil {
				g = &seen{}
				gates[name] = g
			}
			before := g.page(name)
			if strings.HasSuffix(m.topic, api.TopicStatus) {
				var s api.Status
				if json.Unmarshal(m.payload, &s) == nil {
					g.status = s.State
				}
			} else {
				var h api.Health
				if json.Unmarshal(m.payload, &h) == nil {
					g.health = &h
				}
			}
			if page := g.page(name); page != before {
				fmt.Fprintf(out, "%s %s", time.Now().UTC().Format(time.TimeOnly), page)
			}
		}
	}
}

// page is what is shown of a gate: one line, and one for each part that is not well, each fault, version and the last
// self-test. Counters are not: they change all the time, and mosquitto_sub shows them.
func (g *seen) page(name string) string {
	if g.health == nil {
		return fmt.Sprintf("%s: %s\n", name, g.status)
	}
	h := g.health
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", name, h.Overall)
	if g.status == "offline" {
		b.WriteString(", OFFLINE: what follows is the last that it said")
	}
	if h.Simulated {
		b.WriteString(", simulation")
	}
	if h.DemoModel {
		b.WriteString(", demonstration models")
	}
	well := 0
	for _, p := range h.Parts {
		if p.State == "ok" {
			well++
		}
	}
	fmt.Fprintf(&b, ", %d of %d parts ok\n", well, len(h.Parts))
	for _, p := range h.Parts {
		if p.State != "ok" {
			fmt.Fprintf(&b, "         part  %-20s %-9s %s since %s\n", p.Name, p.State, p.Code, p.Since.UTC().Format(time.DateTime))
		}
	}
	for _, f := range h.Faults {
		fmt.Fprintf(&b, "         fault %-20s %-9s %s since %s (docs/faults.md#%s)\n", f.Part, f.Severity, f.Code, f.Since.UTC().Format(time.DateTime), f.Code)
	}
	for _, k := range slices.Sorted(maps.Keys(h.Versions)) {
		fmt.Fprintf(&b, "         %s %s\n", k, h.Versions[k])
	}
	if t := h.SelfTest; t != nil {
		result := "passed"
		if !t.Passed {
			result = "FAILED: " + t.Reason.String()
		}
		fmt.Fprintf(&b, "         self-test %s at %s\n", result, t.At.UTC().Format(time.DateTime))
	}
	return b.String()
}

func followTLS(ca, cert, key string) (*tls.Config, error) {
	pemCA, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pemCA) {
		return nil, fmt.Errorf("--ca: %s holds no certificate", ca)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("--cert, --key: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, Certificates: []tls.Certificate{pair}}, nil
}

func randomName() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
