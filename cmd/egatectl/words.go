package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

func splitWords(s string) []string { return strings.Fields(s) }
func joinWords(s []string) string  { return strings.Join(s, " ") }

// flags makes a flag set that prints its help to out.
func flags(name string, out io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet("egatectl "+name, flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() {
		for _, c := range commands() {
			if c.name == name {
				fmt.Fprintf(out, "egatectl %s %s\n%s\n", c.name, c.args, c.help)
				if strings.Contains(c.args, "[FOLDER]") {
					fmt.Fprintf(out, "  FOLDER\n    \t%s\n", modelsHelp)
				}
			}
		}
		f.PrintDefaults()
	}
	return f
}

// parse parses flags before, between and after the words of a command.
func parse(f *flag.FlagSet, args []string) error {
	var words []string
	for {
		if err := f.Parse(args); err != nil {
			return err
		}
		if f.NArg() == 0 {
			return f.Parse(append([]string{"--"}, words...))
		}
		words, args = append(words, f.Arg(0)), f.Args()[1:]
	}
}
