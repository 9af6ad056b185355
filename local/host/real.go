package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"o2archiver/local/appbuild"
)

const (
	funcStart = 90 * time.Second // it takes 2 s, and longer on a busy machine
	funcStop  = 10 * time.Second

	// byHand is the reason that the host logs for an invocation through its admin endpoint.
	byHand = "This function was programmatically called via the host APIs."
)

// Real is the real Functions host: func start in the built app's folder.
type Real struct {
	url   string
	cmd   *exec.Cmd
	log   *lines
	tries map[string]int // by function: tries of an invocation
	ended chan struct{}

	hand map[string]chan struct{} // one slot per function: the log can't distinguish two manual runs of it

	mu       sync.Mutex
	watchers map[chan event]bool
}

// event is a line of the host's log about an invocation.
type event struct {
	function, id string
	started      bool // manually
	succeeded    bool
}

// StartFunc runs a built app in the real host, func from PATH, and returns when the host is running. The settings must
// include AzureWebJobsStorage; the host finds new blobs by itself. ctx applies to the start only.
func StartFunc(ctx context.Context, o Options) (*Real, error) {
	path, err := exec.LookPath("func")
	if err != nil {
		return nil, errors.New("func is not on PATH: install the Azure Functions Core Tools 4 " +
			"(https://learn.microsoft.com/azure/azure-functions/functions-run-local)")
	}
	_, functions, err := appbuild.Read(o.App)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	h := &Real{
		url: fmt.Sprintf("http://127.0.0.1:%d", port), log: &lines{to: o.Log}, ended: make(chan struct{}),
		tries: map[string]int{}, hand: map[string]chan struct{}{}, watchers: map[chan event]bool{},
	}
	for _, f := range functions {
		h.tries[f.Name], h.hand[f.Name] = 1, make(chan struct{}, 1)
		if f.Retry != nil {
			h.tries[f.Name] += f.Retry.Max
		}
	}
	h.cmd = exec.Command(path, "start", "--port", fmt.Sprint(port))
	if h.cmd.Dir, err = filepath.Abs(o.App); err != nil {
		return nil, err
	}
	h.cmd.Env = append(append(os.Environ(),
		"FUNCTIONS_WORKER_RUNTIME=custom", "FUNCTIONS_CORE_TOOLS_TELEMETRY_OPTOUT=1"), o.Env...)
	ownGroup(h.cmd, syscall.SIGINT) // not SIGKILL, which would leave its handler running
	out, in := io.Pipe()
	h.cmd.Stdout, h.cmd.Stderr = in, in
	if err := h.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start func: %w", err)
	}
	go followOutput(out, h.read)
	go func() {
		_ = h.cmd.Wait() // the reason is in its log
		in.Close()
		close(h.ended)
	}()
	if err := h.await(ctx, functions); err != nil {
		_ = h.Stop()
		return nil, fmt.Errorf("start func: %w", err)
	}
	return h, nil
}

