package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// row is a line of the summary.
type row struct {
	board, name, word, note string
	took                    time.Duration
}

// The words of a row.
const (
	pass, fail, skip = "PASS", "FAIL", "SKIP"
)

// testCase is one guest, or several lives of one.
type testCase struct {
	name  string
	about string
	quick bool   // in `make test`
	named bool   // only when it is named: it wants the machine for itself
	board string // amd64 when empty
	run   func(ctx context.Context, k *kit, b *board, dir string) (note string, err error)
}

// kernelTests runs the tests of a driver that need a kernel.
func kernelTests(pkg string, modules []string, cmdline string, devices []string, want ...string) func(context.Context, *kit, *board, string) (string, error) {
	return func(ctx context.Context, k *kit, b *board, dir string) (string, error) {
		prog, err := k.test(b.arch, pkg)
		if err != nil {
			return "", err
		}
		name := filepath.Base(pkg)
		m, err := k.machine(b, "tests", modules)
		if err != nil {
			return "", err
		}
		m.tree["t/"+name+".test"] = source{file: prog}
		m.cmdline += " " + cmdline
		m.devices = devices
		var all []string
		for _, w := range want {
			all = append(all, name+"."+w)
		}
		return once(ctx, b, dir, m, all)
	}
}

// errSkipped says that a case could not be tried here.
var errSkipped = errors.New("NOT tested")

// once boots a guest once and judges what it said.
func once(ctx context.Context, b *board, dir string, m machine, want []string) (string, error) {
	g, err := b.start(ctx, dir, m)
	if err != nil {
		return "", err
	}
	timeout := g.wait(nil)
	passes, err := judge(g.results.lines(), want)
	if err == nil && !g.told("SHUTDOWN guest-shutdown") {
		err = errors.New("the guest did not switch itself off")
	}
	note := fmt.Sprintf("%d checks", len(passes))
	for _, l := range g.results.lines() {
		if i, ok := strings.CutPrefix(l, "INFO "); ok {
			note += "; " + i
		}
	}
	return note, errors.Join(timeout, err)
}

var allCases = []testCase{
	{name: "inspector", about: "the real inspector with a chip, the models and the kernel's camera", named: true, run: inspector},
	{name: "gpio", about: "lines by name, edge order and loss, debounce, first output, busy line, SIGKILL in mid-pulse", quick: true,
		run: kernelTests("./hal/gpiohal", []string{"configfs", own}, "run=Kernel", nil,
			"TestKernelLines", "TestKernelBusyLine", "TestKernelDebounce", "TestD09KernelFirstOutput", "TestS07KernelLossShows", "TestD09KernelKilledInMidPulse")},
	{name: "passage", about: "two travellers pass the real controller", run: passage},
	{name: "watchdog-healthy", about: "armed, fed, disarmed", run: healthy},
	{name: "watchdog-frozen", about: "the controller hangs", run: bitten("frozen")},
	{name: "watchdog-killed", about: "the controller dies", run: bitten("killed")},
	{name: "tpm", about: "the controller's key in a TPM 2.0 (X-05)", run: withTPM},
	{name: "serial", about: "a USB device unplugged under load and plugged in again (C-11)", run: serial},
	{name: "camera", about: "formats, dropped frames, unplugged and back (F-14)", run: camera},
	{name: "passage", about: "the same binary on another board, lines simulated", board: "arm64", run: passage},
	{name: "watchdog-frozen", about: "the controller hangs", board: "arm64", run: bitten("frozen")},
	{name: "serial", about: "a USB device unplugged under load and plugged in again", board: "arm64", run: serial},
	{name: "camera", about: "formats, dropped frames, unplugged and back", board: "arm64", run: camera},
	{name: "power", about: "the emulator is killed at random points of passages (P-15, E-03)", run: powerCuts},
}

// site is a guest with the real controller and a scripted inspector.
func (k *kit) site(b *board, name string, modules ...string) (machine, error) {
	if b.arch == "amd64" {
		modules = append(modules, "configfs", own)
	}
	m, err := k.machine(b, name, modules)
	if err != nil {
		return m, err
	}
	egated, err := k.build(b.arch, "./cmd/egated")
	if err != nil {
		return m, err
	}
	m.tree["bin/egated"] = source{file: egated}
	m.tree["bin/scripted-inspector"] = source{link: "/init"}
	return m, nil
}

