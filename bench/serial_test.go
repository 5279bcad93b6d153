package bench

import (
	"context"
	"io"
	"testing"

	"github.com/creack/pty"

	"egate/hal/serialhal"
)

// BenchmarkSerial is what the serial driver costs: blocks of 4 KiB through a pseudo-terminal, which has no speed of its
// own, there and back.
func BenchmarkSerial(b *testing.B) {
	master, slave, err := pty.Open()
	if err != nil {
		b.Skip("SKIP: no pseudo-terminals: ", err)
	}
	defer master.Close()
	p, err := serialhal.Open(serialhal.Options{Device: slave.Name()})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	slave.Close()
	go func() { _, _ = io.Copy(struct{ io.Writer }{master}, struct{ io.Reader }{master}) }()
	ctx := context.Background()
	block, in := make([]byte, 4096), make([]byte, 4096)
	b.SetBytes(int64(2 * len(block)))
	for b.Loop() {
		if err := p.Write(ctx, block); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < len(block); {
			n, err := p.Read(ctx, in[got:])
			if err != nil {
				b.Fatal(err)
			}
			got += n
		}
	}
}
