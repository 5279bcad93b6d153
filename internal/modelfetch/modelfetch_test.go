package modelfetch

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func sum(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) }

// archive writes a .tgz and returns its path and hash.
func archive(t *testing.T, files map[string][]byte) (string, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.tgz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	for name, data := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o777, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	h, err := fileHash(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, h
}

// F-13: only the named members, only with the right hash; a second run needs no network.
func TestFetch(t *testing.T) {
	good, age := []byte("model"), []byte("age model")
	path, hash := archive(t, map[string][]byte{"package/model/fr_a.onnx": good, "package/model/fr_age.onnx": age, "../evil": age})
	lock := func() *Lock {
		return &Lock{Packages: []Package{{Name: "p", Version: "1.0.0", SHA256: hash, Members: []Member{
			{Path: "package/model/fr_a.onnx", File: "fr_a.onnx", Bytes: int64(len(good)), SHA256: sum(good)},
			{Path: "package/other", File: "other", Bytes: 1, SHA256: sum(nil), Arch: "not" + runtime.GOARCH},
		}}}}
	}
	pack := func(context.Context, string, string) (string, error) { return path, nil }
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "earlier.onnx"), good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fetch(t.Context(), lock(), dir, nil, pack); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "earlier.onnx")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a model that the lock does not name any more: %v", err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 || entries[0].Name() != "fr_a.onnx" {
		t.Fatalf("cache holds %v", entries)
	}
	none := func(context.Context, string, string) (string, error) { return "", errors.New("no network") }
	if err := fetch(t.Context(), lock(), dir, nil, none); err != nil {
		t.Fatalf("second run: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fr_a.onnx"), []byte("modem"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := fetch(t.Context(), lock(), dir, nil, none); err == nil {
		t.Fatal("a changed file was taken for the right one")
	}
	for name, spoil := range map[string]func(*Lock){
		"archive hash": func(l *Lock) { l.Packages[0].SHA256 = sum(nil) },
		"member hash":  func(l *Lock) { l.Packages[0].Members[0].SHA256 = sum(nil) },
		"member size":  func(l *Lock) { l.Packages[0].Members[0].Bytes++ },
		"member path":  func(l *Lock) { l.Packages[0].Members[0].Path = "package/none" },
		"outside":      func(l *Lock) { l.Packages[0].Members[0].File = "../x" },
		"forbidden": func(l *Lock) {
			l.Packages[0].Members[0] = Member{Path: "package/model/fr_age.onnx", File: "fr_age.onnx", Bytes: int64(len(age)), SHA256: sum(age)}
		},
		"option as name": func(l *Lock) { l.Packages[0].Name = "--registry=x" },
	} {
		l := lock()
		spoil(l)
		if err := fetch(t.Context(), l, t.TempDir(), nil, pack); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestF13ForbiddenNames(t *testing.T) {
	for _, n := range []string{"fr_age.onnx", "fr_gender.onnx", "fr_expression.onnx", "x/model-emotion.onnx"} {
		if !Forbidden(n) {
			t.Errorf("%s is allowed", n)
		}
	}
	for _, n := range []string{"fr_detect.onnx", "fr_feature.onnx", "image.onnx", "libonnxruntime.so.1", "package/model/fr_eye.onnx"} {
		if Forbidden(n) {
			t.Errorf("%s is forbidden", n)
		}
	}
}

// The committed lock is well formed and names no demographic model (F-13).
func TestCommittedLock(t *testing.T) {
	l, err := ReadLock("../../facematch/models.lock")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, p := range l.Packages {
		files += len(p.wanted(runtime.GOARCH))
		for _, m := range p.Members {
			if strings.Contains(m.Path, "..") {
				t.Errorf("path %q", m.Path)
			}
		}
	}
	if files < 7 {
		t.Errorf("%d files for %s", files, runtime.GOARCH)
	}
}
