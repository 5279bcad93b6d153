package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"egate/emrtd/cms"
	"egate/emrtd/trust"
	"egate/seal"
)

// trustCommands are the commands of a trust desk (C-06, C-07).
func trustCommands() []command {
	return []command{
		{"trust import", "--key FILE [--site S] [--root CER…] [--test] BUNDLE FILE…", "take master lists, certificates, revocation lists, LDIF of the ICAO PKD, deviations", trustImport},
		{"trust list", "--key FILE [--country CC] BUNDLE", "every certificate, revocation list and known deviation of a bundle", trustList},
		{"trust diff", "--key FILE OLD NEW", "what a new bundle adds and drops", trustDiff},
		{"trust check", "--key FILE [--site S] [--at DATE] BUNDLE", "would a gate take this bundle, and what can it prove with it", trustCheck},
	}
}

// files is a flag that may be given several times.
type files []string

func (f *files) String() string     { return strings.Join(*f, " ") }
func (f *files) Set(s string) error { *f = append(*f, s); return nil }

// defaultBundleLife is how long a bundle is good unless told otherwise: as long as a revocation list may
// be believed (C-07).
const defaultBundleLife = trust.DefaultCRLStop

// trustImport makes the next version of a bundle, or the first. Nothing is written unless everything that
// was named was taken.
func trustImport(_ context.Context, out io.Writer, args []string) error {
	f := flags("trust import", out)
	keyPath := f.String("key", "", "private key that signs the bundle, one line of hexadecimal digits")
	site := f.String("site", "", "name of the site, for a new bundle")
	var roots files
	f.Var(&roots, "root", "pinned root of master lists, DER or PEM; may be given several times")
	cscas := f.Bool("trust-cscas", false, "take the CSCA certificates of an LDIF export for anchors")
	listed := f.Bool("accept-listed", false, "let certificates of a master list that no key verifies be anchors; each use is named in the report")
	life := f.Duration("valid", defaultBundleLife, "how long gates may use the bundle")
	published := f.Duration("take-deviations", 0, "take what a state's deviation list can excuse, for so long (default: show it only)")
	signers := f.String("signers", "", "keep the document signers of these countries from an LDIF export, as UT,DE: for documents that carry no certificate")
	test := f.Bool("test", false, "the certificates are of specimens: a gate refers what they have issued, under a reason of its own")
	fetched := f.String("fetched", "", "when the files came from their publishers, 2006-01-02 or RFC 3339 (default: the times of the files)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() < 2 || *keyPath == "" {
		return errUsage
	}
	now := time.Now()
	key, err := readSigningKey(*keyPath)
	if err != nil {
		return err
	}
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return errors.New(*keyPath + ": no Ed25519 key")
	}
	if *life <= 0 {
		return errors.New("--valid must be longer than nothing")
	}
	var at time.Time
	if *fetched != "" {
		if at, err = parseDate(*fetched); err != nil {
			return err
		}
		if at.After(now) {
			return errors.New("--fetched lies in the future")
		}
	}
	path := f.Arg(0)
	old, err := readBundle(path, pub)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if *site == "" {
			return fmt.Errorf("%s does not exist: name its site with --site", path)
		}
	case err != nil:
		return err
	case *site != "" && *site != old.Site:
		return fmt.Errorf("%s is of site %q, not %q", path, old.Site, *site)
	}
	b := &trust.Bundle{Type: trust.BundleType, Site: *site}
	if old != nil {
		next := *old
		next.Anchors, next.CRLs, next.Deviations = slices.Clone(old.Anchors), slices.Clone(old.CRLs), slices.Clone(old.Deviations)
		next.Signers = slices.Clone(old.Signers)
		b = &next
	}
	b.Version++
	b.Created, b.Expires = now.UTC().Truncate(time.Second), now.Add(*life).UTC().Truncate(time.Second)
	b.AcceptListed = b.AcceptListed || *listed
	im := trust.Importer{Bundle: b, TrustCSCAs: *cscas, DeviationLife: *published, Test: *test, Now: now}
	if *signers != "" {
		im.SignersOf = strings.Split(*signers, ",")
	}
	for _, c := range im.SignersOf {
		if len(c) != 2 {
			return fmt.Errorf("--signers: %q is no country: two letters each, with commas between", c)
		}
	}
	for _, r := range roots {
		c, err := readCertificate(r)
		if err != nil {
			return err
		}
		im.Roots = append(im.Roots, c)
	}
	var done []*trust.Imported
	for _, name := range f.Args()[1:] {
		data, mtime, err := readInput(name)
		if err != nil {
			return err
		}
		if !at.IsZero() {
			mtime = at
		}
		x, err := im.Add(name, data, mtime)
		if err != nil {
			return err
		}
		done = append(done, x)
	}
	if err := im.Finish(); err != nil {
		return err
	}
	if err := b.Save(path, key); err != nil {
		return err
	}
	for _, x := range done {
		printImported(out, x)
	}
	changes := trust.Diff(old, b)
	added := 0
	for _, c := range changes {
		if c.Added {
			added++
		}
	}
	fmt.Fprintf(out, "%s: version %d of site %q, %d anchors, %d lists, %d deviations; %d entries new, %d gone; good until %s\n", path, b.Version, b.Site,
		len(b.Anchors), len(b.CRLs), len(b.Deviations), added, len(changes)-added, b.Expires.Format(time.DateTime))
	return nil
}

