package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"o2archiver/local/appbuild"
)

const (
	killGrace = 2 * time.Second        // from a function's timeout to the kill of the handler
	blobPause = 100 * time.Millisecond // between two tries of a blob's event
	maxAnswer = 16 << 20               // bytes of an answer that are read
)

// StandIn is the stand-in for the Functions host. It is safe for concurrent use.
type StandIn struct {
	functions map[string]appbuild.Function
	process   *process
	web       *web // nil: no function has an HTTP trigger
	client    *http.Client
	log       *lines
	timeout   time.Duration
	grace     time.Duration // from the timeout to the kill
	pause     time.Duration
	now       func() time.Time
	tries     int           // of a blob's event
	places    chan struct{} // a semaphore of blobs in progress

	mu     sync.Mutex
	poison []Poison
}

// Poison is a message of the queue webjobs-blobtrigger-poison, which receives a blob's event after its last try.
type Poison struct {
	Type          string // BlobTrigger
	FunctionID    string `json:"FunctionId"` // Host.Functions.<name>
	BlobType      string
	ContainerName string
	BlobName      string
	ETag          string
}

// Start runs a built app in the stand-in and returns when the handler answers. ctx applies to the start only.
func Start(ctx context.Context, o Options) (*StandIn, error) {
	if err := appbuild.Check(o.App); err != nil {
		return nil, fmt.Errorf("check the staged app: %w", err)
	}
	config, functions, err := appbuild.Read(o.App)
	if err != nil {
		return nil, err
	}
	if err := o.resolved(functions); err != nil {
		return nil, err
	}
	h := &StandIn{
		functions: map[string]appbuild.Function{}, client: &http.Client{Transport: &http.Transport{}},
		log: &lines{to: o.Log}, timeout: o.Timeout, grace: o.Timeout, pause: o.Pause, now: o.Now,
		tries: config.Extensions.Blobs.Poison, places: make(chan struct{}, max(1, config.Extensions.Blobs.Parallel)),
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.timeout == 0 {
		h.grace = killGrace
		if h.timeout, err = parseClock(config.FunctionTimeout); err != nil {
			return nil, fmt.Errorf("host.json: functionTimeout: %w", err)
		}
	}
	for _, f := range functions {
		h.functions[f.Name] = f
	}
	app, err := filepath.Abs(o.App)
	if err != nil {
		return nil, err
	}
	h.process = newProcess(filepath.Join(app, config.CustomHandler.Description.Path), app, o.Env, h.log, h.now)
	if err := h.process.start(); err != nil {
		return nil, err
	}
	if err := h.process.await(ctx); err != nil {
		h.process.stop()
		return nil, fmt.Errorf("start the handler: %w", err)
	}
	for _, f := range functions {
		if f.Trigger().Type != appbuild.HTTPTrigger {
			continue
		}
		if h.web, err = newWeb(f, h.functions, h.process, h.log, o.Pause); err != nil {
			h.process.stop()
			return nil, err
		}
	}
	return h, nil
}

// URL returns the address at which the host serves the app's HTTP trigger, http://127.0.0.1:<port>. It is empty for an
// app without one, for which the real host serves its own paths only.
func (h *StandIn) URL() string {
	if h.web == nil {
		return ""
	}
	return h.web.url
}

// Stop implements Host. The handler is killed without notice, as in Azure when an instance is taken away.
func (h *StandIn) Stop() error {
	if h.web != nil {
		_ = h.web.stop() // the requests that it ended are those of clients of this machine
	}
	h.process.stop()
	h.client.CloseIdleConnections()
	return nil
}

// Kill kills the handler, as the host does when a function's time is over; every invocation in it fails. The host
// starts it again, without counting the exit. Ready waits for that.
func (h *StandIn) Kill() { h.process.kill() }

// Ready returns when the handler answers, or with the reason why it never will. An invocation between the end of a
// handler and the start of the next one fails at once, as in the real host.
func (h *StandIn) Ready(ctx context.Context) error { return h.process.await(ctx) }

// Pid returns the process ID of the handler that runs now, or ran last; it changes with every restart.
func (h *StandIn) Pid() int { return h.process.pid() }

// Poisoned returns the events that were given up so far.
func (h *StandIn) Poisoned() []Poison {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Poison(nil), h.poison...)
}

// Run implements Host, for timers only: a blob's function is started by Deliver.
func (h *StandIn) Run(ctx context.Context, function, input string) (int, error) {
	f, ok := h.functions[function]
	if !ok {
		return http.StatusNotFound, fmt.Errorf("there is no function %s", function)
	}
	if f.Trigger().Type != "timerTrigger" {
		return http.StatusBadRequest, fmt.Errorf("function %s is no timer: deliver a blob to it", function)
	}
	tries, pause := 1, h.pause
	if f.Retry != nil {
		tries += f.Retry.Max
		if pause == 0 {
			var err error
			if pause, err = parseClock(f.Retry.Delay); err != nil {
				return 0, fmt.Errorf("function %s: delayInterval: %w", function, err)
			}
		}
	}
	return h.repeat(ctx, function, tries, pause, func(try int) ([]byte, error) {
		return timerBody(function, f.Trigger().Name, input, h.now(), try, tries)
	})
}

