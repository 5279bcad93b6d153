package centre

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"egate/api"
	"egate/internal/failover"
)

// Broker is an external broker, or several of which the first that works is used. Gates have the same list.
type Broker struct {
	URLs     []string           // tcp:// on loopback or tls://
	TLS      func() *tls.Config // asked for each connection; nil without TLS
	User     string
	Password string
}

const (
	dialLimit      = 5 * time.Second
	subscribeLimit = 10 * time.Second
	publishLimit   = 5 * time.Second
	keepAlive      = 5 * time.Second
	retryPause     = 500 * time.Millisecond
	maxPacket      = 640 << 10 // a sealed dossier with two photos is the largest message
	outbound       = 1024      // messages on their way out
	selfPrefix     = "centre-" // of the centre's client id
)

// network is the centre's client. A connection has a client of its own: paho's automatic reconnection
// reports publishes as done that nobody has acknowledged.
type network struct {
	cfg     Config
	receive func(topic string, payload []byte, retained bool)
	lost    func()
	broker  *embedded // nil: external
	out     chan message
	up      atomic.Bool
}

type message struct {
	topic   string
	qos     byte
	payload []byte
}

func newNetwork(cfg Config, receive func(string, []byte, bool), lost func()) *network {
	return &network{cfg: cfg, receive: receive, lost: lost, out: make(chan message, outbound)}
}

// listen starts the embedded broker, where there is one.
func (n *network) listen() (err error) {
	if n.cfg.Listen != "" {
		n.broker, err = startBroker(n.cfg)
	}
	return err
}

func (n *network) close() error {
	if n.broker == nil {
		return nil
	}
	return n.broker.close()
}

// run connects, and connects again, until ctx ends.
func (n *network) run(ctx context.Context, ready func()) error {
	servers := n.cfg.Broker.URLs
	if n.broker != nil {
		servers = []string{"tcp://self"}
	}
	limits := failover.Defaults
	limits.MinPause, limits.MaxPause = retryPause, retryPause
	list := failover.List{Servers: servers, Limits: limits, Probe: failover.Dial(n.cfg.Broker.TLS)}
	list.Run(ctx, func(ctx context.Context, broker string) error {
		defer n.lost()
		defer n.up.Store(false)
		return n.connection(ctx, broker, ready)
	}, func(broker string, err error) { n.cfg.Log.Warn("centre: broker", "broker", broker, "err", err) })
	return nil
}

func (n *network) options(broker string) *mqtt.ClientOptions {
	var id [6]byte
	_, _ = rand.Read(id[:]) // never fails
	opt := mqtt.NewClientOptions().SetClientID(selfPrefix + hex.EncodeToString(id[:])).
		SetAutoReconnect(false).SetCleanSession(true).SetConnectRetry(false).SetOrderMatters(true).SetResumeSubs(false).
		SetKeepAlive(keepAlive).SetPingTimeout(keepAlive).SetConnectTimeout(dialLimit).SetWriteTimeout(publishLimit).SetProtocolVersion(4)
	if n.broker != nil {
		// A pipe needs no sign of life: nothing can be wrong with it. The answers to pings wait behind the messages that
		// this process has not looked at yet, and a busy machine took its own broker for dead.
		opt.SetKeepAlive(0)
		return opt.AddBroker(broker).SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
			conn, err := n.broker.dial()
			if err != nil {
				return nil, err
			}
			return newSpool(conn), nil
		})
	}
	opt.AddBroker(broker)
	if n.cfg.Broker.TLS != nil {
		opt.SetTLSConfig(n.cfg.Broker.TLS())
	}
	if n.cfg.Broker.User != "" {
		opt.SetUsername(n.cfg.Broker.User).SetPassword(n.cfg.Broker.Password)
	}
	return opt
}

func (n *network) connection(ctx context.Context, broker string, ready func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := mqtt.NewClient(n.options(broker).SetConnectionLostHandler(func(_ mqtt.Client, err error) { cancel(err) }))
	defer c.Disconnect(100)
	if err := wait(ctx, c.Connect(), dialLimit); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	n.drop() // of a connection before: nobody waits for it any more
	subs := map[string]byte{}
	for _, t := range []string{api.TopicStatus, api.TopicState, api.TopicHealth, api.TopicCheckpoint, api.TopicEvent + "/+", api.TopicRequest + "/+/+", api.TopicResponse + "/" + Principal + "/+"} {
		subs[api.Topic(n.cfg.Site, "+", t)] = 0 // as the gates do: what is lost is sent again
	}
	n.up.Store(true) // the answers to what is retained go out with the first messages
	handler := func(_ mqtt.Client, m mqtt.Message) { n.receive(m.Topic(), m.Payload(), m.Retained()) }
	sub := c.SubscribeMultiple(subs, handler)
	if err := wait(ctx, sub, subscribeLimit); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if t, ok := sub.(*mqtt.SubscribeToken); ok {
		for _, granted := range t.Result() { // a refused subscription is no error of the token
			if granted > 2 {
				return errors.New("subscribe: the broker refused")
			}
		}
	}
	if ready != nil {
		ready()
	}
	for {
		select {
		case m := <-n.out:
			qos := m.qos
			if n.broker != nil {
				qos = 0 // nothing is lost in a pipe, and its acknowledgement waits as a ping's answer does
			}
			if err := wait(ctx, c.Publish(m.topic, qos, false, m.payload), publishLimit); err != nil {
				return fmt.Errorf("publish: %w", why(ctx, err))
			}
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
				return cause
			}
			return nil
		}
	}
}

// why is what a connection was lost by, where that is why a publish failed: paho ends the publishes first, and tells a
// moment later.
func why(ctx context.Context, err error) error {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", err, context.Cause(ctx))
	case <-timer.C:
		return err
	}
}

// drop empties the queue.
func (n *network) drop() {
	for {
		select {
		case <-n.out:
		default:
			return
		}
	}
}

// publish queues a message and tells whether it will go out. Whoever cares repeats it.
func (n *network) publish(topic string, qos byte, payload []byte) bool {
	if !n.up.Load() {
		return false
	}
	select {
	case n.out <- message{topic, qos, payload}:
		return true
	default:
		n.cfg.Log.Warn("centre: outbound queue is full")
		return false
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
