package setup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
)

// dies runs act in processes that die after 0, 1, 2 … writes, each followed by check, until one is not killed. act has
// to be possible again after each.
func (w *world) dies(act func(), check func(n int)) {
	w.t.Helper()
	for n := range 20 {
		ctx, stop := context.WithCancelCause(w.t.Context())
		kill := func() { stop(funchost.ErrStopped) } // and not as by a browser that is gone
		death := archivetest.DieAfter(n, archivetest.IsWrite, kill)
		w.ctx = ctx
		w.use(w.storage.Through(func(r *http.Request) archivetest.Fault { return death.Rule(r) }))
		act()
		kill()
		w.ctx = nil
		w.use(w.storage)
		check(n)
		if !death.Dead() {
			if n == 0 {
				w.t.Error("nothing was written")
			}
			return
		}
	}
	w.t.Error("it never ends")
}

// Wherever the process dies while a file is put in force, one whole file is in force, and the former one can be found.
func TestMappingKilledAtEachWrite(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.get("/settings/mapping")
	w.follow(w.upload("/settings/mapping", []byte(oneFile)))
	w.send("/settings/mapping", "do", "confirm")
	n := 0
	w.dies(func() {
		n++
		w.page = ""
		file := fmt.Sprintf("%s4477009002%02d,next@contoso.example\n", oneFile, n)
		if status, page, _ := w.ask(httptest.NewRequest("GET", "/settings/mapping", nil)); status == 200 {
			w.page = page
		}
		w.ask(w.upload("/settings/mapping", []byte(file)))
		if status, page, _ := w.ask(httptest.NewRequest("GET", "/settings/mapping", nil)); status == 200 {
			w.page = page
			w.ask(w.post("/settings/mapping", "do", "confirm"))
		}
	}, func(int) {
		now := w.inForce()
		if !strings.HasPrefix(now, oneFile) || strings.Count(now, "\n") > 3 || !strings.HasSuffix(now, "example\n") {
			t.Fatalf("in force:\n%s", now)
		}
		if _, err := w.store.Mapping().ReadVersion(t.Context(), archive.HashMapping([]byte(now))); err != nil {
			t.Errorf("what is in force is no version: %v", err)
		}
	})
}

// Wherever the process dies while a number is added to those that wait, the form that is sent again adds it, once.
func TestAddNumberKilledAtEachWrite(t *testing.T) {
	for n, more := 0, true; more; n++ {
		w := newWorld(t)
		w.setUp()
		w.get("/settings/mapping")
		const path = "/settings/mapping/add"
		w.send(path, "number", "+447700900301", "mailbox", "new@contoso.example")
		add := func() (int, string, string) {
			return w.ask(w.post(path, "number", "+447700900302", "mailbox", "new@contoso.example"))
		}
		ctx, stop := context.WithCancelCause(t.Context())
		kill := func() { stop(funchost.ErrStopped) }
		death := archivetest.DieAfter(n, archivetest.IsWrite, kill)
		w.ctx = ctx
		w.use(w.storage.Through(death.Rule))
		add()
		kill()
		w.ctx, more = nil, death.Dead()
		w.use(w.storage)
		if status, page, location := add(); status != http.StatusSeeOther || location != "/settings/mapping" {
			t.Errorf("after %d writes, sent again: %d %s\n%s", n, status, location, page)
		}
		w.mustHold(w.get("/settings/mapping"), "2 added, 0 removed, 0 changed")
		if w.send("/settings/mapping", "do", "confirm"); strings.Count(w.inForce(), "+447700900302") != 1 {
			t.Errorf("after %d writes, in force:\n%s", n, w.inForce())
		}
	}
}

// Of two files that one person uploads at once, the one whose report is there can be put in force.
func TestTwoUploadsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.get("/settings/mapping")
	other := w.store.Mapping()
	w.use(w.storage.Through(func(r *http.Request) archivetest.Fault {
		if archivetest.IsWrite(r) && strings.HasSuffix(r.URL.Path, "/"+draftName(ann)) {
			if err := other.PutDraft(t.Context(), ann.ID, []byte(twoFile)); err != nil {
				t.Error(err)
			}
		}
		return archivetest.Pass
	}))
	w.follow(w.upload("/settings/mapping", []byte(oneFile)))
	w.use(w.storage)
	w.mustHold(w.get("/settings/mapping"), "1 added, 0 removed, 0 changed")
	if w.send("/settings/mapping", "do", "confirm"); w.inForce() != oneFile {
		t.Errorf("in force:\n%s", w.inForce())
	}
}

