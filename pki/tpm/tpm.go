// Package tpm keeps the private keys of a machine in its TPM 2.0: a P-256 key that is made in it and never
// leaves it, for TLS, and a secret of ours that only it opens, for the Ed25519 key that signs evidence. Both are bound to
// this TPM and, by a policy over PCRs, to how this machine has booted. What lies on disk is of no use elsewhere.
//
// The files are "TSS2 PRIVATE KEY" in PEM, as OpenSSL's provider for TPM 2.0 and Linux' trusted keys read them. The
// parent is the storage root key of the owner hierarchy (TCG's ECC P-256 template), made anew for each use: nothing is
// kept in the TPM.
package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"slices"
	"sync"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// DefaultPCR is the register that the policy looks at where nobody says otherwise: 7, the state and the keys of secure boot.
const DefaultPCR = 7

// A TPM reads eight registers at a time; a PC Client TPM has 24.
const (
	maxPCRs = 8
	lastPCR = 23
)

// ErrPolicy says that the machine has not booted as it had when its key was made.
var ErrPolicy = errors.New("tpm: the machine has not booted as it had when this key was made (PCRs differ): " +
	"restore firmware settings and boot keys, or make new keys and replace the board's (egatectl pki replace-board)")

// ErrForeign says that a key was made in another TPM.
var ErrForeign = errors.New("tpm: this key was not made in this TPM, or the TPM was cleared: make new keys and replace the board's (egatectl pki replace-board)")

// TPM is one TPM 2.0. Its methods may be called from any goroutine; each holds the TPM for some hundred milliseconds at
// most, and leaves nothing in it.
type TPM struct {
	mu        sync.Mutex
	dev       transport.TPMCloser
	simulated bool
}

// Open opens a TPM: a device of the kernel's resource manager (/dev/tpmrm0), or the socket of a simulated one (swtpm).
func Open(path string) (*TPM, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("tpm: %w: is there a TPM 2.0, and is its kernel driver loaded?", err)
	}
	t := &TPM{simulated: st.Mode()&os.ModeSocket != 0}
	if t.simulated {
		t.dev, err = linuxudstpm.Open(path)
	} else {
		t.dev, err = linuxtpm.Open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("tpm: %s: %w", path, err)
	}
	return t, nil
}

// Simulated tells whether it is a socket: whoever runs the other end has every key.
func (t *TPM) Simulated() bool { return t.simulated }

// Close gives the device back.
func (t *TPM) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dev.Close()
}

// NewKey makes an ECDSA key on P-256 that this TPM alone uses, while the PCRs are as they are now; with none, however
// the machine boots. It returns the key's file.
func (t *TPM) NewKey(pcrs ...uint) (pem []byte, err error) {
	return t.create(oidLoadable, tpm2.TPM2BSensitiveCreate{}, pcrs, func(policy tpm2.TPM2BDigest) tpm2.TPMTPublic {
		return tpm2.TPMTPublic{Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256, AuthPolicy: policy,
			ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, NoDA: true, SignEncrypt: true, UserWithAuth: len(pcrs) == 0},
			Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP256,
				Scheme: tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256})}})}
	})
}

// maxSecret is what a TPM seals, bytes.
const maxSecret = 128

// Seal makes a file of a secret that this TPM alone opens, while the PCRs are as they are now.
func (t *TPM) Seal(secret []byte, pcrs ...uint) (pem []byte, err error) {
	if len(secret) == 0 || len(secret) > maxSecret {
		return nil, fmt.Errorf("tpm: a secret of %d bytes, 1 to %d can be sealed", len(secret), maxSecret)
	}
	in := tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: secret})}}
	return t.create(oidSealed, in, pcrs, func(policy tpm2.TPM2BDigest) tpm2.TPMTPublic {
		return tpm2.TPMTPublic{Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256, AuthPolicy: policy,
			ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, NoDA: true, UserWithAuth: len(pcrs) == 0}}
	})
}

// Unseal opens a sealed secret. It is the caller's to clear.
func (t *TPM) Unseal(pem []byte) (secret []byte, err error) {
	k, err := parse(pem)
	if err != nil {
		return nil, err
	}
	if !k.sealed {
		return nil, errors.New("tpm: a key that signs in the TPM, a sealed one is expected (egatectl key make --tpm)")
	}
	err = t.use(k, func(h tpm2.AuthHandle, session tpm2.Session) error {
		rsp, err := tpm2.Unseal{ItemHandle: h}.Execute(t.dev, session)
		if err == nil {
			secret = rsp.OutData.Buffer
		}
		return err
	})
	return secret, err
}

