package serialhal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sysTTY is where the kernel lists terminals; a variable for tests.
var sysTTY = "/sys/class/tty"

// resolve turns a device name into the path of its node as it is now. Two forms exist: a path (a
// symbolic link such as /dev/serial/by-id/… is followed anew at each opening) and
// "usb:VVVV:PPPP[:SERIAL]" with vendor and product in hexadecimal. A plain /dev/ttyACM0 may name
// another device after a replug.
func resolve(device string) (string, error) {
	id, isUSB := strings.CutPrefix(device, "usb:")
	if !isUSB {
		p, err := filepath.EvalSymlinks(device)
		if err != nil {
			return "", fmt.Errorf("serialhal: %s: no such device", device)
		}
		return p, nil
	}
	want := strings.SplitN(id, ":", 3)
	if len(want) < 2 || len(want[0]) != 4 || len(want[1]) != 4 {
		return "", fmt.Errorf("serialhal: %q: want usb:VVVV:PPPP or usb:VVVV:PPPP:SERIAL", device)
	}
	ttys, err := os.ReadDir(sysTTY)
	if err != nil {
		return "", fmt.Errorf("serialhal: %w", err)
	}
	var found []string
	for _, t := range ttys {
		dir, err := filepath.EvalSymlinks(filepath.Join(sysTTY, t.Name(), "device"))
		if err != nil {
			continue
		}
		// The USB device is the interface's parent, for USB-serial converters one level further up.
		for range 3 {
			if v := attribute(dir, "idVendor"); v != "" {
				if strings.EqualFold(v, want[0]) && strings.EqualFold(attribute(dir, "idProduct"), want[1]) &&
					(len(want) < 3 || attribute(dir, "serial") == want[2]) {
					found = append(found, filepath.Join("/dev", t.Name()))
				}
				break
			}
			dir = filepath.Dir(dir)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("serialhal: %s: no such device", device)
	case 1:
		return found[0], nil
	}
	// Guessing could bind the scanner's protocol to the reader.
	return "", fmt.Errorf("serialhal: %s: %d ports match; name the serial number or a path under /dev/serial/by-path", device, len(found))
}

func attribute(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
