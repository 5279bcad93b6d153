package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"egate/pki"
	"egate/pki/tpm"
)

// pkiCommands are the certificates of a small site. A larger one hands the request files to its own authority.
func pkiCommands() []command {
	return []command{
		{"pki init", "--site S DIR", "make the site's own authority in a folder that is kept offline", pkiInit},
		{"pki request", "--key FILE [--tpm DEVICE [--pcr LIST]] NAME OUT.csr", "on the machine that uses it: make a key where there is none, and ask for a certificate", pkiRequest},
		{"pki issue", "--ca DIR [--days N] [--broker HOST]… REQUEST.csr OUT.pem", "sign the first request of a gate, console, witness or broker", pkiIssue},
		{"pki renew", "--ca DIR [--days N] REQUEST.csr OUT.pem", "sign again for the same key, expired or not", pkiRenew},
		{"pki replace-board", "--ca DIR [--days N] REQUEST.csr OUT.pem", "another board under the same name: revoke what the old one held", pkiReplace},
		{"pki revoke", "--ca DIR [--reason R] NAME|SERIAL", "take certificates into the brokers' revocation list", pkiRevoke},
		{"pki crl", "--ca DIR", "make a fresh revocation list", pkiList},
		{"pki show", "[--ca DIR] [FILE.pem…]", "certificates, how long they last and who renews them", pkiShow},
	}
}

func pkiInit(_ context.Context, out io.Writer, args []string) error {
	f := flags("pki init", out)
	site := f.String("site", "", "name of the site")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || *site == "" {
		return errUsage
	}
	a, err := pki.Init(f.Arg(0), *site, time.Now)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s  the authority of %s until %s: keep this folder offline, with a copy\n%s  for every gate, console and broker\n%s  for every broker\n", f.Arg(0), *site,
		a.Certificate().NotAfter.Format(time.DateOnly), filepath.Join(f.Arg(0), pki.CertFile), filepath.Join(f.Arg(0), pki.ListFile))
	return nil
}

func pkiRequest(_ context.Context, out io.Writer, args []string) error {
	f := flags("pki request", out)
	var chip tpmKey
	chip.flags(f)
	path := f.String("key", "", "private key; made where there is none")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 || *path == "" {
		return errUsage
	}
	var b []byte
	var made bool
	ask := func(key crypto.Signer) (err error) {
		b, err = pki.MakeRequest(f.Arg(0), key)
		return err
	}
	var err error
	if chip.path != "" {
		err = chip.with(func(t *tpm.TPM) error {
			key, err := keyOfTPM(t, *path, chip.pcrs(), &made)
			if err != nil {
				return err
			}
			return ask(key)
		})
	} else {
		var key crypto.Signer
		if b, err := os.ReadFile(*path); err == nil && tpm.Holds(b) {
			return fmt.Errorf("%s is a key of a TPM: say which with --tpm", *path)
		}
		key, err = pki.LoadKey(*path)
		if made = errors.Is(err, fs.ErrNotExist); made {
			if key, err = pki.NewKey(); err == nil {
				err = pki.SaveKey(*path, key)
			}
		}
		if err == nil {
			err = ask(key)
		}
	}
	if err != nil {
		return err
	}
	if err := pki.Install(f.Arg(1), b); err != nil {
		return err
	}
	if made {
		fmt.Fprintf(out, "%s  private: %s\n", *path, chip.stays())
	}
	fmt.Fprintf(out, "%s  to whoever has the authority\n", f.Arg(1))
	return nil
}

// keyOfTPM is the key of a file, made in the TPM where there is none.
func keyOfTPM(t *tpm.TPM, path string, pcrs []uint, made *bool) (crypto.Signer, error) {
	b, err := os.ReadFile(path)
	if *made = errors.Is(err, fs.ErrNotExist); *made {
		if b, err = t.NewKey(pcrs...); err == nil {
			err = pki.SavePrivate(path, b)
		}
	}
	if err != nil {
		return nil, err
	}
	return t.Signer(b)
}

