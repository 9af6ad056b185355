package pages

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/local/browser"
)

// TestScriptInABrowser: times are in the reader's zone with UTC beside; a form that was sent shows it until the answer
// is there, and its button is sent with it; a page that comes back can be used again.
func TestScriptInABrowser(t *testing.T) {
	b := browser.ForTest(t)
	all, err := ParseAll()
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan string, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{name}", all.ServeAsset)
	mux.HandleFunc("GET /alive", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("POST /check", func(w http.ResponseWriter, r *http.Request) {
		sent <- r.FormValue("app")
		w.WriteHeader(http.StatusNoContent) // the page stays, as while it waits
	})
	at := time.Date(2026, 7, 1, 23, 5, 0, 0, time.UTC)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		checks := []map[string]any{{"App": "fetch", "Class": "", "State": "", "Says": "", "Open": false, "About": "",
			"Answer": nil, "By": "", "Counts": nil, "Command": map[string]any{"Asked": at}}, {"App": "import",
			"Class": "", "State": "", "Says": "", "Open": false, "About": "", "Answer": nil, "By": "", "Counts": nil,
			"Command": map[string]any{"Asked": at.Add(-12 * time.Hour)}}}
		err := all.Render(w, Page{Name: "check", Title: "Check", Person: identity.Person{Name: "Ann",
			Role: identity.Admin}, FormID: "f", Data: map[string]any{"Form": true, "Open": false, "Mailbox": "",
			"Checks": checks}})
		if err != nil {
			t.Error(err)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	p := b.OpenForTest(t)
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	eval := func(expression, want string) {
		t.Helper()
		if got, err := browser.Eval[string](p, expression); err != nil || got != want {
			t.Errorf("%s is %q, want %q: %v", expression, got, want, err)
		}
	}
	const times = `Array.from(document.querySelectorAll('time'), t => t.querySelector('small')?.textContent).join()`
	step(p.SetZone("Europe/London")) // an hour before UTC in summer
	step(p.Go(s.URL))
	eval(times, "1 Jul 2026, 23:05 UTC,11:05 UTC")
	step(p.SetZone("UTC"))
	step(p.Go(s.URL))
	eval(times, ",")
	eval(`document.querySelector('time').textContent`, "1 Jul 2026, 23:05 UTC")

	const state = `(f => [f.ariaBusy, f.querySelector("button").disabled,
		document.getElementById("working").hidden].join())(
		document.querySelector('form'))`
	eval(state, ",false,true")
	eval(`(b => { b.name = 'app'; b.value = 'fetch'; b.click(); return ''; })(document.querySelector('form button'))`,
		"")
	select {
	case got := <-sent:
		if got != "fetch" {
			t.Errorf("the button was sent as %q", got)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the form was not sent")
	}
	step(p.Await("Working."))
	eval(state, "true,true,false")
	eval(`(dispatchEvent(new PageTransitionEvent('pageshow')), '')`, "")
	eval(state, ",false,true")
}
