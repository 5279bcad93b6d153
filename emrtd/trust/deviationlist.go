package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/cms"
	"egate/verdict"
)

// ErrDeviationList refuses a deviation list as a whole.
var ErrDeviationList = errors.New("trust: deviation list refused")

// OIDDeviationList is the content type of deviation lists as states publish them (ICAO Doc 9303-12 §10).
const OIDDeviationList = "2.23.136.1.1.7"

// Limits of a deviation list.
const (
	// maxDeviations bounds the entries: published lists have fewer than ten.
	maxDeviations = 1000
	// maxNote bounds the free text of an entry that is kept.
	maxNote = 200
)

// deviationNames are the types of Doc 9303-3 §7.3.5 below OIDDeviationList.
var deviationNames = map[string]string{
	"1": "certificate or key", "1.1": "signature of the document signer's certificate", "1.2": "encoding of the document signer's certificate",
	"1.3": "encoding of the csca's certificate", "1.4": "key of active authentication compromised",
	"2": "data structure", "2.1": "data group malformed", "2.2": "hash of a data group", "2.3": "signature of the security object", "2.4": "EF.COM inconsistent",
	"3": "machine readable zone", "3.1": "wrong data in the machine readable zone", "3.2": "wrong check digit in the machine readable zone",
	"4": "chip unusable", "5": "national use",
}

// certificate fields that a name's country lies in (CertificateBodyField: issuer, subject).
const (
	fieldIssuer  = 4
	fieldSubject = 6
)

// PublishedDeviation is one deviation of one set of documents, as their issuer describes it.
type PublishedDeviation struct {
	Type      string // identifier below OIDDeviationList, "2.2"
	Parameter int    // data group, field of the zone or of a certificate; -1 where there is none
	Text      string
	// DSIssuer and DSSerial, or DSKeyID, or DSDigest name the document signer; all are empty where the list
	// names none.
	DSIssuer string
	DSSerial *big.Int
	DSKeyID  []byte
	DSDigest []byte
	// From and To bound the dates of issue, Numbers is how many document numbers are named. The numbers
	// themselves are not kept: they are personal.
	From, To time.Time
	Numbers  int
}

// Name says in words what the deviation is.
func (d PublishedDeviation) Name() string {
	n, ok := deviationNames[d.Type]
	if !ok {
		n = "of type " + d.Type
	}
	if d.Parameter >= 0 {
		n = fmt.Sprintf("%s (%d)", n, d.Parameter)
	}
	return n
}

// Excuses returns the check and reason that the deviation can excuse here. It excuses nothing where it does not
// name a document signer, where it depends on numbers of documents, and where everything else rests on the
// check: a false signature or hash is the mark of a forgery, whoever announces it.
func (d PublishedDeviation) Excuses() (verdict.CheckID, verdict.Reason, bool) {
	if d.Numbers > 0 || d.DSSerial == nil && d.DSKeyID == nil {
		return verdict.CheckNone, verdict.ReasonNone, false
	}
	switch {
	case d.Type == "3" || strings.HasPrefix(d.Type, "3."):
		return verdict.CheckDG1MRZ, verdict.DG1MRZMismatch, true
	case (d.Type == "1.2" || d.Type == "1.3") && (d.Parameter == fieldIssuer || d.Parameter == fieldSubject):
		return verdict.CheckDG1Country, verdict.CountryMismatch, true
	}
	return verdict.CheckNone, verdict.ReasonNone, false
}

// DeviationList is a verified list of a state.
type DeviationList struct {
	Signer     *cms.Certificate
	Signed     time.Time
	Entries    []PublishedDeviation
	Deviations []string // of the list itself
}