// signing is what the three commands that sign have in common.
func signing(name string, out io.Writer, args []string, hosts *files, sign func(a *pki.Authority, r *pki.Request, life time.Duration) ([]byte, error)) error {
	f := flags(name, out)
	dir := f.String("ca", "", "folder of the authority")
	days := f.Int("days", int(pki.DefaultLife/(24*time.Hour)), "how long the certificate lives")
	if hosts != nil {
		f.Var(hosts, "broker", "host name or address under which gates reach this broker; may be given several times")
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 || *dir == "" {
		return errUsage
	}
	b, err := os.ReadFile(f.Arg(0))
	if err != nil {
		return err
	}
	r, err := pki.ParseRequest(b)
	if err != nil {
		return err
	}
	a, err := pki.Open(*dir, time.Now)
	if err != nil {
		return err
	}
	cert, err := sign(a, r, time.Duration(*days)*24*time.Hour)
	if err != nil {
		return err
	}
	if err := pki.Install(f.Arg(1), cert); err != nil {
		return err
	}
	issued := a.Issued()
	e := issued[len(issued)-1]
	fmt.Fprintf(out, "%s  %s, serial %s, until %s; renewal is due on %s\n", f.Arg(1), e.Name, e.Serial, e.Ends.Format(time.DateOnly), dueOn(e).Format(time.DateOnly))
	return nil
}

// dueOn is two thirds of a life on.
func dueOn(e pki.Entry) time.Time { return e.Ends.Add(-e.Ends.Sub(e.Begins) / 3) }

func pkiIssue(_ context.Context, out io.Writer, args []string) error {
	var hosts files
	return signing("pki issue", out, args, &hosts, func(a *pki.Authority, r *pki.Request, life time.Duration) ([]byte, error) {
		return a.Issue(r, hosts, life)
	})
}

func pkiRenew(_ context.Context, out io.Writer, args []string) error {
	return signing("pki renew", out, args, nil, (*pki.Authority).Renew)
}

func pkiReplace(_ context.Context, out io.Writer, args []string) error {
	if err := signing("pki replace-board", out, args, nil, (*pki.Authority).ReplaceBoard); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s goes to every broker now; the console needs the new board's signing key (egatectl key make) in place of the old one\n", pki.ListFile)
	return nil
}

func pkiRevoke(_ context.Context, out io.Writer, args []string) error {
	f := flags("pki revoke", out)
	dir := f.String("ca", "", "folder of the authority")
	reason := f.String("reason", "unspecified", "unspecified, key-compromise, superseded or cessation")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || *dir == "" {
		return errUsage
	}
	a, err := pki.Open(*dir, time.Now)
	if err == nil {
		err = a.Revoke(f.Arg(0), *reason)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s  to every broker; restart it, so that a connection of that certificate ends\n", filepath.Join(*dir, pki.ListFile))
	return nil
}

func pkiList(_ context.Context, out io.Writer, args []string) error {
	f := flags("pki crl", out)
	dir := f.String("ca", "", "folder of the authority")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 0 || *dir == "" {
		return errUsage
	}
	a, err := pki.Open(*dir, time.Now)
	if err == nil {
		err = a.List()
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s  to every broker\n", filepath.Join(*dir, pki.ListFile))
	return nil
}

// stages are those of pki in words.
var stages = map[pki.Stage]string{pki.Fresh: "good", pki.Due: "renewal is due", pki.Ending: "ends within days", pki.LastDay: "ends within hours", pki.Expired: "EXPIRED or not valid yet"}

func pkiShow(_ context.Context, out io.Writer, args []string) error {
	f := flags("pki show", out)
	dir := f.String("ca", "", "folder of an authority: everything that it has issued")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() == 0 && *dir == "" {
		return errUsage
	}
	now := time.Now()
	left := func(t time.Time) int { return int(t.Sub(now) / (24 * time.Hour)) }
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if *dir != "" {
		a, err := pki.Open(*dir, time.Now)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\tauthority\t%d days left\n", a.Certificate().Subject.CommonName, left(a.Certificate().NotAfter))
		for _, e := range a.Issued() {
			state := fmt.Sprintf("%d days left", left(e.Ends))
			switch {
			case !e.Revoked.IsZero():
				state = "revoked " + e.Revoked.Format(time.DateOnly) + ", " + e.Reason
			case !e.Live(now):
				state = "expired"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.Name, e.Serial, state, strings.Join(e.Hosts, " "))
		}
	}
	for _, p := range f.Args() {
		c, err := pki.LoadCert(p)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%s of %s\tuntil %s, %d days\t%s\n", p, c.Subject.CommonName, c.Issuer.CommonName, c.NotAfter.Format(time.DateTime), left(c.NotAfter), stages[pki.StageOf(c, now)])
	}
	return w.Flush()
}
