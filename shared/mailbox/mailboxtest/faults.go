package mailboxtest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Fault is a planned failure of a request. The zero Fault is a 503 for one request.
type Fault struct {
	Times      int           // the number of consecutive requests that it hits; 0 means 1, negative all that follow
	After      bool          // the request is carried out, and its answer is replaced
	Late       time.Duration // the answer is lost at once, and the request is carried out after this time
	Status     int           // of the answer; 0 means 503, or 200 with HTML, Empty or Body
	Code       string        // Graph's error code; "" means one that fits the status
	RetryAfter string        // the header: seconds or a date
	Stall      time.Duration // silence before the answer, or until the client disconnects; without Status, a reset
	Reset      bool          // no answer: the connection breaks
	Cut        bool          // with After: the real status and headers, and half of the body
	HTML       bool          // an HTML page, like a proxy's
	Empty      bool          // no body
	Body       string        // this body, as JSON
}

// planned is a fault and the calls that it hits.
type planned struct {
	from, to int // numbers of calls, from 1; to < 0: all calls beginning with from
	fault    Fault
}

// plan is the faults that are planned, by kind of request.
type plan struct {
	mu    sync.Mutex
	calls map[string]int
	plans map[string][]planned
}

// Fail plans that the n-th request of a kind from now on (1 is the next) gets the fault f. Several faults can be
// planned; if more than one hits a request, the one that was planned first is used.
func (g *Graph) Fail(kind string, n int, f Fault) {
	p := &g.faults
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.plans == nil {
		p.plans = map[string][]planned{}
	}
	from := p.calls[kind] + n
	to := from + max(f.Times, 1) - 1
	if f.Times < 0 {
		to = -1
	}
	p.plans[kind] = append(p.plans[kind], planned{from, to, f})
}

// take counts a request of a kind and returns the fault that hits it, or nil.
func (p *plan) take(kind string) *Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls == nil {
		p.calls = map[string]int{}
	}
	p.calls[kind]++
	n := p.calls[kind]
	for _, a := range p.plans[kind] {
		if n >= a.from && (a.to < 0 || n <= a.to) {
			return &a.fault
		}
	}
	return nil
}

// reply returns the answer of the fault. real is the answer that it replaces, nil if the request is not carried out.
func (f *Fault) reply(ctx context.Context, real *reply) *reply {
	if f.Stall > 0 {
		t := time.NewTimer(f.Stall)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		if f.Status == 0 {
			return &reply{reset: true, fault: true}
		}
	}
	if f.Reset {
		return &reply{reset: true, fault: true}
	}
	if f.Cut && real != nil {
		real.cut, real.fault = true, true
		return real
	}
	r := &reply{status: f.Status, header: http.Header{}, fault: true}
	whole := f.HTML || f.Empty || f.Body != ""
	if r.status == 0 {
		r.status = http.StatusServiceUnavailable
		if whole {
			r.status = http.StatusOK
		}
	}
	if f.RetryAfter != "" {
		r.header.Set("Retry-After", f.RetryAfter)
	}
	switch {
	case f.HTML:
		r.header.Set("Content-Type", "text/html; charset=utf-8")
		r.raw = []byte(
			"<!DOCTYPE html><html><head><title>Service unavailable</title></head><body>The service is " +
				"unavailable.</body></html>")
	case f.Empty:
		r.header.Set("Content-Type", "text/plain")
	case f.Body != "":
		r.header.Set("Content-Type", "application/json")
		r.raw = []byte(f.Body)
	default:
		r.err = &graphError{code: f.Code, message: fmt.Sprintf("planned fault %d", r.status)}
		if f.Code == "" {
			r.err.code = faultCode(r.status)
		}
	}
	return r
}

// faultCode returns a code of Graph that fits a status.
func faultCode(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "InvalidAuthenticationToken"
	case http.StatusForbidden:
		return "ErrorAccessDenied"
	case http.StatusNotFound:
		return "ErrorItemNotFound"
	case http.StatusTooManyRequests:
		return "ApplicationThrottled"
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return "UnknownError"
	case http.StatusInternalServerError:
		return "ErrorInternalServerError"
	}
	return "ServiceUnavailable"
}
