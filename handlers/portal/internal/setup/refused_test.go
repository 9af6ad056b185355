package setup

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/source/delivery/deliverytest"
)

// shownForm returns what the form for a path holds that is shown now, but for its hidden fields.
func (w *world) shownForm(path, do string) url.Values {
	w.t.Helper()
	for _, f := range portaltest.Forms(w.t, w.page) {
		if f.Action == path && (f.Values.Get("do") == do || do == "") {
			return f.Values
		}
	}
	w.t.Fatalf("%s has no form for %s:\n%s", w.path, path, w.page)
	return nil
}

// mustKeep reports fields of the form for a path that do not hold what was entered. all are names and values in turn.
func (w *world) mustKeep(path string, all ...string) {
	w.t.Helper()
	values := w.shownForm(path, valueOf("do", all))
	for i := 0; i < len(all); i += 2 {
		if got := strings.ReplaceAll(values.Get(all[i]), "\r\n", "\n"); got != all[i+1] && all[i] != "password" {
			w.t.Errorf("%s: %s holds %q, not %q", path, all[i], got, all[i+1])
		}
	}
}

// valueOf returns the value that follows a name.
func valueOf(name string, all []string) string {
	for i := 0; i < len(all); i += 2 {
		if all[i] == name {
			return all[i+1]
		}
	}
	return ""
}

// A form that is refused because the settings have changed is shown again, with what was entered, what is in force now,
// and the reason; it can be sent from there.
func TestRefusedFormsAreShownAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		fields []string
		now    string
	}{
		"domains": {[]string{"domains", "a.example\nb.example"}, "contoso.example"},
		"size":    {[]string{"size", "other", "other", "25MB"}, "up to 150 MB"},
		"start":   {[]string{"date", "2026-01-02", "zone", "Europe/London"}, "24 hours before the first run"},
		"mapping": {[]string{"do", "switches", "custom", "on", "automatic", "on"}, "<dt>Custom mapping</dt><dd>off"},
		"source":  {[]string{"username", siteName, "password", sitePassword}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.setUp()
			w.now = w.now.Add(time.Hour)
			path := "/settings/" + name
			w.get(path)
			slow := w.post(path, tt.fields...)
			_, err := control.UpdateConnector(t.Context(), w.store.Settings(), func(c *control.Connector) error {
				c.Settings[siteUser] = "former"
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			status, page, _ := w.ask(slow)
			w.path, w.page = path, page
			if status != http.StatusConflict {
				t.Errorf("%d", status)
			}
			w.mustHold(page, `role="alert"><strong>The settings were changed meanwhile`, tt.now)
			w.mustKeep(path, tt.fields...)
			if led, page := w.send(path, tt.fields...); led != "/settings?done="+name {
				t.Errorf("sent from there: %s\n%s", led, page)
			}
		})
	}
}

// The other refusals of forms with input.
func TestInputIsShownWithTheRefusal(t *testing.T) {
	w := newWorld(t)
	w.acceptTerms()
	for range maxTries {
		w.send("/setup/source", "username", siteName, "password", "wrong")
	}
	_, page := w.send("/setup/source", "username", "another", "password", sitePassword)
	w.mustHold(page, "There were 3 tests within a minute")
	w.mustKeep("/setup/source", "username", "another")
	w.now = w.now.Add(time.Hour)
	w.get("/setup/source")
	w.send("/setup/source", "username", siteName, "password", sitePassword)
	for range maxTries { // the step is done, and stays so
		w.send("/setup/source", "username", siteName, "password", sitePassword)
		w.get("/setup/source")
	}
	w.send("/setup/source", "username", siteName, "password", sitePassword)
	if w.get("/setup"); w.path != "/setup/mapping" {
		t.Errorf("the set-up goes on at %s", w.path)
	}
	w.send("/setup/mapping", "do", "switches", "automatic", "on")
	w.send("/setup/domains", "size", "150MB")
	w.storage.Forget("settings", secretBlob)
	_, page = w.send("/setup/review") // without the start
	w.mustHold(page, "may be another one than you have tested")
	if w.shownForm("/setup/review", "").Has("start") {
		t.Error("the start is ticked")
	}

	w = newWorld(t)
	w.setUp()
	w.get("/settings/mapping")
	w.follow(w.upload("/settings/mapping", []byte(oneFile)))
	w.send("/settings/mapping", "do", "confirm")
	const add = "/settings/mapping/add"
	_, page = w.send(add, "number", "no number", "mailbox", "joe@contoso.example")
	w.mustHold(page, "The row can&#39;t be added")
	w.mustKeep(add, "number", "no number", "mailbox", "joe@contoso.example")
	led, page := w.send(add, "number", "+447700900333", "mailbox", "joe@contoso.example")
	if led != "/settings/mapping" {
		t.Errorf("corrected: %s\n%s", led, page)
	}
	w.send("/settings/mapping", "do", "confirm")
	_, page = w.send(add, "number", "+447700900333", "mailbox", "joe@contoso.example")
	w.mustHold(page, "has this mailbox already")
}

