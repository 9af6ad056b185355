// Package host runs a staged function app on this machine: in a stand-in for the Azure Functions host that keeps the
// host's side of the custom-handler protocol, or in the real one (func, of the Azure Functions Core Tools).
//
// What the stand-in claims about the host was seen with host 4.1045.200; the tests hold both against each other.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"o2archiver/local/appbuild"
)

// Host is a running function app, whichever host it runs in.
type Host interface {
	// Run starts a function by hand, as POST /admin/functions/<function> does, with the input an administrator would send, and
	// returns when it ended, after the retries of its function.json. The status is what the host took the last try for: the
	// handler's own, or 0 if it gave no usable answer. The error is nil exactly if the function succeeded.
	Run(ctx context.Context, function, input string) (status int, err error)
	// Stop ends the host and its handler. It may be called twice.
	Stop() error
}

// Options says what to run.
type Options struct {
	App string    // the staged app's folder
	Env []string  // settings, NAME=value, on top of this process's environment
	Log io.Writer // whole lines of the handler's and the host's output, one Write at a time; nil: nowhere

	// For tests of the stand-in; the real host does not know them.
	Timeout time.Duration // in place of functionTimeout, and of the 2 s from there to the kill
	Pause   time.Duration // in place of every delayInterval
	Now     func() time.Time
}

// ErrFailed is in every error of an invocation that was tried as often as the host tries it.
var ErrFailed = errors.New("the invocation failed")

// lines serializes whole lines from many sources into one writer.
type lines struct {
	mu sync.Mutex
	to io.Writer
}

func (l *lines) say(line string) {
	if l.to == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.to, line+"\n") // a log that can't be written is no reason to stop
}

// lookup finds a setting as the app's process will see it.
func (o Options) lookup(name string) (string, bool) {
	for i := len(o.Env) - 1; i >= 0; i-- {
		if key, value, ok := strings.Cut(o.Env[i], "="); ok && key == name {
			return value, true
		}
	}
	return os.LookupEnv(name)
}

// resolved checks what the host resolves when it loads the functions: %SETTING% and connections.
func (o Options) resolved(functions []appbuild.Function) error {
	for _, f := range functions {
		t := f.Trigger()
		if name, ok := strings.CutPrefix(t.Schedule, "%"); ok {
			name = strings.TrimSuffix(name, "%")
			if value, _ := o.lookup(name); value == "" {
				return fmt.Errorf("function %s: the setting %s of its schedule is missing", f.Name, name)
			}
		}
		if t.Connection == "" {
			continue
		}
		text, _ := o.lookup(t.Connection)
		uri, _ := o.lookup(t.Connection + "__blobServiceUri")
		if text == "" && uri == "" {
			return fmt.Errorf("function %s: the connection %s is missing", f.Name, t.Connection)
		}
	}
	return nil
}

// parseClock reads hh:mm:ss.
func parseClock(text string) (time.Duration, error) {
	var h, m, s time.Duration
	if n, err := fmt.Sscanf(text, "%d:%d:%d", &h, &m, &s); err != nil || n != 3 {
		return 0, errors.New("a duration is not in the form hh:mm:ss")
	}
	return h*time.Hour + m*time.Minute + s*time.Second, nil
}
