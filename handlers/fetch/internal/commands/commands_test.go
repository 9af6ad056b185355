package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/collector"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/control"
	"o2archiver/shared/funchost"
	"o2archiver/shared/source/telemessage/client"
)

// turnResult is what a turn of the collector returns.
type turnResult struct {
	collector.Result
	err  error
	hang bool // until the turn's time is over
}

// script is a collector that plays the results of a test.
type script struct {
	turns []turnResult
	asked []string
}

func (s *script) play(ctx context.Context, what string) (collector.Result, error) {
	s.asked = append(s.asked, what)
	if len(s.turns) == 0 {
		return collector.Result{}, errors.New("the script has ended")
	}
	next := s.turns[0]
	s.turns = s.turns[1:]
	if next.hang {
		<-ctx.Done()
		return next.Result, context.Cause(ctx)
	}
	return next.Result, next.err
}

func (s *script) RunDue(ctx context.Context, command string, _ *slog.Logger) (collector.Result, error) {
	return s.play(ctx, "run")
}

func (s *script) Backfill(ctx context.Context, command string, r schedule.Range, _ *slog.Logger) (
	collector.Result, error) {
	return s.play(ctx, "backfill "+r.From.Format(time.DateOnly)+" "+r.To.Format(time.DateOnly))
}

// CountRange implements Collector: each turn of the script has the counts of its windows, and then its error.
func (s *script) CountRange(ctx context.Context, r schedule.Range, window int, each func(int64, bool) error) error {
	s.asked = append(s.asked, fmt.Sprintf("count from window %d", window))
	next := s.turns[0]
	s.turns = s.turns[1:]
	for range next.Slices {
		if err := each(int64(next.Received), next.Received > 0); err != nil {
			return err
		}
	}
	return next.err
}

// office is an archive with commands of fetch, and a Runner.
type office struct {
	t      *testing.T
	store  *archive.Store
	script *script
	runner *Runner
	log    archivetest.Lines
	put    int

	notSetUp string
	unbuilt  error
}

func newOffice(t *testing.T, links []Check, turns ...turnResult) *office {
	t.Helper()
	storage := archivetest.ForTest(t, nil)
	o := newOfficeOn(t, storage, storage, links, turns...)
	if err := o.store.CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

// linksOf returns what a Source has of these checks.
func linksOf(links []Check) func() []Check {
	if links == nil {
		return nil
	}
	return func() []Check { return links }
}

// newOfficeOn returns an office on a storage without containers, or with those of another office.
func newOfficeOn(t *testing.T, storage *archivetest.Storage, way http.RoundTripper, links []Check,
	turns ...turnResult) *office {
	t.Helper()
	store, err := archive.Open(archive.Config{
		ConnectionString: storage.ConnectionString(), HTTP: &http.Client{Transport: way}})
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, store: store, script: &script{turns: turns}}
	o.runner = New(Options{
		Queue: control.NewQueue(control.Options{
			App: "fetch", Commands: store.Commands(), Answers: store.Status(), Now: time.Now}),
		Source: func(context.Context, *slog.Logger) (Source, error) {
			return Source{Intake: OfSite(o.script), Links: linksOf(links), NotSetUp: o.notSetUp}, o.unbuilt
		},
	})
	return o
}

func (o *office) ask(content any) string {
	o.t.Helper()
	o.put++
	name := control.Name(time.Now().Add(time.Duration(o.put)*time.Second), fmt.Sprintf("%08x", o.put))
	if _, err := o.store.Commands().Put(o.t.Context(), "fetch/"+name+".json", content, "", nil); err != nil {
		o.t.Fatal(err)
	}
	return name
}

func (o *office) turn() Result {
	o.t.Helper()
	res, err := o.runner.Turn(o.t.Context(), slog.New(slog.NewJSONHandler(&o.log, nil)))
	if err != nil {
		o.t.Fatal(err)
	}
	return res
}

func (o *office) answer(name string) (a control.Answer) {
	o.t.Helper()
	if _, err := o.store.Status().Get(o.t.Context(), "answers/"+name+".json", &a); err != nil {
		o.t.Fatal(err)
	}
	return a
}

