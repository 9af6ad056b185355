package sources

import (
	"log/slog"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/collector"
	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
)

// With AWAIT_SETUP nothing is fetched or planned before the set-up ends or fetch is started by command, however often
// the timer comes, and the first run then begins at the start that was chosen.
func TestFetchAwaitsItsSetUp(t *testing.T) {
	fetchtest.Virtual(t, func(t *testing.T) {
		u := newSettingUp(t, map[string]string{"AWAIT_SETUP": "true", "TELEMESSAGE_USERNAME": "another",
			"TELEMESSAGE_PASSWORD": "wrong"})
		c := u.process()
		waits := func() {
			t.Helper()
			if res, err := u.fetch(c); err != nil || !isIdle(res) {
				t.Errorf("%+v, %v", res, err)
			}
			var saved schedule.Checkpoint
			_, err := u.Store.Checkpoints().Get(t.Context(), schedule.CheckpointName, &saved)
			if err == nil || len(u.site.Calls()) != 0 {
				t.Errorf("planned %v, asked %v", saved.Planned, u.site.Calls())
			}
		}
		for range 2 {
			waits()
			time.Sleep(24 * time.Hour)
		}
		u.environment["TELEMESSAGE_PASSWORD"] = fetchtest.Password // it was stored
		own := `"settings":{"TELEMESSAGE_USERNAME":"` + fetchtest.Username + `","FETCH_FROM":"` +
			time.Now().Add(-120*time.Hour).UTC().Format(time.RFC3339) + `"}`
		for _, text := range []string{`{"v":1,` + own + `}`, `{"v":1,"paused":{"import":false},` + own + `}`,
			`{"v":1,"unfinished":true,` + own + `}`} {
			u.document(text)
			waits()
		}
		if src, err := c.Commands(t.Context(), slog.New(slog.DiscardHandler)); err != nil || src.NotSetUp == "" {
			t.Errorf("commands: %+v, %v", src, err)
		}
		u.document(`{"v":1,` + finished + `,"paused":{"fetch":false},` + own + `}`)
		if res, err := u.fetch(c); err != nil || isIdle(res) || res.(collector.Result).Received != 1 {
			t.Errorf("after the end: %+v, %v", res, err)
		}
	})
}

func isIdle(res any) bool { _, idle := res.(Idle); return idle }

// An archive that has fetched goes on, and so does one that was started by command, although neither was ever set up
// in the portal. Without AWAIT_SETUP nothing waits.
func TestArchiveAtWorkAwaitsNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		await, document string
		worked, waits   bool
	}{
		"a new archive":           {await: "true", waits: true},
		"one that has fetched":    {await: "true", worked: true},
		"one that was started":    {await: "true", document: `{"v":1,"paused":{"fetch":false}}`},
		"import was started":      {await: "true", document: `{"v":1,"paused":{"import":false}}`, waits: true},
		"a set-up is under way":   {await: "true", worked: true, document: `{"v":1,"unfinished":true}`, waits: true},
		"a finished set-up":       {await: "true", document: `{"v":1,` + finished + `}`},
		"a deployment without it": {await: ""},
	} {
		t.Run(name, func(t *testing.T) {
			fetchtest.Virtual(t, func(t *testing.T) {
				u := newSettingUp(t, map[string]string{"AWAIT_SETUP": tt.await,
					"TELEMESSAGE_USERNAME": fetchtest.Username})
				if tt.worked { // of an earlier version, and without items
					w := schedule.NewWindow(schedule.Daily, time.Now().Add(-48*time.Hour), time.Now(), time.Now())
					_, _, err := u.Store.Batches().WriteManifest(t.Context(), w.Folder, archive.Manifest{Version: 1})
					if err != nil {
						t.Fatal(err)
					}
				}
				if tt.document != "" {
					u.document(tt.document)
				}
				if res, err := u.fetch(u.process()); err != nil || isIdle(res) != tt.waits {
					t.Errorf("%+v, %v", res, err)
				}
			})
		})
	}
}
