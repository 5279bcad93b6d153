package centre

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"egate/api"
	"egate/console/mochi"
)

// Names of the embedded broker's listeners: the one that gates reach, and the pipe of the centre itself.
const (
	listenerGates = "gates"
	listenerSelf  = "self"
)

// embedded is a broker in this process. Everything is in memory, so that nothing of a traveller, sealed
// or not, is ever on its disk.
type embedded struct{ server *broker.Server }

// startBroker listens. Without TLS it has no names for its clients, so it does so on loopback only, where
// every client is a program of this machine. With TLS every client shows a certificate of the site's
// authority, whose common name decides what it may publish and read: the same rules as those of
// deploy/mosquitto/egate.acl.
func startBroker(cfg Config) (*embedded, error) {
	if cfg.ListenTLS == nil && !loopback(cfg.Listen) {
		return nil, fmt.Errorf("centre: broker: %s is not a loopback address: gates elsewhere need TLS", cfg.Listen)
	}
	caps := broker.NewDefaultServerCapabilities()
	caps.MaximumPacketSize = maxPacket
	caps.MaximumInflight = 1024
	s := broker.New(&broker.Options{Capabilities: caps, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	gates := map[string]bool{}
	for g := range cfg.Gates {
		gates[g] = true
	}
	if err := s.AddHook(&access{site: cfg.Site, gates: gates, named: cfg.ListenTLS != nil}, nil); err != nil {
		return nil, fmt.Errorf("centre: broker: %w", err)
	}
	if err := s.AddHook(mochi.NewTakeover(s), nil); err != nil {
		return nil, fmt.Errorf("centre: broker: %w", err)
	}
	conf := listeners.Config{ID: listenerGates, Address: cfg.Listen}
	if cfg.ListenTLS != nil {
		conf.TLSConfig = cfg.ListenTLS.Clone()
		conf.TLSConfig.MinVersion, conf.TLSConfig.ClientAuth = tls.VersionTLS13, tls.RequireAndVerifyClientCert
		if conf.TLSConfig.ClientCAs == nil {
			return nil, errors.New("centre: broker: TLS needs the authority of the clients")
		}
	}
	if err := s.AddListener(mochi.Listener(s, listeners.NewTCP(conf))); err != nil {
		return nil, fmt.Errorf("centre: broker: listen on %s: %w", cfg.Listen, err)
	}
	if err := s.Serve(); err != nil {
		return nil, errors.Join(fmt.Errorf("centre: broker: %w", err), s.Close())
	}
	return &embedded{s}, nil
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// dial is the centre's own connection: a pipe, which needs neither port nor certificate.
func (e *embedded) dial() (net.Conn, error) {
	near, far := net.Pipe()
	go func() {
		_ = e.server.EstablishConnection(listenerSelf, far) // ends with the pipe
		_ = far.Close()
	}()
	return near, nil
}

func (e *embedded) close() error { return e.server.Close() }

// access is who may do what at the embedded broker.
type access struct {
	broker.HookBase
	site  string
	gates map[string]bool
	named bool // clients have names: TLS
}

func (a *access) ID() string { return "access" }

func (a *access) Provides(b byte) bool {
	return b == broker.OnConnectAuthenticate || b == broker.OnACLCheck
}

// OnConnectAuthenticate lets in who has a name, under a client id of its own and with a will that it could
// have published itself.
func (a *access) OnConnectAuthenticate(cl *broker.Client, pk packets.Packet) bool {
	if cl.Net.Listener == listenerSelf {
		return true
	}
	if strings.HasPrefix(pk.Connect.ClientIdentifier, selfPrefix) {
		return false // nobody takes over the centre's connection
	}
	if !a.named {
		return true
	}
	name := a.name(cl)
	id := name
	if a.gates[name] {
		id = "gate-" + name
	}
	return name != "" && pk.Connect.ClientIdentifier == id && (!pk.Connect.WillFlag || a.allows(name, pk.Connect.WillTopic, true))
}

// OnACLCheck decides about a topic, or about the filter of a subscription.
func (a *access) OnACLCheck(cl *broker.Client, topic string, write bool) bool {
	return cl.Net.Listener == listenerSelf || !a.named || a.allows(a.name(cl), topic, write)
}

// name is the common name of the client's certificate.
func (a *access) name(cl *broker.Client) string {
	c, ok := cl.Net.Conn.(*tls.Conn)
	if !ok {
		return ""
	}
	certs := c.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return ""
	}
	return certs[0].Subject.CommonName
}

// What each role may publish and read, below egate/v1/{site}/{gate}/. Other clients of a site have these
// names: a gate cannot be called so.
var (
	gateWrites = []string{api.TopicStatus, api.TopicInfo, api.TopicState, api.TopicHealth, api.TopicCheckpoint, api.TopicReported,
		api.TopicEvent + "/+", api.TopicTelemetry + "/+", api.TopicResponse + "/+/+", api.TopicRequest + "/" + lookupKind + "/+", api.TopicRequest + "/" + referralKind + "/+", api.TopicRequest + "/" + timeKind + "/+"}
	gateReads = []string{api.TopicCommand + "/+/+", api.TopicAnswer + "/+/+", api.TopicLease + "/+", api.TopicAck, api.TopicTime, api.TopicCosign, "cfg/desired", api.TopicRoster, api.TopicStatus}
	others    = map[string]struct{ reads, writes []string }{
		"witness": {reads: []string{api.TopicCheckpoint}, writes: []string{api.TopicCosign}},
		"maintenance": {reads: []string{api.TopicStatus, api.TopicInfo, api.TopicState, api.TopicHealth, api.TopicTelemetry + "/+",
			api.TopicEvent + "/" + api.EventFault, api.TopicEvent + "/" + api.EventBoot}},
	}
)

func (a *access) allows(name, topic string, write bool) bool {
	rest, ok := strings.CutPrefix(topic, "egate/v1/"+a.site+"/")
	if !ok {
		return false
	}
	gate, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return false
	}
	var rules []string
	switch o, there := others[name]; {
	case a.gates[name] && write && gate == name:
		rules = gateWrites
	case a.gates[name] && gate == name:
		rules = gateReads
	case there && write && a.gates[gate]:
		rules = o.writes
	case there && !write:
		rules = o.reads // gate may be +
	}
	for _, r := range rules {
		if within(rest, r) {
			return true
		}
	}
	return false
}

// within tells whether a topic, or everything that a filter stands for, lies in a rule.
func within(topic, rule string) bool {
	t, r := strings.Split(topic, "/"), strings.Split(rule, "/")
	if len(t) != len(r) {
		return false
	}
	for i := range t {
		if r[i] != "+" && r[i] != t[i] || t[i] == "#" {
			return false
		}
	}
	return true
}