// Wherever the process dies while the terms are accepted, they are accepted and nothing runs, or nothing has changed;
// another click accepts them, once.
func TestTermsKilledAtEachWrite(t *testing.T) {
	for n, more := 0, true; more; n++ {
		w := newWorld(t)
		w.get("/setup")
		accept := func() (int, string, string) {
			return w.ask(w.post("/setup/terms", "version", TermsVersion, "accept", "on"))
		}
		ctx, stop := context.WithCancelCause(t.Context())
		kill := func() { stop(funchost.ErrStopped) }
		death := archivetest.DieAfter(n, archivetest.IsWrite, kill)
		w.ctx = ctx
		w.use(w.storage.Through(death.Rule))
		accept()
		kill()
		w.ctx, more = nil, death.Dead()
		w.use(w.storage)
		if c := w.connector(); (c.Terms != nil) != c.Unfinished || c.Unfinished && !c.IsPaused("import", false) ||
			c.N > 1 || len(c.Paused) > 0 || len(c.Settings) > 0 {
			t.Errorf("after %d writes half of it is in force: %+v", n, c)
		}
		for range 2 {
			if status, page, _ := accept(); status != http.StatusSeeOther {
				t.Errorf("after %d writes, sent again: %d\n%s", n, status, page)
			}
		}
		if c := w.connector(); !hasTerms(c) || c.N != 1 || c.IsSetUp() {
			t.Errorf("after %d writes, sent again: %+v", n, c)
		}
		lines := 0
		for _, line := range w.recorded() {
			if line.Action == "terms.accepted" {
				lines++
			}
		}
		if lines != 1 {
			t.Errorf("after %d writes %d lines of the audit log", n, lines)
		}
	}
}

// Wherever the process dies in the last click, either nothing runs or everything is in force; another click ends it.
func TestFinishKilledAtEachWrite(t *testing.T) {
	w := newWorld(t)
	w.acceptTerms()
	w.send("/setup/source", "username", siteName, "password", sitePassword)
	w.send("/setup/mapping", "do", "switches", "automatic", "on")
	w.send("/setup/domains", "size", "10MB")
	w.dies(func() { w.ask(w.post("/setup/review", "start", "on")) }, func(int) {
		c := w.connector()
		whole := c.Settings[maxItemSize] == "10MB" && c.Settings[siteUser] == siteName && !c.IsPaused("import", true)
		if c.IsSetUp() != whole || !c.IsSetUp() && len(c.Settings) > 0 {
			t.Errorf("half of it is in force: %+v", c)
		}
		w.get("/setup") // the review, or the settings
	})
	if !w.connector().IsSetUp() {
		t.Error("it was never finished")
	}
}

// The same for a change of one setting: the former document is kept, and what is in force is whole.
func TestChangeKilledAtEachWrite(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	before := w.connector().Settings
	w.dies(func() {
		w.page = ""
		if status, page, _ := w.ask(httptest.NewRequest("GET", "/settings/size", nil)); status == 200 {
			w.page = page
		}
		w.ask(w.post("/settings/size", "size", "10MB"))
	}, func(int) {
		now := w.connector().Settings
		want := map[string]string{}
		for name, v := range before {
			want[name] = v
		}
		want[maxItemSize] = now[maxItemSize]
		if diff := cmp.Diff(want, now); diff != "" || now[maxItemSize] != "150MB" && now[maxItemSize] != "10MB" {
			t.Errorf("in force (-want +got):\n%s", diff)
		}
	})
}

// What the audit log can't hold is not done, and the page says why.
func TestAuditLogIsNotAsItWas(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	day := w.now.Format("2006/01/02")
	_, size, err := w.store.Audit().Tail(t.Context(), day, 1)
	if err == nil {
		err = w.store.Audit().Append(t.Context(), day, size, []byte("x\n"))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.get("/settings/size")
	status, page, _ := w.ask(w.post("/settings/size", "size", "10MB"))
	if status != http.StatusConflict || !strings.Contains(page, "the audit log is not as it was written") {
		t.Errorf("%d\n%s", status, page)
	}
	if c := w.connector(); c.Settings[maxItemSize] != "150MB" {
		t.Errorf("in force: %v", c.Settings)
	}
}

// A storage that is away is said, and loses nothing.
func TestStorageIsAway(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.get("/settings/size")
	form := w.post("/settings/size", "size", "10MB")
	w.use(w.storage.Through(func(*http.Request) archivetest.Fault { return archivetest.Refuse }))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the browser is gone"))
	if status, _, _ := w.ask(form.WithContext(ctx)); status != http.StatusServiceUnavailable {
		t.Errorf("%d", status)
	}
	w.use(w.storage)
	if c := w.connector(); c.Settings[maxItemSize] != "150MB" {
		t.Errorf("in force: %v", c.Settings)
	}
}
