package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"egate/api"
	"egate/configs"
	"egate/internal/buildinfo"
	"egate/journal"
)

// diagReadme is the first file of a bundle: what it is, and what is left out.
const diagReadme = `Diagnostic bundle of an egate gate, for technical support.

versions.txt   program, kernel, system
config.yaml    the configuration as it stands (it names key files, it holds no key)
check.txt      what egatectl config check says of it
journal.txt    sizes, cursors, damage; events counted by day, type and reason, none of them in full, small counts not told
wear.json      door cycles and travel times
devices.txt    the devices that the configuration names: present or not, who may open them
storage.txt    room on the disk of the state folder

Nothing personal is in it: no event, no passage number, no log line, no key, no evidence. Look before you send it.
`

// maxDiagFile bounds a file that is taken over as it is.
const maxDiagFile = 1 << 20

// smallCell is the smallest count that is told: a count of one at a quiet gate is somebody (E-06).
const smallCell = 5

// bundle is a tar of text files.
type bundle struct {
	w    *tar.Writer
	out  io.Writer
	when time.Time
}

func (b *bundle) add(name string, text []byte) error {
	fmt.Fprintf(b.out, "  %-14s %6d bytes\n", name, len(text))
	h := &tar.Header{Name: "egate-diag/" + name, Mode: 0o600, Size: int64(len(text)), ModTime: b.when}
	if err := b.w.WriteHeader(h); err != nil {
		return err
	}
	_, err := b.w.Write(text)
	return err
}

// diag makes a diagnostic bundle of the gate on this machine from its files alone: egated may run or not (M-06).
func diag(ctx context.Context, out io.Writer, args []string) (err error) {
	f := flags("diag", out)
	path := f.String("out", "", "file to write (default: egate-diag-GATE-TIME.tar.gz here)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errUsage
	}
	now := time.Now()
	file := f.Arg(0)
	raw, err := readFirst(file, maxDiagFile)
	if err != nil {
		return err
	}
	var check bytes.Buffer
	cfg, cfgErr := configs.Load(file)
	if err := configCheck(ctx, &check, []string{file}); err != nil {
		fmt.Fprintln(&check, err)
	}
	name := *path
	if name == "" {
		name = fmt.Sprintf("egate-diag-%s-%s.tar.gz", cmp.Or(cfg.Gate, "gate"), now.UTC().Format("20060102T150405Z"))
	}
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(to)
	b := &bundle{w: tar.NewWriter(z), out: out, when: now}
	defer func() {
		if err = errors.Join(err, b.w.Close(), z.Close(), to.Close()); err != nil {
			_ = os.Remove(name)
			return
		}
		fmt.Fprintf(out, "%s: nothing personal is in it; look before you send it\n", name)
	}()
	parts := []struct {
		name string
		text func() []byte
	}{
		{"README.txt", func() []byte { return []byte(diagReadme) }},
		{"versions.txt", versions},
		{"config.yaml", func() []byte { return raw }},
		{"check.txt", check.Bytes},
	}
	if cfgErr == nil {
		parts = append(parts, []struct {
			name string
			text func() []byte
		}{
			{"journal.txt", func() []byte { return journalSummary(filepath.Join(cfg.StateDir, "journal")) }},
			{"wear.json", func() []byte { return orError(readFirst(filepath.Join(cfg.StateDir, "wear.json"), maxDiagFile)) }},
			{"devices.txt", func() []byte { return devicesSummary(cfg) }},
			{"storage.txt", func() []byte { return storageSummary(cfg.StateDir) }},
		}...)
	}
	for _, p := range parts {
		if err := b.add(p.name, p.text()); err != nil {
			return err
		}
	}
	return nil
}

