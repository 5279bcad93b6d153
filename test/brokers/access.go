package brokers

import (
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"egate/api"
)

// Observer is the user who sees and may publish everything: it exists in access lists of tests only.
const Observer = "test-observer"

const passage = "00112233445566778899aabbccddeeff"

// Rows are the topics below a gate, with who may write and who may read them; "gate" is the gate itself.
// The last ones are none of the contract.
var Rows = []struct{ Topic, Write, Read string }{
	{"status", "gate", "gate console maintenance"}, {"info", "gate", "console maintenance"}, {"state", "gate", "console maintenance"},
	{"health", "gate", "console maintenance"}, {"audit/checkpoint", "gate", "console witness"}, {"cfg/reported", "gate", "console"},
	{"evt/passage", "gate", "console"}, {"evt/fault", "gate", "console maintenance"}, {"evt/boot", "gate", "console maintenance"}, {"evt/sealed", "gate", "console"}, {"evt/a/b", "", ""},
	{"tel/x", "gate", "console maintenance"}, {"rsp/console/a1", "gate", "console"}, {"rsp/other/a1", "gate", ""},
	{"req/lookup/" + passage, "gate", "console"}, {"req/referral/" + passage, "gate", "console"}, {"req/other/" + passage, "", "console"},
	{"req/time/" + passage, "gate", "console"}, {"time", "console", "gate"},
	{"cmd/console/gate_open", "console", "gate"}, {"cmd/other/gate_open", "", "gate"}, {"cmd/gate-1/gate_open", "", "gate"},
	{"ans/console/" + passage, "console", "gate"}, {"ans/other/" + passage, "", "gate"}, {"lease/console", "console", "gate"}, {"lease/other", "", "gate"},
	{"ack", "console", "gate"}, {"audit/cosign", "console witness", "gate"}, {"cfg/desired", "", "gate"}, {"cfg/roster", "console", "gate"}, {"unknown", "", ""},
}

// AccessList asks a broker of the site "example" with the gates gate-1, gate-2 and gate-3 who may do what: every
// user tries to write and to read every topic of two gates. What counts is arrival, at the observer and at the
// user: a broker acknowledges a publish that it refuses. connect connects a user by name.
func AccessList(t *testing.T, connect func(user string) mqtt.Client) {
	gates := []string{"gate-1", "gate-2"}
	users := append([]string{"console", "witness", "maintenance", "gate-3"}, gates...)
	may := func(list, gate, user string) bool {
		for _, w := range strings.Fields(list) {
			if w == user || w == "gate" && gate == user {
				return true
			}
		}
		return false
	}
	heard := make(chan string, 4096)
	obs := connect(Observer)
	if tok := obs.Subscribe("egate/#", 1, func(_ mqtt.Client, m mqtt.Message) { heard <- m.Topic() + "<" + string(m.Payload()) }); !tok.WaitTimeout(startLimit) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	clients := map[string]mqtt.Client{}
	inbox := map[string]chan string{}
	last := map[string]string{"console": api.Topic("example", "gate-9", "status"), "maintenance": api.Topic("example", "gate-9", "status"),
		"witness": api.Topic("example", "gate-9", "audit/checkpoint"), "gate-1": api.Topic("example", "gate-1", "lease/last"),
		"gate-2": api.Topic("example", "gate-2", "lease/last"), "gate-3": api.Topic("example", "gate-3", "lease/last")}
	for _, u := range users {
		c, in := connect(u), make(chan string, 8192)
		clients[u], inbox[u] = c, in
		// Greedy filters, one for each topic, and what a broker may use inside.
		filters := []string{"#", "egate/v1/+/+/+/+/+", "$MQTT/sub/#", "$MQTT/#", last[u]}
		for _, g := range gates {
			for _, r := range Rows {
				filters = append(filters, api.Topic("example", g, r.Topic))
			}
		}
		for _, f := range filters {
			if tok := c.Subscribe(f, 1, func(_ mqtt.Client, m mqtt.Message) { in <- m.Topic() }); !tok.WaitTimeout(startLimit) {
				t.Fatalf("%s: subscribing to %s hangs", u, f)
			}
			if !c.IsConnectionOpen() {
				t.Fatalf("%s: subscribing to %s ends the connection", u, f)
			}
		}
	}
	publish := func(c mqtt.Client, topic, payload string) {
		t.Helper()
		if tok := c.Publish(topic, 1, false, payload); !tok.WaitTimeout(startLimit) {
			t.Fatalf("publishing %s hangs", topic)
		} else if tok.Error() != nil {
			t.Fatal(tok.Error()) // a refused publish is acknowledged
		}
	}
	for _, u := range users {
		for _, g := range gates {
			for _, r := range Rows {
				publish(clients[u], api.Topic("example", g, r.Topic), u)
			}
		}
		publish(clients[u], api.Topic("other", u, "status"), u)
		publish(clients[u], "egate/v1/example/status", u)
	}
	publish(obs, "egate/end", "")
	got := map[string]bool{}
	for end := time.After(3 * startLimit); !got["egate/end<"]; {
		select {
		case m := <-heard:
			got[m] = true
		case <-end:
			t.Fatal("the observer hears nothing")
		}
	}
	delete(got, "egate/end<")
	allowed := 0
	for _, u := range users {
		for _, g := range gates {
			for _, r := range Rows {
				key := api.Topic("example", g, r.Topic) + "<" + u
				want := may(r.Write, g, u)
				if want {
					allowed++
				}
				if got[key] != want {
					t.Errorf("%s publishes %s of %s: arrived %v, allowed %v", u, r.Topic, g, got[key], want)
				}
				delete(got, key)
			}
		}
	}
	for k := range got {
		t.Errorf("arrived: %s", k)
	}
	if allowed == 0 {
		t.Fatal("nothing was allowed: the test proves nothing")
	}
	// Reading: the observer says everything once more, then something that everybody may read.
	for _, u := range users {
		for len(inbox[u]) > 0 {
			<-inbox[u]
		}
	}
	for _, g := range gates {
		for _, r := range Rows {
			publish(obs, api.Topic("example", g, r.Topic), Observer)
		}
	}
	for _, u := range users {
		publish(obs, last[u], Observer)
		seen := map[string]bool{}
		for end := time.After(3 * startLimit); !seen[last[u]]; {
			select {
			case m := <-inbox[u]:
				seen[m] = true
			case <-end:
				t.Fatalf("%s hears nothing", u)
			}
		}
		for _, g := range gates {
			for _, r := range Rows {
				if topic, want := api.Topic("example", g, r.Topic), may(r.Read, g, u); seen[topic] != want {
					t.Errorf("%s reads %s of %s: arrived %v, allowed %v", u, r.Topic, g, seen[topic], want)
				}
			}
		}
		for m := range seen {
			if strings.HasPrefix(m, "$") {
				t.Errorf("%s reads %s, which is the broker's own", u, m)
			}
		}
	}
}
