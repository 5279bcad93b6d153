package main

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"egate/health"
)

// Room for the journal, bytes: below lowRoom somebody should look, below fullRoom the gate takes no new traveller, so
// that whoever is inside is served and written down to the end (E-03). A fault goes when a quarter more is free: a
// journal that writes at the limit does not make the gate open and close.
const (
	lowRoom   = 256 << 20
	fullRoom  = 16 << 20
	roomEvery = 2 * time.Second
)

// storage watches the room on the disk of the journal until ctx ends. room returns the bytes that are free for this user.
func storage(ctx context.Context, room func() (uint64, error), board *health.Board, log *slog.Logger) {
	tick := time.NewTicker(roomEvery)
	defer tick.Stop()
	failed := false
	for {
		free, err := room()
		if err != nil && !failed { // the journal tells of a disk that has failed
			log.Error("egated: room on the disk of the journal", "err", err)
		}
		failed = err != nil
		for code, limit := range map[health.Code]uint64{health.DiskLow: lowRoom, health.DiskFull: fullRoom} {
			switch {
			case err != nil:
			case free < limit:
				board.Raise(code, health.PartJournal)
			case free >= limit+limit/4:
				board.Clear(code, health.PartJournal)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// roomOf asks the file system of a folder.
func roomOf(dir string) func() (uint64, error) {
	return func() (uint64, error) {
		var s unix.Statfs_t
		if err := unix.Statfs(dir, &s); err != nil {
			return 0, err
		}
		return s.Bavail * uint64(s.Bsize), nil
	}
}
