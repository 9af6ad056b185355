package mailboxtest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/mailbox/mailboxtest"
)

const (
	anna      = "0a000000-0000-4000-8000-000000000001"
	keyID     = "String {6f7a8b90-1234-4c5d-8e9f-001122334455} Name ArchiveKey"
	stateID   = "String {6f7a8b90-1234-4c5d-8e9f-001122334455} Name ImportState"
	immutable = `IdType="ImmutableId"`
)

type object = map[string]any

// server is a stand-in under test, with a clock that stands still until it is moved.
type server struct {
	*mailboxtest.Graph
	t   *testing.T
	url string

	clock *archivetest.Clock
}

func start(t *testing.T, o mailboxtest.Options) *server {
	t.Helper()
	s := &server{t: t, clock: archivetest.NewClock(time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC))}
	o.Now = s.clock.Now
	o.Users = append([]mailboxtest.User{{ID: anna, UPN: "anna@contoso.example", Mail: "anna.o'neil@contoso.example",
		DisplayName: "Anna"}}, o.Users...)
	s.Graph = mailboxtest.New(o)
	h := httptest.NewServer(s.Graph)
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

type answer struct {
	status int
	header http.Header
	body   object
	raw    []byte
	err    error
}

func (a answer) code() string {
	e, _ := a.body["error"].(object)
	c, _ := e["code"].(string)
	return c
}

func (a answer) text(name string) string {
	v, _ := a.body[name].(string)
	return v
}

func (a answer) list() []object {
	var out []object
	list, _ := a.body["value"].([]any)
	for _, e := range list {
		out = append(out, e.(object))
	}
	return out
}

// do sends a request with everything that a good client sends; header overrules, "" takes a header away.
func (s *server) do(method, path string, body any, header ...string) answer {
	s.t.Helper()
	var b []byte
	switch v := body.(type) {
	case nil:
	case []byte:
		b = v
	case string:
		b = []byte(v)
	default:
		var err error
		if b, err = json.Marshal(v); err != nil {
			s.t.Fatal(err)
		}
	}
	if !strings.HasPrefix(path, "http") {
		path = s.url + path
	}
	r, err := http.NewRequest(method, path, bytes.NewReader(b))
	if err != nil {
		s.t.Fatal(err)
	}
	h := map[string]string{"Authorization": "Bearer local", "Prefer": immutable, "client-request-id": "c-1"}
	if body != nil {
		h["Content-Type"] = "application/json"
	}
	for i := 0; i < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	for k, v := range h {
		if v != "" {
			r.Header.Set(k, v)
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	a.raw, a.err = io.ReadAll(resp.Body)
	json.Unmarshal(a.raw, &a.body)
	return a
}

func (s *server) want(a answer, status int, code string) answer {
	s.t.Helper()
	if a.err != nil || a.status != status || a.code() != code {
		s.t.Fatalf("got %d %q %v, want %d %q; %.300s", a.status, a.code(), a.err, status, code, a.raw)
	}
	return a
}

func (s *server) folder(name string) string {
	s.t.Helper()
	return s.want(s.do("POST", "/v1.0/users/"+anna+"/mailFolders", object{"displayName": name}), 201, "").text("id")
}

func prop(id, value string) object { return object{"id": id, "value": value} }

func recipientOf(name, address string) object {
	return object{"emailAddress": object{"name": name, "address": address}}
}

// message is a message as an importer sends it; changes are laid over it, nil takes a property away.
func message(key string, changes ...object) object {
	m := object{
		"subject": "SMS from +44 7700 900123", "body": object{"contentType": "text",
			"content": "Hello"}, "isRead": true,
		"from":                   recipientOf("+44 7700 900123", "447700900123@sms.o2archiver.invalid"),
		"toRecipients":           []object{recipientOf("Anna", "anna@contoso.example")},
		"internetMessageId":      "<" + key + "@o2archiver.invalid>",
		"internetMessageHeaders": []object{{"name": "X-O2-Type", "value": "SMS"}},
		"singleValueExtendedProperties": []object{
			prop("Integer 0x0E07", "1"), prop("SystemTime 0x0039", "2026-11-22T09:30:00Z"),
			prop("SystemTime 0x0E06", "2026-11-22T09:30:05Z"), prop("String 0x001A", "IPM.Note"), prop(keyID, key),
		},
	}
	for _, c := range changes {
		for k, v := range c {
			if v == nil {
				delete(m, k)
			} else {
				m[k] = v
			}
		}
	}
	return m
}

func props(more ...object) object {
	return object{"singleValueExtendedProperties": append([]object{}, more...)}
}

func (s *server) messages(folder string) string {
	return "/v1.0/users/" + anna + "/mailFolders/" + folder + "/messages"
}

func (s *server) create(folder, key string, changes ...object) answer {
	s.t.Helper()
	return s.do("POST", s.messages(folder), message(key, changes...))
}

func (s *server) made(folder, key string, changes ...object) string {
	s.t.Helper()
	return s.want(s.create(folder, key, changes...), 201, "").text("id")
}

func fileOf(name string, content []byte) object {
	return object{
		"@odata.type": "#microsoft.graph.fileAttachment", "name": name, "contentType": "application/octet-stream",
		"contentBytes": base64.StdEncoding.EncodeToString(content),
	}
}

func query(kv ...string) string {
	v := url.Values{}
	for i := 0; i < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	return "?" + strings.ReplaceAll(v.Encode(), "+", "%20")
}

func with(m object, k string, v any) object {
	c := maps.Clone(m)
	c[k] = v
	return c
}

func repeat(n int, f func(i int) object) []object {
	var list []object
	for i := range n {
		list = append(list, f(i))
	}
	return list
}

func name(i int) string { return fmt.Sprintf("n%d", i) }
