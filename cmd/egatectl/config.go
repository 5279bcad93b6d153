package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"egate/configs"
)

func configCheck(_ context.Context, out io.Writer, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	var errs []error
	for _, path := range args {
		g, err := configs.Load(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		differs, err := g.CheckProfile()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, m := range differs {
			errs = append(errs, fmt.Errorf("%s: %s", path, m))
		}
		if len(differs) > 0 {
			continue
		}
		fmt.Fprintf(out, "%s: ok: %s/%s, %s, %d inputs, %d outputs%s\n", path, g.Site, g.Gate, g.Topology,
			len(g.Lines.Inputs), len(g.Lines.Outputs), map[bool]string{true: ", simulation"}[g.Simulated])
		d := g.Doors.Facts
		fmt.Fprintf(out, "  doors: %.2f J (%g kg at %g mm/s), closing %g N, by hand %g/%g/%g N, seen %g and %g mm before\n", d.Energy(), d.LeafMass, d.LeafSpeed,
			d.ClosingForce, d.HandForce.Unlatch, d.HandForce.Start, d.HandForce.Open, d.Detection.Escape, d.Detection.Other)
	}
	return errors.Join(errs...)
}

func configExample(_ context.Context, out io.Writer, args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	switch args[0] {
	case "gate":
		_, err := out.Write(configs.GateYAML)
		return err
	case "bench":
		_, err := out.Write(configs.BenchYAML)
		return err
	case "sim":
		_, err := out.Write(configs.SimYAML)
		return err
	case "site-profile":
		_, err := out.Write(configs.SiteProfileYAML)
		return err
	}
	return errUsage
}
