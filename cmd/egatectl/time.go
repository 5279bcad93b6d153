package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"egate/clock"
)

// maxApart is how far the clocks of two persons may be apart: the file is carried from one to the other.
const maxApart = time.Hour

// timeConfirm makes the confirmation of the time for a gate that has no centre to ask, or adds the second person to it (E-07).
func timeConfirm(_ context.Context, out io.Writer, args []string) error {
	f := flags("time confirm", out)
	key := f.String("key", "", "private key of the person who confirms; its public one is in the gate's inspect.policy_keys")
	raw, signer, err := toSign(f, key, args)
	if err != nil {
		return err
	}
	now := time.Now()
	b, err := clock.Answer(raw, now, signer)
	said := "it is " + now.UTC().Format(time.RFC3339) + "; the second person agrees with the same command"
	if err != nil { // no question: the first person's answer
		b, err = clock.Agree(raw, now, maxApart, signer)
		said = "two have confirmed: put it into the gate's state folder as time.confirmed"
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.Arg(1), b, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s  %s\n", f.Arg(1), said)
	return nil
}
