// Package selfchild makes the program that imports it its own decoder child: started with the argument "decode-image",
// it opens one picture and ends before the rest of the program is initialised. A child is started for every picture,
// and what a tool brings along (schemas, plots) would cost each of them more than a small picture does.
//
// Packages are initialised in the order of their paths, each when those that it imports have been (the Go language
// specification, Package initialization): this one needs little, so that it comes before large ones of others.
package selfchild

import (
	"fmt"
	"os"

	"egate/inspect/decoder"
)

const argument = "decode-image"

func init() {
	if len(os.Args) == 2 && os.Args[1] == argument {
		os.Exit(decoder.ChildMain())
	}
}

// Prefork starts one child for whoever is not confined yet.
func Prefork() (*decoder.Worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", decoder.ErrChild, err)
	}
	return decoder.Prefork(self, argument)
}