// line is an answer in one line: its state, how far it is, and what it says.
func line(a control.Answer) string { return fmt.Sprintf("%s %d/%d: %s", a.State, a.Done, a.Of, a.Says) }

func threeDays() map[string]any {
	to := time.Now().UTC().Truncate(24 * time.Hour)
	return map[string]any{"kind": "backfill", "from": to.AddDate(0, 0, -3), "to": to}
}

func estimateOf(command map[string]any) map[string]any {
	command["kind"] = "estimate"
	return command
}

// Each story is the turns of one command, and what its answer says after each.
func TestAnswers(t *testing.T) {
	watermark := time.Date(2026, 11, 23, 5, 20, 0, 0, time.UTC)
	run, site := map[string]any{"kind": "run"}, errors.New("the TeleMessage site is not available: answered 503")
	tests := []struct {
		name    string
		command map[string]any
		turns   []turnResult
		want    []string
	}{
		{"a run", run, []turnResult{{Result: collector.Result{Slices: 2, Watermark: watermark}}},
			[]string{"done 2/2: everything is fetched up to 2026-11-23T05:20:00Z"}},
		{"a run beside another one", run,
			[]turnResult{{err: funchost.ErrBusy}, {Result: collector.Result{Slices: 1, Watermark: watermark}}},
			[]string{"working 0/0: a run is under way; the command continues after it",
				"done 1/1: everything is fetched up to 2026-11-23T05:20:00Z"}},
		{"a run that needs two turns", run,
			[]turnResult{{hang: true}, {Result: collector.Result{Slices: 1, Watermark: watermark}}},
			[]string{"working 0/0: at work; the next turn continues",
				"done 1/1: everything is fetched up to 2026-11-23T05:20:00Z"}},
		{"wrong password", run, []turnResult{{Result: collector.Result{Open: 1, Refused: true}}},
			[]string{"failed 0/1: the site refuses the user name or the password: set the password in " +
				"the portal (Settings, Source), or with infra/password; the next daily run then fetches what is due, " +
				"and what this command planned"}},
		{"a backfill", threeDays(),
			[]turnResult{{Result: collector.Result{Open: 2}, hang: true},
				{Result: collector.Result{Open: 1}, err: site}, {}},
			[]string{"working 1/3: at work; the next turn continues",
				"working 2/3: not finished, and tried again: the TeleMessage site is not available: answered 503",
				"done 3/3: the range is fetched; import takes its batches up as they come"}},
		{"a backfill beside a run", threeDays(),
			[]turnResult{{Result: collector.Result{Open: 2}, err: site}, {err: funchost.ErrBusy}, {}},
			[]string{"working 1/3: not finished, and tried again: the TeleMessage site is not available: answered 503",
				"working 1/3: a run is under way; the command continues after it",
				"done 3/3: the range is fetched; import takes its batches up as they come"}},
		{"a checkpoint that cannot be read", threeDays(), []turnResult{{err: archive.ErrContent}, {}},
			[]string{"working 0/3: not finished, and tried again: its content is not the JSON that is expected",
				"done 3/3: the range is fetched; import takes its batches up as they come"}},
		{"an estimate", estimateOf(threeDays()),
			[]turnResult{{Result: collector.Result{Slices: 1, Received: 7}, err: site},
				{Result: collector.Result{Slices: 1}, err: client.ErrUnavailable},
				{Result: collector.Result{Slices: 1, Received: 5}}},
			[]string{"working 1/3: not finished, and tried again: the TeleMessage site is not available: answered 503",
				"working 2/3: not finished, and tried again: " + client.ErrUnavailable.Error(),
				"done 3/3: the site counts 12 items in 3 windows; it states no count for 1 of them"}},
		{"an estimate with a wrong password", estimateOf(threeDays()), []turnResult{{err: client.ErrCredentials}},
			[]string{"failed 0/3: the site refuses the user name or the password: " + setPassword +
				", and ask again"}},
		{"an estimate of what cannot be fetched", estimateOf(threeDays()),
			[]turnResult{{err: fmt.Errorf("%w: to lies in the future", funchost.ErrInput)}},
			[]string{"refused 0/0: bad input: to lies in the future"}},
		{"a range that cannot be fetched", threeDays(),
			[]turnResult{{err: fmt.Errorf("%w: from does not lie before to", funchost.ErrInput)}},
			[]string{"refused 0/0: bad input: from does not lie before to"}},
		{"a pause", threeDays(), []turnResult{{Result: collector.Result{Open: 3, Paused: true}}, {}},
			[]string{"working 0/3: fetch is paused: the command continues when it is started again",
				"done 3/3: the range is fetched; import takes its batches up as they come"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(10 * 365 * 24 * time.Hour)
				o := newOffice(t, nil, tt.turns...)
				name := o.ask(tt.command)
				for i, want := range tt.want {
					o.turn()
					if diff := cmp.Diff(want, line(o.answer(name))); diff != "" {
						t.Errorf("turn %d (-want +got):\n%s", i+1, diff)
					}
				}
				if res := o.turn(); res != (Result{}) {
					t.Errorf("a finished command is taken up again: %+v", res)
				}
			})
		})
	}
}

