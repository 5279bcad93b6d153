package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"egate/api"
	"egate/audit"
	"egate/configs"
	"egate/health"
	"egate/internal/buildinfo"
	"egate/journal"
	"egate/link"
	"egate/officers"
)

// Limits of the evidence.
const (
	exportEvery  = 10 * time.Second // checkpoints of the audit log, at the latest
	exportLeaves = 256              // and as soon as so many leaves wait
	changeLimit  = 5 * time.Second  // for a record before the first step
)

// urgent tells the leaves after which a checkpoint leaves the gate at once: orders, changes of what decides,
// losses and deletions.
func urgent(leaf []byte) bool {
	var d struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(leaf, &d) == nil && (d.Type == api.EventOrder || d.Type == api.EventChange || d.Type == api.EventGap || d.Type == api.EventDeletion)
}

// witnessed hands cosignatures of the centre to the audit log. Files are written there: not in the
// handler of the connection, which only leaves the newest one here.
type witnessed struct{ in chan api.Cosign }

func newWitnessed() *witnessed { return &witnessed{make(chan api.Cosign, 1)} }

// put replaces what waits: a witness's later cosignature covers the earlier ones.
func (w *witnessed) put(c api.Cosign) {
	for {
		select {
		case w.in <- c:
			return
		default:
		}
		select {
		case <-w.in:
		default:
		}
	}
}

// run takes cosignatures until ctx ends. One over a history that this gate does not have tells of a loss.
func (w *witnessed) run(ctx context.Context, evidence *audit.Log, j *journal.Journal, site string, key ed25519.PublicKey, log *slog.Logger) {
	by := audit.CosignatureVerifier(audit.WitnessName(site, centrePrincipal), key)
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-w.in:
			switch err := evidence.Cosigned(c.Epoch, c.Size, c.Hash, []byte(c.Line), by); {
			case errors.Is(err, audit.ErrBehind):
				log.Error("egated: audit", "err", err, "security", true)
				if _, err := j.Lost(ctx, c.Epoch, "a witness has cosigned what the journal does not hold"); err != nil {
					log.Error("egated: new epoch", "err", err)
				}
			case err != nil:
				log.Warn("egated: cosignature", "err", err, "security", true)
			}
		}
	}
}

// follow makes checkpoints and publishes them until ctx ends.
func follow(ctx context.Context, evidence *audit.Log, lk *link.Link, board *health.Board, log *slog.Logger) {
	evidence.Follow(ctx, audit.Rule{Period: exportEvery, Leaves: exportLeaves, Urgent: urgent}, lk.PublishCheckpoint, func(err error) {
		log.Error("egated: audit", "err", err)
		board.Raise(health.JournalFailed, health.PartJournal)
	})
}

// part is something that decides, a name of its present content, and what the journal keeps of it.
type part struct {
	what, is string
	rows     map[string]string
	by       []string // keys that signed it
}

// parts are what decides at this gate. A file that is not there is "absent": whoever needs it says so.
func parts(path string, cfg configs.Gate, kid string, who *officers.Keeper, by ruling) []part {
	rules := cfg.Inspect
	rules.Program, rules.Models, rules.ModelKeys, rules.Trust, rules.TrustKey, rules.PolicyKeys = "", "", nil, "", "", nil // where things are decides nothing
	if rules.Policy != "" {
		rules.Policy = by.file
	}
	policy, err := json.Marshal(rules)
	if err != nil {
		policy = nil // plain values: it cannot fail
	}
	all := []part{
		{what: "software", is: token(buildinfo.Version)},
		{what: "config", is: fileHash(path)},
		{what: "policy", is: hash(policy), rows: by.rows, by: by.signers},
		{what: "model", is: fileHash(filepath.Join(cfg.Inspect.Models, "manifest.json"))},
		{what: "trust", is: fileHash(cfg.Inspect.Trust, cfg.Inspect.TrustKey)},
		{what: "key_gate", is: token(kid)},
		{what: "key_centre", is: fileHash(cfg.Keys.Centre, cfg.Keys.CentreSeal)},
		{what: "key_roster", is: fileHash(cfg.Officers.RosterKey)},
	}
	if len(cfg.Inspect.PolicyKeys) > 0 {
		all = append(all, part{what: "key_policy", is: fileHash(cfg.Inspect.PolicyKeys...)})
	}
	if r := who.Current(); r != nil {
		all = append(all, rosterPart(r))
	}
	return all
}