func passage(ctx context.Context, k *kit, b *board, dir string) (string, error) {
	m, err := k.site(b, "passage")
	if err != nil {
		return "", err
	}
	want := []string{"open", "two travellers cross", "orderly end", "journal and audit log", "nothing unsafe seen by the steel"}
	if b.arch == "amd64" {
		want = append(want, "fire releases", "the doors are heard")
	}
	return once(ctx, b, dir, m, want)
}

// inspector: everything of a gate is real but the lenses and the traveller. The inspector links C libraries, which come
// from the host, and its models from the cache that set-up fills.
func inspector(ctx context.Context, k *kit, b *board, dir string) (string, error) {
	m, err := k.site(b, "inspector", "vivid")
	if err != nil {
		return "", err
	}
	models := filepath.Join(k.root, ".cache/models")
	files, err := filepath.Glob(filepath.Join(models, "*"))
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("%w: no models in .cache/models: run deploy/setup/setup.sh", errSkipped)
	}
	prog, err := k.make("egate-inspect", func(out string) error {
		_, err := run("go", "-C", k.root, "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./cmd/egate-inspect")
		return err
	})
	if err != nil {
		return "", err
	}
	libraries := []string{prog}
	for _, f := range files {
		m.tree["models/"+filepath.Base(f)] = source{file: f}
		if strings.Contains(filepath.Base(f), ".so") {
			libraries = append(libraries, f)
		}
	}
	m.tree["bin/egate-inspect"] = source{file: prog}
	list, err := run("ldd", libraries...)
	if err != nil {
		return "", err
	}
	for _, l := range regexp.MustCompile(`(?m)(/\S+) \(0x`).FindAllStringSubmatch(list, -1) {
		m.tree[strings.TrimPrefix(l[1], "/")] = source{file: l[1]}
	}
	return once(ctx, b, dir, m, []string{"open", "the chip is genuine", "the centre answered", "pictures were looked at, and no face is in them", "referred for no_face",
		"the traveller left on the side of origin", "orderly end", "journal and audit log", "nothing unsafe seen by the steel"})
}

