package web

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/shared/azure"
)

const someForm = "0123456789abcdef0123456789abcdef"

// world is an application of a few routes, asked by a person.
type world struct {
	opts    Options
	handler http.Handler
	log     bytes.Buffer
	person  identity.Person
	err     error
	posts   []string // form ids
	broken  error    // of a file, after its bytes
}

func newWorld(t *testing.T) *world { return newWorldWith(t, 0) }

// newWorldWith is newWorld with a time for the rest of a body.
func newWorldWith(t *testing.T, rest time.Duration) *world {
	t.Helper()
	all, err := pages.ParseAll()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{person: identity.Person{ID: "x", Name: "ann@contoso.com", Role: identity.Admin}}
	page := func(*Request) (Answer, error) {
		return Page(pages.Page{Name: "error", Title: "A page", Data: ErrNotFound}), nil
	}
	w.opts = Options{Pages: all, Log: slog.New(slog.NewJSONHandler(&w.log, nil)), Now: time.Now, restTime: rest,
		Who: func(*http.Request) (identity.Person, error) { return w.person, w.err },
		Routes: []Route{
			{Pattern: "GET /read", Role: identity.Reader, Handle: page},
			{Pattern: "GET /live", Role: identity.Reader, Handle: func(*Request) (Answer, error) {
				return Live(pages.Page{Name: "error", Title: "Live", Data: ErrNotFound}), nil
			}},
			{Pattern: "GET /admin-only/{id}", Role: identity.Admin, Handle: page},
			{Pattern: "POST /change", Role: identity.Admin, Handle: func(r *Request) (Answer, error) {
				w.posts = append(w.posts, r.FormID)
				return SeeOther("/read"), nil
			}},
			{Pattern: "POST /file", Role: identity.Admin, Body: 4 << 20, Handle: func(r *Request) (Answer, error) {
				w.posts = append(w.posts, r.FormID)
				if r.FormValue("panic") != "" {
					panic("07700 900001")
				}
				return SeeOther("/read"), nil
			}},
			{Pattern: "GET /panic", Role: identity.Reader, Handle: func(*Request) (Answer, error) {
				panic("07700 900001")
			}},
			{Pattern: "GET /away", Role: identity.Reader, Handle: func(*Request) (Answer, error) {
				return Answer{}, azure.ErrUnavailable
			}},
			{Pattern: "GET /file/{length}", Role: identity.Reader, Handle: func(r *Request) (Answer, error) {
				length, _ := strconv.Atoi(r.PathValue("length"))
				return Download("text/csv", "x.csv", func(to io.Writer) error {
					if length > 0 {
						_, _ = io.WriteString(to, strings.Repeat("x", length))
					}
					return w.broken
				}), nil
			}},
			{Pattern: "GET /broken", Role: identity.Reader, Handle: func(*Request) (Answer, error) {
				return Answer{}, errors.New("a mistake")
			}},
			{Pattern: "GET /form/{name}", Role: identity.Reader, Handle: page},
			{Pattern: "POST /form/{name}", Role: identity.Admin, Handle: page},
			{Pattern: "POST /read/change", Role: identity.Admin, Handle: page},
		}}
	w.handler = New(w.opts)
	return w
}

func (w *world) ask(t *testing.T, r *http.Request) *http.Response {
	t.Helper()
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	return recorder.Result()
}

