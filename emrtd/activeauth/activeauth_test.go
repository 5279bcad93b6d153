package activeauth

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"egate/emrtd/ber"
	"egate/emrtd/ec"
	"egate/emrtd/internal/vectors"
	"egate/emrtd/iso7816"
	"egate/emrtd/lds"
)

func bsi(t testing.TB) (*Key, *rsa.PrivateKey) {
	t.Helper()
	d := filepath.Join(vectors.Dir(t), "bsi-tr03105-5")
	dg15, err := os.ReadFile(filepath.Join(d, "Datagroup15.bin"))
	if err != nil {
		t.Fatal(err)
	}
	spki, err := lds.ParseDG15(dg15)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKey(spki, nil)
	if err != nil {
		t.Fatal(err)
	}
	p8, err := os.ReadFile(filepath.Join(d, "DG15_sk.pkcs8"))
	if err != nil {
		t.Fatal(err)
	}
	sk, err := x509.ParsePKCS8PrivateKey(p8)
	if err != nil {
		t.Fatal(err)
	}
	return k, sk.(*rsa.PrivateKey)
}

// C-03: ISO/IEC 9796-2 with the BSI key pair and every hash that fits 1024 bits.
func TestC03RSA(t *testing.T) {
	k, sk := bsi(t)
	private := func(m *big.Int) *big.Int { return new(big.Int).Exp(m, sk.D, sk.N) }
	ch := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		sig, err := SignRSA(rand.Reader, sk.N, private, h, ch)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Verify(ch, sig); err != nil {
			t.Errorf("%v: %v", h, err)
		}
		for _, i := range []int{0, 200, 1023} {
			bad := slices.Clone(sig)
			bad[i/8] ^= 1 << (i % 8)
			if _, err := k.Verify(ch, bad); err == nil {
				t.Errorf("%v: bit %d accepted", h, i)
			}
		}
		if _, err := k.Verify([]byte{1, 2, 3, 4, 5, 6, 7, 9}, sig); !errors.Is(err, ErrSignature) {
			t.Errorf("%v: another challenge accepted", h)
		}
		if _, err := k.Verify(ch, sig[1:]); err == nil {
			t.Errorf("%v: short signature accepted", h)
		}
	}
	if _, err := k.Verify(ch, make([]byte, 128)); err == nil {
		t.Error("zero accepted")
	}
}

func ecSPKI(c *ec.Curve, q ec.Point) []byte {
	return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.2.1"), ber.EncodeOID(c.OID)), ber.EncodeBits(c.Encode(q)))
}

// C-03: ECDSA on every curve, plain and DER.
func TestC03ECDSA(t *testing.T) {
	ch := []byte("8 bytes!")
	for _, c := range ec.All() {
		priv, pub, err := c.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		aaInfo, err := lds.ParseSecurityInfos(ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID(lds.OIDAA), ber.EncodeInt(1), ber.EncodeOID("0.4.0.127.0.7.1.1.4.1.3"))))
		if err != nil {
			t.Fatal(err)
		}
		k, err := ParseKey(ecSPKI(c, pub), aaInfo)
		if err != nil {
			t.Fatal(c, err)
		}
		h := sha256.Sum256(ch)
		r, s, err := ec.SignECDSA(rand.Reader, c, priv, h[:])
		if err != nil {
			t.Fatal(err)
		}
		n := c.OrderSize()
		plain := append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
		if dev, err := k.Verify(ch, plain); err != nil || len(dev) != 0 {
			t.Errorf("%s: %v %v", c, dev, err)
		}
		der := ber.Encode(ber.Sequence, ber.EncodeBig(r), ber.EncodeBig(s))
		if dev, err := k.Verify(ch, der); err != nil || !slices.Contains(dev, DevDER) && len(der) != 2*n {
			t.Errorf("%s: der: %v %v", c, dev, err)
		}
		unannounced, _ := ParseKey(ecSPKI(c, pub), nil)
		if dev, err := unannounced.Verify(ch, plain); err != nil || !slices.Contains(dev, DevHash) {
			t.Errorf("%s: %v %v", c, dev, err)
		}
		plain[0] ^= 1
		if _, err := k.Verify(ch, plain); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: false signature accepted", c)
		}
	}
}

func TestRunRefused(t *testing.T) {
	k, _ := bsi(t)
	tx := iso7816.TransmitterFunc(func(_ context.Context, c iso7816.Command) (iso7816.Response, error) {
		if len(c.Data) != ChallengeSize {
			t.Error("challenge size")
		}
		return iso7816.Response{SW: 0x6D00}, nil
	})
	if _, err := Run(context.Background(), tx, k, nil, 223); !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), tx, k, nil, 100); !errors.Is(err, ErrTooLong) {
		t.Fatal(err)
	}
}

// C-10
func FuzzVerify(f *testing.F) {
	k, sk := bsi(f)
	sig, _ := SignRSA(rand.Reader, sk.N, func(m *big.Int) *big.Int { return new(big.Int).Exp(m, sk.D, sk.N) }, crypto.SHA256, []byte("12345678"))
	f.Add(sig)
	f.Fuzz(func(t *testing.T, b []byte) { k.Verify([]byte("87654321"), b) })
}