func printImported(out io.Writer, x *trust.Imported) {
	var parts []string
	for _, k := range []trust.Kind{trust.Root, trust.Link, trust.Listed} {
		if n := x.Anchors[k]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, k))
		}
	}
	for _, c := range []struct {
		n    int
		name string
	}{{x.CRLs, "revocation lists"}, {x.Signers, "document signers"}, {x.Deviations, "deviations"}, {x.Refused, "refused"}, {x.Left, "left"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.name))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing new"}
	}
	fmt.Fprintf(out, "%s: %s: %s\n", x.Source, x.Kind, strings.Join(parts, ", "))
	if x.Signer != "" {
		fmt.Fprintf(out, "  signed %s by %s\n", x.Signed.Format(time.DateTime), x.Signer)
	}
	for _, n := range x.Notes {
		fmt.Fprintf(out, "  %s\n", n)
	}
}

func trustList(_ context.Context, out io.Writer, args []string) error {
	f := flags("trust list", out)
	key := f.String("key", "", "public key of the bundle, one line of hexadecimal digits")
	country := f.String("country", "", "two letters: only this country")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || *key == "" {
		return errUsage
	}
	b, s, err := openBundle(f.Arg(0), *key)
	if err != nil {
		return err
	}
	now := time.Now()
	mine := func(c string) bool { return *country == "" || strings.EqualFold(c, *country) }
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "site %s\tversion %d\tcreated %s, %s old\tgood until %s\n", b.Site, b.Version, b.Created.Format(time.DateTime), age(now.Sub(b.Created)), b.Expires.Format(time.DateTime))
	anchors := s.Anchors()
	slices.SortStableFunc(anchors, func(a, b *trust.Anchor) int {
		return strings.Compare(a.Cert.Subject.Country+trust.Describe(a.Cert), b.Cert.Subject.Country+trust.Describe(b.Cert))
	})
	for _, a := range anchors {
		if !mine(a.Cert.Subject.Country) {
			continue
		}
		note := ""
		if !s.Trusted(a, now) {
			note = "no path to a root: not trusted"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", a.Kind, trust.Describe(a.Cert), a.Source, note)
	}
	for _, e := range b.CRLs {
		l, err := cms.ParseCRL(e.DER)
		if err != nil || !mine(l.Issuer.Country) {
			continue
		}
		fmt.Fprintf(w, "list\t%s %s of %s, %d entries\t%s\tfetched %s ago\n", l.Issuer.Country, l.Issuer.Common, l.ThisUpdate.Format(time.DateOnly), l.Len(), e.Source, age(now.Sub(e.Fetched)))
	}
	for _, d := range b.Deviations {
		if mine(d.Country) {
			fmt.Fprintf(w, "deviation\t%s: %s %s %s\tuntil %s\t%s\n", d.ID, d.Country, d.Check, d.Reason, d.Expires.Format(time.DateOnly), d.Note)
		}
	}
	return w.Flush()
}

func trustDiff(_ context.Context, out io.Writer, args []string) error {
	f := flags("trust diff", out)
	key := f.String("key", "", "public key of both bundles, one line of hexadecimal digits")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 || *key == "" {
		return errUsage
	}
	var b [2]*trust.Bundle
	for i := range b {
		var err error
		if b[i], _, err = openBundle(f.Arg(i), *key); err != nil {
			return err
		}
	}
	if b[0].Site != b[1].Site {
		return fmt.Errorf("bundles of two sites, %q and %q", b[0].Site, b[1].Site)
	}
	fmt.Fprintf(out, "version %d of %s, version %d of %s\n", b[0].Version, b[0].Created.Format(time.DateOnly), b[1].Version, b[1].Created.Format(time.DateOnly))
	if b[0].AcceptListed != b[1].AcceptListed {
		fmt.Fprintf(out, "policy: certificates that nothing verifies are anchors: %v, now %v\n", b[0].AcceptListed, b[1].AcceptListed)
	}
	for _, c := range trust.Diff(b[0], b[1]) {
		sign := "-"
		if c.Added {
			sign = "+"
		}
		fmt.Fprintf(out, "%s %s %s\n", sign, c.What, c.Text)
	}
	return nil
}

