package main

import (
	"flag"
	"io"
	"strings"
)

func splitWords(s string) []string { return strings.Fields(s) }
func joinWords(s []string) string  { return strings.Join(s, " ") }

// flags makes a flag set that prints its help to out.
func flags(name string, out io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet("egatectl "+name, flag.ContinueOnError)
	f.SetOutput(out)
	return f
}
