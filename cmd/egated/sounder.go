package main

import (
	"egate/configs"
	"egate/hal"
	"egate/hal/sounder"
)

// newHorn is the sounder of the gate, nil where it has none. It goes by way of the lamps: lines that were opened anew are
// driven as wanted.
func newHorn(cfg configs.Gate, l *lamps) hal.Sounder {
	if _, wired := cfg.Lines.Outputs[configs.LineSounder]; !wired {
		return nil
	}
	return sounder.New(func(on bool) error { return l.Set(configs.LineSounder, on) }, cfg.Sound.Limit)
}