// withTPM: the gate's key is made in a TPM of the board and used by the real controller; when the board has booted as it had
// not before, the key is of no use.
func withTPM(ctx context.Context, k *kit, b *board, dir string) (string, error) {
	m, err := k.site(b, "tpm")
	if err != nil {
		return "", err
	}
	state := filepath.Join(dir, "tpm")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return "", err
	}
	// It ends with the emulator's connection.
	chip := exec.CommandContext(ctx, "swtpm", "socket", "--tpm2", "--terminate", "--tpmstate", "dir=tpm", "--ctrl", "type=unixio,path=tpm.sock")
	chip.Dir = dir
	log, err := os.Create(filepath.Join(dir, "swtpm.log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	chip.Stdout, chip.Stderr = log, log
	if err := chip.Start(); err != nil {
		return "", err
	}
	gone := make(chan struct{})
	go func() { _ = chip.Wait(); close(gone) }()
	defer func() { _ = chip.Process.Kill(); <-gone }()
	for { // the socket is there before the emulator asks for it
		if _, err := os.Stat(filepath.Join(dir, "tpm.sock")); err == nil {
			break
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-gone:
			return "", errors.New("swtpm ended: see swtpm.log")
		}
	}
	m.packed = true
	m.devices = []string{"-chardev", "socket,id=tpm,path=tpm.sock", "-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm"}
	return once(ctx, b, dir, m, []string{"the key is the TPM's", "open", "two travellers cross", "orderly end", "journal and audit log",
		"nothing unsafe seen by the steel", "another boot, no key"})
}

// watchdogDevice is Intel's 6300ESB; what it does when it is not fed is a reset, which -no-reboot makes an end.
var watchdogDevice = []string{"-device", "i6300esb", "-action", "watchdog=reset"}

// healthy: the watchdog is armed and nothing happens.
func healthy(ctx context.Context, k *kit, b *board, dir string) (string, error) {
	m, err := k.site(b, "watchdog", "i6300esb")
	if err != nil {
		return "", err
	}
	m.cmdline += " mode=healthy"
	m.devices = watchdogDevice
	return once(ctx, b, dir, m, []string{"open", "not reset while healthy", "orderly end", "not reset after an orderly end"})
}

// bitten: the controller stops feeding, and the board must be reset. A reset looks like any other end, so that
// the emulator's own word is asked for, and DONE must be missing.
func bitten(mode string) func(context.Context, *kit, *board, string) (string, error) {
	return func(ctx context.Context, k *kit, b *board, dir string) (string, error) {
		m, err := k.site(b, "watchdog", "i6300esb")
		if err != nil {
			return "", err
		}
		m.cmdline += " mode=" + mode
		m.devices = watchdogDevice
		g, err := b.start(ctx, dir, m)
		if err != nil {
			return "", err
		}
		if err := g.wait(func(l string) bool { return l == "PASS "+mode }); err != nil {
			_, why := judge(g.results.lines(), []string{"open"})
			return "", errors.Join(err, why)
		}
		at := time.Now()
		if err := g.wait(nil); err != nil {
			return "", err
		}
		for _, l := range g.results.lines() {
			if l == "DONE" {
				return "", errors.New("the guest came to its end: it was not reset")
			}
		}
		if !g.told("WATCHDOG reset") || !g.told("SHUTDOWN guest-reset") {
			return "", fmt.Errorf("the emulator tells of no reset by the watchdog: %q", g.events)
		}
		return fmt.Sprintf("the emulator tells of the watchdog; reset %.0f s after", time.Since(at).Seconds()), nil
	}
}

// powerCuts kills the emulator at random points of passages, again and again on the same disk, then lets a gate come to
// an orderly end and has the evidence checked by egatectl as well.
func powerCuts(ctx context.Context, k *kit, b *board, dir string) (string, error) {
	disk := filepath.Join(dir, "disk.img")
	if err := os.WriteFile(disk, nil, 0o644); err != nil {
		return "", err
	}
	if err := os.Truncate(disk, 96<<20); err != nil {
		return "", err
	}
	if _, err := tool("mkfs.ext4", "-q", "-F", disk); err != nil {
		return "", err
	}
	k.mu.Lock()
	k.drawn++
	seed, stream := uint64(k.plan.seed), k.drawn
	k.mu.Unlock()
	if seed == 0 {
		seed = rand.Uint64()
	}
	r := rand.New(rand.NewPCG(seed, stream))
	var heard []string
	torn, crossed, notes, checked := 0, 0, 0, ""
	for life := 1; life <= k.plan.cuts+1; life++ {
		last := life > k.plan.cuts
		m, err := k.site(b, "power", "virtio_pci", "virtio_blk", "ext4")
		if err != nil {
			return "", err
		}
		// Somebody may stand in the mantrap when the power comes back.
		m.cmdline += fmt.Sprintf(" life=%d x=%d", life, []int{-700, 800}[r.IntN(2)])
		if last {
			m.cmdline += " last=1"
		}
		m.devices = []string{"-drive", "if=none,id=disk,format=raw,cache=writeback,file=" + disk, "-device", "virtio-blk-pci,drive=disk"}
		m.tree["heard"] = source{data: []byte(strings.Join(heard, "\n"))}
		in := filepath.Join(dir, fmt.Sprintf("life-%d", life))
		g, err := b.start(ctx, in, m)
		if err != nil {
			return "", err
		}
		if last {
			err = g.wait(nil)
		} else if err = g.wait(func(l string) bool { return l == "RUNNING" }); err == nil {
			select {
			case <-time.After(moment(r)): // the random point: nothing is waited for
			case <-g.ended:
			}
			g.cut()
		}
		lines := g.results.lines()
		for _, l := range lines {
			word, rest, _ := strings.Cut(l, " ")
			switch word {
			case "HEARD":
				heard = append(heard, l)
			case "NOTE":
				notes++
				heard = append(heard, l)
			case "FAIL":
				err = errors.Join(err, errors.New(rest))
			case "PASS":
				if strings.HasPrefix(rest, "after the cut") {
					checked = rest
					if strings.Contains(rest, "torn") {
						torn++
					}
				}
			case "CROSSED":
				crossed++
			}
		}
		if err != nil {
			return "", fmt.Errorf("life %d: %w", life, err)
		}
		if life > 1 && checked == "" {
			return "", fmt.Errorf("life %d: the evidence was not checked", life)
		}
		if last {
			if _, err := judge(lines, []string{"open after the last cut", "a traveller crosses", "orderly end", "at the end", "nothing unsafe seen by the steel"}); err != nil {
				return "", err
			}
		}
		_ = os.RemoveAll(filepath.Join(dir, fmt.Sprintf("life-%d", life-2)))
	}
	if err := k.verify(disk, dir, heard); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d cuts, %d torn tails, %d travellers across; %s", k.plan.cuts, torn, crossed, strings.TrimPrefix(checked, "after the cut: ")), nil
}

// moment is when the power goes: often early, so that starting, recovering and connecting are hit, sometimes late.
func moment(r *rand.Rand) time.Duration {
	if r.IntN(3) == 0 {
		return time.Duration(r.Int64N(int64(2 * time.Second)))
	}
	return time.Duration(r.Int64N(int64(16 * time.Second)))
}

// verify takes the gate's state off the disk and has the real egatectl judge it, with all checkpoints that left the gate.
func (k *kit) verify(disk, dir string, heard []string) error {
	ctl, err := k.make("egatectl", func(out string) error {
		_, err := run("go", "-C", k.root, "build", "-o", out, "./cmd/egatectl")
		return err
	})
	if err != nil {
		return err
	}
	off := filepath.Join(dir, "off")
	if err := os.MkdirAll(off, 0o755); err != nil {
		return err
	}
	for _, p := range []string{"/state", "/gate.pub"} {
		if _, err := tool("debugfs", "-R", "rdump "+p+" "+off, disk); err != nil {
			return err
		}
	}
	args := []string{"audit", "verify", "--site", "hil", "--gate", "gate-1", "--key", filepath.Join(off, "gate.pub"), filepath.Join(off, "state")}
	for i, l := range heard {
		if b64, ok := strings.CutPrefix(l, "NOTE "); ok {
			b, err := base64.StdEncoding.DecodeString(b64)
			if err != nil {
				return err
			}
			p := filepath.Join(off, fmt.Sprintf("checkpoint-%d", i))
			if err := os.WriteFile(p, b, 0o644); err != nil {
				return err
			}
			args = append(args, p)
		}
	}
	_, err = run(ctl, args...)
	return err
}

// tool runs a program of the file system's, which may not be on a user's path.
func tool(name string, args ...string) (string, error) {
	if _, err := exec.LookPath(name); err != nil {
		name = "/sbin/" + name
	}
	return run(name, args...)
}

func serial(ctx context.Context, k *kit, b *board, dir string) (string, error) {
	return kernelTests("./hal/serialhal", []string{"configfs", "dummy_hcd", "usb_f_acm", "cdc-acm"}, "run=Kernel", nil,
		"TestC11KernelUnplugUnderLoad", "TestKernelConformance")(ctx, k, b, dir)
}

func camera(ctx context.Context, k *kit, b *board, dir string) (string, error) {
	return kernelTests("./hal/v4l2", []string{"vivid"}, "run=Kernel camera=/dev/video0", nil,
		"TestKernelFormats", "TestF14KernelDroppedFrames", "TestF14KernelUnplugged", "TestX08KernelVirtualCameraRefused", "TestKernelConformance")(ctx, k, b, dir)
}

// machine is the plain guest with a case.
func (k *kit) machine(b *board, name string, modules []string) (machine, error) {
	init, err := k.build(b.arch, "./test/hil/guest")
	if err != nil {
		return machine{}, err
	}
	return machine{tree: tree{"init": {file: init}, "tmp/.keep": {}}, modules: modules, cmdline: "hil=" + name}, nil
}

// keepLogs copies what a failed guest left to where a person finds it.
func keepLogs(dir, to string) {
	_ = os.RemoveAll(to)
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSocket != 0 {
			_ = os.Remove(p)
		}
		return nil
	})
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
		_ = os.CopyFS(to, os.DirFS(dir))
	}
}

func (c testCase) arch() string {
	if c.board == "" {
		return "amd64"
	}
	return c.board
}
