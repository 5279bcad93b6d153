// Command fetch fills the model cache: go run ./internal/modelfetch/fetch [-lock FILE] [-dir DIR] [-arch GOARCH].
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"egate/internal/modelfetch"
)

func main() {
	lockFile := flag.String("lock", "facematch/models.lock", "lock file")
	dir := flag.String("dir", ".cache/models", "cache directory")
	arch := flag.String("arch", runtime.GOARCH, "architecture of the runtime library")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	lock, err := modelfetch.ReadLock(*lockFile)
	if err == nil {
		lock.Arch = *arch
		err = modelfetch.Fetch(ctx, lock, *dir, func(s string) { fmt.Println(s) })
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(1)
	}
}