func newPost(form string) *http.Request {
	r := httptest.NewRequest("POST", "http://127.0.0.1:1/change", strings.NewReader("form="+form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Forwarded-Host", "archive.example")
	r.Header.Set("Origin", "http://archive.example")
	return r
}

func TestRolesAndForms(t *testing.T) {
	get := func(path string) *http.Request { return httptest.NewRequest("GET", path, nil) }
	from := func(name, value string) *http.Request {
		r := newPost(someForm)
		r.Header.Set(name, value)
		return r
	}
	large := func() *http.Request {
		r := newPost(someForm)
		r.Body = io.NopCloser(strings.NewReader("form=" + someForm + "&x=" + strings.Repeat("x", maxForm)))
		return r
	}
	tests := []struct {
		name string
		r    *http.Request
		role identity.Role
		err  error
		want int
	}{
		{"a reader reads", get("/read"), identity.Reader, nil, 200},
		{"no role", get("/read"), identity.None, nil, 403},
		{"the wrong role", get("/admin-only/1"), identity.Reader, nil, 403},
		{"the right role", get("/admin-only/1"), identity.Admin, nil, 200},
		{"signed out", get("/read"), identity.Admin, identity.ErrSignedOut, 401},
		{"sign-in is not set up", get("/read"), identity.Admin, identity.ErrRefused, 403},
		{"a file, sign-in is not set up", get("/assets/portal.css"), identity.None, identity.ErrRefused, 403},
		{"a file", get("/assets/portal.css"), identity.None, nil, 200},
		{"no such file", get("/assets/..%2fpages.go"), identity.None, nil, 404},
		{"no such page", get("/nothing"), identity.Reader, nil, 404},
		{"GET of a change", get("/change"), identity.Admin, nil, 404},
		{"a change", newPost(someForm), identity.Admin, nil, 303},
		{"a change by a reader", newPost(someForm), identity.Reader, nil, 403},
		{"a change without an id", newPost(""), identity.Admin, nil, 400},
		{"a change with an id that is none", newPost(strings.Repeat("x", 32)), identity.Admin, nil, 400},
		{"a change from another site", from("Sec-Fetch-Site", "cross-site"), identity.Admin, nil, 403},
		{"a change from another origin", from("Origin", "https://evil.example"), identity.Admin, nil, 403},
		{"a change from the own address", from("Origin", "http://127.0.0.1:1"), identity.Admin, nil, 403},
		{"a change that is too large", large(), identity.Admin, nil, 413},
		{"a panic", get("/panic"), identity.Reader, nil, 500},
		{"storage is away", get("/away"), identity.Reader, nil, 503},
		{"a mistake", get("/broken"), identity.Reader, nil, 500},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.person.Role, w.err = test.role, test.err
			answer := w.ask(t, test.r)
			if answer.StatusCode != test.want {
				t.Errorf("status %d, want %d", answer.StatusCode, test.want)
			}
			if (len(w.posts) > 0) != (test.want == 303) {
				t.Errorf("%d changes", len(w.posts))
			}
			if got := answer.Header.Get("Content-Security-Policy"); got != policy {
				t.Errorf("policy %q", got)
			}
			for _, secret := range []string{"ann@", "900001", "/admin-only/1", someForm} {
				if strings.Contains(w.log.String(), secret) {
					t.Errorf("the log has %s:\n%s", secret, w.log.String())
				}
			}
		})
	}
}

// The host answers 500 if it can't pass on all of a body: what is refused is read to its end all the same.
func TestBodiesAreReadToTheirEnd(t *testing.T) {
	const size = 5 << 20
	tests := []struct {
		name, method, path string
		err                error
		site               string
		want               int
	}{
		{"a form that is too large", "POST", "/change", nil, "same-origin", 413},
		{"a page with a body", "GET", "/read", nil, "same-origin", 413},
		{"signed out", "POST", "/change", identity.ErrSignedOut, "same-origin", 401},
		{"another site", "POST", "/change", nil, "cross-site", 403},
		{"no such page", "POST", "/nothing", nil, "same-origin", 404},
		{"a file", "GET", "/assets/portal.css", nil, "same-origin", 413},
		{"a chunked body", "GET", "/read", nil, "same-origin", 413},
		{"a file, a chunked body", "GET", "/assets/portal.css", nil, "same-origin", 413},
	}
	for _, test := range tests {
		w := newWorld(t)
		w.err = test.err
		body := strings.NewReader("x=" + strings.Repeat("x", size))
		r := httptest.NewRequest(test.method, test.path, body)
		if strings.Contains(test.name, "chunked") {
			r.ContentLength = -1
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", test.site)
		if got := w.ask(t, r).StatusCode; got != test.want || body.Len() > 0 || len(w.posts) > 0 {
			t.Errorf("%s: status %d, want %d; %d bytes are not read; %d changes", test.name, got, test.want,
				body.Len(), len(w.posts))
		}
	}
}

func TestMultipartForm(t *testing.T) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField(FormField, someForm)
	_ = form.Close()
	r := newPost("")
	r.Body = io.NopCloser(&body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	w := newWorld(t)
	if answer := w.ask(t, r); answer.StatusCode != 303 || len(w.posts) != 1 || w.posts[0] != someForm {
		t.Errorf("status %d, changes %q", answer.StatusCode, w.posts)
	}
}

// A large file is held on disk. It has numbers and addresses, so it is gone when the request is, whatever became of it.
func TestFilesAreRemoved(t *testing.T) {
	for _, field := range []string{"other", "panic"} {
		folder := t.TempDir()
		t.Setenv("TMPDIR", folder)
		var held []os.DirEntry
		w := newWorld(t)
		server := httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
			w.handler.ServeHTTP(to, r)
			held, _ = os.ReadDir(folder)
		}))
		defer server.Close()
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		_ = form.WriteField(FormField, someForm)
		_ = form.WriteField(field, "x")
		file, _ := form.CreateFormFile("file", "x.csv")
		_, _ = file.Write(make([]byte, 2*maxMemory))
		_ = form.Close()
		client := server.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		answer, err := client.Post(server.URL+"/file", form.FormDataContentType(), &body)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if len(held) != 0 || len(w.posts) != 1 {
			t.Errorf("%s: %d files are left, %d forms were sent", field, len(held), len(w.posts))
		}
	}
}

