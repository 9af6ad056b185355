package funchost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	someID    = "e4650119-50bc-40f3-8fd8-a356d074a4e9"
	someTrace = "b77907b2043f12f2d14f5be6b69a599f"
)

// capture is a request as the real host sent it.
func capture(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// post sends body to the server with the headers of the host and checks that the answer is one that the host can take.
func post(t testing.TB, s http.Handler, method, path string, body io.Reader) (int, answer) {
	t.Helper()
	r := httptest.NewRequest(method, path, body)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("X-Azure-Functions-InvocationId", someID)
	r.Header.Set("Traceparent", "00-"+someTrace+"-20be904a677705ac-00")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	var got answer
	decoder := json.NewDecoder(w.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%s %s answers %d with what is no object: %v", method, path, w.Code, err)
	}
	if got.Outputs == nil || got.Logs == nil {
		t.Errorf("%s %s answers without Outputs or Logs", method, path)
	}
	return w.Code, got
}

// seen is what a Func got to see.
type seen struct {
	Function, ID, Trace string
	Data                []string
	Meta                map[string]string
}

func TestCaptures(t *testing.T) {
	tests := []struct {
		file     string
		function string
		ask      []string
		want     seen
	}{
		{"blob-deferred.json", "import", []string{"Uri", "name", "Properties", "absent", "batch"}, seen{
			Data: []string{"item"}, Meta: map[string]string{
				"Uri":  "http://127.0.0.1:10000/devstoreaccount1/inbox/2026/11/22/r1/00001.ndjson",
				"name": "2026/11/22/r1/00001.ndjson",
			}}},
		{"timer-1m-schedulestatus.json", "fetch", []string{"timer"},
			seen{Data: []string{"timer"}, Meta: map[string]string{}}},
		{"timer-5s.json", "fetch", []string{"timer", "RetryContext"},
			seen{Data: []string{"timer"}, Meta: map[string]string{}}},
		{"timer-retry1.json", "fetch", []string{"timer"}, seen{Data: []string{"timer"}, Meta: map[string]string{}}},
		{"timer-admin-manual.json", "fetch", []string{"timer"},
			seen{Data: []string{"timer"}, Meta: map[string]string{"timer": ""}}},
		{"http.json", "portal", []string{"a"}, seen{Data: []string{"req"}, Meta: map[string]string{"a": "1"}}},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			var got seen
			s := New(slog.New(slog.DiscardHandler), time.Minute, map[string]Func{
				test.function: func(_ context.Context, inv *Invocation) (any, error) {
					got = seen{Function: inv.Function, ID: inv.ID, Trace: inv.TraceID, Meta: map[string]string{}}
					for name := range inv.Data {
						got.Data = append(got.Data, name)
					}
					for _, name := range test.ask {
						if value, ok := inv.Meta(name); ok {
							got.Meta[name] = value
						}
					}
					return nil, nil
				},
			})
			status, _ := post(t, s, http.MethodPost, "/"+test.function, bytes.NewReader(capture(t, test.file)))
			if status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
			test.want.Function, test.want.ID, test.want.Trace = test.function, someID, someTrace
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMeta(t *testing.T) {
	tests := []struct {
		raw  string
		want string
		ok   bool
	}{
		{`"\"x\""`, "x", true},
		{`"\"\""`, "", true},
		{`"\"{\\\"from\\\":\\\"2026-01-01\\\",\\\"q\\\":\\\"a\\\\u00e9\\\"}\""`, `{"from":"2026-01-01","q":"a\u00e9"}`,
			true},
		{`"x"`, "x", true},    // once only
		{`"\"x"`, `"x`, true}, // looks encoded and is not
		{`""`, "", true},      // nothing at all
		{`"null"`, "null", true},
		{`null`, "", false},
		{`7`, "", false},
		{`{"a":"b"}`, "", false},
		{`["x"]`, "", false},
	}
	for _, test := range tests {
		i := &Invocation{metadata: map[string]json.RawMessage{"m": json.RawMessage(test.raw)}}
		if got, ok := i.Meta("m"); got != test.want || ok != test.ok {
			t.Errorf("Meta of %s is %q, %v; want %q, %v", test.raw, got, ok, test.want, test.ok)
		}
	}
	if _, ok := (&Invocation{}).Input("timer"); ok {
		t.Error("Input of a timer that nobody started by hand")
	}
}

func TestStatus(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("ask the site: %w: %w", err, errors.New("more")) }
	tests := []struct {
		err  error
		want int
	}{
		{nil, 200},
		{wrapped(ErrInput), 400},
		{wrapped(ErrBusy), 409},
		{wrapped(ErrSettings), 500},
		{wrapped(ErrUnavailable), 503},
		{wrapped(ErrStopped), 503},
		{wrapped(context.Canceled), 503},
		{wrapped(ErrDeadline), 504},
		{wrapped(context.DeadlineExceeded), 504},
		{errors.Join(errors.New("other"), ErrUnavailable), 503},
		{errors.New("other"), 500},
	}
	for _, test := range tests {
		if got := Status(test.err); got != test.want {
			t.Errorf("Status(%v) is %d, want %d", test.err, got, test.want)
		}
		s := New(slog.New(slog.DiscardHandler), time.Minute, map[string]Func{
			"f": func(context.Context, *Invocation) (any, error) { return nil, test.err },
		})
		if got, _ := post(t, s, http.MethodPost, "/f", strings.NewReader(`{"Data":{}}`)); got != test.want {
			t.Errorf("%v is answered with %d, want %d", test.err, got, test.want)
		}
	}
}

func TestRequests(t *testing.T) {
	deep := `{"Data":{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}}`
	tests := []struct {
		name, method, path string
		body               io.Reader
		want               int
	}{
		{"the host asks whether it is up", "GET", "/", nil, 200},
		{"HEAD", "HEAD", "/", nil, 200},
		{"chunked", "POST", "/f", io.MultiReader(strings.NewReader(`{"Data":`), strings.NewReader(`{}}`)), 200},
		{"no metadata", "POST", "/f", strings.NewReader(`{"Data":{}}`), 200},
		{"no data", "POST", "/f", strings.NewReader(`{"Metadata":{}}`), 200},
		{"4 MiB", "POST", "/f", strings.NewReader(`{"Data":{}}` + strings.Repeat(" ", maxBody-11)), 200},
		{"a byte more", "POST", "/f", strings.NewReader(`{"Data":{}}` + strings.Repeat(" ", maxBody-10)), 413},
		{"too deep", "POST", "/f", strings.NewReader(deep), 400},
		{"empty", "POST", "/f", nil, 400},
		{"empty object", "POST", "/f", strings.NewReader(`{}`), 400},
		{"null", "POST", "/f", strings.NewReader(`null`), 400},
		{"no object", "POST", "/f", strings.NewReader(`[]`), 400},
		{"two", "POST", "/f", strings.NewReader(`{"Data":{}}{}`), 400},
		{"data is no object", "POST", "/f", strings.NewReader(`{"Data":"x"}`), 400},
		{"unknown function", "POST", "/g", strings.NewReader(`{"Data":{}}`), 404},
		{"below a function", "POST", "/f/g", strings.NewReader(`{"Data":{}}`), 404},
		{"wrong method", "GET", "/f", nil, 405},
		{"post to the root", "POST", "/", strings.NewReader(`{"Data":{}}`), 405},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := New(slog.New(slog.DiscardHandler), time.Minute, map[string]Func{
				"f": func(context.Context, *Invocation) (any, error) { return nil, nil },
			})
			if got, _ := post(t, s, test.method, test.path, test.body); got != test.want {
				t.Errorf("status %d, want %d", got, test.want)
			}
		})
	}
}

