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

// Fault is what a Proxy does to one request.
type Fault int

// The faults.
const (
	Pass     Fault = iota // nothing
	Refuse                // answers 500; the emulator never sees it
	Busy                  // answers 503; the emulator never sees it
	Reset                 // closes the connection; the emulator never sees it
	Lose                  // lets the emulator do it and closes the connection instead of answering
	Cut                   // breaks the answer off in the middle of its body
	Stall                 // answers when the client has gone
	Archived              // answers that the blob lies in the archive tier; the emulator never sees it
)

// Proxy returns a connection string for a way to the emulator on which rule decides what happens to each request. rule is
// called by several goroutines at once. A request's signature does not cover the host, so it passes as it is.
func (a *Azurite) Proxy(t testing.TB, rule func(*http.Request) Fault) (connectionString string) {
	t.Helper()
	way := func(to string) string {
		u, err := url.Parse(strings.TrimSuffix(to, "/"+Account))
		if err != nil {
			t.Fatal(err)
		}
		p := &proxy{rule: rule, forward: &httputil.ReverseProxy{
			Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(u) },
			ErrorLog: log.New(io.Discard, "", 0), // clients that leave are part of the tests
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
		w.Header().Set("x-ms-error-code", "BlobArchived") // Get Blob: a blob that is not online can't be read
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
		_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2]) // the client may have gone
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
