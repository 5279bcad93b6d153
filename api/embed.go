package api

import (
	"embed"
	"io/fs"
)

// AsyncAPI is the contract: channels, operations and messages.
//
//go:embed asyncapi.yaml
var AsyncAPI []byte

// TR03135 maps events, checks, results and reasons to the terms of BSI TR-03135-1 (E-01).
//
//go:embed tr03135.yaml
var TR03135 []byte

//go:embed schemas/*.json
var schemaFiles embed.FS

// Schemas are the JSON Schemas (2020-12), one file per message.
func Schemas() fs.FS {
	sub, err := fs.Sub(schemaFiles, "schemas")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}
