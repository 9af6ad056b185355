package sources

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/collector"
	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/shared/control"
	"o2archiver/shared/funchost"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// settingUp is an archive whose administrator sets it up while fetch runs.
type settingUp struct {
	*fetchtest.World
	site        *telemessagetest.Site
	services    Services
	connector   *control.ConnectorReader
	environment map[string]string
}

func newSettingUp(t *testing.T, environment map[string]string) *settingUp {
	t.Helper()
	u := &settingUp{World: fetchtest.NewWorld(t), site: telemessagetest.New(telemessagetest.Options{
		Username: fetchtest.Username, Password: fetchtest.Password})}
	way, stop := pipetest.Serve(u.site)
	t.Cleanup(stop)
	u.site.Add(time.Now().Add(-50*time.Hour), []byte(`{"messageId":"m","textContent":"confidential"}`))
	u.Secret("confidential")
	u.environment = map[string]string{"TELEMESSAGE_URL": "https://rest.telemessage.example",
		"TELEMESSAGE_PASSWORD": fetchtest.Password}
	maps.Copy(u.environment, environment)
	u.connector = readerOf(u.Store)
	u.services = servicesOf(u.Store)
	u.services.HTTP = byHost{"rest.telemessage.example": way}
	return u
}

// process returns a Current as a new process has it.
func (u *settingUp) process() *Current {
	u.services.Pause = control.NewPause(control.PauseOptions{App: "fetch", Connector: u.connector,
		Default: u.environment["PAUSED"] == "true"})
	return NewCurrent(CurrentOptions{Name: "telemessage", Lookup: func(name string) (string, bool) {
		v, ok := u.environment[name]
		return v, ok
	}, Connector: u.connector, Paused: u.environment["PAUSED"] == "true",
		AwaitSetUp: u.environment["AWAIT_SETUP"] == "true", Services: u.services})
}

// document replaces settings/connector.json, as if a minute had passed.
func (u *settingUp) document(text string) {
	u.T.Helper()
	_, err := u.Store.Settings().Put(u.T.Context(), "connector.json", json.RawMessage(text), "*", nil)
	if err := errors.Join(err, u.connector.Expire(u.T.Context())); err != nil {
		u.T.Fatal(err)
	}
}

func (u *settingUp) fetch(c *Current) (any, error) {
	u.T.Helper()
	res, err := c.Fetch(u.T.Context(), "i", "", slog.New(slog.NewJSONHandler(u.Log, nil)))
	if err != nil {
		u.NoteError(err)
	}
	return res, err
}

const finished = `"finished":{"by":"x","at":"2026-11-23T09:10:00Z"}`

// A deployment that is still to be set up does nothing and reports no error. When the set-up is finished, the very
// first run is that of the settings that were chosen; and what is changed later counts from the next run on.
func TestFetchIsSetUpWhileItRuns(t *testing.T) {
	fetchtest.Virtual(t, func(t *testing.T) {
		u := newSettingUp(t, map[string]string{"PAUSED": "true"})
		c := u.process()
		idle := func(why string) {
			t.Helper()
			res, err := u.fetch(c)
			if got, ok := res.(Idle); err != nil || !ok || !got.NotSetUp || !strings.Contains(got.Says, why) {
				t.Fatalf("%+v, %v; want %q", res, err, why)
			}
		}
		idle("TELEMESSAGE_USERNAME is missing")
		u.document(`{"v":1,"unfinished":true}`)
		idle("not finished")
		from := time.Now().Add(-60 * time.Hour).UTC().Format(time.RFC3339)
		own := `"settings":{"TELEMESSAGE_USERNAME":"` + fetchtest.Username + `","FETCH_FROM":"` + from + `"}`
		u.document(`{"v":1,"unfinished":true,` + own + `}`)
		idle("not finished")
		if src, err := c.Commands(t.Context(), slog.New(slog.DiscardHandler)); err != nil || src.NotSetUp == "" ||
			link(t, src.Links, "site").State != control.LinkOK {
			t.Errorf("the check before the end: %+v, %v", src, err)
		}
		u.document(`{"v":1,` + finished + `,` + own + `}`)
		if res, err := u.fetch(c); err != nil || !res.(collector.Result).Paused {
			t.Errorf("PAUSED still holds: %+v, %v", res, err)
		}
		u.document(`{"v":1,` + finished + `,"paused":{"fetch":false},` + own + `}`)
		if res, err := u.fetch(c); err != nil || res.(collector.Result).Received != 1 {
			t.Errorf("the first run: %+v, %v", res, err)
		}
		u.document(`{"v":1,"paused":{"fetch":false},"settings":{"TELEMESSAGE_USERNAME":"another"}}`)
		time.Sleep(time.Hour) // until there is a next window
		if res, err := u.fetch(c); err != nil || !res.(collector.Result).Refused {
			t.Errorf("another user name: %+v, %v", res, err)
		}
		for _, event := range []string{"fetch.settingsRefused", "fetch.connectorRefused", "host.invocationFailed"} {
			if n := u.Log.Count(event); n != 0 {
				t.Errorf("%s is logged %d times", event, n)
			}
		}
	})
}

// Without a document a missing setting is a mistake in each invocation; one that is made by a change is none: the
// former source stays.
func TestSettingsThatCannotBeUsed(t *testing.T) {
	u := newSettingUp(t, nil)
	c := u.process()
	for range 2 {
		if _, err := u.fetch(c); !errors.Is(err, funchost.ErrSettings) ||
			!strings.Contains(err.Error(), "TELEMESSAGE_USERNAME is missing") {
			t.Errorf("error %v", err)
		}
	}
	if n := u.Log.Count(`"event":"fetch.settingsRefused"`); n != 1 {
		t.Errorf("reported %d times, want once in a process", n)
	}

	u.environment = map[string]string{"DELIVERY_LANDING": u.Connection}
	c = NewCurrent(CurrentOptions{Name: "delivery", Lookup: func(name string) (string, bool) {
		v, ok := u.environment[name]
		return v, ok
	}, Connector: u.connector, Services: u.services})
	source := func() {
		t.Helper()
		src, err := c.Commands(t.Context(), slog.New(slog.NewJSONHandler(u.Log, nil)))
		if err != nil || src.Intake == nil || link(t, src.Links, "storage").Link == "" {
			t.Errorf("%+v, %v", src, err)
		}
	}
	source()
	u.document(`{"v":1,"settings":{"DELIVERY_SFTP_HOST":"sftp.contoso.com"}}`) // beside a landing container
	source()
	source()
	if n := u.Log.Count(`"event":"fetch.connectorRefused"`); n != 1 {
		t.Errorf("reported %d times, want once", n)
	}
}
