package mailbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzAnswer answers a create with any bytes: it counts as done only with 201, an id and isDraft false,
// and whatever is no plain refusal stays in doubt.
func FuzzAnswer(f *testing.F) {
	f.Add(201, "application/json", `{"id":"AAMk","isDraft":false}`)
	f.Add(201, "application/json; charset=utf-8",
		`{"id":null,"isDraft":"x","body":{"content":7},"toRecipients":[null,{"emailAddress":[]}],`+
			`"singleValueExtendedProperties":{}}`)
	f.Add(500, "application/json", `{"error":{"code":"x","message":null,"innerError":{"date":"?"},"details":[{}]}}`)
	f.Add(400, "application/json", `{"error":{"message":"m"}}`)
	f.Add(401, "text/html", `<html>`)
	f.Add(200, "", ``)
	f.Add(201, "application/json",
		`{"@odata.type":"#microsoft.graph.eventMessage","id":"x","isDraft":false,"startDateTime":{"dateTime":1}}`)
	var status int
	var kind, body string
	u := "https://graph.microsoft.com"
	f.Fuzz(func(t *testing.T, s int, contentType, content string) {
		status, kind, body = 200+(s%400+400)%400, contentType, content
		c := client(t, u, func(config *Config) {
			config.HTTP = roundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status,
					Header: http.Header{"Content-Type": {kind}, "Www-Authenticate": {body}, "Retry-After": {body}},
					Body:   io.NopCloser(strings.NewReader(body)), ContentLength: -1, Request: r}, nil
			})
		})
		c.mailboxOf(alice).folder = "folder"
		s1, err := c.OpenSession(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		defer s1.Release()
		id, err := s1.Import(t.Context(), sms(1), nil)
		if err == nil {
			if status != 201 || id == "" || !strings.Contains(strings.ToLower(body), "isdraft") {
				t.Fatalf("status %d was taken for done", status)
			}
			return
		}
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Status != status {
			t.Fatalf("status %d became %v", status, err)
		}
		own := !slices.Contains(notCodes, e.Code)
		certain := status == 429 || status == 401 && own || status >= 400 &&
			slices.ContainsFunc(finalAnswers, func(f finalAnswer) bool { return f.code == e.Code })
		if !e.Ambiguous && !certain {
			t.Fatalf("status %d is not in doubt: %v", status, err)
		}
	})
}

func FuzzJSONLen(f *testing.F) {
	f.Add("a\"\\\n\r\t\b\f\x00\x1f<>&\u2028\u2029😀\x7f")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			s = strings.ToValidUTF8(s, "?")
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
		want := b.Len() - len("\"\"\n")
		if got := jsonLen(s); got < want || got > want+3*strings.Count(s, "\uFFFD") {
			t.Fatalf("got %d, want %d", got, want)
		}
	})
}

func FuzzSmallParsers(f *testing.F) {
	f.Add(`Bearer claims="eyJhIjoiYiJ9"`)
	f.Add(`{"nextExpectedRanges":["5-"]}`)
	f.Add(`{"id":"1","status":200,"headers":{"Retry-After":5},"body":{"value":[{"id":"x",` +
		`"proxyAddresses":["smtp:a@b.example",null]}]}}`)
	f.Add("o'neil+x@contoso.example")
	f.Fuzz(func(t *testing.T, s string) {
		claimsChallenge(s)
		retryAfter(s, time.Unix(0, 0))
		expectedRange([]byte(s), 5)
		if code := errorCode([]byte(s)); len(code) > 64 {
			t.Fatal("a long code")
		}
		if plainAddress(s) && strings.ContainsAny(s, " \"\\()<>,;:\r\n\x00") {
			t.Fatalf("%q is no plain address", s)
		}
		var inner innerAnswer
		if json.Unmarshal([]byte(s), &inner) == nil {
			user, err := inner.lookedUp("a@b.example", "id", time.Unix(0, 0))
			if err == nil && user != nil && user.ID == "" {
				t.Fatal("a user without an id")
			}
		}
	})
}
