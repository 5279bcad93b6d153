package centre

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// P-11: the pipe to the broker in this process has no keep-alive: nothing can be wrong with it. With one, a centre that
// looked at its messages too slowly, as on a machine with other work, held up the answers to its own pings behind them and
// took the broker for dead, and the look-ups under way with it.
func TestP11OwnBrokerIsNotPinged(t *testing.T) {
	n := newNetwork(Config{Site: "s"}, nil, nil)
	if alive := n.options("tcp://elsewhere:1883").KeepAlive; alive != int64(keepAlive/time.Second) {
		t.Errorf("a broker elsewhere is asked every %d s", alive)
	}
	n.broker = &embedded{}
	if alive := n.options("tcp://self").KeepAlive; alive != 0 {
		t.Errorf("the broker in this process is asked every %d s", alive)
	}
}

// A publish that failed because the connection was lost says what the connection was lost by.
func TestWhyAPublishFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { time.Sleep(retryPause / 2); cancel(errors.New("pingresp not received")) }()
		if err := why(ctx, errors.New("connection lost before Publish completed")); !strings.Contains(err.Error(), "before Publish completed: pingresp not received") {
			t.Error(err)
		}
		if err := why(t.Context(), errors.New("refused")); err.Error() != "refused" {
			t.Error(err)
		}
	})
}
