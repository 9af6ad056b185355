package setup

import (
	"strings"
	"testing"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
	"o2archiver/shared/usermap"
)

const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}`

// Whatever is in a draft, in the settings or in a name, the pages show it as text.
func TestPagesEscapeWhatTheyShow(t *testing.T) {
	for _, source := range []string{settings.Telemessage, settings.Deliveries} {
		w := newWorld(t)
		w.person = identity.Person{ID: ann.ID, Name: hostile, Role: identity.Admin}
		w.acceptTerms()
		if source == settings.Deliveries {
			w.opts.Deployed = settings.SetUp{Source: source, Region: hostile}
			w.opts.SFTPPassword, w.opts.SFTPKey, w.opts.SFTPPassphrase = w.place, w.place, w.place
		}
		w.opts.Lookup = func(name string) (string, bool) {
			return hostile, name == siteUser || name == deliveryFolder
		}
		w.use(w.storage)
		in := map[string]string{}
		for _, field := range append([]string{"domains", "size", "other", "date", "zone", "automatic", "custom"},
			sourceFields...) {
			in[field] = hostile
		}
		change := changes{Count: 1,
			Rows: []usermap.Change{{Number: hostile, Old: []string{hostile}, New: []string{hostile}}}}
		d := draft{Version: 1, Input: map[string]map[string]string{stepSource: in, stepMapping: in, stepDomains: in},
			Done:    map[string]map[string]string{stepSource: {siteUser: hostile}, stepMapping: {}, stepDomains: {}},
			HostKey: &shownKey{Host: hostile, Algorithm: hostile, Fingerprint: hostile, Pin: hostile},
			Upload: &upload{From: hostile, SHA256: hostile, Encoding: hostile, Rows: 1, Numbers: 1, People: 1,
				Dates: []usermap.DateForm{{Name: hostile, Given: hostile, Read: hostile}},
				Added: change, Removed: change, Changed: change, NoUser: []string{hostile}, NoUserCount: 1,
				SeenAt: w.now}}
		for _, refused := range []bool{false, true} {
			d.Upload.Refused = nil
			if refused {
				d.Upload.Refused = []usermap.LineError{{Line: 1, Reason: hostile}}
			}
			if _, err := w.store.Settings().Put(t.Context(), draftName(ann), d, "*", nil); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/setup/terms", "/setup/source", "/setup/mapping", "/setup/domains",
				"/setup/review"} {
				page := w.get(path)
				if w.path != path {
					t.Errorf("%s leads to %s", path, w.path)
				}
				checkEscaped(t, path, page)
			}
		}
		_, err := control.UpdateConnector(t.Context(), w.store.Settings(), func(c *control.Connector) error {
			c.Finished = &control.Person{By: hostile, Name: hostile, At: w.now}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/settings", "/settings/source", "/settings/mapping", "/settings/size",
			"/settings/mapping/versions", "/settings?done=" + "%3Cscript%3Ealert(1)"} {
			checkEscaped(t, path, w.get(path))
		}
	}
}

func checkEscaped(t *testing.T, path, page string) {
	t.Helper()
	for _, wrong := range []string{"<script>alert", "<img", `value=""><`} {
		if strings.Contains(page, wrong) {
			t.Errorf("%s has %s", path, wrong)
		}
	}
	if !strings.Contains(page, "&lt;script&gt;") { // the person's name, at least
		t.Errorf("%s shows nothing of it", path)
	}
}
