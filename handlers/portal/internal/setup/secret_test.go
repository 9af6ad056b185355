package setup

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/shared/control"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery/deliverytest"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// account is one of several at the site, and the administrator who enters it.
type account struct {
	person         identity.Person
	user, password string
}

var (
	anns = account{ann, "ann-contoso", "password-of-ann"}
	bobs = account{bob, "bob-contoso", "password-of-bob"}
)

// newTwo returns a world whose site has the accounts of both.
func newTwo(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	sites := map[string]*telemessagetest.Site{siteName: w.site}
	for _, a := range []account{anns, bobs} {
		sites[a.user] = telemessagetest.New(telemessagetest.Options{Username: a.user, Password: a.password,
			Now: func() time.Time { return w.now }})
	}
	way, stop := pipetest.Serve(http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
		user, _, _ := r.BasicAuth()
		sites[user].ServeHTTP(to, r)
	}))
	t.Cleanup(stop)
	w.opts.Site = way
	w.use(w.storage)
	return w
}

// mustMatch reports a user name that is in force with a password of another account.
func (w *world) mustMatch() {
	w.t.Helper()
	user := w.connector().Settings[siteUser]
	for _, a := range []account{anns, bobs} {
		if n := len(w.place.stored); user == a.user && (n == 0 || w.place.stored[n-1] != a.password) {
			w.t.Errorf("%s is in force with %q", user, w.place.stored)
		}
	}
}

// enter goes through the set-up to the review.
func (w *world) enter(a account) {
	w.t.Helper()
	w.person = a.person
	w.acceptTerms()
	w.get("/setup/source")
	if led, page := w.send("/setup/source", "username", a.user, "password", a.password); led != "/setup/mapping" {
		w.t.Fatalf("it leads to %s\n%s", led, page)
	}
	w.send("/setup/mapping", "do", "switches", "automatic", "on")
	w.send("/setup/domains", "size", "150MB")
}

// Two administrators go through the set-up at the same time. One's user name never comes into force with the other's
// password, in either order of their clicks.
func TestTwoFinish(t *testing.T) {
	for name, first := range map[string]account{"the first": anns, "the second": bobs} {
		t.Run(name, func(t *testing.T) {
			w := newTwo(t)
			w.enter(anns)
			w.enter(bobs)
			w.person = first.person
			w.get("/setup/review")
			status, page, _ := w.ask(w.post("/setup/review"))
			w.mustMatch()
			if first == bobs {
				if status != http.StatusSeeOther || w.connector().Settings[siteUser] != bobs.user {
					t.Errorf("the one who has stored last: %d\n%s", status, page)
				}
				return
			}
			if status != http.StatusConflict || !strings.Contains(page, "Test yours again") || w.connector().IsSetUp() {
				t.Errorf("the one who has stored before: %d\n%s", status, page)
			}
			w.mustHold(w.get("/setup/source"), "since you tested this account")
			w.enter(anns)
			if led, page := w.send("/setup/review", "start", "on"); led != "/settings?done=finish" {
				t.Errorf("after another test it leads to %s\n%s", led, page)
			}
			w.mustMatch()
		})
	}
}

