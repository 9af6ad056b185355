package control

import (
	"context"
	"errors"
	"time"
)

// errPaused is the cause of a context that Run ended.
var errPaused = errors.New("the app was paused")

// PauseOptions holds what a Pause works with.
type PauseOptions struct {
	App       string // fetch or import
	Connector *ConnectorReader
	Default   bool // what holds if the administrator has said nothing
}

// Pause is the administrator's flag whether an app works. It is safe for concurrent use.
type Pause struct{ opts PauseOptions }

// NewPause returns a Pause. It makes no request.
func NewPause(o PauseOptions) *Pause { return &Pause{o} }

// Paused reports whether the app is paused, or not set up yet. Its errors are those of ConnectorReader.Current.
func (p *Pause) Paused(ctx context.Context) (bool, error) {
	c, err := p.opts.Connector.Current(ctx)
	return err == nil && c.IsPaused(p.opts.App, p.opts.Default), err
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
		tick := time.NewTicker(connectorAge)
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
