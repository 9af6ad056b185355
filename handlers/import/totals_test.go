package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/control"
	"o2archiver/shared/journal"
	"o2archiver/shared/tally"
)

// checkTotals compares the table and the reports with the journals, to the last number, for the runs of the batches.
func (w *world) checkTotals() {
	w.t.Helper()
	table := w.openTotals(w.way())
	runs := map[string]bool{}
	for _, batch := range w.batches {
		runs[archive.RunOf(batch)] = true
		w.checkRow(table, batch)
	}
	for run := range runs {
		w.checkRun(table, run)
	}
}

// checkRow compares the row and the document of one batch with its journal.
func (w *world) checkRow(table *tally.Table, batch string) {
	w.t.Helper()
	state, length, err := journal.ReadLength(w.t.Context(), w.store.Logs(), batch)
	if err != nil {
		w.t.Fatal(err)
	}
	row, err := table.Get(w.t.Context(), batch)
	if err != nil {
		w.t.Errorf("%s: %v", batch, err)
		return
	}
	if diff := cmp.Diff(tally.OfBatch(state, length), row.Batch); diff != "" {
		w.t.Errorf("%s: the row is not that of its journal (-want +got):\n%s", batch, diff)
	}
	if n := row.Reasons[tally.OtherReason]; n > 0 {
		w.t.Errorf("%s: %d records have a reason that the totals do not know", batch, n)
	}
	var doc tally.Unmapped
	_, err = w.store.Reports().Get(w.t.Context(), tally.UnmappedName(batch), &doc)
	switch {
	case errors.Is(err, archive.ErrNotFound) && row.Unmapped == 0:
		return
	case err != nil:
		w.t.Errorf("%s: its unmapped numbers: %v", batch, err)
		return
	}
	data, _, err := w.store.Batches().Read(w.t.Context(), batch)
	if err != nil {
		w.t.Fatal(err)
	}
	want := tally.OfUnmapped(data, state, length, "GB")
	if diff := cmp.Diff(want.Lines, doc.Lines); diff != "" || len(doc.Lines) != row.Unmapped {
		w.t.Errorf("%s: unmapped, of %d lines (-want +got):\n%s", batch, row.Unmapped, diff)
	}
}

// checkRun compares the row of a run, and its part of the users of its day, with the journals.
func (w *world) checkRun(table *tally.Table, run string) {
	w.t.Helper()
	var rows []tally.Batch
	users := tally.Mailboxes{}
	staged, batches := 0, 0
	for b, err := range w.store.Batches().InRun(w.t.Context(), run) {
		if err != nil {
			w.t.Fatal(err)
		}
		staged += b.Records
		batches++
		state, length, err := journal.ReadLength(w.t.Context(), w.store.Logs(), b.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		rows = append(rows, tally.OfBatch(state, length))
		users.AddAll(rows[len(rows)-1].Mailboxes)
	}
	manifest, err := w.store.Batches().ReadManifest(w.t.Context(), run, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	got, _, err := table.GetRun(w.t.Context(), run)
	got.Written = time.Time{}
	if diff := cmp.Diff(tally.OfRun(run, rows, &manifest, batches, staged), got); err != nil || diff != "" {
		w.t.Errorf("%s: %v: the row is not that of its journals (-want +got):\n%s", run, err, diff)
	}
	if err := got.Totals.Holds(); err != nil || !got.Closed {
		w.t.Errorf("%s: closed %v, %v", run, got.Closed, err)
	}
	var doc tally.Users
	name := tally.UsersName(tally.WindowOf(run, manifest))
	if _, err := w.store.Reports().Get(w.t.Context(), name, &doc); err != nil {
		w.t.Fatal(err)
	}
	w.checkNumbers(run)
	if diff := cmp.Diff(users, doc.Runs[run]); diff != "" {
		w.t.Errorf("%s: users (-want +got):\n%s", run, diff)
	}
}

// checkNumbers compares the document of a run's unmapped numbers with those of its batches.
func (w *world) checkNumbers(run string) {
	w.t.Helper()
	var all []tally.Unmapped
	for _, batch := range w.batches {
		var u tally.Unmapped
		_, err := w.store.Reports().Get(w.t.Context(), tally.UnmappedName(batch), &u)
		if archive.RunOf(batch) != run || errors.Is(err, archive.ErrNotFound) {
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, u)
	}
	want, got := tally.OfRunUnmapped(all), tally.NoMailboxes{}
	_, err := w.store.Reports().Get(w.t.Context(), tally.NoMailboxesName(run), &got)
	if errors.Is(err, archive.ErrNotFound) && len(want.Numbers) == 0 {
		return
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		w.t.Errorf("%s: %v: unmapped numbers (-want +got):\n%s", run, err, diff)
	}
}

// An import writes its totals; a run that has ended has its own, and its users.
func TestTotalsOfARun(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, withoutGus)
		a := w.start()
		w.unmapped(a)
		a.deliver(w.put(w.texts("m", 3)...))
		w.finishRun()
		a.swept("")
		w.checkTotals()
		var doc tally.Unmapped
		if _, err := w.store.Reports().Get(t.Context(), tally.UnmappedName(w.batches[0]), &doc); err != nil ||
			len(doc.Lines) != 1 || len(doc.Lines[0].Named) == 0 {
			t.Errorf("unmapped %+v, %v", doc, err)
		}
		name := w.command(replayOf(w.folder)) // Gus has a mailbox by now
		a.swept("")
		a.swept("")
		w.answerTo(name)
		w.checkTotals()
		var names tally.Names
		if _, err := w.store.Reports().Get(t.Context(), tally.NamesDocument, &names); err != nil ||
			names.Names[gus.id()] == "" || names.Names[ali.id()] != ali.email {
			t.Errorf("names %+v, %v", names, err)
		}
	})
}

