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
				fmt.Fprint(out, forms[name])
				if strings.Contains(c.args, "[FOLDER]") {
					fmt.Fprintf(out, "  FOLDER\n    \t%s\n", modelsHelp)
				}
			}
		}
		f.PrintDefaults()
	}
	return f
}

// forms are what commands read, where their arguments do not tell.
var forms = map[string]string{
	"face evaluate": `
  PAIRS.csv    first line a,b,label (image1,image2,same and the like are understood); label genuine, impostor or morph,
               or 1 and 0; person_a, person_b, transaction, attempt if known; every other column is a group to compare
  pairs.txt    of Labeled Faces in the Wild; its pictures lie beside it or below --root
  FOLDER       person/picture: all genuine pairs, and impostor pairs up to --impostors
  Pictures are JPEG, PNG or JPEG 2000, told by their content. A run that was stopped goes on where it was.

`,
	"face pad-evaluate": `
  FOLDER       species/presentation/picture, e.g. print-a4/03/0001.jpg; pictures in the order of their numbers. Living
               persons lie below live/ (bona-fide, real, genuine, heads …): the report says which names it took for that
  LIST         CSV with the columns path (a picture or a folder), species, and presentation if known
  A film of somebody or something that turns 10 degrees and more to both sides is evaluated for planarity.

`,
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