// await returns when the host reports that it is running and knows every function.
func (h *Real) await(ctx context.Context, functions []appbuild.Function) error {
	ctx, cancel := context.WithTimeout(ctx, funcStart)
	defer cancel()
	for {
		var status struct{ State string }
		if h.get(ctx, "/admin/host/status", &status) && status.State == "Running" {
			known := true
			for _, f := range functions {
				known = known && h.get(ctx, "/admin/functions/"+f.Name, &struct{}{})
			}
			if known {
				return nil
			}
		}
		select {
		case <-h.ended:
			return errors.New("it ended; its log tells why")
		case <-ctx.Done():
			return fmt.Errorf("it is not up yet: %w", context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// get requests a path of the host, and reports whether it was answered with valid JSON.
func (h *Real) get(ctx context.Context, path string, into any) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+path, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(into) == nil
}

var (
	executing = regexp.MustCompile(
		`Executing 'Functions\.([^']+)' \(Reason='` + regexp.QuoteMeta(byHand) + `', Id=([0-9a-f-]+)\)`)
	executed = regexp.MustCompile(`Executed 'Functions\.([^']+)' \((Succeeded|Failed), Id=([0-9a-f-]+),`)
)

// read logs a line of the host's output, and extracts the results of invocations, which the host reports nowhere else.
// It depends on the level Information for the categories of functions in host.json.
func (h *Real) read(line string) {
	h.log.say(line)
	var e event
	if m := executing.FindStringSubmatch(line); m != nil {
		e = event{function: m[1], id: m[2], started: true}
	} else if m := executed.FindStringSubmatch(line); m != nil {
		e = event{function: m[1], id: m[3], succeeded: m[2] == "Succeeded"}
	} else {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		select {
		case w <- e:
		default: // the channel has room for 1,000 events
		}
	}
}

// watch returns a channel of the events from now on. done must be called when it is no longer read.
func (h *Real) watch() (events chan event, done func()) {
	events = make(chan event, 1000)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers[events] = true
	return events, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers, events)
	}
}

// Run implements Host. The host does not report the handler's status, so it is 200 for success and 500 for failure.
// Manual runs of one function are serialized.
func (h *Real) Run(ctx context.Context, function, input string) (int, error) {
	place, ok := h.hand[function]
	if !ok {
		return http.StatusNotFound, fmt.Errorf("there is no function %s", function)
	}
	select {
	case place <- struct{}{}:
		defer func() { <-place }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	events, done := h.watch()
	defer done()
	if status, err := h.ask(ctx, function, input); err != nil {
		return status, err
	}
	id, tries := "", 0
	for {
		select {
		case e := <-events:
			switch {
			case e.function != function:
			case e.started:
				id = e.id
			case e.id == id && e.succeeded:
				return http.StatusOK, nil
			case e.id == id:
				if tries++; tries == h.tries[function] {
					return http.StatusInternalServerError,
						fmt.Errorf("%w: function %s, %d tries", ErrFailed, function, tries)
				}
			}
		case <-h.ended:
			return 0, errors.New("the host ended")
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// ask posts to the admin endpoint. Functions host 4.1045 answers 202 before the function runs, and 400 if the input is
// not a string.
func (h *Real) ask(ctx context.Context, function, input string) (int, error) {
	raw, err := json.Marshal(map[string]string{"input": input})
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/admin/functions/"+function,
		bytes.NewReader(raw))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json") // without it the answer is 415
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask the host to run function %s: %w", function, err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return resp.StatusCode, fmt.Errorf("ask the host to run function %s: status %d", function, resp.StatusCode)
	}
	return resp.StatusCode, nil
}

// Kill kills the host and its handler, as when an instance is taken away. Invocations in progress are lost, and the
// next host finds no new blob for up to 60 s, until this one's lease has expired.
func (h *Real) Kill() {
	_ = killGroup(h.cmd) // it may have ended already
	<-h.ended
}

// URL returns the address at which the host serves the app's HTTP trigger, http://127.0.0.1:<port>.
func (h *Real) URL() string { return h.url }

// Ended returns a channel that is closed when the host has ended, for whatever reason.
func (h *Real) Ended() <-chan struct{} { return h.ended }

// Pid returns the host's process ID; its handler is in the same process group.
func (h *Real) Pid() int { return h.cmd.Process.Pid }

// Stop implements Host. On SIGINT the host ends its handler and releases the leases that the next host needs to find
// blobs; a host that is killed keeps them for up to 60 s.
func (h *Real) Stop() error {
	_ = h.cmd.Process.Signal(os.Interrupt) // it may have ended already
	select {
	case <-h.ended:
		return nil
	case <-time.After(funcStop):
	}
	_ = killGroup(h.cmd)
	<-h.ended
	return fmt.Errorf("func did not stop within %v and was killed", funcStop)
}