// ParseDeviationList verifies a deviation list up to one of the pinned roots, as ParseMasterList does, and
// reads it.
func ParseDeviationList(data []byte, roots ...*cms.Certificate) (*DeviationList, error) {
	if len(data) > MaxBundle {
		return nil, fmt.Errorf("%w: deviation list of %d bytes", ErrLimit, len(data))
	}
	sd, err := cms.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDeviationList, err)
	}
	if sd.ContentType != OIDDeviationList {
		return nil, fmt.Errorf("%w: content is no deviation list", ErrDeviationList)
	}
	l := &DeviationList{}
	if l.Signer, l.Signed, l.Deviations, err = signers(sd, cms.EKUDeviationList, sd.Certificates, roots); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDeviationList, err)
	}
	bad := fmt.Errorf("%w: content", ErrDeviationList)
	e, err := ber.ParseExact(sd.Content)
	if err != nil {
		return nil, bad
	}
	k, err := e.Children()
	if err != nil || len(k) < 2 || len(k) > 3 || !k[len(k)-1].Is(ber.Set) {
		return nil, bad
	}
	if v, err := k[0].Int(); err != nil || v != 0 {
		return nil, fmt.Errorf("%w: version", ErrDeviationList)
	}
	list, err := k[len(k)-1].Children()
	if err != nil {
		return nil, bad
	}
	for _, x := range list {
		p, err := x.Children()
		if err != nil || len(p) != 2 {
			return nil, bad
		}
		var d PublishedDeviation
		if err := d.documents(p[0]); err != nil {
			return nil, bad
		}
		texts, err := p[1].Children()
		if err != nil {
			return nil, bad
		}
		for _, t := range texts {
			one := d
			if err := one.description(t); err != nil {
				return nil, bad
			}
			if len(l.Entries) == maxDeviations {
				return nil, fmt.Errorf("%w: deviations", ErrLimit)
			}
			l.Entries = append(l.Entries, one)
		}
	}
	return l, nil
}

// documents reads which documents are meant (DeviationDocuments, implicit tags).
func (d *PublishedDeviation) documents(e ber.Element) error {
	k, err := e.Children()
	if err != nil {
		return err
	}
	for _, f := range k {
		switch {
		case f.IsContext(1):
			in, err := f.Children()
			if err != nil || len(in) != 2 {
				return ErrFormat
			}
			n, err := cms.ParseName(in[0])
			if err != nil {
				return err
			}
			d.DSIssuer = n.Canonical
			if d.DSSerial, err = in[1].BigInt(); err != nil {
				return err
			}
		case f.IsContext(2):
			d.DSKeyID = f.Content
		case f.IsContext(3):
			d.DSDigest = f.Content
		case f.IsContext(4):
			in, err := f.Children()
			if err != nil || len(in) != 2 {
				return ErrFormat
			}
			if d.From, err = in[0].Time(); err != nil {
				return err
			}
			if d.To, err = in[1].Time(); err != nil {
				return err
			}
		case f.IsContext(5):
			in, err := f.Children()
			if err != nil {
				return err
			}
			d.Numbers = len(in)
		}
	}
	return nil
}

func (d *PublishedDeviation) description(e ber.Element) error {
	k, err := e.Children()
	if err != nil {
		return err
	}
	d.Parameter = -1
	if len(k) > 0 && !k[0].Is(ber.OID) {
		d.Text = plain(k[0].Content)
		k = k[1:]
	}
	if len(k) == 0 {
		return ErrFormat
	}
	oid, err := k[0].OIDString()
	if err != nil {
		return err
	}
	var below bool
	if d.Type, below = strings.CutPrefix(oid, OIDDeviationList+"."); !below {
		return ErrFormat
	}
	for _, f := range k[1:] {
		// The parameter is an INTEGER, tagged explicitly as ANY demands or implicitly as some write it.
		if !f.IsContext(0) {
			continue
		}
		v := f
		if f.Constructed {
			in, err := f.Children()
			if err != nil || len(in) != 1 {
				return ErrFormat
			}
			v = in[0]
		}
		if v.Is(ber.OID) {
			continue // an extension of a certificate
		}
		n, err := v.BigInt()
		if err != nil || !n.IsInt64() || n.Int64() < 0 || n.Int64() > 255 {
			return ErrFormat
		}
		d.Parameter = int(n.Int64())
	}
	return nil
}

// plain keeps what people can read.
func plain(b []byte) string {
	b = b[:min(len(b), maxNote)]
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, string(b))
}

// entry makes what a bundle holds of it.
func (d PublishedDeviation) entry(country string, expires time.Time) (Deviation, bool) {
	check, reason, ok := d.Excuses()
	if !ok {
		return Deviation{}, false
	}
	out := Deviation{Country: country, Check: check, Reason: reason, SignedFrom: d.From, SignedTo: d.To, Expires: expires, Note: d.Text, DSIssuer: d.DSIssuer}
	if d.DSSerial != nil {
		out.DSSerial = d.DSSerial.Text(16)
	}
	out.DSKeyID = hex.EncodeToString(d.DSKeyID)
	h := sha256.Sum256([]byte(fmt.Sprint(country, d.Type, d.Parameter, d.DSIssuer, out.DSSerial, out.DSKeyID, d.From.Unix(), d.To.Unix())))
	out.ID = fmt.Sprintf("%s-published-%s-%s", country, d.Type, hex.EncodeToString(h[:4]))
	return out, true
}
