// Package fault makes calls to a service go wrong, one at a time and as planned: it stands between a client and any HTTP
// service, be it a stand-in or a real emulator.
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

// Effect says whether the service gets to see the call that goes wrong.
type Effect int

// Before: it never does. After: it does what was asked, and its answer is lost. Late: it does so when the caller has long had a gateway's answer.
const (
	Before Effect = iota
	After
	Late
)

// late is how long after the answer a Late effect comes.
const late = 2 * time.Second

// Kind is a way to go wrong.
type Kind int

// The kinds.
const (
	Status       Kind = iota // an answer with Fault.Status
	ResetRequest             // the connection breaks in the middle of the request; always Before
	ResetAnswer              // the connection breaks in the middle of the answer; always After
	Stall                    // silence until the client goes
	Empty                    // 200 and nothing
	HTML                     // a page of HTML, as a proxy sends it; with Fault.Status, or 200
	Truncated                // a whole answer with half of the body; always After
	Refusal                  // Microsoft Graph's error object, with Fault.Status and Fault.Code
)

// Fault is one way to go wrong.
type Fault struct {
	Kind       Kind
	Effect     Effect
	Status     int    // with Status, HTML and Refusal
	Code       string // with Refusal: of the error object
	RetryAfter string // with Status: the header; "date" stands for a date two seconds on; "" for none
}

// String is a name for it, e.g. "503 after".
func (f Fault) String() string {
	names := map[Kind]string{ResetRequest: "reset in the request", ResetAnswer: "reset in the answer", Stall: "stall", Empty: "empty 200",
		HTML: "HTML", Truncated: "truncated"}
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

// Slow is what a gateway answers that gives up before the service behind it does, as Graph's may.
func Slow() Fault { return Fault{Status: http.StatusGatewayTimeout, Effect: Late} }

// All is every fault that any service or the way to it is known for.
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

// Pages are refusals with a page of HTML in the service's place: they say nothing of what was asked for.
func Pages() []Fault {
	return []Fault{
		{Kind: HTML, Status: 400}, {Kind: HTML, Status: 403}, {Kind: HTML, Status: 404}, {Kind: HTML, Status: 410},
		{Kind: HTML, Status: 409, Effect: After},
	}
}

// Bare are refusals without a body, by services that always say why: they come from something in between.
func Bare() []Fault {
	return []Fault{{Status: 403}, {Status: 404}, {Status: 409}, {Status: 412}, {Status: 413}, {Status: 404, Effect: After}}
}

// Passing are refusals of Graph's own that pass: a gateway of Graph that knows nothing, a mailbox that is moved or busy, a conflict.
func Passing() []Fault {
	return []Fault{
		{Kind: Refusal, Status: 404, Code: "UnknownError"}, {Kind: Refusal, Status: 400, Code: "ErrorMailboxMoveInProgress"},
		{Kind: Refusal, Status: 409, Code: "ErrorIrresolvableConflict", Effect: After}, {Kind: Refusal, Status: 404, Code: "MailboxInTransit"},
	}
}

// Plan counts the calls of each kind and lets some of them go wrong. The zero value is a plan without faults; it is safe for concurrent use.
type Plan struct {
	mu    sync.Mutex
	calls map[string]int
	order []string // the kinds, as they came first
	set   map[string][]planned
	hit   int
	down  map[string]bool // services that are away
	under sync.WaitGroup  // late effects to come
}

type planned struct {
	from, to int // calls, counted from 1
	fault    Fault
}

// Fail lets the n-th call of a kind go wrong, counted from 1 since the plan was made, and the times-1 that follow.
func (p *Plan) Fail(kind string, n, times int, f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == nil {
		p.set = map[string][]planned{}
	}
	p.set[kind] = append(p.set[kind], planned{n, n + times - 1, f})
}

// Down takes a service away: no call to it gets an answer, until it is up again.
func (p *Plan) Down(service string, away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down == nil {
		p.down = map[string]bool{}
	}
	p.down[service] = away
}

// Calls are the kinds of call that came, in the order of their first ones, and how often each did.
func (p *Plan) Calls() (kinds []string, count map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	count = make(map[string]int, len(p.calls))
	for kind, n := range p.calls {
		count[kind] = n
	}
	return slices.Clone(p.order), count
}

// Settle waits for the effects that come late.
func (p *Plan) Settle() { p.under.Wait() }

// Hit is how many calls went wrong.
func (p *Plan) Hit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hit
}

// next counts a call and says what becomes of it.
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

// Before puts the plan before a service. kind tells the kinds of call apart; they are the service's name, a blank and what kind says.
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

// serve lets one call go wrong. What comes late is counted in under.
func (f Fault) serve(w http.ResponseWriter, r *http.Request, next http.Handler, under *sync.WaitGroup) {
	answer := &recorder{header: http.Header{}, status: http.StatusOK}
	switch {
	case f.Kind == ResetRequest:
		_, _ = io.CopyN(io.Discard, r.Body, max(1, r.ContentLength/2)) // what breaks off is the point
		panic(http.ErrAbortHandler)
	case f.Effect == After:
		next.ServeHTTP(answer, r)
	case f.Effect == Late:
		body, _ := io.ReadAll(r.Body) // a client that has gone is none to answer
		again := r.Clone(context.WithoutCancel(r.Context()))
		again.Body = io.NopCloser(bytes.NewReader(body))
		under.Go(func() {
			defer func() { _ = recover() }() // a proxy that can't go on says so by http.ErrAbortHandler
			time.Sleep(late)
			next.ServeHTTP(answer, again)
		})
	default:
		_, _ = io.Copy(io.Discard, r.Body) // a client that has gone is none to answer
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

// recorder takes an answer that is not to reach the client as it is.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
