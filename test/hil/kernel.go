package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// board is what is emulated: a kernel of Debian with its modules, made once per version of the package.
type board struct {
	arch string // of Debian and of Go
	dir  string // the cache of this version
}

// modules are the kernel's modules that cases ask for; what they need comes with them.
var modules = []string{"configfs", "vivid", "i6300esb", "dummy_hcd", "usb_f_acm", "cdc-acm", "virtio_pci", "virtio_blk", "ext4", "evdev", "uinput"}

// own are the modules that no kernel of Debian has: built here, from Debian's source (GPL: taken from the
// package at build time and not kept in this repository).
const own = "gpio-sim"

// packages that a host must have, by board.
var hostPackages = map[string][]string{
	"amd64": {"qemu-system-x86", "kmod", "xz-utils", "gcc", "make", "e2fsprogs", "swtpm"},
	"arm64": {"qemu-system-arm", "kmod", "xz-utils"},
}

func run(name string, args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out.Bytes(), errs.Bytes())
	}
	return out.String(), nil
}

// twice runs a command of the packager again when it failed: one run in some dozen ends with "cannot access archive".
func twice(name string, args ...string) (string, error) {
	out, err := run(name, args...)
	if err != nil {
		say("%s failed, once more: %v", name, err)
		out, err = run(name, args...)
	}
	return out, err
}

