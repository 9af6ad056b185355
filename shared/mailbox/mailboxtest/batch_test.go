package mailboxtest_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/mailbox/mailboxtest"
)

func inner(id, method, url string, more ...object) object {
	r := object{"id": id, "method": method, "url": url}
	for _, m := range more {
		for k, v := range m {
			r[k] = v
		}
	}
	return r
}

// batch sends a batch and gives its answers by id.
func (s *server) batch(requests ...object) map[string]object {
	s.t.Helper()
	out := map[string]object{}
	for _, r := range s.want(s.do("POST", "/v1.0/$batch", object{"requests": requests}), 200,
		"").body["responses"].([]any) {
		out[r.(object)["id"].(string)] = r.(object)
	}
	return out
}

func TestBatchOfLookUps(t *testing.T) {
	s := start(t, directory())
	got := s.batch(inner("1", "GET", lookUp("b.alias@contoso.example")),
		inner("2", "GET", lookUp("nobody@contoso.example")))
	found := got["1"]["body"].(object)["value"].([]any)
	if len(found) != 1 || found[0].(object)["id"] != "0b" || len(got["2"]["body"].(object)["value"].([]any)) != 0 {
		t.Errorf("%v", got)
	}
	if c := s.Requests(); c.Kinds[mailboxtest.Batch] != 1 || c.Kinds[mailboxtest.LookUp] != 2 {
		t.Errorf("%v", c.Kinds)
	}
}

func TestBatchRefused(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	for what, requests := range map[string][]object{
		"none":             {},
		"21":               repeat(21, func(i int) object { return inner(strconv.Itoa(i), "GET", "/users") }),
		"id twice":         {inner("1", "GET", "/users"), inner("1", "GET", "/users")},
		"no id":            {inner("", "GET", "/users")},
		"absolute URL":     {inner("1", "GET", "https://graph.microsoft.com/v1.0/users")},
		"space in the URL": {inner("1", "GET", "/users?$filter=mail eq 'a'")},
		"no content type": {inner("1", "POST", "/users/"+anna+"/mailFolders",
			object{"body": object{"displayName": "a"}})},
		"unknown field": {inner("1", "GET", "/users", object{"verb": "GET"})},
		"depends on later": {inner("1", "GET", "/users", object{"dependsOn": []string{"2"}}),
			inner("2", "GET", "/users")},
	} {
		if a := s.do("POST", "/v1.0/$batch", object{"requests": requests}); a.status != 400 {
			t.Errorf("%s: %d", what, a.status)
		}
	}
	s.want(s.do("POST", "/v1.0/$batch", `{"requests":[]}`, "Content-Type", "text/plain"), 415, "UnsupportedMediaType")
	s.want(s.do("POST", "/v1.0/$batch", `{"requests":[{"id":"`+strings.Repeat("a", 4<<20)+`"}]}`), 413, "BadRequest")
	if got := s.batch(repeat(20,
		func(i int) object { return inner(strconv.Itoa(i), "GET", "/users") })...); len(got) != 20 {
		t.Errorf("%d answers", len(got))
	}
	if got := s.batch(inner("1", "POST", "/$batch",
		object{"headers": object{"Content-Type": "application/json"}, "body": object{}}))["1"]["status"]; got != 400.0 {
		t.Errorf("batch in a batch: %v", got)
	}
}

func TestBatchGivesOutlookFourAtATime(t *testing.T) {
	s := start(t, mailboxtest.Options{Latency: 20 * time.Millisecond})
	got := s.batch(repeat(20, func(i int) object {
		return inner(strconv.Itoa(i), "GET", "/users/"+anna+"/mailFolders")
	})...)
	for id, r := range got {
		if r["status"] != 200.0 {
			t.Errorf("%s: %v", id, r["status"])
		}
	}
	c := s.Requests()
	if c.MaxConcurrent[anna] != 4 || c.Kinds[mailboxtest.FindFolder] != 20 {
		t.Errorf("%+v", c)
	}
}

func TestInner429HasItsOwnRetryAfter(t *testing.T) {
	s := start(t, mailboxtest.Options{Limits: mailboxtest.Limits{PerTenMinutes: 2}})
	got := s.batch(repeat(4, func(i int) object {
		return inner(strconv.Itoa(i), "GET", "/users/"+anna+"/mailFolders")
	})...)
	statuses := map[any]int{}
	for _, r := range got {
		if statuses[r["status"]]++; r["status"] == 429.0 {
			if code := r["body"].(object)["error"].(object)["code"]; code != "ApplicationThrottled" ||
				r["headers"].(object)["Retry-After"] == nil {
				t.Errorf("%v", r)
			}
		}
	}
	if d := cmp.Diff(map[any]int{200.0: 2, 429.0: 2}, statuses); d != "" {
		t.Error(d)
	}
}

func TestBatchWrites(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	json := object{"headers": object{"content-type": "application/json", "Prefer": immutable}}
	got := s.batch(
		inner("a", "POST", "/users/"+anna+"/mailFolders/inbox/messages", json, object{"body": message("ab")}),
		inner("b", "POST", "/users/"+anna+"/mailFolders", json,
			object{"body": object{"displayName": "Inbox"}, "dependsOn": []string{"a"}}),
		inner("c", "GET", "/users/"+anna+"/mailFolders", object{"dependsOn": []string{"b"}}),
	)
	if got["a"]["status"] != 201.0 || got["b"]["status"] != 409.0 || got["c"]["status"] != 424.0 {
		t.Errorf("%v %v %v", got["a"]["status"], got["b"]["status"], got["c"]["status"])
	}
	if id := got["a"]["body"].(object)["id"]; id != s.Messages(anna)[0].ID {
		t.Errorf("id %v", id)
	}
}

// Prefer of the batch is not that of its requests.
func TestBatchHeadersAreNotInherited(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	id := s.made("inbox", "ab")
	got := s.batch(inner("1", "GET", "/users/"+anna+"/messages/"+strings.ReplaceAll(id, "=", "%3D")))["1"]
	if got["status"] != 200.0 || got["body"].(object)["id"] == id {
		t.Errorf("%v", got)
	}
}

func TestFaultsInABatch(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	s.Fail(mailboxtest.LookUp, 1, mailboxtest.Fault{Times: -1, RetryAfter: "7"})
	got := s.batch(inner("1", "GET", "/users"))["1"]
	if got["status"] != 503.0 || got["headers"].(object)["Retry-After"] != "7" {
		t.Errorf("%v", got)
	}
	s.Fail(mailboxtest.FindFolder, 1, mailboxtest.Fault{Reset: true})
	if got := s.batch(inner("1", "GET", "/users/"+anna+"/mailFolders"))["1"]; got["status"] != 502.0 {
		t.Errorf("%v", got)
	}
	s.Fail(mailboxtest.Batch, 1, mailboxtest.Fault{HTML: true})
	if a := s.do("POST", "/v1.0/$batch", object{"requests": []object{inner("1", "GET", "/users")}}); a.status != 200 ||
		a.body != nil {
		t.Errorf("%d %s", a.status, a.raw)
	}
}