// trustCheck says what a gate would: an error where it would refuse the bundle, or where no list of
// revocations of it proves anything any more.
func trustCheck(_ context.Context, out io.Writer, args []string) error {
	f := flags("trust check", out)
	key := f.String("key", "", "public key of the bundle, one line of hexadecimal digits")
	site := f.String("site", "", "site of the gate")
	when := f.String("at", "", "judge as on this day, 2006-01-02 or RFC 3339 (default: now)")
	version := f.Uint64("version", 0, "highest version that the gate has accepted")
	service := f.Bool("in-service", false, "as a gate in service: bundles of the simulator are refused")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || *key == "" {
		return errUsage
	}
	now := time.Now()
	if *when != "" {
		var err error
		if now, err = parseDate(*when); err != nil {
			return err
		}
	}
	pub, err := seal.LoadPublic(*key)
	if err != nil {
		return err
	}
	opts := []trust.Option{trust.MinVersion(*version)}
	if *site != "" {
		opts = append(opts, trust.Site(*site))
	}
	if *service {
		opts = append(opts, trust.InService())
	}
	s, err := trust.Load(f.Arg(0), pub, now, opts...)
	if err != nil {
		return err
	}
	i := s.Info()
	fmt.Fprintf(out, "bundle     version %d of site %s, %s old, good for %s more\n", i.Version, i.Site, age(i.Age(now)), age(i.Expires.Sub(now)))
	fmt.Fprintf(out, "anchors    %d of %d countries, %d unreadable\n", i.Anchors, i.Countries, i.Refused)
	lost, expired := 0, 0
	for _, a := range s.Anchors() {
		if !s.Trusted(a, now) {
			lost++
		}
		if now.After(a.Cert.NotAfter) {
			expired++
		}
	}
	fmt.Fprintf(out, "           %d without a path to a root, %d expired (they still verify what they issued in time)\n", lost, expired)
	good, warn, stale, none := 0, 0, 0, 0
	for _, st := range s.CRLStates(now, trust.RevocationPolicy{}) {
		switch {
		case st.State == trust.RevocationGood && !st.Warn:
			good++
			continue
		case st.State == trust.RevocationGood:
			warn++
			fmt.Fprintf(out, "warning    %s %q: list of revocations fetched %s ago\n", st.Country, st.Name, age(now.Sub(st.Fetched)))
		case st.State == trust.RevocationStale:
			stale++
			fmt.Fprintf(out, "stale      %s %q: list of revocations fetched %s ago proves nothing\n", st.Country, st.Name, age(now.Sub(st.Fetched)))
		default:
			none++
		}
	}
	fmt.Fprintf(out, "lists      %d issuers fresh, %d to be renewed, %d stale, %d without any\n", good, warn, stale, none)
	over := 0
	for _, d := range s.Deviations() {
		if now.After(d.Expires) {
			over++
		}
	}
	fmt.Fprintf(out, "deviations %d, %d expired\n", len(s.Deviations()), over)
	if stale > 0 {
		return fmt.Errorf("revocation lists of %d issuers are too old to prove anything", stale)
	}
	return nil
}

func age(d time.Duration) string {
	switch {
	case d < time.Hour:
		return d.Round(time.Minute).String()
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no date: 2006-01-02 or 2006-01-02T15:04:05Z is expected", s)
}

// readInput reads one file of a publisher with the time that it bears.
func readInput(path string) ([]byte, time.Time, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	if st.Size() > trust.MaxLDIF {
		return nil, time.Time{}, fmt.Errorf("%s: %d bytes are more than any export has", path, st.Size())
	}
	b, err := os.ReadFile(path)
	return b, st.ModTime(), err
}

func readCertificate(path string) (*cms.Certificate, error) {
	b, _, err := readInput(path)
	if err != nil {
		return nil, err
	}
	c, err := cms.ParseCertificatePEM(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func readSigningKey(path string) (ed25519.PrivateKey, error) {
	seed, err := seal.LoadPrivate(path)
	if err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s: no Ed25519 private key: egatectl key make NAME makes a pair", path)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func readBundle(path string, pub ed25519.PublicKey) (*trust.Bundle, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Size() > trust.MaxBundle {
		return nil, fmt.Errorf("%s: %d bytes are more than any bundle has", path, st.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b, err := trust.Verify(data, pub)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// openBundle verifies the signature only: an expired bundle may be looked at.
func openBundle(path, keyPath string) (*trust.Bundle, *trust.Store, error) {
	pub, err := seal.LoadPublic(keyPath)
	if err != nil {
		return nil, nil, err
	}
	b, err := readBundle(path, pub)
	if err != nil {
		return nil, nil, err
	}
	s, err := b.Store()
	return b, s, err
}
