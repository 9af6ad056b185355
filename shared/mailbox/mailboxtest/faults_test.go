package mailboxtest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/mailbox/mailboxtest"
)

func TestFaults(t *testing.T) {
	for what, c := range map[string]struct {
		fault  mailboxtest.Fault
		status int // 0: the connection breaks
		code   string
		made   int
	}{
		"503":       {mailboxtest.Fault{}, 503, "ServiceUnavailable", 0},
		"504 after": {mailboxtest.Fault{After: true, Status: 504}, 504, "UnknownError", 1},
		"429":       {mailboxtest.Fault{Status: 429, RetryAfter: "3"}, 429, "ApplicationThrottled", 0},
		"a code": {mailboxtest.Fault{Status: 400, Code: "ErrorMimeContentInvalid"}, 400,
			"ErrorMimeContentInvalid", 0},
		"reset before":      {mailboxtest.Fault{Reset: true}, 0, "", 0},
		"reset after":       {mailboxtest.Fault{Reset: true, After: true}, 0, "", 1},
		"cut":               {mailboxtest.Fault{Cut: true, After: true}, 0, "", 1},
		"HTML":              {mailboxtest.Fault{HTML: true}, 200, "", 0},
		"HTML of a gateway": {mailboxtest.Fault{HTML: true, Status: 502, After: true}, 502, "", 1},
		"empty":             {mailboxtest.Fault{Empty: true, Status: 201}, 201, "", 0},
		"a draft":           {mailboxtest.Fault{Status: 201, Body: `{"id":"x","isDraft":true}`}, 201, "", 0},
		"stall":             {mailboxtest.Fault{Stall: time.Millisecond}, 0, "", 0},
		"slow": {mailboxtest.Fault{Stall: time.Millisecond, Status: 504, After: true}, 504, "UnknownError",
			1},
	} {
		t.Run(what, func(t *testing.T) {
			s := start(t, mailboxtest.Options{})
			s.Fail(mailboxtest.Create, 2, c.fault)
			s.made("inbox", "ab")
			a := s.create("inbox", "ac")
			if c.status == 0 && a.err == nil || c.status != 0 &&
				(a.err != nil || a.status != c.status || a.code() != c.code) {
				t.Errorf("got %d %q %v: %s", a.status, a.code(), a.err, a.raw)
			}
			if a.err == nil && a.header.Get("Retry-After") != c.fault.RetryAfter {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
			if made := len(s.Messages(anna)) - 1; made != c.made {
				t.Errorf("%d messages made", made)
			}
			s.made("inbox", "ad")
		})
	}
}

func TestStallLastsUntilTheClientGoes(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	s.Fail(mailboxtest.Create, 1, mailboxtest.Fault{After: true, Stall: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "POST", s.url+s.messages("inbox"), strings.NewReader(`{"subject":"s"}`))
	r.Header = http.Header{"Authorization": {"Bearer local"}, "Content-Type": {"application/json"}}
	if resp, err := http.DefaultClient.Do(r); err == nil {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		t.Fatal("an answer")
	}
	if len(s.Messages(anna)) != 1 {
		t.Error("the message was not made")
	}
}

func TestFaultsOfEachKind(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	id := s.made("inbox", "ab")
	m := s.messages("inbox") + "/" + id
	url := s.want(s.do("POST", m+"/attachments/createUploadSession", item("a", 3_000_000)), 201, "").text("uploadUrl")
	for kind, call := range map[string]func() answer{
		mailboxtest.Create:  func() answer { return s.create("inbox", "ac") },
		mailboxtest.AddFile: func() answer { return s.do("POST", m+"/attachments", fileOf("a", nil)) },
		mailboxtest.Session: func() answer {
			return s.do("POST", m+"/attachments/createUploadSession", item("a", 3_000_000))
		},
		mailboxtest.Part:       func() answer { return s.put(url, make([]byte, 3_000_000), 0, 3_000_000) },
		mailboxtest.Folder:     func() answer { return s.do("POST", folders, object{"displayName": "O2"}) },
		mailboxtest.FindFolder: func() answer { return s.do("GET", folders, nil) },
		mailboxtest.Find:       func() answer { return s.do("GET", s.messages("inbox"), nil) },
		mailboxtest.Get:        func() answer { return s.do("GET", m, nil) },
		mailboxtest.Patch:      func() answer { return s.do("PATCH", m, object{"isRead": true}) },
		mailboxtest.Move:       func() answer { return s.do("POST", m+"/move", object{"destinationId": "inbox"}) },
		mailboxtest.LookUp:     func() answer { return s.do("GET", "/v1.0/users", nil) },
		mailboxtest.Batch: func() answer {
			return s.do("POST", "/v1.0/$batch", object{"requests": []object{inner("1", "GET", "/users")}})
		},
	} {
		before := s.Requests().Kinds[kind]
		s.Fail(kind, 1, mailboxtest.Fault{Status: 500})
		s.want(call(), 500, "ErrorInternalServerError")
		if a := call(); a.err != nil || a.status >= 400 {
			t.Errorf("%s: afterwards %d", kind, a.status)
		}
		if n := s.Requests().Kinds[kind] - before; n != 2 {
			t.Errorf("%s: counted %d", kind, n)
		}
	}
	s.Fail(mailboxtest.Delete, 1, mailboxtest.Fault{Times: 2})
	s.want(s.do("DELETE", m, nil), 503, "ServiceUnavailable")
	s.want(s.do("DELETE", m, nil), 503, "ServiceUnavailable")
	s.want(s.do("DELETE", m, nil), 204, "")
}
