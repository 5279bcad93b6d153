package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"egate/api"
	"egate/audit"
	"egate/journal"
	"egate/seal"
)

// maxProofFile caps a proof that is read, bytes.
const maxProofFile = 1 << 20

// evidence is whose audit log a command reads.
type evidence struct {
	site, gate, key string
	pub             ed25519.PublicKey
}

func (e *evidence) flags(f *flag.FlagSet) {
	f.StringVar(&e.site, "site", "", "name of the site")
	f.StringVar(&e.gate, "gate", "", "name of the gate")
	f.StringVar(&e.key, "key", "", "public key of the gate, one line of hexadecimal digits")
}

// load reads the key. Whatever is missing is a wrong question.
func (e *evidence) load() (err error) {
	if e.site == "" || e.gate == "" || e.key == "" {
		return errUsage
	}
	e.pub, err = seal.LoadPublic(e.key)
	return err
}

func (e *evidence) name() string { return audit.Name(e.site, e.gate) }

func journalOf(dir string) string { return filepath.Join(dir, "journal") }
func auditOf(dir string) string   { return filepath.Join(dir, "audit") }

// auditShow lists leaves of the audit log as they are in the journal, without judging them.
func auditShow(ctx context.Context, out io.Writer, args []string) error {
	f := flags("audit show", out)
	epoch := f.Uint64("epoch", 0, "of this epoch only")
	from := f.Uint64("from", 0, "from this leaf on")
	kind := f.String("type", "", "of this type only, e.g. order or change")
	asJSON := f.Bool("json", false, "one JSON document a line")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errUsage
	}
	w := bufio.NewWriter(out)
	n := 0
	rep, err := journal.Read(journal.Dir(journalOf(f.Arg(0))), func(e journal.Entry) error {
		for i, b := range e.Leaves {
			index := e.FirstLeaf + uint64(i)
			var d api.Draft
			known := json.Unmarshal(b, &d) == nil
			if *epoch != 0 && e.Epoch != *epoch || index < *from || *kind != "" && d.Type != *kind {
				continue
			}
			n++
			switch {
			case *asJSON:
				line, err := json.Marshal(struct {
					Epoch uint64          `json:"epoch"`
					Index uint64          `json:"index"`
					Leaf  json.RawMessage `json:"leaf"`
				}{e.Epoch, index, raw(b)})
				if err != nil {
					return err
				}
				fmt.Fprintf(w, "%s\n", line)
			case known:
				fmt.Fprintf(w, "%d %6d  %s  %-9s %s\n", e.Epoch, index, d.Time.UTC().Format("2006-01-02 15:04:05.000"), d.Type, d.Data)
			default:
				fmt.Fprintf(w, "%d %6d  %q\n", e.Epoch, index, b)
			}
		}
		return ctx.Err()
	})
	if err := errors.Join(err, w.Flush()); err != nil {
		return err
	}
	if n == 0 && rep.Segments == 0 {
		return fmt.Errorf("no journal in %s: name the state_dir of the gate", f.Arg(0))
	}
	for _, h := range rep.Holes {
		fmt.Fprintf(os.Stderr, "damage in %s at %d: %s\n", h.Segment, h.Offset, h.Why)
	}
	return nil
}

// raw is a leaf as JSON, or as a JSON string where it is none.
func raw(b []byte) json.RawMessage {
	if json.Valid(b) {
		return b
	}
	s, _ := json.Marshal(string(b)) // a string always encodes
	return s
}

// auditProve writes the proof that one leaf is in the log: whoever has the gate's public key can check it
// with `audit check`, without the gate.
func auditProve(_ context.Context, out io.Writer, args []string) error {
	f := flags("audit prove", out)
	var e evidence
	e.flags(f)
	to := f.String("out", "", "`file` for the proof (default: print it)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 3 {
		return errUsage
	}
	if err := e.load(); err != nil {
		return err
	}
	epoch, err1 := strconv.ParseUint(f.Arg(1), 10, 64)
	index, err2 := strconv.ParseInt(f.Arg(2), 10, 64)
	if err1 != nil || err2 != nil {
		return errors.New("epoch and leaf are numbers: audit show prints them first in each line")
	}
	p, err := audit.Prove(journalOf(f.Arg(0)), auditOf(f.Arg(0)), e.name(), e.pub, epoch, index)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if *to == "" {
		_, err = out.Write(b)
		return err
	}
	return os.WriteFile(*to, b, 0o600)
}

