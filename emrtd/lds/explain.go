package lds

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"egate/emrtd/ber"
)

// Limits of an explanation.
const (
	explainValue = 32   // bytes of a value that are shown
	explainNodes = 5000 // elements of one file; a SOD with its certificate has some 200
)

// tagNames are the names of application tags (ICAO Doc 9303-10 §4).
var tagNames = map[uint16]string{
	TagCOM: "EF.COM", TagSOD: "EF.SOD", 0x5F01: "LDS version", 0x5F36: "Unicode version", 0x5C: "tag list",
	0x61: "DG1", 0x5F1F: "MRZ", 0x75: "DG2", 0x7F61: "biometric group", 0x7F60: "biometric template",
	0xA1: "biometric header", 0x5F2E: "biometric data block", 0x7F2E: "biometric data block",
	0x63: "DG3", 0x76: "DG4", 0x6B: "DG11", 0x6C: "DG12", 0x6E: "DG14", 0x6F: "DG15",
	0x5F0E: "full name", 0x5F10: "personal number", 0x5F2B: "date of birth", 0x5F11: "place of birth",
	0x5F19: "issuing authority", 0x5F26: "date of issue", 0x7F66: "extended length information", 0x47: "card capabilities",
}

var universalNames = map[uint32]string{1: "BOOLEAN", 2: "INTEGER", 3: "BIT STRING", 4: "OCTET STRING", 5: "NULL", 6: "OBJECT IDENTIFIER",
	10: "ENUMERATED", 12: "UTF8String", 16: "SEQUENCE", 17: "SET", 19: "PrintableString", 20: "T61String", 22: "IA5String", 23: "UTCTime",
	24: "GeneralizedTime", 30: "BMPString"}

// oidNames are identifiers that occur in the files of a travel document.
var oidNames = map[string]string{
	OIDLDSSecurity: "id-icao-mrtd-security-ldsSecurityObject", OIDMasterList: "id-icao-cscaMasterList", OIDCardSecure: "id-SecurityObject",
	OIDAA: "id-icao-mrtd-security-aaProtocolObject", OIDPKDH: "id-PK-DH", OIDPKECDH: "id-PK-ECDH", OIDTA: "id-TA",
	"1.2.840.113549.1.7.2": "signedData", "1.2.840.113549.1.9.3": "contentType", "1.2.840.113549.1.9.4": "messageDigest",
	"1.2.840.113549.1.9.5": "signingTime", "1.2.840.113549.1.1.1": "rsaEncryption", "1.2.840.113549.1.1.10": "rsassaPss",
	"1.2.840.113549.1.1.8": "mgf1", "1.2.840.113549.1.1.11": "sha256WithRSAEncryption", "1.2.840.10045.2.1": "ecPublicKey",
	"1.2.840.10045.4.3.2": "ecdsa-with-SHA256", "1.2.840.10045.4.3.3": "ecdsa-with-SHA384", "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
	"1.2.840.10045.1.1": "prime-field", "1.2.840.10045.3.1.7": "P-256", "1.3.132.0.34": "P-384", "1.3.132.0.35": "P-521",
	"1.3.14.3.2.26": "sha1", "2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512",
	"2.5.4.3": "commonName", "2.5.4.5": "serialNumber", "2.5.4.6": "countryName", "2.5.4.10": "organizationName", "2.5.4.11": "organizationalUnitName",
	"2.5.29.14": "subjectKeyIdentifier", "2.5.29.15": "keyUsage", "2.5.29.16": "privateKeyUsagePeriod", "2.5.29.19": "basicConstraints",
	"2.5.29.31": "cRLDistributionPoints", "2.5.29.35": "authorityKeyIdentifier", "2.5.29.37": "extKeyUsage",
	"2.23.136.1.1.6.2": "id-icao-mrtd-security-extensions-documentTypeList",
}

// OIDName names an object identifier, empty where it is not known.
func OIDName(oid string) string {
	if n, ok := oidNames[oid]; ok {
		return n
	}
	for base, n := range map[string]string{OIDPACE: "id-PACE", OIDCADH: "id-CA-DH", OIDCAECDH: "id-CA-ECDH"} {
		if strings.HasPrefix(oid, base+".") {
			return n + oid[len(base):]
		}
	}
	return ""
}

// Explain writes any elementary file as a tree for people: one line per element with offset, tag, length
// and the start of its value. What it writes is personal where the file is.
func Explain(w io.Writer, file []byte) error {
	if len(file) > MaxDG2 {
		return fmt.Errorf("%w: file of %d bytes", ErrLimit, len(file))
	}
	e := explainer{w: w, file: file}
	for rest := file; len(rest) > 0 && e.err == nil; {
		x, next, err := ber.Parse(rest)
		if err != nil {
			return fmt.Errorf("lds: explain at byte %d: %w", len(file)-len(rest), err)
		}
		e.element(x, len(file)-len(rest), 0)
		rest = next
	}
	return e.err
}

type explainer struct {
	w     io.Writer
	file  []byte
	nodes int
	err   error
}

func (e *explainer) element(x ber.Element, offset, depth int) {
	if e.err != nil {
		return
	}
	if e.nodes++; e.nodes > explainNodes || depth > ber.MaxDepth {
		e.err = fmt.Errorf("%w: elements of one file", ErrLimit)
		return
	}
	head := len(x.Raw) - len(x.Content)
	if x.Indefinite {
		head -= 2
	}
	tag := uint16(x.Raw[0])
	if tag&0x1f == 0x1f && len(x.Raw) > 1 {
		tag = tag<<8 | uint16(x.Raw[1])
	}
	name := tagNames[tag]
	switch x.Class {
	case ber.ClassUniversal:
		name = universalNames[x.Number]
	case ber.ClassContext:
		if name == "" {
			name = fmt.Sprintf("[%d]", x.Number)
		}
	}
	inner := x.Constructed
	var kids []ber.Element
	if inner {
		var err error
		if kids, err = x.Children(); err != nil {
			inner = false
		}
	} else if x.Is(ber.OctetString) && len(x.Content) > 2 {
		// Structures inside an octet string: security objects, extensions.
		if l, err := ber.List(x.Content); err == nil && len(l) == 1 && (l[0].Is(ber.Sequence) || l[0].Is(ber.Set)) {
			inner, kids = true, l
		}
	}
	value := ""
	if !inner {
		value = " " + show(x)
	}
	if _, e.err = fmt.Fprintf(e.w, "%6d %s%02X %s, %d bytes%s\n", offset, strings.Repeat("  ", depth), tag, name, len(x.Content), value); e.err != nil {
		return
	}
	at := offset + head
	for _, k := range kids {
		e.element(k, at, depth+1)
		at += len(k.Raw)
	}
}

func show(x ber.Element) string {
	if oid, err := x.OIDString(); err == nil {
		return strings.TrimSpace(oid + " " + OIDName(oid))
	}
	if t, err := x.Time(); err == nil {
		return t.Format("2006-01-02 15:04:05")
	}
	b := x.Content
	more := ""
	if len(b) > explainValue {
		b, more = b[:explainValue], "…"
	}
	text := len(b) > 0
	for _, c := range b {
		text = text && c >= 0x20 && c < 0x7f
	}
	if text && !x.Is(ber.Integer) {
		return fmt.Sprintf("%q%s", b, more)
	}
	return hex.EncodeToString(b) + more
}
