// Package host runs a built function app on this machine: in a stand-in for the Azure Functions host that implements
// the host's side of the custom-handler protocol, or in the real host (func, of the Azure Functions Core Tools).
//
// The stand-in's behaviour was observed with host 4.1045.200; the tests compare the two.
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

// Host is a running function app, in either host.
type Host interface {
	// Run starts a function manually, as POST /admin/functions/<function> does, with the input that an administrator
	// would send. It returns when the function has ended, after the retries of its function.json. The status is that of
	// the last try, or 0 if the handler sent no usable answer. The error is nil exactly if the function succeeded.
	Run(ctx context.Context, function, input string) (status int, err error)
	// Stop ends the host and its handler. It may be called twice.
	Stop() error
}

// Options holds what to run, and how.
type Options struct {
	App string    // the built app's folder
	Env []string  // settings, NAME=value, in addition to this process's environment
	Log io.Writer // receives the handler's and the host's output, one line per Write; nil: it is discarded

	// For tests with the stand-in; the real host ignores them.
	Timeout time.Duration // replaces functionTimeout, and the 2 s from there to the kill
	Pause   time.Duration // replaces every delayInterval, and the pauses before an HTTP request is repeated
	Now     func() time.Time
}

// ErrFailed matches the error of every invocation that failed after all the host's tries.
var ErrFailed = errors.New("the invocation failed")

// lines writes whole lines from many sources to one writer, one at a time.
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
	_, _ = io.WriteString(l.to, line+"\n") // an error of the log must not stop the host
}

// lookup returns a setting as the app's process will see it.
func (o Options) lookup(name string) (string, bool) {
	for i := len(o.Env) - 1; i >= 0; i-- {
		if key, value, ok := strings.Cut(o.Env[i], "="); ok && key == name {
			return value, true
		}
	}
	return os.LookupEnv(name)
}

// resolved checks the settings that the host resolves when it loads the functions: %SETTING% and connections.
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

// parseClock parses hh:mm:ss.
func parseClock(text string) (time.Duration, error) {
	var h, m, s time.Duration
	if n, err := fmt.Sscanf(text, "%d:%d:%d", &h, &m, &s); err != nil || n != 3 {
		return 0, errors.New("a duration is not in the form hh:mm:ss")
	}
	return h*time.Hour + m*time.Minute + s*time.Second, nil
}
