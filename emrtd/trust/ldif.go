package trust

import (
	"bytes"
	"encoding/base64"
	"fmt"
)

// LDIF is what an export of the ICAO PKD (RFC 2849) holds, by kind and in order.
type LDIF struct {
	Certificates [][]byte // userCertificate: document signers
	CSCAs        [][]byte // cACertificate
	CRLs         [][]byte // certificateRevocationList
	MasterLists  [][]byte // pkdMasterListContent: CMS, to be verified by ParseMasterList
	Ignored      int      // binary attributes of other kinds
}

// Limits of an LDIF export.
const (
	// MaxLDIF bounds the file: the complete document signer export has some 60 MB.
	MaxLDIF = 256 << 20
	// MaxLDIFEntries bounds the values taken.
	MaxLDIFEntries = 200_000
)

// ParseLDIF reads an export of the ICAO PKD. It verifies nothing: certificates of document signers are
// no anchors, lists of revocations are verified when they are used, master lists by ParseMasterList.
func ParseLDIF(data []byte) (*LDIF, error) {
	if len(data) > MaxLDIF {
		return nil, fmt.Errorf("%w: ldif of %d bytes", ErrLimit, len(data))
	}
	out := &LDIF{}
	n := 0
	take := func(line []byte) error {
		name, value, ok := bytes.Cut(line, []byte("::"))
		if !ok {
			return nil
		}
		// Options follow a semicolon; attribute names are compared without case.
		name, _, _ = bytes.Cut(name, []byte(";"))
		var to *[][]byte
		switch string(bytes.ToLower(name)) {
		case "usercertificate":
			to = &out.Certificates
		case "cacertificate":
			to = &out.CSCAs
		case "certificaterevocationlist":
			to = &out.CRLs
		case "pkdmasterlistcontent", "cscamasterlistdata":
			to = &out.MasterLists
		default:
			out.Ignored++
			return nil
		}
		if n++; n > MaxLDIFEntries {
			return fmt.Errorf("%w: ldif entries", ErrLimit)
		}
		value = bytes.TrimSpace(value)
		b := make([]byte, base64.StdEncoding.DecodedLen(len(value)))
		m, err := base64.StdEncoding.Decode(b, value)
		if err != nil {
			return fmt.Errorf("%w: ldif value of %s", ErrFormat, name)
		}
		*to = append(*to, b[:m])
		return nil
	}
	var line []byte
	for len(data) > 0 {
		var next []byte
		next, data, _ = bytes.Cut(data, []byte("\n"))
		next = bytes.TrimSuffix(next, []byte("\r"))
		if len(next) > 0 && next[0] == ' ' {
			line = append(line, next[1:]...) // a folded line
			continue
		}
		if err := take(line); err != nil {
			return nil, err
		}
		line = append(line[:0], next...)
	}
	return out, take(line)
}
