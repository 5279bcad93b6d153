package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"egate/facematch"
)

const (
	modelFolder     = ".cache/models"         // of a checkout (make models)
	installedModels = "/var/lib/egate/models" // of a gate: inspect.models of configs/gate.yaml
)

// modelsHelp says where a pack is looked for that nobody names.
const modelsHelp = "folder of the model pack; without it EGATE_MODELS, or the first pack of: " + modelFolder + " here, ../" + modelFolder + " beside this program, " + installedModels

// packPlaces are the folders where a pack may be that nobody names, first to last.
func packPlaces() []string {
	if dir := os.Getenv("EGATE_MODELS"); dir != "" {
		return []string{dir} // who says where it is wants no other one
	}
	places := []string{modelFolder}
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		places = append(places, filepath.Join(filepath.Dir(self), "..", modelFolder))
	}
	return append(places, installedModels)
}

// packFolder is the folder that is named, or else the first of the places with a pack.
func packFolder(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	var looked []string
	for _, dir := range packPlaces() {
		switch _, err := os.Stat(filepath.Join(dir, "manifest.json")); {
		case err == nil:
			return dir, nil
		case errors.Is(err, fs.ErrPermission):
			dir += " (not allowed to look)"
		}
		looked = append(looked, dir)
	}
	return "", fmt.Errorf("%w: looked in %s; fetch the demonstration pack with: make models; --models or EGATE_MODELS name another folder", facematch.ErrNoPack, strings.Join(looked, ", "))
}

// loadPack loads the pack of the folder that is named, or of the first place that has one.
func loadPack(named string) (*facematch.Pack, error) {
	dir, err := packFolder(named)
	if err != nil {
		return nil, err
	}
	p, err := facematch.LoadPack(dir, facematch.LoadOptions{})
	if errors.Is(err, facematch.ErrNoPack) {
		err = fmt.Errorf("%w (looked in %s; --models names another folder)", err, dir)
	}
	return p, err
}
