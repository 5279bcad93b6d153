package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"egate/configs"
	"egate/policy"
	"egate/seal"
)

// policyRow is the journal's row of the highest version of the policy that this gate has had (F-06).
const policyRow = "doc/policy"

// refusedPolicy tells inspectors that there is no policy for them.
const refusedPolicy = "refused"

// ruling is the policy in force: the hash of its file, empty for the built-in one, and what the journal keeps.
type ruling struct {
	file    string
	rows    map[string]string
	signers []string
	until   time.Time // zero for one that does not end
}

// rule accepts the policy of the configuration: signed by two persons, of this site, not ended, no older than what the
// journal knows. A gate that has had a signed policy does not go back to the built-in one.
func rule(cfg configs.Gate, rows map[string]string, now time.Time) (ruling, error) {
	refused := ruling{file: refusedPolicy}
	had, err := policy.ParseAccepted(rows[policyRow])
	if err != nil {
		return refused, err
	}
	if cfg.Inspect.Policy == "" {
		if had.Version > 0 && !cfg.Simulated {
			return refused, fmt.Errorf("policy: none is configured, and this gate has had the signed version %d", had.Version)
		}
		return ruling{}, nil
	}
	raw, err := os.ReadFile(cfg.Inspect.Policy)
	if err != nil {
		return refused, fmt.Errorf("policy: %w", err)
	}
	h := sha256.Sum256(raw)
	out := ruling{file: hex.EncodeToString(h[:])}
	if len(cfg.Inspect.PolicyKeys) == 0 {
		if !cfg.Simulated {
			return refused, errors.New("policy: nobody's key is named in policy_keys")
		}
		return out, nil // plain text
	}
	keys, err := seal.LoadPublics(cfg.Inspect.PolicyKeys)
	if err != nil {
		return refused, err
	}
	doc, err := policy.Open(raw, keys, cfg.Site, policy.Quorum)
	if err == nil {
		err = errors.Join(doc.In(now), doc.After(had))
	}
	if err != nil {
		return refused, err
	}
	out.rows, out.until, out.signers = map[string]string{policyRow: doc.Row()}, doc.ExpiresAt, doc.Signers
	return out, nil
}
