package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"egate/hal"
)

// probeLimit is how long a device may take to answer; egated has its own.
const probeLimit = 5 * time.Second

// probe opens a device, asks it something and closes it. No picture and no document is kept or told.
func probe(d devices, device string) error {
	ctx, cancel := context.WithTimeout(context.Background(), probeLimit)
	defer cancel()
	switch device {
	case "scanner":
		s, err := d.Scanner(ctx) // a scanner without a document says nothing: the open port is what there is to ask
		if err != nil {
			return err
		}
		return s.Close()
	case "nfc":
		r, err := d.Reader(ctx)
		if err != nil {
			return err
		}
		return errors.Join(r.Reset(ctx), r.Close())
	case "camera":
		c, err := d.Camera(ctx)
		if err != nil {
			return err
		}
		var f hal.Frame
		err = c.Next(ctx, &f)
		clear(f.Pix[:cap(f.Pix)])
		return errors.Join(err, c.Close())
	}
	return fmt.Errorf("no device %q: scanner, nfc or camera", device)
}
