package issue

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"egate/emrtd/ber"
	"egate/emrtd/chipauth"
	"egate/emrtd/cms"
	"egate/emrtd/ec"
	"egate/emrtd/lds"
	"egate/emrtd/pace"
)

// known tells what a file of a dump is by its name. Tools write EF_SOD.bin, EF.SOD, SOD.dat, DG1.bin, dg01,
// Datagroup1.bin (reference data set of BSI TR-03105-5) or the file identifier, 011D.bin.
func known(name string) (fid uint16, app, ok bool) {
	base := strings.ToLower(name)
	for _, ext := range []string{".bin", ".dat", ".der", ".bcd", ".hex"} {
		base = strings.TrimSuffix(base, ext)
	}
	for _, prefix := range []string{"ef.", "ef_", "ef-"} {
		base = strings.TrimPrefix(base, prefix)
	}
	switch base {
	case "com":
		return lds.FIDCOM, true, true
	case "sod":
		return lds.FIDSOD, true, true
	case "cardaccess":
		return lds.FIDCardAccess, false, true
	case "cardsecurity":
		return lds.FIDCardSecurity, false, true
	case "atr", "atr_info", "atr-info":
		return lds.FIDATRInfo, false, true
	}
	for _, prefix := range []string{"datagroup", "dg"} {
		if d, ok := strings.CutPrefix(base, prefix); ok {
			if n, err := strconv.Atoi(d); err == nil && n >= 1 && n <= lds.MaxGroups {
				return lds.FID(n), true, true
			}
		}
	}
	if id, err := strconv.ParseUint(base, 16, 16); err == nil && len(base) == 4 {
		fid := uint16(id)
		switch { // EF.SOD has the identifier of EF.CardSecurity, in the application
		case fid == lds.FIDCOM || fid == lds.FIDSOD || fid >= lds.FID(1) && fid <= lds.FID(lds.MaxGroups):
			return fid, true, true
		case fid == lds.FIDCardAccess:
			return fid, false, true
		}
	}
	return 0, false, false
}

// LoadFolder makes a passport of files as they were read from a chip: EF.COM, EF.SOD and data groups by
// name (see known), and where there are any the private keys of
// chip authentication (DG14_sk.pkcs8), active authentication (DG15_sk.pkcs8) and chip authentication mapping
// (CardSecurity_sk.pkcs8). Without EF.CardAccess the chip offers BAC only; variants whose key is not there
// are not played. Other files are left alone.
func LoadFolder(dir string) (*Passport, error) {
	p := &Passport{Access: AccessBAC, Master: map[uint16][]byte{}, App: map[uint16][]byte{}}
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("issue: load folder: %w", err)
	}
	for _, e := range list {
		fid, app, ok := known(e.Name())
		if e.IsDir() || !ok {
			continue
		}
		b, err := readCapped(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if app {
			p.App[fid] = b
		} else {
			p.Master[fid] = b
		}
	}
	mrz, err := lds.ParseDG1(p.App[lds.FID(1)])
	if err != nil {
		return nil, fmt.Errorf("%w: folder has no DG1: %w", ErrProfile, err)
	}
	if l := lds.Lines(mrz); len(l) == 2 {
		p.Lines = [2]string{string(l[0]), string(l[1])}
	}
	if err := p.camKey(filepath.Join(dir, "CardSecurity_sk.pkcs8")); err != nil {
		return nil, err
	}
	if b, ok := p.Master[lds.FIDCardAccess]; ok {
		if err := p.announced(b); err != nil {
			return nil, err
		}
	}
	if err := p.caKey(filepath.Join(dir, "DG14_sk.pkcs8")); err != nil {
		return nil, err
	}
	if err := p.aaKey(filepath.Join(dir, "DG15_sk.pkcs8")); err != nil {
		return nil, err
	}
	return p, nil
}

