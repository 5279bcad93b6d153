package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"egate/emrtd"
	"egate/emrtd/mrz"
	"egate/emrtd/pa"
	"egate/hal"
	"egate/hal/pcsc"
	"egate/hal/pn532"
	"egate/hal/serialhal"
	"egate/verdict"
)

// maxKeyFile bounds a file with printed lines or an access number.
const maxKeyFile = 1024

// documentRead reads one document on a reader and reports what it could prove. The access key comes from a
// file or the standard input: arguments are visible to every program of the machine.
func documentRead(ctx context.Context, out io.Writer, args []string) error {
	f := flags("document read", out)
	name := f.String("reader", "pcsc", "pcsc, pcsc:NAME or pn532:DEVICE; \"list\" shows the readers of PC/SC")
	zone := f.String("mrz", "", "file with the printed lines of the document; - for standard input")
	can := f.String("can", "", "file with the card access number, in place of the printed lines; - for standard input")
	file := f.String("trust", "", "trust bundle; without it nobody's signature is believed")
	key := f.String("key", "", "public key of the bundle, one line of hexadecimal digits")
	asJSON := f.Bool("json", false, "print the report as JSON")
	save := f.String("save", "", "write the files read into this folder: personal data, in a lab build only")
	limit := f.Duration("timeout", time.Minute, "how long to wait for the document and its chip")
	noSHA1 := f.Bool("forbid-sha1", false, "take signatures and hashes by SHA-1 for not possible")
	noBAC := f.Bool("no-bac", false, "refuse Basic Access Control")
	maxAPDU := f.Int("max-apdu", 0, "longest command and answer in bytes, for a PC/SC reader that carries less than it says")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *name == "list" {
		return listReaders(ctx, out)
	}
	switch {
	case f.NArg() != 0:
		return errUsage
	case (*zone == "") == (*can == ""):
		return unchecked(errors.New("what opens the chip: give its printed lines with --mrz FILE, or its card access number with --can FILE (- for standard input)"))
	case (*file == "") != (*key == ""):
		return unchecked(errors.New("--trust and --key go together: a bundle, and the public key that it is signed with"))
	}
	if *save != "" && !canSave {
		return unchecked(errors.New("--save: this build keeps no personal data; build with -tags lab for specimens"))
	}
	now := time.Now()
	opt := emrtd.Options{Now: now, AllowBAC: !*noBAC, Policy: pa.Policy{ForbidSHA1: *noSHA1}}
	var doc mrz.Document
	var left []verdict.CheckID
	if *can != "" {
		b, err := readKeyFile(*can)
		if err != nil {
			return unchecked(fmt.Errorf("--can: %w", err))
		}
		if opt.CAN = string(bytes.TrimSpace(b)); opt.CAN == "" {
			return unchecked(errors.New("--can: no number there"))
		}
		left = []verdict.CheckID{verdict.CheckMRZ, verdict.CheckDG1MRZ} // the page is not part of this read
	} else {
		b, err := readKeyFile(*zone)
		if err != nil {
			return unchecked(fmt.Errorf("--mrz: %w", err))
		}
		doc, err = mrz.Parse(bytes.Fields(b), now)
		clear(b)
		if err != nil {
			return unchecked(fmt.Errorf("--mrz: %w: two lines of 44 characters (passport), or two of 36 or three of 30 (card) are expected", err))
		}
		defer doc.Wipe()
	}
	if *file != "" {
		var err error
		if opt.Trust, err = openTrust(*file, *key, now); err != nil {
			return unchecked(err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	reader, err := openReader(ctx, *name, *maxAPDU)
	if err != nil {
		return unchecked(err)
	}
	defer reader.Close()
	bar := newBar(os.Stderr)
	bar.say("lay the document on the reader …")
	card, err := reader.Connect(ctx)
	if err != nil {
		return unchecked(fmt.Errorf("no document: %w", err))
	}
	bar.say("reading; leave the document where it is")
	opt.Progress = bar.show
	opt.Reconnect = func(ctx context.Context) (hal.Card, error) {
		if err := reader.Reset(ctx); err != nil {
			return nil, err
		}
		return reader.Connect(ctx)
	}
	rep, err := emrtd.Read(ctx, card, doc, opt)
	bar.done()
	_ = card.Close() // the report is made
	defer rep.Wipe()
	found := finding{Answer: judge(rep.Checks, left), Checks: rep.Checks, Chip: chipReport(rep, err)}
	if *save != "" {
		if err := saveFiles(*save, rep); err != nil {
			return unchecked(err)
		}
		found.Chip.Saved = *save
	}
	return found.print(out, *asJSON)
}

func chipReport(rep *emrtd.Report, err error) *chipFinding {
	c := &chipFinding{Access: rep.Access, CloneProof: rep.Clone, Issuer: rep.Country, Groups: rep.Groups, APDUs: rep.APDUs, BytesOut: rep.BytesOut,
		BytesIn: rep.BytesIn, ReadSize: rep.ReadSize, Recoveries: rep.Recoveries, RelayHint: rep.RelayHint}
	if err != nil {
		c.Ended = err.Error() // nothing personal: a law of emrtd.ReadError
	}
	for _, f := range rep.Files {
		c.Files = append(c.Files, fileFinding(f))
	}
	for _, s := range rep.Stages {
		c.Stages = append(c.Stages, stageFinding{s.Stage, s.Took.Milliseconds()})
	}
	return c
}

func readKeyFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, maxKeyFile))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}

func listReaders(ctx context.Context, out io.Writer) error {
	readers, err := pcsc.Readers(ctx, "")
	if err != nil {
		return unchecked(fmt.Errorf("%w (is pcscd installed and running? apt-get install pcscd)", err))
	}
	for _, r := range readers {
		card := "empty"
		if r.Card {
			card = "a card is in it"
		}
		fmt.Fprintf(out, "pcsc:%s\t%s\n", r.Name, card)
	}
	if len(readers) == 0 {
		return unchecked(errors.New("pcscd runs and knows no reader: is it plugged in, and its driver installed (apt-get install libccid)?"))
	}
	return nil
}

// portReader closes the port with the reader on it.
type portReader struct {
	hal.CardReader
	port hal.SerialPort
}

func (r portReader) Close() error { return errors.Join(r.CardReader.Close(), r.port.Close()) }

func openReader(ctx context.Context, name string, maxAPDU int) (hal.CardReader, error) {
	kind, which, _ := strings.Cut(name, ":")
	switch kind {
	case "pcsc":
		r, err := pcsc.Open(ctx, pcsc.Options{Reader: which, MaxAPDU: maxAPDU})
		if err != nil {
			return nil, fmt.Errorf("%w\n  egatectl document read --reader list shows the readers there are", err)
		}
		return r, nil
	case "pn532":
		if which == "" {
			return nil, errors.New("--reader pn532: name its port, such as pn532:/dev/ttyUSB0")
		}
		port, err := serialhal.Open(serialhal.Options{Device: which})
		if err != nil {
			return nil, err
		}
		r, err := pn532.Open(ctx, port, pn532.Options{})
		if err != nil {
			_ = port.Close()
			return nil, err
		}
		return portReader{r, port}, nil
	}
	return nil, fmt.Errorf("--reader %s: pcsc, pcsc:NAME or pn532:DEVICE is expected", name)
}
