package azurite

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// Fault is a fault that a Proxy injects into one request.
type Fault int

// The faults.
const (
	Pass     Fault = iota // no fault
	Refuse                // answers 500; the request does not reach the emulator
	Busy                  // answers 503; the request does not reach the emulator
	Reset                 // closes the connection; the request does not reach the emulator
	Lose                  // the emulator executes the request, and the connection is closed instead of an answer
	Cut                   // the connection breaks in the middle of the answer's body
	Stall                 // no answer until the client gives up; the request does not reach the emulator
	Archived              // answers that the blob is in the archive tier; the request does not reach the emulator
)

// Proxy returns the connection string of a proxy to the emulator on which rule decides the fault of each request. rule
// is called concurrently. A request's signature does not cover the host, so requests pass unchanged.
func (a *Azurite) Proxy(t testing.TB, rule func(*http.Request) Fault) (connectionString string) {
	t.Helper()
	way := func(to string) string {
		u, err := url.Parse(strings.TrimSuffix(to, "/"+Account))
		if err != nil {
			t.Fatal(err)
		}
		p := &proxy{rule: rule, forward: &httputil.ReverseProxy{
			Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(u) },
			ErrorLog: log.New(io.Discard, "", 0), // clients that give up are part of the tests
		}}
		s := httptest.NewServer(p)
		t.Cleanup(func() {
			s.CloseClientConnections()
			s.Close()
		})
		return s.URL + "/" + Account
	}
	return a.Through(way(a.BlobURL), way(a.TableURL))
}

type proxy struct {
	rule    func(*http.Request) Fault
	forward *httputil.ReverseProxy
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch p.rule(r) {
	case Refuse:
		w.WriteHeader(http.StatusInternalServerError)
	case Busy:
		w.WriteHeader(http.StatusServiceUnavailable)
	case Archived:
		w.Header().Set("x-ms-error-code", "BlobArchived") // Get Blob: a blob that is offline can't be read
		w.WriteHeader(http.StatusConflict)
	case Reset:
		panic(http.ErrAbortHandler)
	case Lose:
		p.forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case Cut:
		answer := httptest.NewRecorder()
		p.forward.ServeHTTP(answer, r)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2]) // the client may have given up
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case Stall:
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	default:
		p.forward.ServeHTTP(w, r)
	}
}