// If the site refuses the password, no other command of the turn tries it: the site counts refused tries.
func TestRefusedPasswordIsTriedOnce(t *testing.T) {
	o := newOffice(t, nil, turnResult{Result: collector.Result{Open: 1, Refused: true}})
	names := []string{o.ask(threeDays()), o.ask(map[string]any{"kind": "run"}), o.ask(threeDays()),
		o.ask(map[string]any{"kind": "check"})}
	o.turn()
	if len(o.script.asked) != 1 {
		t.Errorf("the site was tried %d times: %v", len(o.script.asked), o.script.asked)
	}
	for i, name := range names {
		want := control.Failed
		if i == 3 {
			want = control.Done
		}
		if got := o.answer(name); got.State != want {
			t.Errorf("command %d: %s", i, line(got))
		}
	}
}

// A command that never ends is given up after a bound, and neither a pause of weeks nor another run counts.
func TestCommandThatNeverEnds(t *testing.T) {
	var turns []turnResult
	for range 40 {
		turns = append(turns, turnResult{Result: collector.Result{Paused: true}}, turnResult{err: funchost.ErrBusy})
	}
	for range 40 {
		turns = append(turns, turnResult{err: client.ErrUnavailable})
	}
	o := newOffice(t, nil, turns...)
	name := o.ask(map[string]any{"kind": "run"})
	for range turns {
		o.turn()
	}
	got := o.answer(name)
	if tried := len(o.script.asked) - 80; got.State != control.Failed || tried != maxTries ||
		!strings.HasPrefix(got.Says, "given up after many turns") {
		t.Errorf("after %d tries: %s", tried, line(got))
	}
}

// A backfill that takes whole turns does not keep a check from its own, and one that hangs ends with the turn.
func TestLeastTriedGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(10 * 365 * 24 * time.Hour)
		o := newOffice(t, nil, turnResult{hang: true}, turnResult{Result: collector.Result{Slices: 1}},
			turnResult{hang: true})
		long := o.ask(threeDays())
		began := time.Now()
		o.turn()
		if took := time.Since(began); took != turn {
			t.Errorf("the turn took %v, want %v", took, turn)
		}
		short := o.ask(map[string]any{"kind": "run"})
		o.turn()
		if got := o.answer(short); got.State != control.Done {
			t.Errorf("the other command: %s", line(got))
		}
		if got := o.answer(long); got.State != control.Working || got.Tries != 2 {
			t.Errorf("the long one: %s, %d tries", line(got), got.Tries)
		}
	})
}

// A check tries every link: one that hangs, or fails, keeps no other from being tried, and each says what helps.
func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(10 * 365 * 24 * time.Hour)
		help := func(err error) string { return "help against: " + err.Error() }
		o := newOffice(t, []Check{
			{"hangs", func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }, help},
			{"fails", func(context.Context) (string, error) { return "", client.ErrCredentials }, help},
			{"works", func(context.Context) (string, error) { return "as it should", nil }, help},
		})
		name := o.ask(map[string]any{"kind": "check"})
		o.turn()
		got := o.answer(name)
		if want := "done 0/0: 2 of 3 links do not work, or could not be tried"; line(got) != want {
			t.Errorf("%s, want %s", line(got), want)
		}
		want := []control.Link{
			{Link: "hangs", State: control.LinkFailed, Says: "no answer within 30s",
				Do: "help against: context deadline exceeded"},
			{Link: "fails", State: control.LinkFailed, Says: "the TeleMessage site refuses the credentials",
				Do: "help against: the TeleMessage site refuses the credentials"},
			{Link: "works", State: control.LinkOK, Says: "works; as it should"},
		}
		if diff := cmp.Diff(want, got.Links); diff != "" {
			t.Errorf("links (-want +got):\n%s", diff)
		}
		if !o.log.Has(slog.LevelInfo, `"event":"fetch.commandFinished"`) {
			t.Errorf("log:\n%s", o.log.String())
		}
	})
}

