//go:build !lab

package main

import "egate/emrtd"

// canSave says whether this build writes what it reads: personal data, for specimens in a lab only.
const canSave = false

func saveFiles(string, *emrtd.Report) error {
	panic("egatectl: a build that keeps nothing was asked to save")
}