// auditCheck checks a proof of inclusion with nothing but the gate's public key.
func auditCheck(_ context.Context, out io.Writer, args []string) error {
	f := flags("audit check", out)
	var e evidence
	e.flags(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errUsage
	}
	if err := e.load(); err != nil {
		return err
	}
	file, err := os.Open(f.Arg(0))
	if err != nil {
		return err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxProofFile))
	if err != nil {
		return err
	}
	var p audit.InclusionProof
	if err := json.Unmarshal(b, &p); err != nil {
		return fmt.Errorf("%s is no proof of audit prove: %w", f.Arg(0), err)
	}
	if err := p.Check(e.name(), e.pub); err != nil {
		return err
	}
	c, err := audit.ParseCheckpoint(p.Checkpoint, audit.Verifier(e.name(), e.pub))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "proven: leaf %d of %s, under a signed checkpoint of %d leaves\n%s\n", p.Index, c.Origin, c.Size, p.Leaf)
	return nil
}

// auditExport writes everything that is there of the audit log to one file that proves itself.
func auditExport(_ context.Context, out io.Writer, args []string) error {
	f := flags("audit export", out)
	var e evidence
	e.flags(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		return errUsage
	}
	if err := e.load(); err != nil {
		return err
	}
	file, err := os.OpenFile(f.Arg(1), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<16)
	n, err := audit.Export(w, journalOf(f.Arg(0)), auditOf(f.Arg(0)), e.name(), e.pub)
	if err = errors.Join(err, w.Flush(), file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Arg(1)))
	}
	fmt.Fprintf(out, "%d leaves in %s; check it with: egatectl audit verify --export %s --site %s --gate %s --key %s\n", n, f.Arg(1), f.Arg(1), e.site, e.gate, e.key)
	return nil
}

// verifyExport checks a file of audit export.
func verifyExport(out io.Writer, path string, e evidence) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := audit.CheckExport(bufio.NewReaderSize(file, 1<<16), e.name(), e.pub)
	if err != nil {
		return err
	}
	for _, x := range r {
		fmt.Fprintf(out, "epoch %d: leaves %d to %d are unchanged under a signed checkpoint of %d\n", x.Epoch, x.Signed-x.Present, x.Signed-1, x.Signed)
	}
	return nil
}

// tellCosigned says how far a witness has cosigned, and whether that witness is independent of the desk.
func tellCosigned(out io.Writer, dir string, e evidence, r audit.Report, witness, principal string) error {
	if witness == "" {
		return nil
	}
	pub, err := seal.LoadPublic(witness)
	if err != nil {
		return err
	}
	name := audit.WitnessName(e.site, principal)
	for _, x := range r.Epochs {
		if x.Cosigned == 0 {
			fmt.Fprintf(out, "epoch %d: no witness has cosigned anything\n", x.Epoch)
			continue
		}
		c, at, err := audit.LastCosigned(auditOf(dir), e.name(), x.Epoch, audit.Verifier(e.name(), e.pub), audit.CosignatureVerifier(name, pub))
		if err != nil {
			return fmt.Errorf("epoch %d: cosignature: %w", x.Epoch, err)
		}
		fmt.Fprintf(out, "epoch %d: %s has cosigned %d leaves at %s%s\n", x.Epoch, name, c.Size, at.Format(time.RFC3339), notIndependent(principal))
	}
	return nil
}

// desks are the principals that run with the desk.
const deskPrincipal = "console"

func notIndependent(principal string) string {
	if strings.EqualFold(principal, deskPrincipal) {
		return " (not independent: this witness runs with the desk)"
	}
	return ""
}