// Deliver delivers the event of a new blob to the function whose trigger's path it matches, and returns after the last
// try; the event of a blob that failed every time is then in Poisoned. The real host may deliver an event twice, late,
// or never: a caller has to simulate that. At most maxDegreeOfParallelism (host.json) events are in progress; the
// others wait.
func (h *StandIn) Deliver(ctx context.Context, uri string, p Properties) (int, error) {
	container, blob, err := splitURI(uri)
	if err != nil {
		return 0, err
	}
	f, name, ok := h.match(container + "/" + blob)
	if !ok {
		return 0, errors.New("no function's trigger has a path that the blob matches")
	}
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	status, err := h.repeat(ctx, f.Name, h.tries, blobPause, func(int) ([]byte, error) {
		return blobBody(f.Name, f.Trigger().Name, uri, name, p, h.now())
	})
	if errors.Is(err, ErrFailed) {
		h.mu.Lock()
		h.poison = append(h.poison,
			Poison{"BlobTrigger", "Host.Functions." + f.Name, "BlockBlob", container, blob, p.ETag})
		h.mu.Unlock()
		h.log.say("host: an event of function " + f.Name + " went to the poison queue")
	}
	return status, err
}

// match returns the function for a blob and the value of {name}, which may contain slashes.
func (h *StandIn) match(path string) (f appbuild.Function, name string, ok bool) {
	for _, f := range h.functions {
		if f.Trigger().Type != "blobTrigger" {
			continue
		}
		before, after, _ := strings.Cut(f.Trigger().Path, "{name}")
		rest, ok := strings.CutPrefix(path, before)
		if name, also := strings.CutSuffix(rest, after); ok && also && name != "" {
			return f, name, true
		}
	}
	return f, "", false
}

// splitURI splits a blob's address, of Azure (with the account in the host name) or an emulator's (in the path).
func splitURI(uri string) (container, blob string, err error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", "", errors.New("the blob's address is none")
	}
	path := strings.TrimPrefix(u.Path, "/")
	if net.ParseIP(u.Hostname()) != nil {
		_, path, _ = strings.Cut(path, "/")
	}
	container, blob, ok := strings.Cut(path, "/")
	if !ok || blob == "" {
		return "", "", errors.New("the blob's address names no blob")
	}
	return container, blob, nil
}

// repeat tries an invocation as often as the host does. Every try has an ID of its own (Functions host 4.1045: retries
// of a timer, too).
func (h *StandIn) repeat(ctx context.Context, function string, tries int, pause time.Duration,
	body func(try int) ([]byte, error)) (int, error) {
	var status int
	for try := range tries {
		if try > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return status, context.Cause(ctx)
			}
		}
		raw, err := body(try)
		if err != nil {
			return 0, err
		}
		id := newGUID()
		status, err = h.invoke(ctx, function, id, raw)
		if ctx.Err() != nil {
			return status, context.Cause(ctx)
		}
		if err == nil {
			h.log.say(fmt.Sprintf("host: executed %s (succeeded, id %s)", function, id))
			return status, nil
		}
		h.log.say(fmt.Sprintf("host: executed %s (failed, id %s): %v", function, id, err))
	}
	return status, fmt.Errorf("%w: function %s, %d tries, last status %d", ErrFailed, function, tries, status)
}

// invoke runs one try. When its time is over it has failed; a moment later the whole handler is killed.
func (h *StandIn) invoke(ctx context.Context, function, id string, raw []byte) (int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.timeout, errTimeout)
	defer cancel()
	status, err := h.post(ctx, function, id, raw)
	if errors.Is(context.Cause(ctx), errTimeout) {
		// The handler is not killed together with the invocation: it, and others in it, continue for these two seconds.
		time.AfterFunc(h.grace, h.process.kill)
		return 0, errTimeout
	}
	return status, err
}

// errTimeout is the cause of the end of an invocation's time.
var errTimeout = errors.New("functionTimeout is over")

// post sends the invocation to the handler, and returns when it has answered or ctx has ended.
func (h *StandIn) post(ctx context.Context, function, id string, raw []byte) (int, error) {
	// The connection must outlive ctx: when the time is over, the host does not close it but kills the handler.
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost,
		h.process.address()+"/"+function, bytes.NewReader(raw))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Azure-Functions-Host/"+hostVersion)
	req.Header.Set("X-Azure-Functions-HostVersion", hostVersion)
	req.Header.Set("X-Azure-Functions-InvocationId", id)
	// Functions host 4.1045: each try has a trace ID of its own, sampled or not.
	req.Header.Set("Traceparent", newTraceparent())
	type outcome struct {
		status int
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		status, err := h.send(req)
		done <- outcome{status, err}
	}()
	var got outcome
	select {
	case got = <-done:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if errors.Is(got.err, errHangs) {
		h.log.say("host: function " + function + " answered with nothing; the invocation hangs until its time is over")
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}
	return got.status, got.err
}

// errHangs reports an answer after which the host waits until the invocation's time is over.
var errHangs = errors.New("an answer that hangs the invocation")

// send sends the request and treats the answer as the host does.
func (h *StandIn) send(req *http.Request) (int, error) {
	resp, err := h.client.Transport.RoundTrip(req) // a redirect is not followed: it counts as a failure
	if err != nil {
		return 0, errors.New("the handler gave no answer")
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, errors.New("the handler's answer broke off")
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, fmt.Errorf("status %d", resp.StatusCode) // the body is ignored
	}
	answer = bytes.TrimSpace(answer)
	if len(answer) == 0 || bytes.Equal(answer, []byte("null")) {
		return 0, errHangs
	}
	// Anything but an object is an error, and so are Logs that are not a list of strings.
	var object struct {
		Outputs map[string]json.RawMessage
		Logs    []string
	}
	if err := json.Unmarshal(answer, &object); err != nil {
		return 0, errors.New("the handler's answer is not the JSON object that the host expects")
	}
	for _, line := range object.Logs {
		h.log.say(line)
	}
	return resp.StatusCode, nil
}
