package setup

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/source/telemessage/telemessagetest"
)

// A form that comes twice, as the host may send it, is one test and one version of the secret, and takes nothing back.
func TestSourceSentTwice(t *testing.T) {
	w := newWorld(t)
	w.acceptTerms()
	fields := []string{"username", siteName, "password", sitePassword}
	first, second := w.post("/setup/source", fields...), w.post("/setup/source", fields...)
	for name, form := range map[string]*http.Request{"the first": first, "the second": second} {
		if status, _, location := w.ask(form); status != 303 || location != "/setup/mapping" {
			t.Fatalf("%s: %d %s", name, status, location)
		}
	}
	if n := w.site.Calls()[telemessagetest.Count]; n != 1 || len(w.place.stored) != 1 {
		t.Errorf("%d tests, %d versions of the secret", n, len(w.place.stored))
	}
	if w.get("/setup"); w.path != "/setup/mapping" {
		t.Errorf("the set-up goes on at %s", w.path)
	}
}

// A form whose test did not pass is told so when it comes again, and is not tested again. One whose process has died is
// waited for no longer than a test may take.
func TestRefusedSourceSentTwice(t *testing.T) {
	for _, path := range []string{"/setup/source", "/settings/source"} {
		w := newWorld(t)
		if path == "/settings/source" {
			w.setUp()
			w.now = w.now.Add(time.Hour)
			w.get(path)
		} else {
			w.acceptTerms()
		}
		before := w.site.Calls()[telemessagetest.Count]
		fields := []string{"username", siteName, "password", "wrong"}
		first, second := w.post(path, fields...), w.post(path, fields...)
		if status, page, _ := w.ask(first); status != 200 || !strings.Contains(page, "code 301") {
			t.Errorf("%s, the first: %d\n%s", path, status, page)
		}
		status, page, _ := w.ask(second)
		if n := w.site.Calls()[telemessagetest.Count] - before; status != 409 || n != 1 ||
			!strings.Contains(page, "This form was sent before") || !strings.Contains(page, `value="`+siteName+`"`) {
			t.Errorf("%s, the second: %d, %d tests\n%s", path, status, n, page)
		}
		w.now = w.now.Add(testTime + storeTime)
		third := w.post(path, fields...)
		tries := triesDocument{Version: 1,
			Tries: []tryBegun{{w.now.Add(-testTime - storeTime), ann.ID, w.find(formID)}}}
		if _, err := w.store.Settings().Put(t.Context(), triesBlob, tries, "*", nil); err != nil {
			t.Fatal(err)
		}
		if status, page, _ := w.ask(third); status != 409 || !strings.Contains(page, "still under way") {
			t.Errorf("%s, after a process that died: %d\n%s", path, status, page)
		}
	}
}

// again is a world with a page of the account, in the set-up or under the settings.
func again(t *testing.T, path string) *world {
	t.Helper()
	w := newWorld(t)
	if path == "/settings/source" {
		w.setUp()
		w.now = w.now.Add(time.Hour)
	} else {
		w.acceptTerms()
	}
	w.get(path)
	return w
}

// A form that comes again days later, after another test, is not tested and stored again: it would put a former secret
// back, without a line of the audit log. Nor is it said that nothing of it was ever in force.
func TestSourceSentAgainAfterAnother(t *testing.T) {
	for _, path := range []string{"/setup/source", "/settings/source"} {
		w := again(t, path)
		fields := []string{"username", siteName, "password", sitePassword}
		first, second := w.post(path, fields...), w.post(path, fields...)
		if status, page, _ := w.ask(first); status != http.StatusSeeOther {
			t.Fatalf("%s, the first: %d\n%s", path, status, page)
		}
		w.now = w.now.Add(2 * time.Hour)
		w.site.SetPassword("later")
		w.get(path)
		if led, page := w.send(path, "username", siteName, "password", "later"); led == path {
			t.Fatalf("%s, another: %s", path, page)
		}
		w.now = w.now.Add(5 * 24 * time.Hour)
		w.site.SetPassword(sitePassword) // so that its test would pass
		tests, stored := w.site.Calls()[telemessagetest.Count], len(w.place.stored)
		status, page, _ := w.ask(second)
		if status != http.StatusConflict || w.site.Calls()[telemessagetest.Count] != tests ||
			len(w.place.stored) != stored {
			t.Errorf("%s, again: %d, stored %q\n%s", path, status, w.place.stored, page)
		}
		w.mustHold(page, "it is not what is in force now")
	}
}

// A form of the set-up that was refused does not lead on because another one has passed since.
func TestRefusedSourceSentAgainAfterAnother(t *testing.T) {
	const path = "/setup/source"
	w := again(t, path)
	fields := []string{"username", siteName, "password", "wrong"}
	first, second := w.post(path, fields...), w.post(path, fields...)
	if status, page, _ := w.ask(first); status != http.StatusOK {
		t.Fatalf("the first: %d\n%s", status, page)
	}
	w.get(path)
	if led, page := w.send(path, "username", siteName, "password", sitePassword); led != "/setup/mapping" {
		t.Fatalf("another: %s\n%s", led, page)
	}
	w.now = w.now.Add(testTime + storeTime)
	if status, page, location := w.ask(second); status != http.StatusConflict {
		t.Errorf("again: %d %s\n%s", status, location, page)
	}
	if w.get("/setup"); w.path != "/setup/mapping" {
		t.Errorf("the set-up goes on at %s", w.path)
	}
}

// The tests that are kept are the last ones.
func TestTriesAreBounded(t *testing.T) {
	w := again(t, "/setup/source")
	var tries triesDocument
	for i := range keptTries {
		tries.Tries = append(tries.Tries, tryBegun{w.now.Add(-time.Hour), ann.ID, fmt.Sprint(i)})
	}
	if _, err := w.store.Settings().Put(t.Context(), triesBlob, tries, "*", nil); err != nil {
		t.Fatal(err)
	}
	w.send("/setup/source", "username", siteName, "password", sitePassword)
	if _, err := w.store.Settings().Get(t.Context(), triesBlob, &tries); err != nil {
		t.Fatal(err)
	}
	if n := len(tries.Tries); n != keptTries || tries.Tries[0].Form != "1" || !tries.Tries[n-1].At.Equal(w.now) {
		t.Errorf("%d tries from %s on", n, tries.Tries[0].Form)
	}
}
