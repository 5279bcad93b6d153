package configs

import (
	"fmt"
	"net/url"

	"gopkg.in/yaml.v3"
)

// Brokers are addresses in the order of preference: in the file one address, or a list of them. The first that works is
// used, and an earlier one again when it is back. Gates and console of a site have the same list.
type Brokers []string

// maxBrokers of a list: with more, the last ones would be tried too late.
const maxBrokers = 4

// UnmarshalYAML takes one address or a list.
func (b *Brokers) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode((*[]string)(b))
	}
	var one string
	if err := n.Decode(&one); err != nil {
		return err
	}
	*b = nil
	if one != "" {
		*b = Brokers{one}
	}
	return nil
}

// MarshalYAML writes one address as itself.
func (b Brokers) MarshalYAML() (any, error) {
	if len(b) == 1 {
		return b[0], nil
	}
	return []string(b), nil
}

// Check tells what is wrong with the addresses, and whether one of them needs TLS. Plain text is for loopback only.
func (b Brokers) Check() (tls bool, err error) {
	if len(b) == 0 || len(b) > maxBrokers {
		return false, fmt.Errorf("must be one address or a list of 2 to %d: tls://host:port, or tcp://host:port on loopback", maxBrokers)
	}
	seen := map[string]bool{}
	for _, s := range b {
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Port() == "" || u.Hostname() == "" || u.Scheme != "tcp" && u.Scheme != "tls":
			return tls, fmt.Errorf("must be tls://host:port, or tcp://host:port on loopback, is %q", s)
		case u.Scheme == "tcp" && !loopback(u.Hostname()):
			return tls, fmt.Errorf("tcp is for loopback only: use tls://%s with ca_file, cert_file and cert_key_file", u.Host)
		case seen[s]:
			return tls, fmt.Errorf("%s is listed twice", s)
		}
		seen[s] = true
		tls = tls || u.Scheme == "tls"
	}
	return tls, nil
}
