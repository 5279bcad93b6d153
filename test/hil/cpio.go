package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// tree is what an initramfs holds: paths without a leading slash, and where their bytes come from.
type tree map[string]source

// source is a file of the host, or bytes, or a symbolic link.
type source struct {
	file string
	data []byte
	link string
}

// write writes the tree as a cpio archive of the kind that the kernel unpacks (newc, see the kernel's
// Documentation/driver-api/early-userspace/buffer-format). It is not compressed: under emulation unpacking
// costs more than reading.
func (t tree) write(w io.Writer) error {
	var names []string
	dirs := map[string]bool{}
	for n := range t {
		names = append(names, n)
		for d := path.Dir(n); d != "."; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	for d := range dirs {
		names = append(names, d)
	}
	slices.Sort(names) // a folder stands before what is in it
	ino := 0
	entry := func(name string, mode uint32, data []byte) error {
		ino++
		head := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
		for _, b := range []string{head + name + "\x00", string(data)} {
			if n := len(b) % 4; n != 0 {
				b += strings.Repeat("\x00", 4-n)
			}
			if _, err := io.WriteString(w, b); err != nil {
				return err
			}
		}
		return nil
	}
	for _, n := range names {
		s, file := t[n]
		var err error
		switch {
		case !file:
			err = entry(n, 0o040755, nil)
		case s.link != "":
			err = entry(n, 0o120777, []byte(s.link))
		case s.file != "":
			var b []byte
			if b, err = os.ReadFile(s.file); err == nil {
				err = entry(n, 0o100755, b)
			}
		default:
			err = entry(n, 0o100755, s.data)
		}
		if err != nil {
			return err
		}
	}
	return entry("TRAILER!!!", 0, nil)
}