// A file that waits for its confirmation is not lost to a number.
func TestAddNumberBesideAFile(t *testing.T) {
	add := []string{"number", "+447700900301", "mailbox", "new@contoso.example"}
	for name, tt := range map[string]struct {
		prepare func(w *world)
		says    string
	}{
		"an uploaded file": {func(w *world) { w.follow(w.upload("/settings/mapping", []byte(twoFile))) },
			"another file of yours waits"},
		"a version": {func(w *world) {
			w.follow(w.upload("/settings/mapping", []byte(twoFile)))
			w.send("/settings/mapping", "do", "confirm")
			w.send("/settings/mapping/rollback", "version", archive.HashMapping([]byte(oneFile)))
		}, "another file of yours waits"},
		"numbers for a former file": {func(w *world) {
			w.send("/settings/mapping/add", "number", "+447700900302", "mailbox", "new@contoso.example")
			w.person = bob
			w.get("/settings/mapping")
			w.follow(w.upload("/settings/mapping", []byte(twoFile)))
			w.send("/settings/mapping", "do", "confirm")
			w.person = ann
			w.get("/settings/mapping")
		}, "the file in force has changed since"},
		"numbers that are gone": {func(w *world) {
			w.send("/settings/mapping/add", "number", "+447700900302", "mailbox", "new@contoso.example")
			w.storage.Forget("settings", "drafts/"+ann.ID+"-"+w.find(shaForm)+".csv")
		}, "is not there any more"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.setUp()
			w.get("/settings/mapping")
			w.follow(w.upload("/settings/mapping", []byte(oneFile)))
			w.send("/settings/mapping", "do", "confirm")
			tt.prepare(w)
			before := w.find(shaForm)
			status, page, _ := w.ask(w.post("/settings/mapping/add", add...))
			w.page = page
			if status != http.StatusConflict {
				t.Errorf("%d", status)
			}
			w.mustHold(page, tt.says, `id="automatic" name="automatic" value="on" checked`)
			w.mustKeep("/settings/mapping/add", add...)
			if w.get("/settings/mapping"); w.find(shaForm) != before {
				t.Error("the file that waits is another one")
			}
			w.send("/settings/mapping", "do", "discard")
			_, page = w.send("/settings/mapping/add", add...)
			w.mustHold(page, "1 added, 0 removed, 0 changed")
		})
	}
}

// What the form of an account does not show of the settings in force stays: the other keys of a server that has
// several, and that a name has blanks around it in the deployment makes it no other account.
func TestAccountKeepsWhatIsNotShown(t *testing.T) {
	w, _, _ := server(t, deliverytest.Options{User: "o2", Password: "s3cret", Methods: []string{"password"}})
	w.send("/setup/source", "host", "sftp.contoso.example", "do", "key")
	fields := []string{"host", "sftp.contoso.example", "username", "o2", "password", "s3cret", "do", "test"}
	w.send("/setup/source", append(fields, "accept", w.find(fingerprintForm))...)
	w.send("/setup/mapping", "do", "switches", "automatic", "on")
	w.send("/setup/domains", "size", "150MB")
	w.send("/setup/review", "start", "on")
	pin := w.connector().Settings[sftpHostKeys]
	key := deliverytest.NewKey("ed25519").PublicKey()
	other := key.Type() + " " + base64.StdEncoding.EncodeToString(key.Marshal())
	both := other + " ,  " + pin + ","
	for _, inForce := range []string{both, pin, other} {
		w.now = w.now.Add(time.Hour)
		_, err := control.UpdateConnector(t.Context(), w.store.Settings(), func(c *control.Connector) error {
			delete(c.Settings, sftpHost)
			c.Settings[sftpUser], c.Settings[sftpHostKeys] = " o2 ", inForce
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.opts.Lookup = func(name string) (string, bool) {
			if name == sftpHost {
				return " sftp.contoso.example ", true
			}
			return "", false
		}
		w.use(w.storage)
		w.get("/settings/source")
		w.send("/settings/source", "host", "sftp.contoso.example", "do", "key")
		led, page := w.send("/settings/source", append(fields, "accept", w.find(fingerprintForm))...)
		want := inForce
		if inForce == other {
			want = pin
		}
		if got := w.connector().Settings[sftpHostKeys]; led != sourceChanged || got != want {
			t.Errorf("it leads to %s, the keys are %q, want %q\n%s", led, got, want, page)
		}
	}
}
