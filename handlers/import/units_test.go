package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/handlers/import/internal/sweeper"
)

// unit is a unit of work of which one is made to take for ever.
type unit struct {
	graph   func(s *scenario, r *http.Request) *http.Response // nil: the request goes through
	storage func(s *scenario, r *http.Request) *http.Response
	begin   func(s *scenario)
	quiet   bool // nothing fails: the alert is for the run that is never finished
	whole   int  // the number of the batch that is stuck as a whole; 0: one item of the first
}

// scenario is three days of two batches each. Of two of them the event was lost; in one there is the unit that is
// stuck.
type scenario struct {
	w       *world
	batches []string
	runs    []string
	stuck   string // the batch
}

// hang waits for the end of the request.
func hang(r *http.Request) *http.Response {
	<-r.Context().Done()
	return nil
}

// trickle answers with bytes that never end.
func trickle(r *http.Request) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}, "Etag": {`"x"`}},
		ContentLength: 1 << 20, Body: io.NopCloser(&drip{r}), Request: r}
}

type drip struct{ r *http.Request }

func (d *drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(20 * time.Millisecond):
		p[0] = ' '
		return 1, nil
	case <-d.r.Context().Done():
		return 0, d.r.Context().Err()
	}
}

func answerOf(r *http.Request, status int, header, value, body string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	if header != "" {
		h.Set(header, value)
	}
	return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: h,
		Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

// ofKim reports whether the request is about Kim's mailbox.
func ofKim(r *http.Request, what string) bool {
	return strings.Contains(r.URL.Path, kim.id()) && strings.Contains(r.URL.Path, what)
}

const moving = `{"error":{"code":"ErrorMailboxMoveInProgress","message":"x"}}`

// units are the units of work of import, each with ways in which it never ends.
func units() map[string]unit {
	graph := func(what string, do func(r *http.Request) *http.Response) unit {
		return unit{graph: func(_ *scenario, r *http.Request) *http.Response {
			if !ofKim(r, what) {
				return nil
			}
			return do(r)
		}}
	}
	storage := func(what string, do func(r *http.Request) *http.Response) unit {
		return unit{whole: 1, storage: func(s *scenario, r *http.Request) *http.Response {
			if !strings.Contains(r.URL.Path, what+strings.TrimSuffix(s.stuck, ".ndjson")) {
				return nil
			}
			return do(r)
		}}
	}
	lookUp := func(odd *oddLookUp) unit {
		odd.text = "kim"
		return unit{graph: func(s *scenario, r *http.Request) *http.Response {
			if !strings.HasSuffix(r.URL.Path, "/$batch") {
				return nil
			}
			resp, err := odd.send(r, s.w.toGraph)
			if err != nil {
				return answerOf(r, http.StatusServiceUnavailable, "", "", "")
			}
			return resp
		}}
	}
	away := func(r *http.Request) *http.Response {
		return answerOf(r, http.StatusServiceUnavailable, "", "", moving)
	}
	later := func(r *http.Request) *http.Response {
		return answerOf(r, http.StatusTooManyRequests, "Retry-After", "600", moving)
	}
	denied := func(r *http.Request) *http.Response {
		return answerOf(r, http.StatusForbidden, "X-Ms-Error-Code", "AuthorizationPermissionMismatch", "")
	}
	return map[string]unit{
		"mailbox hangs":                graph("/messages", hang),
		"mailbox trickles":             graph("/messages", trickle),
		"mailbox fails":                graph("/messages", away),
		"mailbox asks for ever longer": graph("/messages", later),
		"folder hangs":                 graph("/mailFolders", hang),
		"folder fails":                 graph("/mailFolders", away),
		"address times out":            lookUp(&oddLookUp{status: http.StatusGatewayTimeout, code: "UnknownError"}),
		"address is throttled":         lookUp(&oddLookUp{status: http.StatusTooManyRequests, code: "TooManyRequests"}),
		"address has no answer":        lookUp(&oddLookUp{}),
		"batch hangs":                  storage("/batches/", hang),
		"batch trickles":               storage("/batches/", trickle),
		"batch is denied":              storage("/batches/", denied),
		"journal hangs":                storage("/journal/", hang),
		"journal is denied":            storage("/journal/", denied),
		"journal is held": {quiet: true, whole: 1, begin: func(s *scenario) {
			logs := s.w.store.Logs()
			lease, _, err := logs.Acquire(s.w.t.Context(), strings.TrimSuffix(s.stuck, ".ndjson")+".jsonl")
			if err != nil || lease == nil {
				s.w.t.Fatalf("acquire a journal: %v", err)
			}
			s.w.t.Cleanup(lease.Release)
		}},
		"run can't be listed": {whole: 2, storage: func(s *scenario, r *http.Request) *http.Response {
			if r.URL.Query().Get("prefix") != s.runs[0]+"/" {
				return nil
			}
			return denied(r)
		}},
		"replay never ends": {begin: func(s *scenario) {
			state := sweeper.Replays{Open: []sweeper.Replay{{ID: "never", What: s.runs[0], At: time.Now()}}}
			if _, err := s.w.store.Sweeps().Put(s.w.t.Context(), sweeper.ReplaysBlob, state, "", nil); err != nil {
				s.w.t.Fatal(err)
			}
		}, graph: func(_ *scenario, r *http.Request) *http.Response {
			if !ofKim(r, "/messages") {
				return nil
			}
			return hang(r)
		}},
	}
}

// Whatever unit of work takes for ever: all other items are archived by the deliveries and the next two sweeps, and
// an alert tells of the one that is stuck.
func TestNothingBlocksOtherWork(t *testing.T) {
	t.Parallel()
	events := alertEvents(t)
	together(t, units(), func(t *testing.T, u unit) {
		w := newWorld(t)
		s := &scenario{w: w}
		a := w.start(doubt(1500*time.Millisecond), func(st *start) { st.transport = u.way(s, w.toGraph, u.graph) },
			through(u.way(s, w.way(), u.storage)), lookUpWait(2*time.Second), sweepTimes(func(t *sweeper.Times) {
				t.Look = 10 * time.Second
			}))
		s.fill()
		if u.begin != nil {
			u.begin(s)
		}
		// Two events are lost; the others come together. If the first batch is stuck, its delivery is cut off after
		// them.
		ctx, end := context.WithCancel(t.Context())
		defer end()
		var group, stuck sync.WaitGroup
		stuck.Go(func() { a.event(ctx, s.batches[0]) })
		for _, i := range []int{2, 3, 5} {
			group.Go(func() { a.event(t.Context(), s.batches[i]) })
		}
		group.Wait()
		if u.whole != 2 {
			end()
		}
		stuck.Wait()
		for range 2 {
			a.sweepUntil(func() bool { return s.archived(u) })
		}
		s.check(u)
		a.retime(sweeper.Times{
			Idle: 300 * time.Millisecond, Short: time.Second, Long: 300 * time.Millisecond, Look: time.Second,
			Lease: 18 * time.Second,
		})
		// the sweep itself may take no time
		for began := time.Now(); !u.quiet && !s.told(events); time.Sleep(time.Second) {
			if a.sweep(""); time.Since(began) > longEnough {
				t.Error("no line of the log is one that an alert asks for")
				break
			}
		}
		if n := w.log.Count(`"event":"import.runFinished"`, `"run":"`+s.runs[0]+`"`); n != 0 ||
			!events["import.runFinished"] {
			t.Error("the run that is stuck is told as finished")
		}
	})
}

// longEnough ends a test that fails: no test ends by it that ends well.
const longEnough = 3 * time.Minute

// sweepUntil runs a sweep, and ends it once something is so.
func (a *app) sweepUntil(so func() bool) {
	ctx, end := context.WithTimeout(a.w.t.Context(), longEnough)
	defer end()
	over := make(chan struct{})
	go func() {
		defer close(over)
		a.invoke(ctx, "sweep", map[string]string{"timer": ""})
	}()
	for ctx.Err() == nil && !so() {
		select {
		case <-over:
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
	end()
	<-over
}

// sweepAll sweeps until a sweep finds nothing: a lease may last for some seconds more, and a turn may be over before
// its batch is.
func (a *app) sweepAll() {
	a.w.t.Helper()
	for began := time.Now(); ; time.Sleep(time.Second) {
		var res sweeper.Result
		if got := a.sweep(""); got.status == http.StatusOK {
			if got.result(a.w.t, &res); res == (sweeper.Result{}) {
				return
			}
		}
		if time.Since(began) > longEnough {
			a.w.t.Errorf("the last sweep %+v", res)
			return
		}
	}
}

// archived reports whether all is done but what is stuck.
func (s *scenario) archived(u unit) bool {
	for i, batch := range s.batches {
		state := s.w.state(batch)
		_, first := state.Record(1)
		_, second := state.Record(2)
		if u.whole != i+1 && (!first || !second || batch != s.stuck && !state.Done) {
			return false
		}
	}
	return true
}

// fill writes the batches.
func (s *scenario) fill() {
	w := s.w
	for day := range 3 {
		run := runOf(3-day, "run")
		s.runs = append(s.runs, run)
		for seq := 1; seq <= 2; seq++ {
			id := fmt.Sprintf("d%d-%d-", day, seq)
			lines := []raw{w.line(sms(id+"a", "one of many texts", jane, ali)),
				w.line(sms(id+"b", "one of many texts", ali, jane))}
			if day == 0 && seq == 1 {
				lines = append(lines, w.line(sms("stuck", "for the one that is stuck", otto, kim)))
			}
			s.batches = append(s.batches, w.putIn(run, seq, lines...))
		}
		w.close(run)
	}
	s.stuck = s.batches[0]
}

// told reports whether the log has what an alert asks for: that the batch is stuck, or that sweep has failed three
// times.
func (s *scenario) told(events map[string]bool) bool {
	stuck := s.w.log.Count(`"level":"ERROR"`, `"event":"import.batchStuck"`, `"run":"`+s.runs[0]+`"`)
	failed := s.w.log.Count(`"event":"host.invocationFailed"`, `"function":"sweep"`)
	return stuck > 0 && events["import.batchStuck"] || failed >= 3 && events["host.invocationFailed"]
}

// way is a transport on which the unit is stuck; what is not goes on.
func (u unit) way(s *scenario, on http.RoundTripper,
	stuck func(*scenario, *http.Request) *http.Response) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if stuck != nil && s.stuck != "" {
			if resp := stuck(s, r); resp != nil {
				return resp, nil
			}
			if err := r.Context().Err(); err != nil {
				return nil, err
			}
		}
		return on.RoundTrip(r)
	})
}

// check holds the mailboxes and journals to what is archived whatever is stuck.
func (s *scenario) check(u unit) {
	s.w.t.Helper()
	var want []string
	for i, batch := range s.batches {
		if u.whole == i+1 {
			continue
		}
		want = append(want, fmt.Sprintf("d%d-%d-a", i/2, i%2+1), fmt.Sprintf("d%d-%d-b", i/2, i%2+1))
		if batch != s.stuck && !s.w.state(batch).Done {
			s.w.t.Errorf("batch %s is not finished", batch)
		}
	}
	s.w.holds(ali, want...)
	s.w.holds(jane, want...)
}

// alertEvents are the events that the alerts' queries ask for.
func alertEvents(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../../infra/queries/*.kql")
	if err != nil || len(files) == 0 {
		t.Fatalf("queries: %v", err)
	}
	events := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(file) == "errors.kql" { // it leaves out what it names
			continue
		}
		for _, m := range regexp.MustCompile(`'(import\.\w+|host\.\w+)'`).FindAllStringSubmatch(string(text), -1) {
			events[m[1]] = true
		}
	}
	return events
}
