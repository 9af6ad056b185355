package chaos

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"o2archiver/local/host"
)

// kept is an app in the real host as Azure keeps it: when a host ends, another one is started. Functions host 4.1045:
// one that loses the storage of its blob trigger says so, shuts down, and may hang in doing it.
type kept struct {
	w       *world
	name    string
	dying   atomic.Bool
	started atomic.Int64
	ended   chan struct{}

	mu   sync.Mutex
	host *host.Real // nil: there is none now
}

const lastWords = "Host is shutting down"

// Write takes the host's log.
func (k *kept) Write(p []byte) (int, error) {
	if strings.Contains(string(p), lastWords) {
		k.dying.Store(true)
	}
	return k.w.log.Write(p)
}

// keep starts an app, and starts it again until ctx ends.
func (w *world) keep(ctx context.Context, name string) *kept {
	w.t.Helper()
	k := &kept{w: w, name: name, ended: make(chan struct{})}
	go func() {
		defer close(k.ended)
		for ctx.Err() == nil {
			k.live(ctx)
		}
	}()
	return k
}

// live is one host, from its start to its end.
func (k *kept) live(ctx context.Context) {
	k.dying.Store(false)
	h, err := k.w.startReal(ctx, k.name, k)
	if err != nil { // while the storage is away it can't start
		wait(ctx, 5*time.Second)
		return
	}
	k.started.Add(1)
	k.set(h)
	for ctx.Err() == nil && !k.dying.Load() {
		select {
		case <-h.Ended():
			k.dying.Store(true)
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	k.set(nil)
	if ctx.Err() == nil {
		h.Kill()
		return
	}
	_ = h.Stop()
}

func (k *kept) set(h *host.Real) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.host = h
}

var errNoHost = errors.New("there is no host now")

// Run is Host's. Where the host ends meanwhile, the run is lost with it.
func (k *kept) Run(ctx context.Context, function, input string) (int, error) {
	k.mu.Lock()
	h := k.host
	k.mu.Unlock()
	if h == nil {
		return 0, errNoHost
	}
	return h.Run(ctx, function, input)
}

// Stop is Host's: the host ends with the context of keep.
func (k *kept) Stop() error { return nil }

// stop waits for the end and says how many hosts there were.
func (k *kept) stop() int64 {
	<-k.ended
	return k.started.Load()
}

// startReal starts an app in the real host, with some more settings. Its host id is the world's own, so that the leases
// of one world's hosts keep no other world waiting.
func (w *world) startReal(ctx context.Context, name string, log io.Writer, more ...string) (*host.Real, error) {
	out, err := staged()
	if err != nil {
		return nil, err
	}
	return host.StartFunc(ctx, host.Options{App: filepath.Join(out, name), Log: log,
		Env: slices.Concat([]string{"AzureWebJobsStorage=" + w.host,
			"AzureFunctionsWebHost__hostid=" + w.account + "-" + name}, w.env, more)})
}
