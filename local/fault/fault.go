// Package fault injects failures into the calls to a service, one at a time and as planned. It stands between a client
// and any HTTP service, such as a stand-in or an emulator.
package fault

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Effect is whether, and when, the service executes a call that fails.
type Effect int

// Before: the service does not receive the call. After: it executes the call, and the answer is lost. Late: it executes
// the call after the caller has had a gateway's answer.
const (
	Before Effect = iota
	After
	Late
)

// late is the time between the answer and a Late effect.
const late = 2 * time.Second

// Kind is a kind of failure.
type Kind int

// The kinds.
const (
	Status       Kind = iota // an answer with Fault.Status
	ResetRequest             // the connection breaks in the middle of the request; always Before
	ResetAnswer              // the connection breaks in the middle of the answer; always After
	Stall                    // no answer until the client gives up
	Empty                    // 200 without a body
	HTML                     // an HTML page, as from a proxy; with Fault.Status, or 200
	Truncated                // a complete answer with half of the body; always After
	Refusal                  // Microsoft Graph's error object, with Fault.Status and Fault.Code
)

// Fault is one failure.
type Fault struct {
	Kind       Kind
	Effect     Effect
	Status     int    // for Status, HTML and Refusal
	Code       string // for Refusal: code of the error object
	RetryAfter string // for Status: the header; "date" stands for a date two seconds from now; "" for no header
}

// String returns a name of the fault, e.g. "503 after".
func (f Fault) String() string {
	names := map[Kind]string{ResetRequest: "reset in the request", ResetAnswer: "reset in the answer", Stall: "stall",
		Empty: "empty 200",
		HTML:  "HTML", Truncated: "truncated"}
	name := names[f.Kind]
	switch {
	case f.Kind == Status:
		name = strconv.Itoa(f.Status)
	case f.Kind == HTML && f.Status != 0:
		name = strconv.Itoa(f.Status) + " HTML"
	case f.Kind == Refusal:
		name = strconv.Itoa(f.Status) + " " + f.Code
	}
	if f.RetryAfter != "" {
		name += " Retry-After " + f.RetryAfter
	}
	switch {
	case f.Effect == Late:
		name += " before a late effect"
	case f.Effect == After && f.Kind != ResetAnswer && f.Kind != Truncated:
		name += " after"
	}
	return name
}

// Slow returns the fault of a gateway that times out before the service behind it has finished, as Graph's may.
func Slow() Fault { return Fault{Status: http.StatusGatewayTimeout, Effect: Late} }

// All returns the faults that may occur with any service or on the way to it.
func All() []Fault {
	all := []Fault{
		{Status: 429, RetryAfter: "1"}, {Status: 429, RetryAfter: "date"}, {Status: 429}, {Status: 401},
		{Kind: ResetRequest}, {Kind: ResetAnswer, Effect: After}, {Kind: Stall}, {Kind: Stall, Effect: After},
		{Kind: Empty}, {Kind: HTML}, {Kind: Truncated, Effect: After},
	}
	for _, status := range []int{500, 502, 503, 504} {
		all = append(all, Fault{Status: status}, Fault{Status: status, Effect: After})
	}
	return all
}

// Pages returns refusals with an HTML page instead of the service's answer: they say nothing about the requested
// object.
func Pages() []Fault {
	return []Fault{
		{Kind: HTML, Status: 400}, {Kind: HTML, Status: 403}, {Kind: HTML, Status: 404}, {Kind: HTML, Status: 410},
		{Kind: HTML, Status: 409, Effect: After},
	}
}

// Bare returns refusals without a body. The services always send one, so these refusals come from an intermediary.
func Bare() []Fault {
	return []Fault{{Status: 403}, {Status: 404}, {Status: 409}, {Status: 412}, {Status: 413},
		{Status: 404, Effect: After}}
}

// Passing returns temporary refusals by Graph itself: of its gateway, of a mailbox that is being moved or is busy, and
// a conflict.
func Passing() []Fault {
	return []Fault{
		{Kind: Refusal, Status: 404, Code: "UnknownError"},
		{Kind: Refusal, Status: 400, Code: "ErrorMailboxMoveInProgress"},
		{Kind: Refusal, Status: 409, Code: "ErrorIrresolvableConflict", Effect: After},
		{Kind: Refusal, Status: 404, Code: "MailboxInTransit"},
	}
}

// Plan counts the calls of each kind and makes some of them fail. The zero value is a plan without faults. It is safe
// for concurrent use.
type Plan struct {
	mu    sync.Mutex
	calls map[string]int
	order []string // the kinds, in the order of their first calls
	set   map[string][]planned
	hit   int             // calls that failed
	down  map[string]bool // services that are unavailable
	under sync.WaitGroup  // late effects in progress
}