func readFirst(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

func orError(b []byte, err error) []byte {
	if err != nil {
		return []byte(err.Error() + "\n")
	}
	return b
}

func versions() []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, buildinfo.String("egatectl"))
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		fmt.Fprintf(&b, "kernel %s %s %s\n", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]))
	}
	for line := range strings.Lines(string(orError(readFirst("/etc/os-release", maxDiagFile)))) {
		if v, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			fmt.Fprintf(&b, "system %s", v)
		}
	}
	for _, p := range []string{"/sys/kernel/security/lsm", "/proc/sys/kernel/seccomp/actions_avail", "/proc/swaps"} {
		fmt.Fprintf(&b, "%s: %s\n", p, bytes.TrimSpace(orError(readFirst(p, 4096))))
	}
	return b.Bytes()
}

// journalSummary counts what is in a journal. Whose passage an event is of stays there.
func journalSummary(dir string) []byte {
	var b bytes.Buffer
	counts := map[string]int{}
	leaves, broken := 0, 0
	r, err := journal.Read(journal.Dir(dir), func(e journal.Entry) error {
		leaves += len(e.Leaves)
		for _, raw := range e.Events {
			var d api.Draft
			var reason struct {
				Reason string `json:"reason"`
			}
			if json.Unmarshal(raw, &d) != nil {
				broken++
				continue
			}
			_ = json.Unmarshal(d.Data, &reason) // an event without one is counted without
			counts[strings.TrimSpace(fmt.Sprintf("%s %s %s", d.Time.UTC().Format(time.DateOnly), d.Type, reason.Reason))]++
		}
		return nil
	})
	if err != nil {
		fmt.Fprintln(&b, err)
		return b.Bytes()
	}
	fmt.Fprintf(&b, "epoch %d, %d segments, %d records, last event %d, %d audit leaves, ended orderly %v, torn tail %v\n", r.Epoch, r.Segments, r.Frames, r.Seq, leaves, r.Clean, r.TornTail)
	for _, name := range slices.Sorted(maps.Keys(r.Cursors)) {
		fmt.Fprintf(&b, "cursor %s: epoch %d, up to %d\n", name, r.Cursors[name].Epoch, r.Cursors[name].Upto)
	}
	for _, h := range r.Holes {
		fmt.Fprintf(&b, "damage: %+v\n", h)
	}
	if broken > 0 {
		fmt.Fprintf(&b, "%d events do not parse\n", broken)
	}
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		n := fmt.Sprint(counts[k])
		if counts[k] < smallCell {
			n = fmt.Sprintf("<%d", smallCell)
		}
		fmt.Fprintf(&b, "%6s  %s\n", n, k)
	}
	return b.Bytes()
}

func devicesSummary(cfg configs.Gate) []byte {
	var b bytes.Buffer
	for _, d := range []struct{ name, path string }{{"lines", cfg.Lines.Device}, {"scanner", cfg.Devices.Scanner.Device}, {"chip reader", cfg.Devices.NFC.Device},
		{"camera", cfg.Devices.Camera.Device}, {"watchdog", cfg.Watchdog.Device}} {
		if d.path == "" {
			fmt.Fprintf(&b, "%-12s none\n", d.name)
			continue
		}
		st, err := os.Stat(d.path)
		if err != nil {
			var pe *fs.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			fmt.Fprintf(&b, "%-12s %s: %v\n", d.name, d.path, err)
			continue
		}
		owner := ""
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			owner = fmt.Sprintf("user %d group %d", sys.Uid, sys.Gid)
		}
		fmt.Fprintf(&b, "%-12s %s: %s %s\n", d.name, d.path, st.Mode(), owner)
	}
	return b.Bytes()
}

func storageSummary(dir string) []byte {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return []byte(fmt.Sprintf("%v\n", err))
	}
	size := int64(0)
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { // what cannot be read is not counted
		if err == nil && d.Type().IsRegular() {
			if i, err := d.Info(); err == nil {
				size += i.Size()
			}
		}
		return nil
	})
	const mib = 1 << 20
	return []byte(fmt.Sprintf("state folder %d KiB; disk %d MiB free of %d MiB, %d of %d files left\n", size>>10,
		int64(s.Bavail)*int64(s.Bsize)/mib, int64(s.Blocks)*int64(s.Bsize)/mib, s.Ffree, s.Files))
}
