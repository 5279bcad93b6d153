package centre

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"

	"egate/api"
)

// Broker is an external broker.
type Broker struct {
	URL      string // tcp:// on loopback or tls://
	TLS      *tls.Config
	User     string
	Password string
}

const (
	dialLimit    = 5 * time.Second
	publishLimit = 5 * time.Second
	keepAlive    = 5 * time.Second
	retryPause   = 500 * time.Millisecond
	maxPacket    = 600 << 10 // a sealed dossier with two photos is the largest
)

// network is the centre's client, and the embedded broker where there is one.
type network struct {
	cfg     Config
	receive func(topic string, payload []byte, retained bool)
	server  *broker.Server
	out     chan message
	events  chan row // on their way to the store; a gate repeats what does not fit
}

type message struct {
	topic    string
	qos      byte
	payload  []byte
	answered chan error
}

func newNetwork(cfg Config, receive func(string, []byte, bool)) *network {
	return &network{cfg: cfg, receive: receive, out: make(chan message, 256), events: make(chan row, 1024)}
}

// listen starts the embedded broker: everything in memory, so that nothing of a traveller, sealed or
// not, is ever on its disk.
func (n *network) listen() error {
	if n.cfg.Listen == "" {
		return nil
	}
	caps := broker.NewDefaultServerCapabilities()
	caps.MaximumPacketSize = maxPacket
	caps.MaximumInflight = 1024
	n.server = broker.New(&broker.Options{Capabilities: caps, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	// On loopback every client is a program of this site. A broker that others reach is an external one
	// with TLS and the ACL of deploy/mosquitto.
	if err := n.server.AddHook(new(auth.AllowHook), nil); err != nil {
		return fmt.Errorf("centre: broker: %w", err)
	}
	if err := n.server.AddListener(listeners.NewTCP(listeners.Config{ID: "tcp", Address: n.cfg.Listen})); err != nil {
		return fmt.Errorf("centre: broker: listen on %s: %w", n.cfg.Listen, err)
	}
	if err := n.server.Serve(); err != nil {
		return fmt.Errorf("centre: broker: %w", err)
	}
	n.cfg.Broker = Broker{URL: "tcp://" + n.cfg.Listen}
	return nil
}

func (n *network) close() error {
	if n.server == nil {
		return nil
	}
	return n.server.Close()
}

// run connects, and connects again, until ctx ends.
func (n *network) run(ctx context.Context, ready func()) error {
	for ctx.Err() == nil {
		err := n.connection(ctx, ready)
		if ctx.Err() != nil {
			return nil
		}
		n.cfg.Log.Warn("centre: broker", "err", err)
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
		}
	}
	return nil
}

func (n *network) connection(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var id [6]byte
	_, _ = rand.Read(id[:])
	opt := mqtt.NewClientOptions().AddBroker(n.cfg.Broker.URL).SetClientID("centre-" + hex.EncodeToString(id[:])).
		SetAutoReconnect(false).SetCleanSession(true).SetConnectRetry(false).SetOrderMatters(true).SetResumeSubs(false).
		SetKeepAlive(keepAlive).SetConnectTimeout(dialLimit).SetWriteTimeout(publishLimit).SetProtocolVersion(4).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { cancel(err) })
	if n.cfg.Broker.TLS != nil {
		opt.SetTLSConfig(n.cfg.Broker.TLS)
	}
	if n.cfg.Broker.User != "" {
		opt.SetUsername(n.cfg.Broker.User).SetPassword(n.cfg.Broker.Password)
	}
	c := mqtt.NewClient(opt)
	if err := wait(ctx, c.Connect(), dialLimit); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.Disconnect(100)
	subs := map[string]byte{}
	for _, t := range []string{api.TopicStatus, api.TopicState, api.TopicHealth, api.TopicEvent + "/+", api.TopicRequest + "/+/+", api.TopicResponse + "/" + Principal + "/+"} {
		subs[api.Topic(n.cfg.Site, "+", t)] = 1
	}
	handler := func(_ mqtt.Client, m mqtt.Message) { n.receive(m.Topic(), m.Payload(), m.Retained()) }
	if err := wait(ctx, c.SubscribeMultiple(subs, handler), dialLimit); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if ready != nil {
		ready()
	}
	for {
		select {
		case m := <-n.out:
			err := wait(ctx, c.Publish(m.topic, m.qos, false, m.payload), publishLimit)
			if m.answered != nil {
				m.answered <- err
			}
			if err != nil {
				return fmt.Errorf("publish: %w", err)
			}
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
				return cause
			}
			return nil
		}
	}
}

// publish queues a message; a full queue drops it, the sender repeats what matters.
func (n *network) publish(topic string, qos byte, payload []byte) {
	select {
	case n.out <- message{topic: topic, qos: qos, payload: payload}:
	default:
		n.cfg.Log.Warn("centre: outbound queue is full")
	}
}

func wait(ctx context.Context, t mqtt.Token, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return errors.New("no answer in time")
	}
}
