package cms

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"fmt"
	"math/big"
)

// curve is one known curve.
type curve = elliptic.Curve

var nistByOID = map[string]elliptic.Curve{
	"1.3.132.0.33":        elliptic.P224(),
	"1.2.840.10045.3.1.7": elliptic.P256(),
	"1.3.132.0.34":        elliptic.P384(),
	"1.3.132.0.35":        elliptic.P521(),
}

func curveByOID(oid string) curve {
	return nistByOID[oid]
}

func curveByParams(p *curveParams, g []byte) curve {
	return nil
}

type ecKey struct {
	nist *ecdsa.PublicKey
}

func newECKey(c curve, point []byte) (*ecKey, error) {
	k, err := ecdsa.ParseUncompressedPublicKey(c, point)
	if err != nil {
		return nil, fmt.Errorf("%w: point not on the curve", ErrFormat)
	}
	return &ecKey{nist: k}, nil
}

func (k *ecKey) name() string { return k.nist.Params().Name }
func (k *ecKey) bits() int    { return k.nist.Params().BitSize }
func (k *ecKey) size() int    { return (k.nist.Params().BitSize + 7) / 8 }

func (k *ecKey) verify(digest []byte, r, s *big.Int) bool {
	return ecdsa.Verify(k.nist, digest, r, s)
}