// An importer dies after its n-th write, for every n, in an import, a sweep that closes the run, and a replay: the
// sweeps after it make the totals right. The short form takes every fourth n.
func TestTotalsKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	step := 4
	if os.Getenv("SOAK") != "" {
		step = 1
	}
	for n, more := 0, true; more; n += step {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t, withoutGus)
			batch := w.unmapped(w.start())
			second := w.put(w.line(sms("m2", "to a guest, who has a mailbox", otto, gus)))
			w.finishRun()
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			death := archivetest.DieAfter(n, isWriteOfTotals, kill)
			dying := w.start(doubt(time.Second), func(s *start) { s.rule = death.Rule })
			dying.event(ctx, second)
			dying.invoke(ctx, "sweep", map[string]string{"timer": ""})
			dying.invoke(ctx, "sweep", map[string]string{"timer": `{"replay":"` + batch + `"}`})
			dying.invoke(ctx, "sweep", map[string]string{"timer": ""})
			more = death.Dead()
			time.Sleep(2 * time.Minute) // the claims and leases of the dead are over
			a := w.start(doubt(time.Second))
			for range 3 {
				a.swept("")
				time.Sleep(10 * time.Minute)
			}
			w.checkTotals()
		})
		if t.Failed() {
			t.Fatalf("killed after write %d", n)
		}
		if !more && n < 15 {
			t.Errorf("only %d writes: the test does not reach what it should", n)
		}
	}
}

// isWriteOfTotals reports whether a request is a write of the totals, or one that they depend on.
func isWriteOfTotals(r *http.Request) bool {
	return archivetest.IsWrite(r) && slices.ContainsFunc([]string{"/totals", "/reports/", "/journal/", "/sweeps/"},
		func(part string) bool { return strings.Contains(r.URL.Path, part) })
}

// While the table is missing or fails, imports succeed and are hardly late; it is said once, and sweep writes what is
// missing when the table is back.
func TestTableFailsNoImport(t *testing.T) {
	for name, fault := range map[string]archivetest.Fault{
		"refuses": archivetest.Refuse, "stalls": archivetest.Stall, "breaks": archivetest.Reset,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				var away atomic.Bool
				away.Store(true)
				a := w.start(func(s *start) {
					s.rule = func(r *http.Request) archivetest.Fault {
						if away.Load() && strings.Contains(r.URL.Path, "/totals") {
							return fault
						}
						return archivetest.Pass
					}
				})
				began := time.Now()
				for n := range 5 {
					a.deliver(w.put(w.texts(fmt.Sprintf("m%d", n), 1)...))
				}
				if took := time.Since(began); took > time.Minute {
					t.Errorf("five imports took %v", took)
				}
				if n := w.log.Count(`"event":"import.totalsLate"`); n != 1 {
					t.Errorf("said %d times", n)
				}
				w.finishRun()
				a.swept("")
				if !w.log.Has(slog.LevelError, `"event":"import.totalsFailed"`) {
					t.Error("the sweep does not say that it could not write the totals")
				}
				away.Store(false)
				a.swept("")
				w.checkTotals()
			})
		})
	}
}

