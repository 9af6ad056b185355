package setup

import (
	"strings"
	"testing"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

var plannedFrom = time.Date(2026, 11, 20, 5, 20, 0, 0, time.UTC)

// failedProgress is what a run leaves that could not sign in: it has planned, and fetched nothing.
var failedProgress = status.Progress{Version: 1, Failed: "the site refuses the credentials", State: status.State{
	Watermark: plannedFrom, Windows: []status.Window{{From: plannedFrom, Tries: 2, Failed: "x"}}}}

// A run that failed, was paused, or found nothing to do is no work: from the first step on nothing runs, an account
// with another name can be entered, and the last step starts both apps.
func TestSetUpAfterRunsThatFailed(t *testing.T) {
	for name, progress := range map[string]status.Progress{
		"refused":       failedProgress,
		"paused":        {Version: 1, State: status.State{Paused: true}},
		"no deliveries": {Version: 1, Ended: plannedFrom, State: status.State{Waiting: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.deploy("another")
			w.show(progress)
			w.acceptTerms()
			w.mustWait()
			led, page := w.send("/setup/source", "username", siteName, "password", sitePassword)
			if led != "/setup/mapping" {
				t.Fatalf("another account leads to %s\n%s", led, page)
			}
			w.send("/setup/mapping", "do", "switches", "automatic", "on")
			w.send("/setup/domains", "size", "150MB", "date", "2026-11-10")
			w.mustWait()
			w.send("/setup/review", "start", "on")
			c := w.connector()
			if c.IsPaused(settings.Fetch, true) || c.IsPaused(settings.Import, true) ||
				c.Settings[fetchFrom] != "2026-11-10T00:00:00Z" || c.Settings[siteUser] != siteName {
				t.Errorf("after the last step: %+v", c)
			}
		})
	}
}

// An earlier version took a run that had failed for work, and let the apps run during the set-up. Before a secret is
// stored they are held.
func TestSetUpThatAnEarlierVersionBegan(t *testing.T) {
	w := newWorld(t)
	w.deploy("another")
	w.show(failedProgress)
	w.acceptTerms()
	_, err := control.UpdateConnector(t.Context(), w.store.Settings(), func(c *control.Connector) error {
		c.Unfinished = false
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.place.during = w.mustWait
	w.get("/setup/source")
	if led, page := w.send("/setup/source", "username", siteName, "password", sitePassword); led != "/setup/mapping" {
		t.Errorf("it leads to %s\n%s", led, page)
	}
	w.mustWait()
}

// The page of the start says what fetch has planned, and whether a date still has an effect.
func TestStartStepSaysWhatIsPlanned(t *testing.T) {
	const none, planned, begun = "", "Fetch has planned to begin at", "Fetch has begun already"
	fetched := failedProgress
	fetched.Finished = 1
	for name, tt := range map[string]struct {
		progress *status.Progress
		want     string
	}{"never run": {nil, none}, "failed": {&failedProgress, planned}, "fetched": {&fetched, begun}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.setUp()
			if tt.progress != nil {
				w.show(*tt.progress)
			}
			page := w.get("/settings/start")
			for _, says := range []string{planned, begun} {
				if strings.Contains(page, says) != (says == tt.want) {
					t.Errorf("%q is not as wanted:\n%s", says, page)
				}
			}
			if tt.want == planned {
				w.mustHold(page, "2026-11-20", "A date here takes precedence")
			}
			if strings.Contains(w.get("/settings/size"), "Fetch has") {
				t.Error("the form of the size speaks of the start")
			}
		})
	}
}

// An archive that works by its environment is set up like any other, and goes on meanwhile. That it works is known from
// any of its traces.
func TestSetUpOfARunningArchive(t *testing.T) {
	put := func(w *world, docs *archive.Documents, name string, v any) {
		if _, err := docs.Put(w.t.Context(), name, v, "", nil); err != nil {
			w.t.Fatal(err)
		}
	}
	for name, trace := range map[string]func(w *world){
		"a window that was finished": func(w *world) {
			put(w, w.store.Status(), "fetch.json", status.Progress{Version: 1, State: status.State{Finished: 1}})
		},
		"a window that is read": func(w *world) {
			put(w, w.store.Status(), "fetch.json", status.Progress{Version: 1, Failed: "x", State: status.State{
				Windows: []status.Window{{}, {Received: 1}}}})
		},
		"a run before the last": func(w *world) {
			put(w, w.store.Status(), "fetch.json", failedProgress)
			put(w, w.store.Status(), "runs/2026/11/20/a.json", status.Run{Version: 1, Run: "2026/11/20/a"})
		},
		"a progress of a later version": func(w *world) { put(w, w.store.Status(), "fetch.json", "x") },
		"mailboxes of import": func(w *world) {
			put(w, w.store.Reports(), tally.NamesDocument, tally.Names{})
		},
		"import was started": func(w *world) {
			put(w, w.store.Settings(), "connector.json", control.Connector{Paused: map[string]bool{"import": false}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.opts.Lookup = func(name string) (string, bool) {
				v, ok := map[string]string{siteUser: siteName, maxItemSize: "20MB"}[name]
				return v, ok
			}
			w.use(w.storage)
			trace(w)
			w.mustHold(w.get("/settings"), siteName, "up to 20 MB", "Set it up here")
			w.mustHold(w.get("/setup"), "It goes on by them until you finish")
			w.acceptTerms()
			w.mustHold(w.page, `value="`+siteName+`"`)
			if c := w.connector(); c.Terms == nil || c.IsPaused("fetch", false) || c.IsPaused("import", false) {
				t.Errorf("the terms have stopped it: %+v", c)
			}
			w.send("/setup/source", "username", siteName, "password", sitePassword)
			w.send("/setup/mapping", "do", "switches", "automatic", "on")
			w.send("/setup/domains", "size", "10MB")
			w.mustHold(w.page, "the archive goes on by the settings of its deployment")
			if w.send("/setup/review", "start", "on"); w.connector().Finished == nil {
				t.Errorf("it is not finished:\n%s", w.page)
			}
		})
	}
}

// deploy lets the environment have a user name.
func (w *world) deploy(user string) {
	w.opts.Lookup = func(name string) (string, bool) { return user, name == siteUser }
	w.use(w.storage)
}

// show lets fetch have shown a progress.
func (w *world) show(p status.Progress) {
	w.t.Helper()
	if _, err := w.store.Status().Put(w.t.Context(), "fetch.json", p, "*", nil); err != nil {
		w.t.Fatal(err)
	}
}

// mustWait reports an app that may work before the set-up has ended.
func (w *world) mustWait() {
	w.t.Helper()
	if c := w.connector(); !c.IsPaused(settings.Fetch, false) || !c.IsPaused(settings.Import, false) {
		w.t.Errorf("the apps may work: %+v", c)
	}
}
