package emrtd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"egate/emrtd/cms"
	"egate/emrtd/iso7816"
	"egate/emrtd/lds"
	"egate/emrtd/pace"
	"egate/emrtd/trust"
)

// cardSecurity is EF.CardSecurity: a CMS structure of the master file with the static key of PACE with
// chip authentication mapping (ICAO Doc 9303-10 §3.11.4).
type cardSecurity struct {
	file  fileBuf
	sd    *cms.SignedData
	infos []lds.SecurityInfo
}

func (c *cardSecurity) parse() error {
	sd, err := cms.Parse(c.file.buf)
	if err != nil {
		return err
	}
	if sd.ContentType != lds.OIDCardSecure || len(sd.Signers) == 0 {
		return lds.ErrFormat
	}
	c.sd = sd
	c.infos, err = lds.ParseSecurityInfos(sd.Content)
	return err
}

// verify checks the signature, its chain to an anchor, and that its signer is valid today and not revoked.
// country is the signer's country, dev what had to be tolerated.
func (c *cardSecurity) verify(opt *Options) (country string, dev []string, ok bool) {
	if c == nil || c.sd == nil || opt.Trust == nil {
		return "", nil, false
	}
	ds, dev, err := c.sd.SignerCertificate(0)
	if err != nil {
		return "", nil, false
	}
	d, err := c.sd.VerifySigner(0, ds)
	if err != nil {
		return "", nil, false
	}
	dev = slices.Concat(dev, d, ds.Deviations)
	// A document signer signs and issues nothing (ICAO Doc 9303-12 §7.1).
	if ds.IsCA || len(ds.UnknownCritical) > 0 || len(ds.EKU) > 0 || ds.HasKeyUsage && ds.KeyUsage&cms.KeyUsageDigitalSignature == 0 {
		return "", nil, false
	}
	if opt.Now.Before(ds.NotBefore) || opt.Now.After(ds.NotAfter) {
		return "", nil, false
	}
	path, err := opt.Trust.Find(ds, opt.Now)
	if err != nil {
		return "", nil, false
	}
	if rev, _ := opt.Trust.Check(ds, path, opt.Now, opt.Policy.Revocation); rev == trust.Revoked {
		return "", nil, false
	}
	dev = slices.Concat(dev, path.Deviations)
	if opt.Policy.ForbidSHA1 && slices.Contains(dev, cms.DevSHA1) {
		return "", nil, false
	}
	return ds.Subject.Country, dev, true
}

// camProof completes PACE with chip authentication mapping: it reads the static key and checks the
// chip's data against it. What it shows counts once EF.CardSecurity is authenticated.
func (r *reader) camProof(ctx context.Context) error {
	if r.pace.Info.Mapping != pace.CAM || r.clone.failed {
		return nil
	}
	if r.pace.CAMData == nil {
		r.clone.failed = true // the mapping was run and its proof withheld
		return nil
	}
	c := r.cardSec
	if c == nil {
		c = &cardSecurity{}
		err := r.readEF(ctx, lds.FIDCardSecurity, lds.SFICardSecurity, lds.MaxFile, &c.file, "")
		var s *iso7816.StatusError
		if errors.As(err, &s) && s.SW != iso7816.SWDead || errors.Is(err, lds.ErrFormat) {
			r.clone.impossible = true
			return nil
		}
		if err != nil {
			return err
		}
		r.cardSec = c
		if c.parse() != nil {
			r.clone.impossible = true
			return nil
		}
	}
	curve := pace.Curve(r.pace.Info.Group)
	known := false
	for _, s := range c.infos {
		if s.OID != lds.OIDPKECDH {
			continue
		}
		k, err := s.Required.Children()
		if err != nil || len(k) != 2 {
			continue
		}
		g, err := pace.ParseGroup(k[0])
		if err != nil || pace.Curve(g) != curve {
			continue
		}
		pub, err := k[1].Bits()
		if err != nil {
			continue
		}
		known = true
		if pace.VerifyCAM(curve, r.pace.CAMData, pub, r.pace.MappingKey) == nil {
			r.clone.proven, r.clone.group = "cam", 0
			return nil
		}
	}
	if known {
		r.clone.failed = true
	} else {
		r.clone.impossible = true
	}
	return nil
}

// authenticKey tells whether the file with the key of the chip's proof is authenticated.
func (r *reader) authenticKey() bool {
	v := r.verifier
	if !v.Authentic() {
		return false
	}
	if r.clone.group != 0 {
		f := r.files[lds.FID(r.clone.group)]
		return f != nil && f.complete() && v.Matches(r.clone.group, f.buf)
	}
	country, dev, ok := r.cardSec.verify(&r.opt)
	r.clone.deviations = cms.MergeDeviations(r.clone.deviations, dev)
	return ok && strings.EqualFold(country, r.report.Country)
}

// shownInCardSecurity tells whether EF.CardSecurity announces a PACE that EF.CardAccess hid.
func (r *reader) hiddenInCardSecurity() bool {
	if r.cardSec == nil || r.cardSec.infos == nil {
		return false
	}
	signed, err := pace.ParseInfos(slices.Clone(r.cardSec.infos))
	return err == nil && !pace.SameAnnouncements(r.infos, signed)
}