func TestLivePageIsSentOnce(t *testing.T) {
	w := newWorld(t)
	first := w.ask(t, httptest.NewRequest("GET", "/live", nil))
	again := httptest.NewRequest("GET", "/live", nil)
	again.Header.Set("If-None-Match", first.Header.Get("ETag"))
	if got := w.ask(t, again); first.StatusCode != 200 || first.Header.Get("ETag") == "" || got.StatusCode != 304 {
		t.Errorf("%d, then %d", first.StatusCode, got.StatusCode)
	}
}

// TestFileThatBreaksOff: a file whose end is missing does not look whole, over a real connection: it ends in a line of
// its own about that, and the connection is cut. As long as nothing was sent, the answer is the page of the error.
func TestFileThatBreaksOff(t *testing.T) {
	const large = 100_000 // more than net/http holds back
	for _, test := range []struct {
		name   string
		length int
		broken error
		status int
	}{
		{"whole", 10, nil, 200},
		{"whole, and large", large, nil, 200},
		{"whole, and empty", 0, nil, 200},
		{"broken off before the first byte", 0, azure.ErrUnavailable, 503},
		{"broken off", 10, azure.ErrUnavailable, 200},
		{"broken off, and large", large, azure.ErrUnavailable, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.broken = test.broken
			server := httptest.NewServer(w.handler)
			t.Cleanup(server.Close)
			answer, err := server.Client().Get(server.URL + "/file/" + strconv.Itoa(test.length))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			cut := test.broken != nil && test.length > 0
			if answer.StatusCode != test.status || errors.Is(err, io.ErrUnexpectedEOF) != cut || (err != nil) != cut {
				t.Errorf("status %d, and the end %v; want %d, cut off %v", answer.StatusCode, err, test.status, cut)
			}
			if isFile := answer.Header.Get("Content-Disposition") != ""; isFile != (test.status == 200) {
				t.Errorf("it is a file: %v", isFile)
			}
			if text, ok := strings.CutPrefix(string(body), strings.Repeat("x", test.length)); test.status == 200 &&
				(!ok || (text == brokenOff) != cut || (text == "") == cut) {
				t.Errorf("it ends in %q", text)
			}
		})
	}
}

// TestPanicCutsAnAnswerOff: an answer that has begun does not end as if it were whole, whatever the panic.
func TestPanicCutsAnAnswerOff(t *testing.T) {
	for _, value := range []any{http.ErrAbortHandler, "07700 900001"} {
		var log bytes.Buffer
		s := &server{opts: Options{Log: slog.New(slog.NewJSONHandler(&log, nil))}}
		server := httptest.NewServer(s.outermost(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(value)
		})))
		answer, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		server.Close()
		if string(body) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v: %q, and the end %v", value, body, err)
		}
		if aborted := value == http.ErrAbortHandler; (log.Len() == 0) != aborted ||
			strings.Contains(log.String(), "900001") {
			t.Errorf("%v: the log has %q", value, log.String())
		}
	}
}
