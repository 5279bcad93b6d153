package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"egate/emrtd/cms"
)

// Change is one difference between two bundles, for people.
type Change struct {
	Added bool
	What  string // "anchor", "crl", "deviation"
	Text  string
}

// Diff lists what new has and old has not, and the reverse. old may be nil.
func Diff(old, new *Bundle) []Change {
	if old == nil {
		old = &Bundle{}
	}
	a, b := old.items(), new.items()
	var out []Change
	for k, v := range b {
		if _, ok := a[k]; !ok {
			out = append(out, Change{true, v.What, v.Text})
		}
	}
	for k, v := range a {
		if _, ok := b[k]; !ok {
			out = append(out, Change{false, v.What, v.Text})
		}
	}
	slices.SortFunc(out, func(x, y Change) int {
		return strings.Compare(fmt.Sprint(x.What, x.Text, x.Added), fmt.Sprint(y.What, y.Text, y.Added))
	})
	return out
}

func (b *Bundle) items() map[string]Change {
	m := map[string]Change{}
	for _, e := range b.Anchors {
		h := sha256.Sum256(e.DER)
		text := "unreadable certificate"
		if c, err := cms.ParseCertificate(e.DER); err == nil {
			text = Describe(c)
		}
		kind := string(e.Kind)
		if e.Test {
			kind += ", specimens only"
		}
		m["a"+kind+string(h[:])] = Change{What: "anchor", Text: fmt.Sprintf("%s (%s)", text, kind)}
	}
	for _, e := range b.CRLs {
		h := sha256.Sum256(e.DER)
		text := "unreadable list"
		if l, err := cms.ParseCRL(e.DER); err == nil {
			text = fmt.Sprintf("%s %s of %s, %d entries", l.Issuer.Country, l.Issuer.Common, l.ThisUpdate.Format("2006-01-02"), l.Len())
		}
		m["c"+string(h[:])] = Change{What: "crl", Text: text}
	}
	for _, e := range b.Signers {
		h := sha256.Sum256(e.DER)
		text := "unreadable certificate"
		if c, err := cms.ParseCertificate(e.DER); err == nil {
			text = Describe(c)
		}
		m["s"+string(h[:])] = Change{What: "signer", Text: text}
	}
	for _, d := range b.Deviations {
		m[fmt.Sprintf("d%+v", d)] = Change{What: "deviation", Text: fmt.Sprintf("%s: %s %s until %s", d.ID, d.Country, d.Check, d.Expires.Format("2006-01-02"))}
	}
	return m
}

// Describe is one line about a certificate: country, name, validity, key, and the start of its hash.
func Describe(c *cms.Certificate) string {
	h := c.SHA256()
	key := "unsupported key"
	if c.Key != nil {
		key = fmt.Sprintf("%s %d", c.Key.Kind, c.Key.Bits)
	}
	return fmt.Sprintf("%s %q %s to %s, %s, sha256 %s", c.Subject.Country, strings.TrimSpace(c.Subject.Common+" "+c.Subject.Serial),
		c.NotBefore.Format("2006-01-02"), c.NotAfter.Format("2006-01-02"), key, hex.EncodeToString(h[:8]))
}
