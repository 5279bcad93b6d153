package seal

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxKeyFile caps a key file: an ML-KEM public key has about 2.5 KB in hexadecimal digits.
const maxKeyFile = 16 << 10

// Save writes a key as one line of hexadecimal digits; a private one is readable by its owner only.
func Save(path string, key []byte, private bool) error {
	mode := os.FileMode(0o644)
	if private {
		mode = 0o600
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("seal: save key: %w", err)
	}
	_, err = io.WriteString(f, hex.EncodeToString(key)+"\n")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("seal: save key: %w", err)
	}
	return nil
}

// Load reads a key file.
func Load(path string) ([]byte, error) { return load(path, false) }

// LoadPrivate reads a private key file and refuses one that others may read.
func LoadPrivate(path string) ([]byte, error) { return load(path, true) }

// LoadSigner reads an Ed25519 seed.
func LoadSigner(path string) (*Signer, error) {
	b, err := LoadPrivate(path)
	if err != nil {
		return nil, err
	}
	s, err := NewSigner(b)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	return s, nil
}

// LoadPublic reads an Ed25519 public key.
func LoadPublic(path string) (ed25519.PublicKey, error) {
	b, err := Load(path)
	if err != nil {
		return nil, err
	}
	if len(b) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("seal: %s: %d bytes, an Ed25519 public key has 32", path, len(b))
	}
	return b, nil
}

// LoadPublics reads Ed25519 public keys, by their KeyID.
func LoadPublics(paths []string) (map[string]ed25519.PublicKey, error) {
	keys := make(map[string]ed25519.PublicKey, len(paths))
	for _, p := range paths {
		k, err := LoadPublic(p)
		if err != nil {
			return nil, err
		}
		keys[KeyID(k)] = k
	}
	return keys, nil
}

func load(path string, private bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("seal: key file: %w", err)
	}
	defer f.Close()
	if private {
		st, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("seal: key file: %w", err)
		}
		if st.Mode().Perm()&0o077 != 0 {
			return nil, fmt.Errorf("seal: %s: others may read this private key: chmod 600 %s", path, path)
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("seal: key file: %w", err)
	}
	defer clear(text)
	// The text is a key: it is not quoted.
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("seal: %s: one line of hexadecimal digits is expected", path)
	}
	return b, nil
}