func TestLog(t *testing.T) {
	const secret = "the text of a message"
	var out bytes.Buffer
	s := New(slog.New(slog.NewJSONHandler(&out, nil)), time.Minute, map[string]Func{
		"fine": func(_ context.Context, inv *Invocation) (any, error) {
			inv.Log.Info("at work")
			return secret, nil
		},
		"failing": func(context.Context, *Invocation) (any, error) { return nil, ErrBusy },
		"panic":   func(context.Context, *Invocation) (any, error) { panic(errors.New(secret)) },
		"odd":     func(context.Context, *Invocation) (any, error) { return map[string]any{secret: func() {}}, nil },
	})
	body := `{"Data":{},"Metadata":{"timer":"` + secret + `"}}`
	for path, want := range map[string]int{"/fine": 200, "/failing": 409, "/panic": 500, "/odd": 500} {
		out.Reset()
		status, got := post(t, s, http.MethodPost, path, strings.NewReader(body))
		if status != want {
			t.Errorf("%s: status %d, want %d", path, status, want)
		}
		if text := fmt.Sprint(got.ReturnValue); path != "/fine" && strings.Contains(text, secret) {
			t.Errorf("%s answers with %s", path, text)
		}
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s: the log shows content: %s", path, out.String())
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		for _, line := range lines {
			var entry struct{ Function, Invocation, Trace string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatal(err)
			}
			if want := (struct{ Function, Invocation, Trace string }{path[1:], someID, someTrace}); entry != want {
				t.Errorf("%s logs %+v", path, entry)
			}
		}
		if path == "/panic" && !strings.Contains(out.String(), "funchost_test.go") {
			t.Error("the log does not say where the panic came from")
		}
	}
	// A body that can't be read must not get into the log either.
	out.Reset()
	post(t, s, http.MethodPost, "/fine", strings.NewReader(`{"Data":"`+secret+`"}`))
	post(t, s, http.MethodPost, "/fine", strings.NewReader(secret))
	if strings.Contains(out.String(), secret) || out.Len() == 0 {
		t.Errorf("log of a wrong body: %s", out.String())
	}
}

func TestHeaders(t *testing.T) {
	tests := []struct{ id, parent, wantID, wantTrace string }{
		{someID, "00-" + someTrace + "-20be904a677705ac-01", someID, someTrace},
		{"", "", "", ""},
		{"a\tb", "00-00000000000000000000000000000000-20be904a677705ac-01", "", ""},
		{strings.Repeat("a", 65), "nonsense", "", ""},
	}
	for _, test := range tests {
		h := http.Header{"X-Azure-Functions-Invocationid": {test.id}, "Traceparent": {test.parent}}
		i, err := newInvocation("f", h, []byte(`{"Data":{}}`), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if i.ID != test.wantID || i.TraceID != test.wantTrace {
			t.Errorf("%q, %q are read as %q, %q", test.id, test.parent, i.ID, i.TraceID)
		}
	}
}

func FuzzInvocation(f *testing.F) {
	for _, name := range []string{"blob-deferred.json", "timer-retry1.json", "timer-admin-manual.json", "http.json"} {
		f.Add(capture(f, name))
	}
	f.Add([]byte(`{"Data":null,"Metadata":{"Uri":"\"x\""}}`))
	s := New(slog.New(slog.DiscardHandler), time.Minute, map[string]Func{
		"f": func(_ context.Context, inv *Invocation) (any, error) {
			uri, _ := inv.Meta("Uri")
			input, _ := inv.Input("timer")
			return []any{uri, input, inv.Data}, nil
		},
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if status, _ := post(t, s, http.MethodPost, "/f", bytes.NewReader(raw)); status != 200 && status != 400 {
			t.Errorf("status %d", status)
		}
	})
}
