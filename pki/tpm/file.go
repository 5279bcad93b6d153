package tpm

import (
	"bytes"
	stdasn1 "encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
)

const (
	typeKey     = "TSS2 PRIVATE KEY"
	oidLoadable = "2.23.133.10.1.3"
	oidSealed   = "2.23.133.10.1.5"
	maxFile     = 16 << 10
)

// key is what a file holds: wrapped by the storage root key of one TPM.
type key struct {
	sealed  bool
	pcrs    []uint
	public  tpm2.TPM2BPublic
	private tpm2.TPM2BPrivate
}

// tpmKey is the ASN.1 of "ASN.1 Specification for TPM 2.0 Key Files".
type tpmKey struct {
	Type      stdasn1.ObjectIdentifier
	EmptyAuth bool   `asn1:"optional,explicit,tag:0"`
	Policy    []step `asn1:"optional,explicit,tag:1,omitempty"`
	Parent    int64
	Public    []byte
	Private   []byte
}

type step struct {
	Command int64  `asn1:"explicit,tag:0"`
	Body    []byte `asn1:"explicit,tag:1"`
}

// Holds tells whether a file is a key of a TPM.
func Holds(file []byte) bool { return bytes.Contains(file, []byte("-----BEGIN "+typeKey+"-----")) }

func oid(kind string) stdasn1.ObjectIdentifier {
	last := 3
	if kind == oidSealed {
		last = 5
	}
	return stdasn1.ObjectIdentifier{2, 23, 133, 10, 1, last}
}

func (k *key) pem() ([]byte, error) {
	a := tpmKey{Type: oid(oidLoadable), EmptyAuth: true, Parent: int64(tpm2.TPMRHOwner), Public: tpm2.Marshal(k.public), Private: tpm2.Marshal(k.private)}
	if k.sealed {
		a.Type = oid(oidSealed)
	}
	if len(k.pcrs) > 0 { // an empty digest: the TPM compares with what the key's own policy says
		a.Policy = []step{{Command: int64(tpm2.TPMCCPolicyPCR), Body: append(tpm2.Marshal(tpm2.TPM2BDigest{}), tpm2.Marshal(selection(k.pcrs))...)}}
	}
	der, err := stdasn1.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("tpm: encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: typeKey, Bytes: der}), nil
}

// parse reads a key file. What the TPM itself checks is left to it.
func parse(file []byte) (*key, error) {
	bad := func(what string) error { return errors.New("tpm: key file: " + what) }
	if len(file) > maxFile {
		return nil, bad("too long")
	}
	b, _ := pem.Decode(file)
	if b == nil || b.Type != typeKey {
		return nil, bad("no " + typeKey)
	}
	var a tpmKey
	if rest, err := stdasn1.Unmarshal(b.Bytes, &a); err != nil || len(rest) > 0 {
		return nil, bad("broken")
	}
	k := &key{sealed: a.Type.String() == oidSealed}
	switch {
	case !k.sealed && a.Type.String() != oidLoadable:
		return nil, bad("neither a key nor a sealed secret")
	case !a.EmptyAuth || a.Parent != int64(tpm2.TPMRHOwner):
		return nil, bad("a key with a password, or below another parent than the owner's")
	case len(a.Policy) > 1 || len(a.Policy) == 1 && a.Policy[0].Command != int64(tpm2.TPMCCPolicyPCR):
		return nil, bad("a policy over something else than PCRs")
	}
	if len(a.Policy) == 1 {
		body, none := a.Policy[0].Body, tpm2.Marshal(tpm2.TPM2BDigest{})
		if !bytes.HasPrefix(body, none) {
			return nil, bad("a policy of another form")
		}
		sel, err := tpm2.Unmarshal[tpm2.TPMLPCRSelection](body[len(none):])
		if err != nil || len(sel.PCRSelections) != 1 || sel.PCRSelections[0].Hash != tpm2.TPMAlgSHA256 {
			return nil, bad("a policy of another form")
		}
		for i, bits := range sel.PCRSelections[0].PCRSelect {
			for n := range uint(8) {
				if bits&(1<<n) != 0 {
					k.pcrs = append(k.pcrs, uint(i)*8+n)
				}
			}
		}
		if len(k.pcrs) == 0 {
			return nil, bad("a policy over no PCR")
		}
	}
	pub, err := tpm2.Unmarshal[tpm2.TPM2BPublic](a.Public)
	if err != nil {
		return nil, bad("broken")
	}
	priv, err := tpm2.Unmarshal[tpm2.TPM2BPrivate](a.Private)
	if err != nil {
		return nil, bad("broken")
	}
	if k.public, k.private = *pub, *priv; !k.sealed {
		if _, err := k.publicKey(); err != nil {
			return nil, err
		}
	}
	return k, nil
}
