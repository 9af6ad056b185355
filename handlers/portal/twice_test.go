package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/local/soak"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/source/delivery/deliverytest"
	"o2archiver/shared/tally"
)

// TestFormsSentTwice: each form of each page that is sent twice, with the same id, has one effect: the second answer is
// that of the first, nothing is taken back, and nothing is in the audit log or the vault twice. So it is one after the
// other and at once, in one instance of the portal and in two. A route for POST without a form here is an error. The
// long form sends it again after each request that the first makes to the storage.
func TestFormsSentTwice(t *testing.T) {
	server := deliverytest.New(deliverytest.Options{User: entered["username"], Password: entered["password"],
		Methods: []string{"password"}})
	t.Cleanup(server.Close)
	tried, actions := map[string]bool{}, map[string]bool{}
	for _, page := range allWithForms(server) {
		f := newForms(t)
		all := page.prepare(f)
		if len(all) == 0 {
			t.Errorf("%s has no form", page.name)
		}
		mux := http.NewServeMux()
		for _, route := range f.table {
			mux.Handle(route.Pattern, http.NotFoundHandler())
		}
		for i, form := range all {
			for j, button := range form.Buttons {
				_, pattern := mux.Handler(httptest.NewRequest(http.MethodPost, form.Action, nil))
				tried[pattern], actions[form.Action] = true, true
				name := strings.Join([]string{page.name, form.Action, form.Values.Get("do") + button.Get("do")}, " ")
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					sendTwice(t, page, i, j)
				})
			}
		}
	}
	for _, route := range newForms(t).table {
		if strings.HasPrefix(route.Pattern, http.MethodPost+" ") && !tried[route.Pattern] {
			t.Errorf("no form of %s is sent twice: add a page with it", route.Pattern)
		}
	}
	for _, action := range actionsOfTemplates(t) {
		if !actions[action] {
			t.Errorf("the form for %s is not sent twice: add a page with it", action)
		}
	}
}

// actionsOfTemplates returns the paths to which the forms of the templates are sent, as far as they are fixed.
func actionsOfTemplates(t *testing.T) (all []string) {
	t.Helper()
	names, err := filepath.Glob("internal/pages/templates/*.html")
	if err != nil || len(names) == 0 {
		t.Fatal("no templates:", err)
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fixedAction.FindAllStringSubmatch(string(raw), -1) {
			all = append(all, m[1])
		}
	}
	return all
}

var fixedAction = regexp.MustCompile(`<form method="post" action="([^"{]+)"`)

// twice is a form that is sent twice.
type twice struct {
	*forms
	form   portaltest.PageForm
	button url.Values
	file   string
}

func prepareTwice(t *testing.T, page withForms, form, button int) *twice {
	t.Helper()
	f := newForms(t)
	w := &twice{forms: f, form: page.prepare(f)[form], file: page.file}
	w.fill(&w.form)
	w.button = w.form.Buttons[button]
	return w
}

func (w *twice) request() *http.Request { return w.form.Request(w.button, w.file) }

func sendTwice(t *testing.T, page withForms, form, button int) {
	once := prepareTwice(t, page, form, button)
	before := once.state()
	want := ask(once.handler, once.request())
	state := once.state()
	if want.Status != http.StatusSeeOther && want.Status != http.StatusOK || want.Status == http.StatusSeeOther &&
		state == before {
		t.Fatalf("the form has no effect: %d to %q\n%s", want.Status, want.Location, want.page)
	}
	compare := func(how string, w *twice, first, second answer) {
		t.Helper()
		for _, got := range []answer{first, second} {
			if got.Status != want.Status || got.Location != want.Location {
				t.Errorf("%s: %d to %q, want %d to %q\n%s", how, got.Status, got.Location, want.Status, want.Location,
					got.page)
			}
		}
		if diff := cmp.Diff(state, w.state()); diff != "" {
			t.Errorf("%s (-once +twice):\n%s", how, diff)
		}
	}
	w := prepareTwice(t, page, form, button)
	first := ask(w.handler, w.request())
	compare("one after the other", w, first, ask(w.open(w.Store, w.Totals), w.request()))

	w = prepareTwice(t, page, form, button)
	answers := make(chan answer, 1)
	go func() { answers <- ask(w.handler, w.request()) }()
	second := ask(w.handler, w.request())
	compare("at once", w, <-answers, second)

	step := 3 // each request in the long form, and about a third of them else
	if soak.ForTest(t).Long {
		step = 1
	}
	for n, more := (form+button)%step, true; more; n += step {
		w = prepareTwice(t, page, form, button)
		first, second, asked := w.between(n)
		more = asked > n
		compare(fmt.Sprintf("in two instances, after %d requests to the storage", n), w, first, second)
	}
}

// between sends the form to one instance, and again to another one when the first has made n requests to the storage.
// It goes on when that one has its answer, or waits for the first.
func (w *twice) between(n int) (first, second answer, asked int) {
	w.t.Helper()
	other := w.open(w.Store, w.Totals)
	done := make(chan answer, 1)
	var mu sync.Mutex
	rule := func(*http.Request) archivetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked == n+1 {
			go func() { done <- ask(other, w.request()) }()
			select {
			case second = <-done:
				done <- second
			case <-time.After(50 * time.Millisecond):
			}
		}
		return archivetest.Pass
	}
	store, totals := w.through(rule)
	first = ask(w.open(store, totals), w.request())
	mu.Lock()
	defer mu.Unlock()
	if asked <= n {
		return first, first, asked
	}
	return first, <-done, asked
}

// through opens the archive by a way with a rule.
func (w *twice) through(rule func(*http.Request) archivetest.Fault) (*archive.Store, *tally.Table) {
	w.t.Helper()
	client := &http.Client{Transport: w.Storage.Through(rule)}
	store, err := archive.Open(archive.Config{ConnectionString: w.Storage.ConnectionString(), HTTP: client})
	if err != nil {
		w.t.Fatal(err)
	}
	totals, err := tally.Open(tally.Config{ConnectionString: w.Storage.ConnectionString(), HTTP: client})
	if err != nil {
		w.t.Fatal(err)
	}
	return store, totals
}