// Signer is a key of NewKey.
func (t *TPM) Signer(pem []byte) (crypto.Signer, error) {
	k, err := parse(pem)
	if err != nil {
		return nil, err
	}
	if k.sealed {
		return nil, errors.New("tpm: a sealed secret, a key that signs in the TPM is expected (egatectl pki request --tpm)")
	}
	pub, err := k.publicKey()
	if err != nil {
		return nil, err
	}
	return &signer{t, k, pub}, nil
}

type signer struct {
	t   *TPM
	k   *key
	pub *ecdsa.PublicKey
}

func (s *signer) Public() crypto.PublicKey { return s.pub }

// Sign signs a SHA-256 digest; the randomness is the TPM's.
func (s *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) (sig []byte, err error) {
	if opts.HashFunc() != crypto.SHA256 || len(digest) != crypto.SHA256.Size() {
		return nil, fmt.Errorf("tpm: this key signs SHA-256 digests, not %v", opts.HashFunc())
	}
	err = s.t.use(s.k, func(h tpm2.AuthHandle, _ tpm2.Session) error {
		rsp, err := tpm2.Sign{KeyHandle: h, Digest: tpm2.TPM2BDigest{Buffer: digest},
			InScheme:   tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUSigScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSchemeHash{HashAlg: tpm2.TPMAlgSHA256})},
			Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck}}.Execute(s.t.dev)
		if err != nil {
			return err
		}
		rs, err := rsp.Signature.Signature.ECDSA()
		if err != nil {
			return err
		}
		var b cryptobyte.Builder
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1BigInt(new(big.Int).SetBytes(rs.SignatureR.Buffer))
			b.AddASN1BigInt(new(big.Int).SetBytes(rs.SignatureS.Buffer))
		})
		sig, err = b.Bytes()
		return err
	})
	return sig, err
}

// publicKey is the public half, a point of the curve.
func (k *key) publicKey() (*ecdsa.PublicKey, error) {
	bad := errors.New("tpm: no ECDSA key on P-256")
	pub, err := k.public.Contents()
	if err != nil {
		return nil, bad
	}
	parms, err := pub.Parameters.ECCDetail()
	if err != nil || parms.CurveID != tpm2.TPMECCNistP256 {
		return nil, bad
	}
	point, err := pub.Unique.ECC()
	if err != nil || len(point.X.Buffer) > 32 || len(point.Y.Buffer) > 32 {
		return nil, bad
	}
	raw := make([]byte, 65)
	raw[0] = 4
	copy(raw[33-len(point.X.Buffer):], point.X.Buffer)
	copy(raw[65-len(point.Y.Buffer):], point.Y.Buffer)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	if err != nil {
		return nil, bad
	}
	return key, nil
}

// root makes the storage root key for the time of one use; mu is held.
func (t *TPM) root() (*tpm2.CreatePrimaryResponse, func(), error) {
	r, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(t.dev)
	if err != nil {
		return nil, nil, fmt.Errorf("tpm: storage root key: %w", err)
	}
	return r, func() { _, _ = tpm2.FlushContext{FlushHandle: r.ObjectHandle}.Execute(t.dev) }, nil
}

// secret is a session that hides what goes over the TPM's bus. Its salt is for the storage root key.
func secret(root *tpm2.CreatePrimaryResponse, way ...tpm2.AuthOption) (tpm2.Session, error) {
	pub, err := root.OutPublic.Contents()
	if err != nil {
		return nil, err
	}
	return tpm2.HMAC(tpm2.TPMAlgSHA256, 16, append(way, tpm2.Salted(root.ObjectHandle, *pub))...), nil
}