// The process dies after the n-th write of an estimate, for every n, and the next one goes on: each window is counted
// once in the answer, and the estimate ends once.
func TestEstimateKilledAtEveryWrite(t *testing.T) {
	for n, more := 0, true; more; n++ {
		synctest.Test(t, func(t *testing.T) { // the dying process waits for its storage
			storage := archivetest.ForTest(t, nil)
			o := newOfficeOn(t, storage, storage, nil)
			if err := o.store.CreateContainers(t.Context()); err != nil {
				t.Fatal(err)
			}
			to := time.Now().UTC().Truncate(24 * time.Hour)
			name := o.ask(map[string]any{"kind": "estimate", "from": to.AddDate(0, 0, -40), "to": to})
			ctx, kill := context.WithCancel(t.Context())
			death := archivetest.DieAfter(n, archivetest.IsWrite, kill)
			dying := newOfficeOn(t, storage, storage.Through(death.Rule), nil,
				turnResult{Result: collector.Result{Slices: 40, Received: 3}})
			_, _ = dying.runner.Turn(ctx, slog.New(slog.DiscardHandler))
			kill()
			more = death.Dead()
			o.script.turns = []turnResult{{Result: collector.Result{Slices: 40 - o.saved(name).Done, Received: 3}}}
			o.turn()
			if a := o.answer(name); a.State != control.Done || a.Done != 40 || a.Counts[control.CountItems] != 120 {
				t.Errorf("after %d writes: %+v", n, a)
			}
		})
	}
}

// saved returns the answer as it is, or none.
func (o *office) saved(name string) (a control.Answer) {
	o.t.Helper()
	_, err := o.store.Status().Get(o.t.Context(), "answers/"+name+".json", &a)
	if err != nil && !errors.Is(err, archive.ErrNotFound) {
		o.t.Fatal(err)
	}
	return a
}

// A command waits for the end of the set-up, and no try counts; a check and an estimate do not wait. Settings that
// cannot be used are an answer, too.
func TestCommandsBeforeTheEndOfTheSetUp(t *testing.T) {
	o := newOffice(t, []Check{{Link: "site", Try: func(context.Context) (string, error) { return "", nil }}},
		turnResult{Result: collector.Result{Slices: 3, Received: 2}}, turnResult{})
	o.notSetUp = "the set-up is not finished"
	run, check, estimate := o.ask(map[string]any{"kind": "run"}), o.ask(map[string]any{"kind": "check"}),
		o.ask(estimateOf(threeDays()))
	o.turn()
	got := o.answer(run)
	if got.State != control.Working || got.Tries != 0 || !strings.Contains(got.Says, "not set up") {
		t.Errorf("a run: %+v", got)
	}
	for _, name := range []string{check, estimate} {
		if got := o.answer(name); got.State != control.Done {
			t.Errorf("%+v", got)
		}
	}
	o.notSetUp, o.unbuilt = "", fmt.Errorf("%w: DELIVERY_SFTP_HOST is no host", funchost.ErrSettings)
	check = o.ask(map[string]any{"kind": "check"})
	o.turn()
	if got := o.answer(run); got.State != control.Working || !strings.Contains(got.Says, "DELIVERY_SFTP_HOST") {
		t.Errorf("a run with bad settings: %+v", got)
	}
	if got := o.answer(check); got.State != control.Done || len(got.Links) != 1 || got.Links[0].Link != "settings" ||
		got.Links[0].State != control.LinkFailed {
		t.Errorf("a check of bad settings: %+v", got)
	}
	o.unbuilt = nil
	o.turn()
	if got := o.answer(run); got.State != control.Done {
		t.Errorf("the run after all: %+v", got)
	}
}