// Random days with kills and replays: what is written is what the journals have, to the last number. SOAK=all is the
// long form.
func TestTotalsOfRandomDays(t *testing.T) {
	t.Parallel()
	days := 2
	if os.Getenv("SOAK") != "" {
		days = 400
	}
	first, _ := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	for seed := first; seed < first+uint64(days) && !t.Failed(); seed++ {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t, withoutGus)
			w.randomDay(rand.New(rand.NewPCG(seed, 15)))
			w.checkTotals()
		})
		if t.Failed() {
			t.Errorf("SEED=%d", seed)
		}
	}
}

// randomDay imports some runs with events that come twice, late or never, sweeps and replays, and importers that die
// anywhere.
func (w *world) randomDay(random *rand.Rand) {
	var last []string // of the runs
	people := []person{ali, jane, gus, otto}
	for run := range 1 + random.IntN(3) {
		w.folder = time.Now().UTC().AddDate(0, 0, -random.IntN(3)).Format("2006/01/02") + fmt.Sprintf("/run%d", run)
		for b := range 1 + random.IntN(4) {
			var lines []raw
			for l := range 1 + random.IntN(5) {
				id := fmt.Sprintf("m%d-%d-%d", run, b, l)
				if random.IntN(8) == 0 {
					lines = append(lines, raw(`{"v":1,"items":"no entry"}`))
					continue
				}
				lines = append(lines, w.line(sms(id, "text "+id, people[random.IntN(4)], people[random.IntN(4)])))
			}
			last = append(last, w.put(lines...))
		}
		w.finishRun()
	}
	for range 4 + random.IntN(8) {
		batch := last[random.IntN(len(last))]
		ctx, kill := context.WithCancel(w.t.Context())
		counts := archivetest.IsWrite
		if random.IntN(2) == 0 { // near the totals
			counts = isWriteOfTotals
		}
		death := archivetest.DieAfter(random.IntN(12), counts, kill)
		a := w.start(doubt(time.Second), func(s *start) { s.rule = death.Rule })
		switch random.IntN(5) {
		case 0, 1:
			a.event(ctx, batch)
		case 2:
			a.invoke(ctx, "sweep", map[string]string{"timer": ""})
		case 3:
			licensed := tenant()[3]
			licensed.MailboxCode = []string{"", "ErrorInvalidUser"}[random.IntN(2)]
			w.graph.SetUser(licensed)
			a.invoke(ctx, "sweep", map[string]string{"timer": `{"replay":"` + archive.RunOf(batch) + `"}`})
		default:
			w.command(replayOf(batch))
		}
		kill()
		time.Sleep(time.Duration(1+random.IntN(20)) * time.Minute)
	}
	a := w.start(doubt(time.Second))
	for range 4 {
		a.swept("")
		time.Sleep(10 * time.Minute)
	}
}

// The command writes all totals anew, also rows that claim a longer journal than there is, and continues where a sweep
// had no more time or was killed.
func TestTallyByCommand(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, withoutGus)
		a := w.start()
		for n := range 3 {
			w.folder = time.Now().UTC().AddDate(0, 0, -40+n).Format("2006/01/02") + "/run"
			a.deliver(w.put(w.texts(fmt.Sprintf("d%d", n), 2)...))
			w.finishRun()
		}
		w.folder = time.Now().UTC().Format("2006/01/02") + "/run"
		w.unmapped(a)
		w.finishRun()
		a.swept("")
		table := w.openTotals(w.way())
		for i, batch := range w.batches[:2] {
			row, err := table.Get(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			wrong := row.Batch
			wrong.Length, wrong.More = row.Length*int64(i), 7 // one of no length, and one of the right one
			if err := table.Replace(t.Context(), batch, wrong, row.ETag); err != nil {
				t.Fatal(err)
			}
		}
		name := w.command(map[string]string{"kind": "tally"})
		ctx, kill := context.WithCancel(t.Context())
		defer kill()
		death := archivetest.DieAfter(6, archivetest.IsWrite, kill)
		w.start(func(s *start) { s.rule = death.Rule }).invoke(ctx, "sweep", map[string]string{"timer": ""})
		time.Sleep(2 * time.Minute)
		a.swept("")
		if got := w.answerTo(name); got.State != control.Done || got.Done != 4 || got.Of != 4 {
			t.Errorf("answer %+v", got)
		}
		w.checkTotals()
	})
}
