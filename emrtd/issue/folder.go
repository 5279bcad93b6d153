package issue

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"egate/emrtd/ber"
	"egate/emrtd/chipauth"
	"egate/emrtd/lds"
	"egate/emrtd/pace"
)

// folderNames are the file names that LoadFolder knows, in lower case without extension; the names of the
// reference data set of BSI TR-03105-5 are among them.
func folderNames() map[string]uint16 {
	m := map[string]uint16{"ef_com": lds.FIDCOM, "ef.com": lds.FIDCOM, "com": lds.FIDCOM,
		"ef_sod": lds.FIDSOD, "ef.sod": lds.FIDSOD, "sod": lds.FIDSOD}
	for n := 1; n <= lds.MaxGroups; n++ {
		for _, f := range []string{"datagroup%d", "dg%d", "ef_dg%d", "ef.dg%d"} {
			m[fmt.Sprintf(f, n)] = lds.FID(n)
		}
	}
	return m
}

var masterNames = map[string]uint16{
	"ef_cardaccess": lds.FIDCardAccess, "ef.cardaccess": lds.FIDCardAccess, "cardaccess": lds.FIDCardAccess,
	"ef_cardsecurity": lds.FIDCardSecurity, "ef.cardsecurity": lds.FIDCardSecurity, "cardsecurity": lds.FIDCardSecurity,
	"ef_atr_info": lds.FIDATRInfo, "ef.atr": lds.FIDATRInfo, "ef_atr": lds.FIDATRInfo,
}

// LoadFolder makes a passport of files as they were read from a chip: EF.COM, EF.SOD and data groups by
// name (EF_COM.bin, EF_SOD.bin, DG1.bin or Datagroup1.bin …), and where there are any the private keys of
// chip authentication (DG14_sk.pkcs8) and active authentication (DG15_sk.pkcs8). Without EF.CardAccess the
// chip offers BAC only. Other files are left alone.
func LoadFolder(dir string) (*Passport, error) {
	p := &Passport{Access: AccessBAC, Master: map[uint16][]byte{}, App: map[uint16][]byte{}}
	names := folderNames()
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("issue: load folder: %w", err)
	}
	for _, e := range list {
		base := strings.ToLower(strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())))
		fid, app := names[base]
		mfid, master := masterNames[base]
		if e.IsDir() || !app && !master {
			continue
		}
		b, err := readCapped(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if app {
			p.App[fid] = b
		} else {
			p.Master[mfid] = b
		}
	}
	mrz, err := lds.ParseDG1(p.App[lds.FID(1)])
	if err != nil {
		return nil, fmt.Errorf("%w: folder has no DG1: %w", ErrProfile, err)
	}
	if l := lds.Lines(mrz); len(l) == 2 {
		p.Lines = [2]string{string(l[0]), string(l[1])}
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
		// The private key of chip authentication mapping is in no folder.
		if i.Usable() && !i.Explicit && i.Mapping != pace.CAM {
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
	b, err := readCapped(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
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
	priv, err := pkcs8EC(b)
	if err != nil {
		return err
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

func pkcs8EC(b []byte) ([]byte, error) {
	bad := fmt.Errorf("%w: chip authentication key is no PKCS #8 key on a curve", ErrProfile)
	e, err := ber.ParseExact(b)
	if err != nil {
		return nil, bad
	}
	k, err := e.Children()
	if err != nil || len(k) < 3 || !k[2].Is(ber.OctetString) {
		return nil, bad
	}
	in, err := ber.ParseExact(k[2].Content)
	if err != nil {
		return nil, bad
	}
	// ECPrivateKey (RFC 5915): version, scalar.
	f, err := in.Children()
	if err != nil || len(f) < 2 || !f[1].Is(ber.OctetString) {
		return nil, bad
	}
	return f[1].Content, nil
}

func (p *Passport) aaKey(path string) error {
	b, err := readCapped(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	k, err := x509.ParsePKCS8PrivateKey(b)
	if err != nil {
		return fmt.Errorf("issue: active authentication key: %w", err)
	}
	var ok bool
	if p.AA, ok = k.(crypto.Signer); !ok {
		return fmt.Errorf("%w: active authentication key cannot sign", ErrProfile)
	}
	return nil
}
