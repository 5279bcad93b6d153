package main

import (
	"context"
	"errors"
	"log/slog"
)

// serve runs both halves: the centre's end of the link and the desk in front of it.
func serve(ctx context.Context, cfg Config, log *slog.Logger) error {
	return errors.New("egate-console: this build has no centre's end of the link (console/centre)")
}
