package orders

import (
	"context"
	"errors"
	"fmt"

	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// appState is whether an app works, as the page shows it.
type appState struct {
	App, Title, State, Class string
	MayPause, MayStart       bool // what a person can ask for
}

// appStates returns whether the apps work. Where the administrator has said nothing, the app's setting PAUSED holds,
// which can't be read here: what the app has written then says more, for one request.
func (o *Office) appStates(ctx context.Context, c control.Connector) ([]appState, error) {
	all := []appState{{App: settings.Fetch, Title: "Fetch"}, {App: settings.Import, Title: "Import"}}
	for i := range all {
		s := &all[i]
		paused, said := c.Paused[s.App]
		s.State, s.Class, s.MayPause, s.MayStart = "works", "ok", !said || !paused, !said || paused
		switch {
		case !c.IsSetUp():
			s.State, s.Class = "waits for the set-up to be finished", "wait"
		case paused:
			s.State, s.Class = "paused", "wait"
		case !said:
			var err error
			if s.State, s.Class, err = o.stateByWork(ctx, s.App); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

const noWork = "has shown no work, and waits for a start unless its settings let it work"

// stateByWork returns the state of an app by what it has written of its work.
func (o *Office) stateByWork(ctx context.Context, app string) (state, class string, err error) {
	if app == settings.Import { // the addresses of mailboxes that it has written to
		documents, _, err := o.opts.Reports.List(ctx, tally.NamesDocument, 1)
		switch {
		case err != nil:
			return "", "", fmt.Errorf("look for the work of import: %w", err)
		case len(documents) == 0:
			return noWork, "wait", nil
		}
		return "works, unless its setting PAUSED was set to true since", "ok", nil
	}
	progress, err := status.NewReader(o.opts.Status).Progress(ctx)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		return noWork, "wait", nil
	case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
		return "not known: its progress can't be read", "wait", nil
	case err != nil:
		return "", "", err
	case progress.Paused:
		return "paused by its setting PAUSED", "wait", nil
	}
	return "works", "ok", nil
}
