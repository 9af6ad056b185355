package main

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/control"
)

// forTrial puts two batches with one record of each outcome that a dry run has, and returns the run.
func (w *world) forTrial(a *app) (run string) {
	w.t.Helper()
	a.deliver(w.put(w.line(sms("m0", "was imported before", otto, ali))))
	w.put(
		w.line(sms("m0", "was imported before", otto, ali)),
		w.line(sms("m1", "to two, one of whom has it", otto, ali, jane)),
		w.line(sms("m1", "to two, one of whom has it", otto, ali, jane)), // archived for another owner
		w.line(sms("m2", "for a guest", otto, gus)),
		raw(`{"v":7}`),
		w.line(item{"messageId": "hb", "messageType": "SYSTEM"}),
	)
	w.put(w.line(w.file(sms("m3", "with a file", otto, jane), "large.bin", noise(5000, 1))),
		w.line(piece3("p1", 1, "in "), piece3("p2", 2, "three "), piece3("p3", 3, "pieces")))
	return w.folder
}

// counts returns the counts that are not 0.
func counts(a control.Answer) map[string]int64 {
	all := maps.Clone(a.Counts)
	maps.DeleteFunc(all, func(_ string, n int64) bool { return n == 0 })
	return all
}

// wholeTrial are the counts of the three batches. A long SMS counts as its three items; m1's second record has no copy
// of its own.
var wholeTrial = map[string]int64{control.CountRecords: 11, control.CountImport: 5, control.CountPresent: 3,
	control.CountUnmapped: 1, control.CountExcluded: 1, control.CountQuarantined: 1, control.CountCopies: 5,
	control.CountOversize: 1}

// A dry run says what would become of each record, also while import is paused, and changes nothing at all but its
// answer.
func TestDryRun(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		run := w.forTrial(w.start())
		w.document(`{"v":1,"paused":{"import":true}}`)
		var writes []string
		a := w.start(set("MAX_ITEM_SIZE", "4kB"), func(s *start) {
			s.rule = func(r *http.Request) archivetest.Fault {
				if archivetest.IsWrite(r) {
					writes = append(writes, r.Method+" "+r.URL.Path)
				}
				return archivetest.Pass
			}
			s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/$batch") {
					t.Errorf("a request to Graph: %s", r.Method)
				}
				return w.toGraph.RoundTrip(r)
			})
		})
		name := w.command(map[string]string{"kind": "dryrun", "what": run})
		a.swept("")
		got := w.answerTo(name)
		if diff := cmp.Diff(wholeTrial, counts(got)); diff != "" || got.State != control.Done || got.Of != 3 ||
			!strings.HasPrefix(got.Says, "of 11 records 5 would be imported, with 5 copies") {
			t.Errorf("answer %+v (-want +got):\n%s", got, diff)
		}
		for _, write := range writes {
			if !strings.Contains(write, "/reports/answers/") {
				t.Errorf("a write to storage: %s", write)
			}
		}
		w.holds(jane)
		for _, f := range w.graph.Folders(jane.id()) {
			if strings.HasPrefix(f.DisplayName, "O2 ") {
				t.Error("the folder was made in a mailbox")
			}
		}
		for what, says := range map[string]string{run + "/09999.ndjson": "no batch of that name",
			"2020/01/01/none": "no run or batch"} {
			name := w.command(map[string]string{"kind": "dryrun", "what": what})
			a.swept("")
			if got := w.answerTo(name); got.State != control.Refused || !strings.Contains(got.Says, says) {
				t.Errorf("%s: %+v", what, got)
			}
		}
	})
}

// A sweep that makes a dry run dies after its n-th write, for every n, and the next one goes on: each batch is counted
// once.
func TestDryRunKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	for n, more := 0, true; more; n++ {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t)
			run := w.forTrial(w.start())
			w.document(`{"v":1,"paused":{"import":true}}`)
			name := w.command(map[string]string{"kind": "dryrun", "what": run})
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			death := archivetest.DieAfter(n, archivetest.IsWrite, kill)
			dying := w.start(set("MAX_ITEM_SIZE", "4kB"), func(s *start) { s.rule = death.Rule })
			dying.invoke(ctx, "sweep", map[string]string{"timer": ""})
			more = death.Dead()
			time.Sleep(2 * time.Minute)
			w.start(set("MAX_ITEM_SIZE", "4kB")).swept("")
			got := w.answerTo(name)
			if diff := cmp.Diff(wholeTrial, counts(got)); diff != "" || got.State != control.Done {
				t.Errorf("after %d writes: answer %+v (-want +got):\n%s", n, got, diff)
			}
		})
	}
}

// A replay of lines, or of a reason, leaves all other records as they are.
func TestReplayOfSomeRecords(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, withoutGus)
		a := w.start()
		batch := w.put(w.line(sms("m1", "one for a guest", otto, gus)), raw(`{"v":7}`),
			w.line(sms("m2", "another for the guest", otto, gus)), w.line(sms("m3", "for both of them", ali, gus)))
		other := w.put(w.line(sms("m4", "for Ali alone", otto, ali)))
		a.deliver(batch)
		a.deliver(other)
		w.became(batch, "unmapped", "quarantined", "unmapped", "archived: ali imported")
		licensed := tenant()[3]
		licensed.MailboxCode = ""
		w.graph.SetUser(licensed)

		lines := w.command(map[string]any{"kind": "replay", "what": batch, "lines": []int{3, 9}})
		a.swept("")
		w.became(batch, "unmapped", "quarantined", "archived: gus imported", "archived: ali imported")
		w.holds(gus, "m2")
		reason := w.command(map[string]any{"kind": "replay", "what": w.folder, "reason": "noMailbox"})
		a.swept("")
		w.became(batch, "archived: gus imported", "quarantined", "archived: gus imported", "archived: ali imported")
		w.holds(gus, "m1", "m2")
		whole := w.command(replayOf(w.folder))
		a.swept("")
		w.became(batch, "archived: gus imported", "quarantined", "archived: gus imported",
			"archived: ali imported, gus imported")
		for _, name := range []string{lines, reason, whole} {
			if got := w.answerTo(name); got.State != control.Done {
				t.Errorf("answer %+v", got)
			}
		}
		unknown := w.command(map[string]any{"kind": "replay", "what": w.folder, "reason": "bad weather"})
		none := w.command(map[string]any{"kind": "replay", "what": w.folder, "reason": "weather"})
		a.swept("")
		for _, name := range []string{unknown, none} {
			got := w.answerTo(name)
			if got.State != control.Refused || !strings.Contains(got.Says, "its reason is none") {
				t.Errorf("answer %+v", got)
			}
		}
		if n := w.log.Count(slog.LevelError.String(), "import."); n != 0 {
			t.Errorf("%d errors are logged", n)
		}
		w.balanced(batch)
	})
}

// Two replays of one batch for different records do not replace each other.
func TestReplaysOfDifferentRecords(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, withoutGus)
		batch := w.unmapped(w.start())
		w.document(`{"v":1,"paused":{"import":true}}`)
		a := w.start()
		var names []string
		for _, lines := range [][]int{{1}, {2}} {
			names = append(names, w.command(map[string]any{"kind": "replay", "what": batch, "lines": lines}))
			a.swept("")
		}
		w.document(`{"v":1}`)
		a.swept("")
		w.became(batch, "archived: gus imported")
		for _, name := range names {
			if got := w.answerTo(name); got.State != control.Done || strings.Contains(got.Says, "later command") {
				t.Errorf("answer %+v", got)
			}
		}
	})
}