// token is a text as the contract takes it.
func token(s string) string {
	s = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._+-", c) {
			return c
		}
		return '-'
	}, s)
	if s = strings.TrimLeft(s, "._+-"); s == "" {
		return "unknown"
	}
	return s[:min(len(s), 64)]
}

func hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:16])
}

func fileHash(paths ...string) string {
	var all []byte
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			return "absent"
		}
		h := sha256.Sum256(b)
		all = append(all, h[:]...)
	}
	return hash(all)
}

// changeRow is the journal's row of what a part was at the last start.
func changeRow(what string) string { return "part/" + what }

// tellChanges commits an event and a leaf for each part that differs from the last start, before the first
// step, and returns the last step that is used then. A journal that does not take it is the loop's to
// tell; the rows stay as they were, so that the next start tells again.
func tellChanges(ctx context.Context, j *journal.Journal, last uint64, now []part) (uint64, error) {
	r := journal.Record{Step: last + 1, Meta: map[string]string{}}
	for _, p := range now {
		old := j.Meta(changeRow(p.what))
		if old == p.is {
			continue
		}
		if old == "" {
			old = "none"
		}
		data, err := json.Marshal(api.Change{What: p.what, Old: old, New: p.is, By: p.by})
		if err != nil {
			return last, err
		}
		d, err := json.Marshal(api.Draft{Type: api.EventChange, Time: time.Now().UTC(), Data: data})
		if err != nil {
			return last, err
		}
		r.Events, r.Leaves = append(r.Events, d), append(r.Leaves, d)
		r.Meta[changeRow(p.what)] = p.is
		maps.Copy(r.Meta, p.rows)
	}
	if len(r.Events) == 0 {
		return last, nil
	}
	return r.Step, commit(ctx, j, r)
}

// tellDeleted commits, at the first start of a version that tells of deletions, what was gone before (DP-08): from then on nothing
// goes untold. It returns the last step that is used then.
func tellDeleted(ctx context.Context, j *journal.Journal, last uint64, first bool, auditDir string) (uint64, error) {
	if j.Meta(deletionRow) != "" {
		return last, nil
	}
	epoch, leaf := j.First()
	older, err := audit.Epochs(auditDir)
	if err != nil {
		return last, err
	}
	r := journal.Record{Meta: map[string]string{deletionRow: "none"}}
	if !first && (leaf > 0 || len(older) > 0 && older[0] < epoch) {
		r = deletion(api.Deletion{Class: "found_gone", Upto: time.Now().UTC(), Leaves: leaf, Epoch: epoch, Leaf: leaf}, auditDir)
	}
	r.Step = last + 1
	return r.Step, commit(ctx, j, r)
}

// commit waits for one record before the loop has begun.
func commit(ctx context.Context, j *journal.Journal, r journal.Record) error {
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	j.Submit(r)
	select {
	case res := <-j.Results():
		if res.Err != nil {
			return fmt.Errorf("egated: record before the first step: %w", res.Err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("egated: record before the first step: %w", ctx.Err())
	}
}

// deletionRow is the journal's row that says that deletions are told of.
const deletionRow = "deletion"

// deletion makes the record of one (DP-08).
func deletion(d api.Deletion, auditDir string) journal.Record {
	if root, err := audit.Root(auditDir, d.Epoch, d.Leaf); err == nil {
		d.Root = hex.EncodeToString(root[:])
	}
	data, err := json.Marshal(d)
	if err != nil {
		data = nil // plain values: it cannot fail
	}
	draft, err := json.Marshal(api.Draft{Type: api.EventDeletion, Time: time.Now().UTC(), Data: data})
	if err != nil {
		draft = nil
	}
	return journal.Record{Events: [][]byte{draft}, Leaves: [][]byte{draft}, Meta: map[string]string{deletionRow: fmt.Sprintf("%d-%d", d.Epoch, d.Leaf)}}
}

// forget tells of what retention deletes.
func forget(auditDir string) func(journal.Forgotten) journal.Record {
	return func(f journal.Forgotten) journal.Record {
		return deletion(api.Deletion{Class: "journal", Upto: f.Upto, Leaves: f.Leaves, Epoch: f.Epoch, Leaf: f.Leaf}, auditDir)
	}
}
