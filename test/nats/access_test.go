package nats

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"egate/api"
	"egate/test/brokers"
)

// dial connects a user, trying again while the server prepares JetStream for its account.
func dial(t *testing.T, ca *authority, addr, user string) mqtt.Client {
	t.Helper()
	cfg := ca.client(user)
	for end := time.Now().Add(patience); ; {
		o := mqtt.NewClientOptions().AddBroker("tls://" + addr).SetTLSConfig(cfg).SetClientID("id-" + user).SetAutoReconnect(false).SetCleanSession(true).
			SetConnectTimeout(20 * time.Second).SetConnectRetry(false).SetProtocolVersion(4).SetOrderMatters(true)
		c := mqtt.NewClient(o)
		tok := c.Connect()
		if tok.WaitTimeout(30*time.Second) && tok.Error() == nil {
			t.Cleanup(func() { c.Disconnect(0) })
			return c
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %v", user, tok.Error())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestX01AccessListNATS: NATS with deploy/nats grants what Mosquitto with deploy/mosquitto grants, by what arrives.
func TestX01AccessListNATS(t *testing.T) {
	ca := newAuthority(t)
	n := newCluster(t, ca, 1, []string{"gate-1", "gate-2", "gate-3", "gate-9"}, observer)[0]
	brokers.AccessList(t, func(user string) mqtt.Client { return dial(t, ca, n.addr, user) })
	// Who is not of the site, or not in the list, is not let in.
	for who, c := range map[string]*authority{"gate-1": newAuthority(t), "gate-7": ca} {
		cfg := c.client(who)
		cfg.RootCAs = ca.client("x").RootCAs
		m := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tls://" + n.addr).SetTLSConfig(cfg).SetClientID("x").SetAutoReconnect(false).SetConnectRetry(false).SetProtocolVersion(4))
		if tok := m.Connect(); tok.WaitTimeout(30*time.Second) && tok.Error() == nil {
			m.Disconnect(0)
			t.Errorf("%s was let in", who)
		}
	}
}

// TestE01NATSListNamesTheContract: every topic of the contract stands in the list of NATS.
func TestE01NATSListNamesTheContract(t *testing.T) {
	out, err := exec.Command("../../deploy/nats/users.sh", "example", "gate-1").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{api.TopicStatus, api.TopicInfo, api.TopicState, api.TopicHealth, api.TopicCheckpoint, api.TopicReported, api.TopicEvent + "/*",
		api.TopicTelemetry + "/*", api.TopicResponse + "/*/*", api.TopicRequest + "/lookup/*", api.TopicRequest + "/referral/*", api.TopicCommand + "/*/*",
		api.TopicAnswer + "/*/*", api.TopicLease + "/*", api.TopicAck, api.TopicCosign} {
		if subject := "\"egate.v1.example.gate-1." + strings.ReplaceAll(topic, "/", ".") + "\""; !strings.Contains(string(out), subject) {
			t.Errorf("users.sh lacks %s", subject)
		}
	}
	for _, bad := range [][]string{{"example"}, {"example", "gate.1"}, {"example", "console"}, {"exa mple", "gate-1"}, {"example", `g"`}, {"example", ""}, {"example", "g*"}} {
		if err := exec.Command("../../deploy/nats/users.sh", bad...).Run(); err == nil {
			t.Errorf("users.sh takes %q", bad)
		}
	}
}
