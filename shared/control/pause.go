package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/lock"
	"o2archiver/shared/retry"
)

const (
	connectorBlob = "connector.json"

	// pauseAge is how long an answer is used before storage is asked again.
	pauseAge = time.Minute
)

// errPaused is the cause of a context that Run ended.
var errPaused = errors.New("the app was paused")

// connector is what the administrator sets while the apps run. Members that this version does not know are ignored.
type connector struct {
	Paused map[string]bool `json:"paused"` // by app
}

// PauseOptions holds what a Pause works with.
type PauseOptions struct {
	App      string             // fetch or import
	Settings *archive.Documents // is read
	Default  bool               // what holds if the administrator has said nothing
	Now      func() time.Time
}

// Pause is the administrator's flag whether an app works, cached for a minute. It is safe for concurrent use.
type Pause struct {
	opts PauseOptions

	lock    lock.Mutex // guards the fields below
	checked time.Time  // when storage was last asked; zero: never
	paused  bool
}

// NewPause returns a Pause. It makes no request.
func NewPause(o PauseOptions) *Pause { return &Pause{opts: o, lock: lock.New()} }

// Paused reports whether the app is paused. While storage is unavailable it waits until ctx ends: the event of a batch
// that fails is tried five times within a second, and is then in the poison queue. If connector.json cannot be read as
// what it should be, the error matches funchost.ErrSettings: nothing is done against the administrator's will.
func (p *Pause) Paused(ctx context.Context) (bool, error) {
	if err := p.lock.Lock(ctx); err != nil {
		return false, err
	}
	defer p.lock.Unlock()
	age := p.opts.Now().Sub(p.checked)
	if !p.checked.IsZero() && age >= 0 && age < pauseAge { // it is negative if the clock was set back
		return p.paused, nil
	}
	var c connector
	err := retry.Do(ctx, func(ctx context.Context) error {
		_, err := p.opts.Settings.Get(ctx, connectorBlob, &c)
		return err
	})
	switch {
	case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
		return false, fmt.Errorf("%w: settings/connector.json can't be used, so the app does nothing until it is replaced: "+
			`it is JSON like {"v":1,"paused":{"fetch":false,"import":false}}`, funchost.ErrSettings)
	case errors.Is(err, archive.ErrUnavailable):
		return false, fmt.Errorf("%w: read settings/connector.json: %w", funchost.ErrUnavailable, err)
	case err != nil && !errors.Is(err, archive.ErrNotFound):
		return false, fmt.Errorf("read settings/connector.json: %w", err)
	}
	paused, said := c.Paused[p.opts.App]
	if !said {
		paused = p.opts.Default
	}
	p.paused, p.checked = paused, p.opts.Now()
	return paused, nil
}

// Run runs work, unless the app is paused; the context of work ends within two minutes after the app was paused
// meanwhile. paused reports that work did not run, or was ended by a pause; err is nil then. What cannot be read while
// work runs ends nothing.
func (p *Pause) Run(ctx context.Context, work func(context.Context) error) (paused bool, err error) {
	if paused, err = p.Paused(ctx); err != nil || paused {
		return paused, err
	}
	watched, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		tick := time.NewTicker(pauseAge)
		defer tick.Stop()
		for {
			select {
			case <-watched.Done():
				return
			case <-tick.C:
			}
			if paused, err := p.Paused(watched); err == nil && paused {
				cancel(errPaused)
			}
		}
	}()
	if err = work(watched); err != nil && errors.Is(context.Cause(watched), errPaused) {
		return true, nil
	}
	return false, err
}