func (t *TPM) create(kind string, in tpm2.TPM2BSensitiveCreate, pcrs []uint, of func(policy tpm2.TPM2BDigest) tpm2.TPMTPublic) ([]byte, error) {
	pcrs = slices.Compact(slices.Sorted(slices.Values(pcrs)))
	if len(pcrs) > maxPCRs || len(pcrs) > 0 && pcrs[len(pcrs)-1] > lastPCR {
		return nil, fmt.Errorf("tpm: PCRs %v: at most %d of 0 to %d can be asked for", pcrs, maxPCRs, lastPCR)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k := &key{sealed: kind == oidSealed, pcrs: pcrs}
	policy, err := t.policy(pcrs)
	if err != nil {
		return nil, err
	}
	root, flush, err := t.root()
	if err != nil {
		return nil, err
	}
	defer flush()
	session, err := secret(root, tpm2.AESEncryption(128, tpm2.EncryptIn))
	if err != nil {
		return nil, fmt.Errorf("tpm: %w", err)
	}
	rsp, err := tpm2.Create{ParentHandle: tpm2.AuthHandle{Handle: root.ObjectHandle, Name: root.Name, Auth: tpm2.PasswordAuth(nil)},
		InSensitive: in, InPublic: tpm2.New2B(of(policy))}.Execute(t.dev, session)
	if err != nil {
		return nil, fmt.Errorf("tpm: create key: %w", err)
	}
	k.public, k.private = rsp.OutPublic, rsp.OutPrivate
	return k.pem()
}

// policy is the digest of a policy that asks for the present values of some PCRs; empty for none.
func (t *TPM) policy(pcrs []uint) (d tpm2.TPM2BDigest, err error) {
	if len(pcrs) == 0 {
		return d, nil
	}
	read, err := tpm2.PCRRead{PCRSelectionIn: selection(pcrs)}.Execute(t.dev)
	if err != nil {
		return d, fmt.Errorf("tpm: PCRs: %w", err)
	}
	if len(read.PCRValues.Digests) != len(pcrs) {
		return d, fmt.Errorf("tpm: %d of %d PCRs can be read: the TPM has no bank of SHA-256, or there is no such PCR", len(read.PCRValues.Digests), len(pcrs))
	}
	h := crypto.SHA256.New()
	for _, v := range read.PCRValues.Digests {
		h.Write(v.Buffer)
	}
	calc, err := tpm2.NewPolicyCalculator(tpm2.TPMAlgSHA256)
	if err == nil {
		err = tpm2.PolicyPCR{PcrDigest: tpm2.TPM2BDigest{Buffer: h.Sum(nil)}, Pcrs: selection(pcrs)}.Update(calc)
	}
	if err != nil {
		return d, fmt.Errorf("tpm: policy: %w", err)
	}
	return tpm2.TPM2BDigest{Buffer: calc.Hash().Digest}, nil
}

func selection(pcrs []uint) tpm2.TPMLPCRSelection {
	return tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(pcrs...)}}}
}

// use loads a key, has something done with it and takes it out again.
func (t *TPM) use(k *key, f func(h tpm2.AuthHandle, session tpm2.Session) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	root, flush, err := t.root()
	if err != nil {
		return err
	}
	defer flush()
	loaded, err := tpm2.Load{ParentHandle: tpm2.AuthHandle{Handle: root.ObjectHandle, Name: root.Name, Auth: tpm2.PasswordAuth(nil)}, InPrivate: k.private, InPublic: k.public}.Execute(t.dev)
	switch {
	case errors.Is(err, tpm2.TPMRCIntegrity):
		return ErrForeign
	case err != nil:
		return fmt.Errorf("tpm: load key: %w", err)
	}
	defer func() { _, _ = tpm2.FlushContext{FlushHandle: loaded.ObjectHandle}.Execute(t.dev) }()
	auth := tpm2.PasswordAuth(nil)
	if len(k.pcrs) > 0 {
		auth = tpm2.Policy(tpm2.TPMAlgSHA256, 16, func(dev transport.TPM, session tpm2.TPMISHPolicy, _ tpm2.TPM2BNonce) error {
			_, err := tpm2.PolicyPCR{PolicySession: session, Pcrs: selection(k.pcrs)}.Execute(dev)
			return err
		})
	}
	session, err := secret(root, tpm2.AESEncryption(128, tpm2.EncryptOut))
	if err != nil {
		return fmt.Errorf("tpm: %w", err)
	}
	switch err := f(tpm2.AuthHandle{Handle: loaded.ObjectHandle, Name: loaded.Name, Auth: auth}, session); {
	case errors.Is(err, tpm2.TPMRCPolicyFail):
		return ErrPolicy
	case err != nil:
		return fmt.Errorf("tpm: %w", err)
	}
	return nil
}
