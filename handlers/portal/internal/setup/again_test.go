package setup

import (
	"net/http"
	"o2archiver/shared/source/telemessage/telemessagetest"
	"strings"
	"testing"
	"time"
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
