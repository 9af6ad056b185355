package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
)

func TestPaused(t *testing.T) {
	tests := []struct {
		name      string
		connector string // "": there is none
		byDefault bool
		want      bool
		refused   bool
	}{
		{"nothing is said", "", false, false, false},
		{"the setting", "", true, true, false},
		{"started against the setting", `{"v":1,"paused":{"import":false}}`, true, false, false},
		{"paused", `{"v":1,"paused":{"import":true}}`, false, true, false},
		{"the other app", `{"v":1,"paused":{"fetch":true}}`, false, false, false},
		{"the other app, and the setting", `{"v":1,"paused":{"fetch":false}}`, true, true, false},
		{"a later version", `{"v":2,"paused":{"import":true}}`, false, false, true},
		{"a set-up that is not finished", `{"v":1,"unfinished":true,"paused":{"import":false}}`, false, true, false},
		{"terms alone", `{"v":1,"terms":{"version":"1","by":"x","at":"2026-11-23T09:00:00Z"}}`, false, false, false},
		{"terms, and the setting", `{"v":1,"terms":{"version":"1","by":"x","at":"2026-11-23T09:00:00Z"}}`, true, true,
			false},
		{"terms of an archive that waits", `{"v":1,"unfinished":true,` +
			`"terms":{"version":"1","by":"x","at":"2026-11-23T09:00:00Z"},"paused":{"import":false}}`,
			false, true, false},
		{"a set-up that is finished", `{"v":1,"terms":{"version":"1","by":"x","at":"2026-11-23T09:00:00Z"},` +
			`"finished":{"by":"x","at":"2026-11-23T09:10:00Z"}}`, false, false, false},
		{"nothing in it", `{}`, true, true, false},
		{"a wrong type", `{"paused":"import"}`, false, false, true},
		{"a text", `"import"`, false, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOffice(t)
			if tt.connector != "" {
				o.write(tt.connector)
			}
			got, err := o.pause(tt.byDefault).Paused(t.Context())
			if got != tt.want || errors.Is(err, funchost.ErrSettings) != tt.refused || (err != nil) != tt.refused {
				t.Errorf("paused %t, %v; want %t", got, err, tt.want)
			}
		})
	}
}

func (o *office) pause(byDefault bool) *Pause {
	return NewPause(PauseOptions{App: "import", Connector: o.reader(nil), Default: byDefault})
}

func (o *office) reader(report func(error)) *ConnectorReader {
	return NewConnectorReader(ReaderOptions{Settings: o.store.Settings(), Report: report,
		Now: func() time.Time { return o.now }})
}

// write replaces connector.json.
func (o *office) write(text string) {
	o.t.Helper()
	if _, err := o.store.Settings().Put(o.t.Context(), connectorBlob, json.RawMessage(text), "*", nil); err != nil {
		o.t.Fatal(err)
	}
}

// The administrator's word counts within a minute, and storage is asked once in that time.
func TestPausedIsCached(t *testing.T) {
	o := newOffice(t)
	p := o.pause(false)
	for _, step := range []struct {
		after time.Duration
		write string
		want  bool
	}{
		{0, `{"paused":{"import":true}}`, true},
		{59 * time.Second, `{"paused":{"import":false}}`, true},
		{time.Second, "", false},
		{59 * time.Second, `{"paused":{"import":true}}`, false},
		{time.Second, "", true},
		{-time.Hour, `{"paused":{"import":false}}`, false}, // the clock was set back
	} {
		o.now = o.now.Add(step.after)
		if step.write != "" {
			o.write(step.write)
		}
		if got, err := p.Paused(t.Context()); err != nil || got != step.want {
			t.Errorf("%v later: paused %t, %v; want %t", step.after, got, err, step.want)
		}
	}
}

// While storage is unavailable, the answer is waited for: the event of a batch would be given up otherwise.
func TestPausedWaitsForStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(10 * 365 * 24 * time.Hour)
		storage := archivetest.ForTest(t, nil)
		back := time.Now().Add(10 * time.Minute)
		o := &office{t: t, now: morning, store: open(t, storage, storage.Through(
			func(*http.Request) archivetest.Fault {
				if time.Now().Before(back) {
					return archivetest.Reset
				}
				return archivetest.Pass
			}))}
		if err := open(t, storage, storage).CreateContainers(t.Context()); err != nil {
			t.Fatal(err)
		}
		if paused, err := o.pause(true).Paused(t.Context()); err != nil || !paused {
			t.Errorf("paused %t, %v", paused, err)
		}
	})
}

// If the file can't be read, nothing is known, and nothing is assumed.
func TestPausedCannotBeRead(t *testing.T) {
	storage := archivetest.ForTest(t, nil)
	o := &office{t: t, now: morning, store: open(t, storage, storage.Through(
		func(*http.Request) archivetest.Fault { return archivetest.Archived }))}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := o.pause(false).Paused(ctx); !errors.Is(err, archive.ErrArchived) {
		t.Errorf("error %v, want %v", err, archive.ErrArchived)
	}
}
