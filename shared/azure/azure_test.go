package azure

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"o2archiver/shared/retry"
)

var errMissing = errors.New("not found")

var testService = Service{Name: "test service", Kind: func(status int, code string) error {
	if status == http.StatusNotFound && code == "Missing" {
		return errMissing
	}
	return nil
}}

// send sends one request with a body through the service's policies to a transport, as the SDK's clients do.
func send(t *testing.T, transport func(*http.Request) (*http.Response, error)) error {
	t.Helper()
	return sendBody(t, transport, body{strings.NewReader("all of it")})
}

func sendBody(t *testing.T, transport func(*http.Request) (*http.Response, error), body io.ReadSeekCloser) error {
	t.Helper()
	pipeline := runtime.NewPipeline("test", "v1", runtime.PipelineOptions{}, &policy.ClientOptions{
		Transport: transporter(transport), PerRetryPolicies: testService.Policies(),
		Retry: policy.RetryOptions{MaxRetries: 2, RetryDelay: time.Millisecond, MaxRetryDelay: 2 * time.Millisecond},
	})
	req, err := runtime.NewRequest(t.Context(), http.MethodPut, "https://secret-account.example/secret-name")
	if err != nil {
		t.Fatal(err)
	}
	if err := req.SetBody(body, "text/plain"); err != nil {
		t.Fatal(err)
	}
	resp, err := pipeline.Do(req)
	if err == nil && !runtime.HasStatusCode(resp, http.StatusOK) {
		err = runtime.NewResponseError(resp)
	}
	return testService.Translate(t.Context(), err)
}

type transporter func(*http.Request) (*http.Response, error)

func (f transporter) Do(r *http.Request) (*http.Response, error) { return f(r) }

type body struct{ *strings.Reader }

func (body) Close() error { return nil }

func answer(status int, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: status, Header: http.Header{},
			Body: io.NopCloser(strings.NewReader("<html>")), Request: r}
		for i := 0; i < len(header); i += 2 {
			resp.Header.Set(header[i], header[i+1])
		}
		return resp, nil
	}
}

func fail(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name      string
		answer    func(*http.Request) (*http.Response, error)
		kind      error
		transient bool
		text      string
	}{
		{"success", answer(200, "x-ms-request-id", "1"), nil, false, ""},
		{"a proxy's success", answer(200), ErrUnavailable, true,
			"test service unavailable: the answer is not the test service's"},
		{"known refusal", answer(404, "x-ms-request-id", "1", "x-ms-error-code", "Missing"), errMissing, false,
			"not found: test service: answered 404 Missing"},
		{"unknown refusal", answer(409, "x-ms-request-id", "1", "x-ms-error-code", "Odd"), nil, false,
			"test service: answered 409 Odd"},
		{"a proxy's not found", answer(404), ErrUnavailable, true, "test service unavailable: answered 404 "},
		{"a proxy's not found with a code", answer(404, "error", "Missing"), ErrUnavailable, true,
			"test service unavailable: answered 404 "},
		{"connection refused", fail(syscall.ECONNREFUSED), ErrUnavailable, true,
			"test service unavailable: connection refused"},
		{"connection reset", fail(io.ErrUnexpectedEOF), ErrUnavailable, true,
			"test service unavailable: the connection broke off"},
		{"unknown certificate", fail(&tls.CertificateVerificationError{Err: errors.New("secret-account")}),
			ErrUnavailable, true, "test service unavailable: its certificate is not trusted"},
		{"unknown failure", fail(errors.New("dial secret-account")), ErrUnavailable, true,
			"test service unavailable: no connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := send(t, tt.answer)
			if tt.text == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || tt.kind != nil && !errors.Is(err, tt.kind) || e.Kind != tt.kind {
				t.Fatalf("%#v, want the kind %v", err, tt.kind)
			}
			if transient, after := retry.IsTransient(err); transient != tt.transient || after != 0 {
				t.Errorf("transient %t after %v, want %t", transient, after, tt.transient)
			}
			if err.Error() != tt.text || strings.Contains(err.Error(), "secret") {
				t.Errorf("text %q, want %q", err, tt.text)
			}
			if testService.Translate(t.Context(), err) != err {
				t.Error("a translated error is translated once more")
			}
		})
	}
}

// A failure to get a token is final to azcore, and unavailable to the archiver.
func TestTokenFailureIsTransient(t *testing.T) {
	err := testService.Translate(t.Context(), noToken{})
	if !errors.Is(err, ErrUnavailable) || err.Error() != "test service unavailable: no token for the test service" {
		t.Errorf("%v", err)
	}
}

type noToken struct{}

func (noToken) Error() string { return "secret-client failed" }
func (noToken) NonRetriable() {}

func TestCauseOfTheContextIsReturned(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the time is up")
	cancel(cause)
	if err := testService.Translate(ctx, &azcore.ResponseError{StatusCode: 404}); err != cause {
		t.Errorf("%v, want %v", err, cause)
	}
}

// Each try reads the whole body, also when an earlier one was answered before it was read.
func TestEveryTryHasItsBody(t *testing.T) {
	for name, body := range map[string]io.ReadSeekCloser{
		"any":        body{strings.NewReader("all of it")},
		"that stays": NewBody([]byte("all of it")),
	} {
		var got []string
		var old io.Reader
		err := sendBody(t, func(r *http.Request) (*http.Response, error) {
			if len(got) == 0 {
				got, old = append(got, ""), r.Body
				return answer(503, "x-ms-request-id", "1")(r)
			}
			rest, _ := io.ReadAll(old) // as net/http does for a try whose answer came early
			all, err := io.ReadAll(r.Body)
			got = append(got, string(rest), string(all))
			if err != nil {
				return nil, err
			}
			return answer(200, "x-ms-request-id", "1")(r)
		}, body)
		if err != nil || len(got) != 3 || got[2] != "all of it" {
			t.Errorf("a body %s: %v, bodies %q", name, err, got)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "127.0.0.1": true, "127.8.9.1": true, "::1": true,
		"::ffff:127.0.0.1": true,
		"":                 false, "localhost.example": false, "128.0.0.1": false, "127.0.0.1.example": false,
		"0.0.0.0": false,
		"::":      false,
		"127.1":   false, "::1%eth0": false, "ⅼocalhost": false,
	} {
		if got := IsLoopback(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
}

func TestSameOrigin(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"https://a.example/x", "https://A.example:443/y?z", true},
		{"HTTPS://a.example", "https://a.example", true},
		{"http://a.example", "http://a.example:80", true},
		{"https://a.example", "http://a.example", false},
		{"https://a.example", "https://a.example:8443", false},
		{"https://a.example", "https://b.example", false},
		{"https://a.example", "https://a.example.b", false},
		{"https://[::1]:1", "https://[::1]:1/", true},
	} {
		a, errA := url.Parse(tt.a)
		b, errB := url.Parse(tt.b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if got := SameOrigin(a, b); got != tt.want || got != SameOrigin(b, a) {
			t.Errorf("%s and %s: %t", tt.a, tt.b, got)
		}
	}
}
