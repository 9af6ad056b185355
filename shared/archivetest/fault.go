package archivetest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"syscall"
)

// Fault is a fault injected into one request.
type Fault int

// The faults.
const (
	Pass     Fault = iota // no fault
	Refuse                // answers 500; the request does not reach the storage
	Busy                  // answers 503; the request does not reach the storage
	Reset                 // the connection breaks; the request does not reach the storage
	Lose                  // the storage executes the request, and the connection breaks before the answer
	Cut                   // the connection breaks in the middle of the answer's body
	Stall                 // no answer until the client gives up; the request does not reach the storage
	Archived              // answers that the blob is in the archive tier; the request does not reach the storage
)

// Through returns a transport to the storage on which rule decides the fault of each request. rule is called for one
// request at a time, so it needs no lock for its own state: requests are concurrent even where the code under test is
// not, because the progress is written in the background. The names of the headers that rule sees are canonical, and
// it may read the body. It MUST NOT wait for another request.
func (s *Storage) Through(rule func(*http.Request) Fault) http.RoundTripper {
	return &faultyWay{storage: s, rule: rule, turn: make(chan struct{}, 1)}
}

// ThroughConcurrently is Through for a rule that is called concurrently and may block: a client that gives up meanwhile
// gets its context's error, as it does from a server that hangs.
func (s *Storage) ThroughConcurrently(rule func(*http.Request) Fault) http.RoundTripper {
	return &faultyWay{storage: s, rule: rule}
}

// faultyWay implements Through.
type faultyWay struct {
	storage *Storage
	rule    func(*http.Request) Fault
	turn    chan struct{} // holds an element while rule is called; nil: rule is called concurrently
}

// decide calls the rule.
func (w *faultyWay) decide(r *http.Request) Fault {
	if w.turn != nil {
		w.turn <- struct{}{}
		defer func() { <-w.turn }()
	}
	return w.rule(r)
}

// RoundTrip implements http.RoundTripper.
func (w *faultyWay) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	seen := r.Clone(r.Context())
	seen.Header = http.Header{}
	for name, values := range r.Header {
		seen.Header[http.CanonicalHeaderKey(name)] = values
	}
	r = r.WithContext(r.Context()) // a copy: a RoundTripper must not modify the request, and the body is read twice
	if r.Body != nil && r.Body != http.NoBody {
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		r.Body, seen.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
	} else {
		seen.Body = http.NoBody
	}
	decided := make(chan Fault, 1)
	go func() { decided <- w.decide(seen) }() // ends when rule returns
	var fault Fault
	select {
	case fault = <-decided:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	switch fault {
	case Pass:
		return w.storage.RoundTrip(r)
	case Lose:
		resp, err := w.storage.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
		return nil, broken()
	case Cut:
		resp, err := w.storage.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		whole, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), cutReader{}))
		return resp, nil
	default:
		return withoutStorage(r, fault)
	}
}

// withoutStorage returns what a client gets if the request does not reach the storage.
func withoutStorage(r *http.Request, fault Fault) (*http.Response, error) {
	a := newAnswer(http.StatusInternalServerError)
	switch fault {
	case Refuse:
	case Busy:
		a.status = http.StatusServiceUnavailable
	case Archived:
		a.status = http.StatusConflict
		a.set("X-Ms-Error-Code", "BlobArchived") // Get Blob: a blob that is not online can't be read
	case Stall:
		<-r.Context().Done()
		return nil, r.Context().Err()
	default: // Reset
		return nil, broken()
	}
	return a.response(r), nil
}

// broken returns the error of net/http for a connection that ends before an answer.
func broken() error { return &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET} }

// cutReader is the rest of a body after the connection broke.
type cutReader struct{}

func (cutReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
