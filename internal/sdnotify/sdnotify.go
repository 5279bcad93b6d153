// Package sdnotify tells the service manager how a program is (sd_notify(3)). Without NOTIFY_SOCKET it does
// nothing.
package sdnotify

import (
	"net"
	"os"
)

// Ready says that the program serves.
func Ready() { send("READY=1") }

// Stopping says that the program ends.
func Stopping() { send("STOPPING=1") }

// Alive feeds the service manager's watchdog.
func Alive() { send("WATCHDOG=1") }

func send(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		return // nobody listens: that is the manager's matter
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}