// planned is a fault and the calls that it affects.
type planned struct {
	from, to int // calls, counted from 1
	fault    Fault
}

// Fail makes the n-th call of a kind fail, counted from 1 since the plan was made, and the times-1 calls that follow.
func (p *Plan) Fail(kind string, n, times int, f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == nil {
		p.set = map[string][]planned{}
	}
	p.set[kind] = append(p.set[kind], planned{n, n + times - 1, f})
}

// Down makes a service unavailable, or available again: while it is down, no call to it is answered.
func (p *Plan) Down(service string, away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down == nil {
		p.down = map[string]bool{}
	}
	p.down[service] = away
}

// Calls returns the kinds of calls, in the order of their first calls, and the number of calls of each.
func (p *Plan) Calls() (kinds []string, count map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	count = make(map[string]int, len(p.calls))
	for kind, n := range p.calls {
		count[kind] = n
	}
	return slices.Clone(p.order), count
}

// Settle waits until all late effects have occurred.
func (p *Plan) Settle() { p.under.Wait() }

// Hit returns the number of calls that failed.
func (p *Plan) Hit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hit
}

// next counts a call and returns its fault, if it has one (wrong), and whether the service is down (away).
func (p *Plan) next(service, kind string) (f Fault, wrong, away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls == nil {
		p.calls = map[string]int{}
	}
	if p.calls[kind] == 0 {
		p.order = append(p.order, kind)
	}
	p.calls[kind]++
	if p.down[service] {
		p.hit++
		return f, false, true
	}
	for _, s := range p.set[kind] {
		if n := p.calls[kind]; s.from <= n && n <= s.to {
			p.hit++
			return s.fault, true, false
		}
	}
	return f, false, false
}

// Before returns next with the plan's faults. The kinds of calls are named by the service, a blank and the result of
// kind.
func (p *Plan) Before(service string, kind func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, wrong, away := p.next(service, service+" "+kind(r))
		switch {
		case away:
			panic(http.ErrAbortHandler)
		case wrong:
			f.serve(w, r, next, &p.under)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// serve makes one call fail. Late effects are counted in under.
func (f Fault) serve(w http.ResponseWriter, r *http.Request, next http.Handler, under *sync.WaitGroup) {
	answer := &recorder{header: http.Header{}, status: http.StatusOK}
	switch {
	case f.Kind == ResetRequest:
		_, _ = io.CopyN(io.Discard, r.Body, max(1, r.ContentLength/2)) // an error is intended here
		panic(http.ErrAbortHandler)
	case f.Effect == After:
		next.ServeHTTP(answer, r)
	case f.Effect == Late:
		body, _ := io.ReadAll(r.Body) // after an error there is no client to answer
		again := r.Clone(context.WithoutCancel(r.Context()))
		again.Body = io.NopCloser(bytes.NewReader(body))
		under.Go(func() {
			defer func() { _ = recover() }() // a proxy may abort with http.ErrAbortHandler
			time.Sleep(late)
			next.ServeHTTP(answer, again)
		})
	default:
		_, _ = io.Copy(io.Discard, r.Body) // after an error there is no client to answer
	}
	switch f.Kind {
	case Stall:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case ResetAnswer, Truncated:
		for name, values := range answer.header {
			w.Header()[name] = values
		}
		half := answer.body.Bytes()[:answer.body.Len()/2]
		if f.Kind == Truncated {
			w.Header().Set("Content-Length", strconv.Itoa(len(half)))
		} else if answer.body.Len() == 0 {
			panic(http.ErrAbortHandler)
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(answer.body.Len()))
		}
		w.WriteHeader(answer.status)
		_, _ = w.Write(half)
		if f.Kind == ResetAnswer {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	case Empty:
		w.WriteHeader(http.StatusOK)
	case HTML:
		w.Header().Set("Content-Type", "text/html")
		if f.Status != 0 {
			w.WriteHeader(f.Status)
		}
		fmt.Fprint(w, "<html><body><h1>Please sign in</h1></body></html>")
	case Refusal:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.Status)
		fmt.Fprintf(w, `{"error":{"code":%q,"message":"refused in passing"}}`, f.Code)
	case Status:
		switch f.RetryAfter {
		case "":
		case "date":
			w.Header().Set("Retry-After", time.Now().Add(2*time.Second).UTC().Format(http.TimeFormat))
		default:
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		w.WriteHeader(f.Status)
	}
}

// recorder records an answer that is not passed to the client as it is.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