// aptFor are the options that make apt look at another architecture without a word to the machine's own dpkg.
func aptFor(arch, cache string) []string {
	if arch == "amd64" {
		return nil
	}
	return []string{"-o", "APT::Architecture=" + arch, "-o", "APT::Architectures=" + arch, "-o", "Dir::State::lists=" + filepath.Join(cache, "lists-"+arch),
		"-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "Dir::State::status=/dev/null", "-o", "APT::Sandbox::User=root"}
}

// warm finds a board that is in the cache already, the one made last.
func warm(arch, cache string) (*board, error) {
	b, err := os.ReadFile(filepath.Join(cache, "current-"+arch))
	if err != nil {
		return nil, err
	}
	x := &board{arch, filepath.Join(cache, strings.TrimSpace(string(b)))}
	_, err = os.Stat(filepath.Join(x.dir, "modules", "lists"))
	if err == nil && arch == "amd64" {
		_, err = os.Stat(filepath.Join(x.dir, packed)) // a cache of before there was a case with a TPM is made anew
	}
	return x, err
}

// prepare fetches and builds a board when the cache lacks it.
func prepare(arch, cache string, fetch bool) (*board, error) {
	b, err := warm(arch, cache)
	if err == nil && have(arch) {
		return b, nil
	}
	if !fetch {
		return nil, errors.New("the cache is cold: run `make hil` once")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	if err := install(hostPackages[arch]...); err != nil {
		return nil, err
	}
	opts := aptFor(arch, cache)
	if opts != nil {
		if err := os.MkdirAll(filepath.Join(cache, "lists-"+arch, "partial"), 0o755); err != nil {
			return nil, err
		}
		if _, err := twice("apt-get", append(opts, "update", "-qq")...); err != nil {
			return nil, err
		}
	}
	// The image of linux-image-ARCH's dependency, headers and source are of one version, or the module is refused.
	show, err := run("apt-cache", append(opts, "show", "--no-all-versions", "linux-image-"+arch)...)
	if err != nil {
		return nil, err
	}
	dep := regexp.MustCompile(`(?m)^Depends: linux-image-(\S+)`).FindStringSubmatch(show)
	ver := regexp.MustCompile(`(?m)^Version: (\S+)`).FindStringSubmatch(show)
	if dep == nil || ver == nil {
		return nil, fmt.Errorf("apt-cache tells no kernel: %s", show)
	}
	abi, version := dep[1], ver[1]
	name := arch + "-" + version
	dir := filepath.Join(cache, name)
	say("kernel %s of %s goes into %s", abi, version, dir)
	work, err := os.MkdirTemp(cache, "work-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	m := maker{arch: arch, abi: abi, version: version, work: work, opts: opts}
	steps := []func() error{m.unpack, m.sim, m.image, m.collect}
	for _, f := range steps {
		if err := f(); err != nil {
			return nil, err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Rename(filepath.Join(work, "out"), dir); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(cache, "current-"+arch), []byte(name+"\n"), 0o644); err != nil {
		return nil, err
	}
	return &board{arch, dir}, nil
}

// emulator is the program of a board.
var emulator = map[string]string{"amd64": "qemu-system-x86_64", "arm64": "qemu-system-aarch64"}

func have(arch string) bool {
	_, err := exec.LookPath(emulator[arch])
	return err == nil
}

// install installs what is missing, as root.
func install(packages ...string) error {
	var missing []string
	for _, p := range packages {
		out, err := run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", p)
		if err != nil || !strings.HasPrefix(out, "ii") {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	say("installing %s", strings.Join(missing, " "))
	apt := []string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get"}
	if os.Geteuid() != 0 {
		apt = append([]string{"sudo"}, apt...)
	}
	if _, err := twice(apt[0], append(apt[1:], "update", "-qq")...); err != nil {
		say("going on with the lists that are here: %v", err)
	}
	_, err := twice(apt[0], append(append(apt[1:], "install", "-y", "-qq", "--no-install-recommends"), missing...)...)
	return err
}

// maker makes one board.
type maker struct {
	arch, abi, version, work string
	opts                     []string
}

func (m maker) fetch(pkg, into string) error {
	cmd := exec.Command("apt-get", append(m.opts, "download", pkg+"="+m.version)...)
	cmd.Dir = into
	if out, err := cmd.CombinedOutput(); err != nil {
		say("apt-get failed, once more: %s", out)
		cmd = exec.Command("apt-get", append(m.opts, "download", pkg+"="+m.version)...)
		cmd.Dir = into
		if out, err = cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get download %s: %w: %s", pkg, err, out)
		}
	}
	return nil
}

// unpack fetches the image and unpacks it; nothing of it is installed.
func (m maker) unpack() error {
	if err := m.fetch("linux-image-"+m.abi, m.work); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(m.work, "linux-image-*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("no package of the image: %w", err)
	}
	_, err = run("dpkg-deb", "-x", debs[0], filepath.Join(m.work, "root"))
	return err
}

// changed is the one line of irq_sim.c that cannot be used outside the kernel: irq_to_desc is not exported.
const unexported, changed = "irq_to_desc(irqnum)", "irq_data_to_desc(irq_get_irq_data(irqnum))"

// sim builds gpio-sim with the interrupt simulator in it, which Debian's kernel lacks as well.
func (m maker) sim() error {
	if m.arch != "amd64" {
		return nil // needs a cross compiler and headers of that architecture
	}
	if err := install("linux-headers-" + m.abi); err != nil {
		return err
	}
	if err := m.fetch("linux-source-"+strings.Join(strings.Split(m.version, ".")[:2], "."), m.work); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(m.work, "linux-source-*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("no package of the source: %w", err)
	}
	src := filepath.Join(m.work, "src")
	if err := os.MkdirAll(src, 0o755); err != nil {
		return err
	}
	say("unpacking three files of the kernel's source")
	const parts = `set -e; dpkg-deb --fsys-tarfile "$1" | tar -x --wildcards --to-stdout './usr/src/linux-source-*.tar.xz' |
		tar -xJ -C "$2" --strip-components=1 --wildcards '*/drivers/gpio/gpio-sim.c' '*/drivers/gpio/gpiolib.h' '*/kernel/irq/irq_sim.c'`
	if _, err := run("sh", "-c", parts, "sh", debs[0], src); err != nil {
		return err
	}
	gpio, err := os.ReadFile(filepath.Join(src, "drivers/gpio/gpio-sim.c"))
	if err != nil {
		return err
	}
	irq, err := os.ReadFile(filepath.Join(src, "kernel/irq/irq_sim.c"))
	if err != nil {
		return err
	}
	if !bytes.Contains(irq, []byte(unexported)) {
		return fmt.Errorf("irq_sim.c of %s has no %q: look at what it became", m.version, unexported)
	}
	dir := filepath.Join(m.work, "module")
	for name, b := range map[string][]byte{
		"gpio-sim-main.c": gpio,
		"irq_sim.c":       bytes.ReplaceAll(irq, []byte(unexported), []byte(changed)),
		"Kbuild":          []byte("obj-m := gpio-sim.o\ngpio-sim-y := gpio-sim-main.o irq_sim.o\nccflags-y := -DCONFIG_IRQ_SIM=1\n"),
	} {
		if err := put(filepath.Join(dir, name), b); err != nil {
			return err
		}
	}
	if err := os.Rename(filepath.Join(src, "drivers/gpio/gpiolib.h"), filepath.Join(dir, "gpiolib.h")); err != nil {
		return err
	}
	say("building %s", own)
	if _, err := run("make", "-s", "-C", "/usr/src/linux-headers-"+m.abi, "M="+dir, "modules"); err != nil {
		return err
	}
	if _, err := run("strip", "-g", filepath.Join(dir, own+".ko")); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, own+".ko"), filepath.Join(m.root(), own+".ko"))
}

func (m maker) root() string { return filepath.Join(m.work, "root/lib/modules", m.abi) }

func put(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// packed is the kernel as the package has it. It boots by way of the firmware, which is what tells it of a TPM: the ELF
// image finds none.
const packed = "packed"

// image takes the kernel out of its wrapping: under emulation unpacking costs more than all the rest of the boot.
func (m maker) image() error {
	b, err := os.ReadFile(filepath.Join(m.work, "root/boot/vmlinuz-"+m.abi))
	if err != nil {
		return err
	}
	if m.arch == "amd64" {
		if err := put(filepath.Join(m.work, "out", packed), b); err != nil {
			return err
		}
		at := bytes.Index(b, []byte{0xfd, '7', 'z', 'X', 'Z', 0})
		if at < 0 {
			return errors.New("the kernel is not packed with xz any more: look for its new magic number")
		}
		cmd := exec.Command("xz", "-dc", "--single-stream")
		cmd.Stdin = bytes.NewReader(b[at:])
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Run(); err != nil && !bytes.HasPrefix(out.Bytes(), []byte("\x7fELF")) {
			return fmt.Errorf("xz: %w", err)
		}
		b = out.Bytes()
	}
	return put(filepath.Join(m.work, "out/kernel"), b)
}

// collect copies the modules with what they need, and notes their order.
func (m maker) collect() error {
	if _, err := run("depmod", "-b", filepath.Join(m.work, "root"), m.abi); err != nil {
		return err
	}
	all := modules
	if m.arch == "amd64" {
		all = append(all, own)
	}
	for _, name := range all {
		out, err := run("modprobe", "-d", filepath.Join(m.work, "root"), "-S", m.abi, "--show-depends", name)
		if err != nil {
			return err
		}
		var list []string
		for l := range strings.Lines(out) {
			path, ok := strings.CutPrefix(strings.TrimSpace(l), "insmod ")
			if !ok {
				continue // "builtin …"
			}
			path = strings.Fields(path)[0]
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			list = append(list, filepath.Base(path))
			if err := put(filepath.Join(m.work, "out/modules", filepath.Base(path)), b); err != nil {
				return err
			}
		}
		if err := put(filepath.Join(m.work, "out/modules/lists", name), []byte(strings.Join(list, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

// add puts modules into an initramfs, in the order in which they are loaded.
func (b *board) add(t tree, names []string) error {
	var order []string
	for _, n := range names {
		list, err := os.ReadFile(filepath.Join(b.dir, "modules/lists", n))
		if err != nil {
			return fmt.Errorf("module %s is not in the cache (remove %s and run `make hil`): %w", n, b.dir, err)
		}
		for _, ko := range strings.Fields(string(list)) {
			if _, there := t["mod/"+ko]; !there {
				t["mod/"+ko] = source{file: filepath.Join(b.dir, "modules", ko)}
				order = append(order, ko)
			}
		}
	}
	t["mod/order"] = source{data: []byte(strings.Join(order, "\n"))}
	return nil
}

var out io.Writer = os.Stdout

func say(format string, a ...any) { fmt.Fprintf(out, "hil: "+format+"\n", a...) }