// The same for two who change the account later. The second one is refused before anything is stored.
func TestTwoChangeTheAccount(t *testing.T) {
	w := newTwo(t)
	w.setUp()
	w.now = w.now.Add(time.Hour)
	form := func(a account) *http.Request {
		w.person = a.person
		w.get("/settings/source")
		return w.post("/settings/source", "username", a.user, "password", a.password)
	}
	second, first := form(bobs), form(anns)
	if status, page, _ := w.ask(first); status != http.StatusSeeOther {
		t.Fatalf("the first: %d\n%s", status, page)
	}
	w.person = bobs.person
	if status, page, _ := w.ask(second); status != http.StatusConflict || len(w.place.stored) != 2 {
		t.Errorf("the second: %d, %d passwords stored\n%s", status, len(w.place.stored), page)
	}
	w.mustMatch()
	// Another setting's change is no reason to refuse: the form was sent after its page was shown.
	third := form(bobs)
	_, err := control.UpdateConnector(t.Context(), w.store.Settings(), func(c *control.Connector) error {
		c.Settings[maxItemSize] = "10MB"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if status, page, _ := w.ask(third); status != http.StatusSeeOther {
		t.Errorf("after a change of another setting: %d\n%s", status, page)
	}
	w.mustMatch()
}

// Wherever the process of the first dies, the second can go on after a while, and what is in force belongs together, or
// the page says that it may not.
func TestTwoChangeKilledAtEachWrite(t *testing.T) {
	w := newTwo(t)
	w.setUp()
	change := func(a account) (status int, page string) {
		w.person = a.person
		w.page = ""
		if status, page, _ := w.ask(httptest.NewRequest("GET", "/settings/source", nil)); status == 200 {
			w.page = page
		}
		status, page, _ = w.ask(w.post("/settings/source", "username", a.user, "password", a.password))
		return status, page
	}
	w.dies(func() {
		w.now = w.now.Add(2 * time.Minute)
		change(anns)
	}, func(n int) {
		last := w.place.stored[len(w.place.stored)-1]
		user := w.connector().Settings[siteUser]
		together := user == anns.user && last == anns.password || user == bobs.user && last == bobs.password ||
			user == siteName && last == sitePassword
		w.person = bobs.person
		if said := strings.Contains(w.get("/settings/source"), "begun and not finished"); !together && !said {
			t.Errorf("after %d writes %s is in force with %s, and the page does not say so", n, user, last)
		}
		before := len(w.place.stored)
		status, page := change(bobs)
		if status == http.StatusConflict {
			if len(w.place.stored) != before {
				t.Errorf("after %d writes the second is refused and has stored", n)
			}
			w.now = w.now.Add(claimTime)
			status, page = change(bobs)
		}
		if status != http.StatusSeeOther {
			t.Errorf("after %d writes the second gets %d\n%s", n, status, page)
		}
		w.mustMatch()
		w.now = w.now.Add(2 * time.Minute)
	})
}

// The same in the set-up: the process of one dies while the password is stored, and the other one finishes.
func TestTwoFinishKilledAtEachWrite(t *testing.T) {
	w := newTwo(t)
	w.enter(anns)
	w.dies(func() {
		w.now = w.now.Add(2 * time.Minute)
		w.person = bobs.person
		w.page = ""
		w.ask(httptest.NewRequest("GET", "/setup", nil))
		if status, page, _ := w.ask(httptest.NewRequest("GET", "/setup/source", nil)); status == 200 {
			w.page = page
		}
		w.ask(w.post("/setup/source", "username", bobs.user, "password", bobs.password))
	}, func(n int) {
		w.person = anns.person
		w.get("/setup/review")
		status, page, _ := w.ask(w.post("/setup/review"))
		w.mustMatch()
		if last := w.place.stored[len(w.place.stored)-1]; last == bobs.password && status != http.StatusConflict {
			t.Errorf("after %d writes: %d\n%s", n, status, page)
		}
		if w.connector().IsSetUp() { // it was Ann's: begin again
			_, err := control.UpdateConnector(t.Context(), w.store.Settings(), func(c *control.Connector) error {
				c.Finished, c.Unfinished, c.Settings = nil, true, nil
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		w.now = w.now.Add(2 * time.Minute)
		w.enter(anns)
		w.now = w.now.Add(2 * time.Minute)
	})
}

// While one account is being stored, another one is not; after a while the claim of a process that died has no effect.
func TestClaimIsHeld(t *testing.T) {
	w := newTwo(t)
	w.setUp()
	held := secretClaim{Version: 1, Form: "f", By: ann.ID, Account: "a", At: w.now, Until: w.now.Add(claimTime)}
	if _, err := w.store.Settings().Put(t.Context(), secretBlob, held, "*", nil); err != nil {
		t.Fatal(err)
	}
	w.person = bobs.person
	w.mustHold(w.get("/settings/source"), "begun and not finished")
	_, page := w.send("/settings/source", "username", bobs.user, "password", bobs.password)
	w.mustHold(page, "is being stored at this moment", "Wait 91 seconds")
	if len(w.place.stored) != 1 {
		t.Errorf("%d passwords stored", len(w.place.stored))
	}
	w.now = w.now.Add(claimTime)
	w.get("/settings/source")
	if led, page := w.send("/settings/source", "username", bobs.user, "password", bobs.password); led !=
		"/settings?done=source" {
		t.Errorf("it leads to %s\n%s", led, page)
	}
	if strings.Contains(w.get("/settings/source"), "begun and not finished") {
		t.Error("the page says that the change is not finished")
	}
	if claim := w.claim(); claim.Until != (time.Time{}) || !claim.Stored || claim.By != bob.ID {
		t.Errorf("the claim is %+v", claim)
	}
}

// What happens while a password is being stored: another person's change is refused, and one of the document is found.
func TestChangedWhileStored(t *testing.T) {
	w := newTwo(t)
	w.setUp()
	w.now = w.now.Add(time.Hour)
	w.person = bob
	w.get("/settings/source")
	second := w.post("/settings/source", "username", bobs.user, "password", bobs.password)
	w.person = ann
	w.get("/settings/source")
	first := w.post("/settings/source", "username", anns.user, "password", anns.password)
	w.place.during = func() {
		w.person = bob
		status, page, _ := w.ask(second)
		if status != http.StatusConflict || !strings.Contains(page, "is being stored at this moment") {
			t.Errorf("the second: %d\n%s", status, page)
		}
	}
	if status, page, _ := w.ask(first); status != http.StatusSeeOther {
		t.Errorf("the first: %d\n%s", status, page)
	}
	w.mustMatch()
	w.get("/settings/source")
	third := w.post("/settings/source", "username", bobs.user, "password", bobs.password)
	w.place.during = func() {
		_, err := control.UpdateConnector(t.Context(), w.store.Settings(), func(c *control.Connector) error {
			c.Settings[siteUser] = "by-hand"
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if status, page, _ := w.ask(third); status != http.StatusConflict || w.connector().Settings[siteUser] != "by-hand" {
		t.Errorf("after a change by hand: %d\n%s", status, page)
	}
	w.mustHold(w.get("/settings/source"), "begun and not finished")
}

func (w *world) claim() (c secretClaim) {
	w.t.Helper()
	if _, err := w.store.Settings().Get(w.t.Context(), secretBlob, &c); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// An archive that works goes on by the account in force while it is set up: a password of another one is not stored.
func TestSetUpOfAnArchiveThatWorks(t *testing.T) {
	w := newTwo(t)
	w.opts.Lookup = func(name string) (string, bool) { return anns.user, name == siteUser }
	w.use(w.storage)
	_, err := control.UpdateConnector(t.Context(), w.store.Settings(), func(c *control.Connector) error {
		c.Paused = map[string]bool{settings.Fetch: false}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.acceptTerms()
	_, page := w.send("/setup/source", "username", bobs.user, "password", bobs.password)
	w.mustHold(page, "The archive works with another account")
	if len(w.place.stored) != 0 {
		t.Errorf("stored: %q", w.place.stored)
	}
	w.get("/setup/source")
	if led, page := w.send("/setup/source", "username", anns.user, "password", anns.password); led != "/setup/mapping" {
		t.Errorf("the account in force leads to %s\n%s", led, page)
	}
}

// A rule of the account deletes what lies under drafts/ for long. The person tests once more, and the account in force
// is changed as before.
func TestDraftsAreDeleted(t *testing.T) {
	w := newTwo(t)
	w.enter(anns)
	w.storage.Forget("settings", secretBlob)
	w.storage.Forget("settings", triesBlob)
	_, page := w.send("/setup/review", "start", "on")
	w.mustHold(page, "Test yours again")
	w.enter(anns)
	if led, page := w.send("/setup/review", "start", "on"); led != "/settings?done=finish" {
		t.Fatalf("it leads to %s\n%s", led, page)
	}
	for _, blob := range []string{secretBlob, triesBlob, draftName(ann)} {
		w.storage.Forget("settings", blob)
	}
	w.now = w.now.Add(time.Hour)
	if strings.Contains(w.get("/settings/source"), "begun and not finished") {
		t.Error("a change that was never begun is shown")
	}
	if led, page := w.send("/settings/source", "username", bobs.user, "password", bobs.password); led !=
		"/settings?done=source" {
		t.Errorf("it leads to %s\n%s", led, page)
	}
	w.mustMatch()
}

// A key that another person has stored, for an account that never came into force, is not kept for one's own.
func TestKeepIsNotAnothersSecret(t *testing.T) {
	w, _, _ := server(t, deliverytest.Options{User: "o2", Password: "x", Methods: []string{"password"}})
	w.opts.SFTPPassword = nil
	w.opts.Deployed = settings.SetUp{Source: settings.Deliveries, Region: "GB"}
	w.use(w.storage)
	other := secretClaim{Version: 1, Form: "f", By: bob.ID, Account: "a", At: w.now, Stored: true}
	if _, err := w.store.Settings().Put(t.Context(), secretBlob, other, "*", nil); err != nil {
		t.Fatal(err)
	}
	w.send("/setup/source", "host", "sftp.contoso.example", "do", "key")
	_, page := w.send("/setup/source", "host", "sftp.contoso.example", "username", "o2", "keep", "on",
		"accept", w.find(fingerprintForm), "do", "test")
	w.mustHold(page, "Test yours again")
}