func readCapped(path string) ([]byte, error) {
	i, err := os.Stat(path)
	if err == nil && i.Size() > lds.MaxDG2 {
		return nil, fmt.Errorf("%w: file %s of %d bytes", ErrProfile, filepath.Base(path), i.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("issue: load file: %w", err)
	}
	return b, nil
}

// announced takes the variants of EF.CardAccess that this chip can play.
func (p *Passport) announced(cardAccess []byte) error {
	list, err := lds.ParseSecurityInfos(cardAccess)
	if err != nil {
		return fmt.Errorf("issue: EF.CardAccess: %w", err)
	}
	infos, err := pace.ParseInfos(list)
	if err != nil {
		return fmt.Errorf("issue: EF.CardAccess: %w", err)
	}
	for _, i := range infos {
		if i.Usable() && !i.Explicit && (i.Mapping != pace.CAM || p.CAM != nil) {
			p.PACE = append(p.PACE, PACEOption{i.OID, i.ParameterID})
		}
	}
	if len(p.PACE) > 0 {
		p.Access = AccessPACE
	}
	return nil
}

// caKey reads the private key to DG14. The standard library refuses PKCS #8 keys with explicit or
// Brainpool parameters, which are the usual ones here.
func (p *Passport) caKey(path string) error {
	priv, err := readKey(path)
	if err != nil || priv == nil {
		return err
	}
	infos, err := lds.ParseDG14(p.App[lds.FID(14)])
	if err != nil {
		return fmt.Errorf("issue: chip authentication key without DG14: %w", err)
	}
	keys, err := chipauth.ParseKeys(infos)
	if err != nil {
		return fmt.Errorf("issue: DG14: %w", err)
	}
	for _, k := range keys {
		pub, err := k.Group.Public(k.Group.Base(), priv)
		if err == nil && string(pub) == string(k.Public) {
			p.CA = &ChipKey{Group: k.Group, Private: priv, Public: pub, OID: k.OID, Suite: k.Suite}
			return nil
		}
	}
	return fmt.Errorf("%w: chip authentication key fits no key of DG14", ErrProfile)
}

// camKey reads the private key to EF.CardSecurity.
func (p *Passport) camKey(path string) error {
	priv, err := readKey(path)
	if err != nil || priv == nil {
		return err
	}
	sd, err := cms.Parse(p.Master[lds.FIDCardSecurity])
	if err != nil {
		return fmt.Errorf("issue: mapping key without EF.CardSecurity: %w", err)
	}
	infos, err := lds.ParseSecurityInfos(sd.Content)
	if err != nil {
		return fmt.Errorf("issue: EF.CardSecurity: %w", err)
	}
	for _, s := range infos {
		k, err := s.Required.Children()
		if s.OID != lds.OIDPKECDH || err != nil || len(k) != 2 {
			continue
		}
		g, err := pace.ParseGroup(k[0])
		if err != nil {
			continue
		}
		want, err := k[1].Bits()
		if err != nil {
			continue
		}
		if pub, err := g.Public(g.Base(), priv); err == nil && string(pub) == string(want) {
			p.CAM = &ChipKey{Group: g, Private: priv, Public: pub}
			return nil
		}
	}
	return fmt.Errorf("%w: mapping key fits no key of EF.CardSecurity", ErrProfile)
}

// readKey returns the private scalar or exponent of a file; nil where there is no such file.
func readKey(path string) ([]byte, error) {
	b, err := readKeyFile(path)
	if err != nil || b == nil {
		return nil, err
	}
	return scalar(filepath.Base(path), b)
}

// readKeyFile reads a private key in DER or PEM; nil where there is no such file.
func readKeyFile(path string) ([]byte, error) {
	b, err := readCapped(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	return b, err
}

// scalar takes the private number out of PKCS #8 (RFC 5208) or ECPrivateKey (RFC 5915).
func scalar(name string, b []byte) ([]byte, error) {
	bad := fmt.Errorf("%w: %s is no private key on a curve or of a prime group", ErrProfile, name)
	fields := func(b []byte) []ber.Element {
		e, err := ber.ParseExact(b)
		if err != nil || !e.Is(ber.Sequence) {
			return nil
		}
		k, err := e.Children()
		if err != nil {
			return nil
		}
		return k
	}
	k := fields(b)
	if len(k) > 2 && k[1].Is(ber.Sequence) && k[2].Is(ber.OctetString) {
		if in, err := ber.ParseExact(k[2].Content); err == nil && in.Is(ber.Integer) {
			return bytes.TrimLeft(in.Content, "\x00"), nil // a Diffie-Hellman exponent
		}
		k = fields(k[2].Content)
	}
	if len(k) > 1 && k[0].Is(ber.Integer) && k[1].Is(ber.OctetString) {
		return k[1].Content, nil
	}
	return nil, bad
}

// CurveKey is a private key of active authentication on a curve that the standard library does not know, or
// with explicit parameters.
type CurveKey struct {
	Curve *ec.Curve
	D     []byte
	Q     ec.Point
}

// Public implements crypto.Signer.
func (k *CurveKey) Public() crypto.PublicKey { return k.Q }

// Sign implements crypto.Signer. The signature is r‖s (BSI TR-03111 §5.2.1).
func (k *CurveKey) Sign(rnd io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	r, s, err := ec.SignECDSA(rnd, k.Curve, k.D, digest)
	if err != nil {
		return nil, err
	}
	n := k.Curve.OrderSize()
	return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...), nil
}

func (p *Passport) aaKey(path string) error {
	b, err := readKeyFile(path)
	if err != nil || b == nil {
		return err
	}
	spki, err := lds.ParseDG15(p.App[lds.FID(15)])
	if err != nil {
		return fmt.Errorf("issue: active authentication key without DG15: %w", err)
	}
	pub, err := cms.ParsePublicKey(spki)
	if err != nil {
		return fmt.Errorf("issue: DG15: %w", err)
	}
	if c, q, ok := pub.EC(); ok {
		d, err := scalar(filepath.Base(path), b)
		if err != nil {
			return err
		}
		if mine, err := c.ScalarBaseMult(d); err != nil || !mine.Equal(q) {
			return fmt.Errorf("%w: active authentication key is not that of DG15", ErrProfile)
		}
		p.AA = &CurveKey{c, d, q}
		return nil
	}
	k, err := x509.ParsePKCS8PrivateKey(b)
	if err != nil {
		if k, err = x509.ParsePKCS1PrivateKey(b); err != nil {
			return fmt.Errorf("%w: active authentication key cannot be read", ErrProfile)
		}
	}
	r, ok := k.(*rsa.PrivateKey)
	if n, _, isRSA := pub.RSA(); !ok || !isRSA || n.Cmp(r.N) != 0 {
		return fmt.Errorf("%w: active authentication key is not that of DG15", ErrProfile)
	}
	p.AA = r
	return nil
}
