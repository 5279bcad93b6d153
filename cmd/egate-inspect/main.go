// Command egate-inspect inspects one traveller and exits. It is started by egated, warmed ahead of the
// traveller, on an inherited socket (file descriptor 3), and confined before anything personal arrives.
//
//	egate-inspect --config FILE   inspect; started by egated only
//	egate-inspect --config FILE --probe DEVICE   ask one device whether it is there; started by egated after a fault
//	egate-inspect decode-image    the one-shot child that decodes one picture; started by the inspector only
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"egate/configs"
	"egate/inspect/decoder/selfchild"
	"egate/inspect/protocol"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		// The text names parts and codes; what a traveller brought is in no error of ours.
		fmt.Fprintln(os.Stderr, "egate-inspect:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: egate-inspect --config FILE (started by egated)")

func run(args []string) error {
	f := flag.NewFlagSet("egate-inspect", flag.ContinueOnError)
	path := f.String("config", "", "configuration of the gate (YAML)")
	device := f.String("probe", "", "ask one device (scanner, nfc or camera) whether it is there, and end")
	policyHash := f.String("policy", "", "SHA-256 of the policy file that egated has accepted; another one is refused")
	if err := f.Parse(args); err != nil || f.NArg() > 0 || *path == "" {
		return errUsage
	}
	cfg, err := configs.Load(*path)
	if err != nil {
		return err
	}
	if *device != "" {
		return probe(devices{cfg.Devices, cfg.Simulated, selfchild.Prefork}, *device)
	}
	inherited := os.NewFile(3, "egated")
	conn, err := net.FileConn(inherited)
	if err != nil {
		return fmt.Errorf("file descriptor 3 is no socket of egated: %w", errUsage)
	}
	defer conn.Close()
	// The connection has a descriptor of its own, and the children must not inherit this one. It is closed
	// through its File: closed behind its back, the number would be closed again when somebody else has it.
	if err := inherited.Close(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	link := protocol.NewInspector(conn)
	i, end, err := prepare(ctx, cfg, *policyHash, link)
	if err != nil {
		_ = link.Send(protocol.FromInspector{Fault: &protocol.Fault{Code: code(err)}})
		return err
	}
	defer end()
	return i.Run(ctx)
}
