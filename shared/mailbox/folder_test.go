package mailbox

import (
	"errors"
	"net/url"
	"sync"
	"testing"

	"o2archiver/shared/mailbox/mailboxtest"
)

func mustParse(t *testing.T, link string) *url.URL {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestFolderIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	g, c := open(t, mailboxtest.Options{}, func(config *Config) { config.Folder = "O'Neil & Söhne" })
	var wg sync.WaitGroup
	ids := make([]string, 20)
	for i := range ids {
		wg.Go(func() {
			s, err := c.OpenSession(t.Context(), alice)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Release()
			if ids[i], err = s.Folder(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("different folders: %q and %q", id, ids[0])
		}
	}
	if n := g.Requests().Kinds; n["folder"] != 1 || n["folders"] != 1 {
		t.Errorf("requests: %v", n)
	}
	other := client(t, c.base.Scheme+"://"+c.base.Host, func(config *Config) { config.Folder = "O'Neil & Söhne" })
	if id, err := slot(t, other, alice).Folder(t.Context()); err != nil || id != ids[0] {
		t.Errorf("another client got %q, %v", id, err)
	}
	if n := g.Requests().Kinds; n["folder"] != 1 || n["folders"] != 2 {
		t.Errorf("requests: %v", n)
	}
}

func TestFolderInDoubt(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]mailboxtest.Fault{
		"created, answer lost":   {Status: 504, After: true},
		"created, reset":         {Reset: true, After: true},
		"created by another one": {Status: 409, Code: "ErrorFolderExists", After: true},
	} {
		t.Run(name, func(t *testing.T) {
			g, c := open(t, mailboxtest.Options{})
			g.Fail("folder", 1, fault)
			if id, err := slot(t, c, alice).Folder(t.Context()); err != nil || id == "" {
				t.Fatalf("got %q, %v", id, err)
			}
			if n := g.Requests().Kinds; n["folder"] != 1 || n["folders"] != 2 {
				t.Errorf("requests: %v", n)
			}
		})
	}
	g, c := open(t, mailboxtest.Options{})
	g.Fail("folder", 1, mailboxtest.Fault{})
	s := slot(t, c, alice)
	if _, err := s.Folder(t.Context()); err == nil {
		t.Error("a folder that isn't there was found")
	}
	if _, err := s.Import(t.Context(), sms(1), nil); err != nil {
		t.Errorf("once Graph is back: %v", err)
	}
}

func TestNoMailbox(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"MailboxNotEnabledForRESTAPI", "ResourceNotFound", "ErrorItemNotFound",
		"ErrorInvalidUser", "AuthenticationError"} {
		g, c := open(t, mailboxtest.Options{Users: []mailboxtest.User{{ID: alice, MailboxCode: code}}})
		s := slot(t, c, alice)
		status := 404
		if code == "AuthenticationError" {
			status = 401
		}
		_, err := s.Folder(t.Context())
		wantError(t, err, Error{Kind: NoMailbox, Status: status, Code: code})
		_, err = s.Import(t.Context(), sms(1), nil)
		wantError(t, err, Error{Kind: NoMailbox, Status: status, Code: code})
		g.SetUser(mailboxtest.User{ID: alice})
		if _, err := s.Import(t.Context(), sms(1), nil); err != nil {
			t.Errorf("%s: once there is a mailbox: %v", code, err)
		}
	}
	_, c := open(t, mailboxtest.Options{})
	_, err := slot(t, c, "99999999-9999-4999-8999-999999999999").Folder(t.Context())
	wantError(t, err, Error{Kind: NoMailbox, Status: 404, Code: "ErrorInvalidUser"})
}

func TestFind(t *testing.T) {
	t.Parallel()
	g, c := open(t, mailboxtest.Options{})
	s := slot(t, c, alice)
	if found, err := s.Find(t.Context(), key(1)); err != nil || len(found) != 0 {
		t.Fatalf("in a new folder: %v, %v", found, err)
	}
	g.Fail("part", 1, mailboxtest.Fault{Reset: true})
	half, err := s.Import(t.Context(), with(sms(1), 5_000_000), nil)
	if err == nil || half == "" {
		t.Fatal("the upload went well")
	}
	for range 12 { // more than a page
		if _, err := s.Import(t.Context(), sms(1), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Import(t.Context(), sms(2), nil); err != nil {
		t.Fatal(err)
	}
	found, err := s.Find(t.Context(), key(1))
	if err != nil || len(found) != 13 {
		t.Fatalf("found %d, %v; want 13", len(found), err)
	}
	for i, f := range found {
		if f.Partial != (i == 12) || f.Partial && f.ID != half {
			t.Errorf("message %d: %+v", i, f)
		}
	}
	// With everything there, partial turns to complete.
	if err := s.Delete(t.Context(), half, nil); err != nil {
		t.Fatal(err)
	}
	id, err := s.Import(t.Context(), with(sms(3), 5_000_000), nil)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := s.Find(t.Context(), key(3)); err != nil || len(found) != 1 || found[0] != (Found{ID: id}) {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestFolderGone(t *testing.T) {
	t.Parallel()
	_, c := open(t, mailboxtest.Options{})
	s := slot(t, c, alice)
	if _, err := s.Folder(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.mailboxOf(alice).folder = "AAMkADExMTExMTEx"
	_, err := s.Import(t.Context(), sms(1), nil)
	if e := asError(t, err); e.Kind != FolderGone || e.Ambiguous {
		t.Fatalf("got %v, want the folder gone", err)
	}
	if _, err := s.Import(t.Context(), sms(1), nil); err != nil {
		t.Fatal(err)
	}
	c.mailboxOf(alice).folder = "AAMkADExMTExMTEx"
	_, err = s.Find(t.Context(), key(1))
	if e := asError(t, err); e.Kind != FolderGone {
		t.Fatalf("got %v, want the folder gone", err)
	}
	if found, err := s.Find(t.Context(), key(1)); err != nil || len(found) != 1 {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestPermits(t *testing.T) {
	t.Parallel()
	g, c := open(t, mailboxtest.Options{})
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			user := []string{alice, bob}[i%2]
			s, err := c.OpenSession(t.Context(), user)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Release()
			if _, err := s.Import(t.Context(), sms(i), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r := g.Requests()
	if r.MaxConcurrent[alice] > 3 || r.MaxConcurrent[bob] > 3 || r.Throttled > 0 {
		t.Errorf("at once: %v, throttled %d", r.MaxConcurrent, r.Throttled)
	}
	if n := len(g.Messages(alice)) + len(g.Messages(bob)); n != 60 {
		t.Errorf("%d messages, want 60", n)
	}
}

func asError(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %v, want an *Error", err)
	}
	return e
}
