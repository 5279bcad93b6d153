package gpiohal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
)

// sim makes a chip of gpio-sim with named lines through configfs.
func sim(t *testing.T) (chip, dir string) {
	t.Helper()
	const root = "/sys/kernel/config/gpio-sim"
	if _, err := os.Stat(root); err != nil {
		t.Skip("SKIP: this kernel has no gpio-sim (or configfs is not mounted): the kernel's own path is NOT tested here")
	}
	dev := filepath.Join(root, fmt.Sprintf("egate-%d", os.Getpid()))
	bank := filepath.Join(dev, "bank0")
	dirs := []string{dev, bank}
	names := []string{"ENTRY_CLOSED", "FIRE_OK", "ENTRY_LOCK", "ENTRY_OPEN"}
	for i := range names {
		dirs = append(dirs, filepath.Join(bank, fmt.Sprintf("line%d", i)))
	}
	write := func(path, s string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, d := range dirs {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(dirs[i]) })
		if d == bank {
			write(filepath.Join(bank, "num_lines"), "8")
		}
	}
	for i, n := range names {
		write(filepath.Join(bank, fmt.Sprintf("line%d", i), "name"), n)
	}
	write(filepath.Join(dev, "live"), "1")
	t.Cleanup(func() { _ = os.WriteFile(filepath.Join(dev, "live"), []byte("0"), 0o644) })
	read := func(p string) string {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	chip = read(filepath.Join(bank, "chip_name"))
	return chip, filepath.Join("/sys/devices/platform", read(filepath.Join(dev, "dev_name")), chip)
}

// D-09, S-07 against the kernel's real GPIO interface.
func TestKernelGPIOSim(t *testing.T) {
	chip, dir := sim(t)
	pull := func(n int, up bool) {
		v := "pull-down"
		if up {
			v = "pull-up"
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("sim_gpio%d", n), "pull"), []byte(v), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	value := func(n int) string {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("sim_gpio%d", n), "value"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	l, err := Open(chip, map[string]Line{
		"entry_closed": {Pin: 0}, "fire_ok": {Find: "FIRE_OK", Config: Config{ActiveLow: true}},
		"entry_lock": {Pin: 2, Output: true}, "entry_open": {Pin: 3, Output: true, Config: Config{ActiveLow: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	first := map[string]gpio.Level{}
	for range 2 {
		e := <-l.Edges()
		first[e.Line] = e.Level
	}
	if first["entry_closed"] != gpio.Low || first["fire_ok"] != gpio.High {
		t.Errorf("%v", first)
	}
	for i := range 10 {
		pull(0, i%2 == 0)
		if e := <-l.Edges(); e.Line != "entry_closed" || e.Level != gpio.Level(i%2 == 0) || e.Seq != uint32(i+1) {
			t.Fatalf("%+v", e)
		}
	}
	if value(2) != "0" || value(3) != "1" {
		t.Errorf("outputs at rest: %s %s", value(2), value(3))
	}
	if err := l.Set("entry_lock", gpio.High); err != nil || value(2) != "1" {
		t.Error(err)
	}
	if err := l.Pulse(context.Background(), "entry_open", 10*time.Millisecond); err != nil || value(3) != "1" {
		t.Error(err)
	}
	if _, err := OpenOutput(chip, "again", 2, Config{}); !errors.Is(err, unix.EBUSY) {
		t.Errorf("a busy line: %v", err)
	}
	l.Close()
	if value(2) != "0" {
		t.Error("the lock is energised after Close")
	}
}
