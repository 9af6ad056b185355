package mailboxtest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Fault is something that goes wrong. The zero Fault is a 503.
type Fault struct {
	Times      int           // how many requests in a row it hits; 0 means 1, below 0 all that follow
	After      bool          // the request is carried out first, and then the answer is lost
	Late       time.Duration // the answer is lost at once, and the request is carried out that much later
	Status     int           // of the answer; 0 means 503, with HTML, Empty or Body 200
	Code       string        // Graph's error code; "" means one that fits the status
	RetryAfter string        // the header: seconds or a date
	Stall      time.Duration // silence before the answer, until the client goes away; without Status the connection then breaks
	Reset      bool          // no answer: the connection breaks
	Cut        bool          // with After: the true status and headers, and half of the body
	HTML       bool          // a page of HTML, as a proxy sends it
	Empty      bool          // no body
	Body       string        // this body, as JSON
}

type planned struct {
	from, to int // numbers of calls, from 1; to < 0: for ever
	fault    Fault
}

type plan struct {
	mu    sync.Mutex
	calls map[string]int
	plans map[string][]planned
}

// Fail makes the n-th request of a kind from now on (1 is the next) go wrong. Several can be planned; of
// those that hit one request, the first planned is used.
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

// take counts a request of the kind and gives the fault that hits it, or nil.
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

// reply gives what the fault answers; real is what would have been answered, nil before the effect.
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
		r.raw = []byte("<!DOCTYPE html><html><head><title>Service unavailable</title></head><body>The service is unavailable.</body></html>")
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
