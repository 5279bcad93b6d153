// Command egate-console is the officers' console for a line of gates and, for a small site, the
// border control centre's end of the link.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	path := flag.String("config", "", "configuration `file` (YAML)")
	flag.Parse()
	if _, err := LoadConfig(*path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
