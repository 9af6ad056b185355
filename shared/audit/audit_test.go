package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
)

var evening = time.Date(2026, 11, 29, 23, 50, 0, 0, time.UTC)

// desk is an archive in memory, in a bubble of testing/synctest: pauses take no time.
type desk struct {
	t       *testing.T
	storage *archivetest.Storage
	clock   *archivetest.Clock
	log     *Log // without faults
}

func inBubble(t *testing.T, test func(t *testing.T, d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(evening))
		d := &desk{t: t, storage: archivetest.ForTest(t, nil), clock: archivetest.NewClock(evening)}
		if err := d.open(d.storage).CreateContainers(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.log = d.through(d.storage)
		test(t, d)
	})
}

func (d *desk) open(way http.RoundTripper) *archive.Store {
	d.t.Helper()
	store, err := archive.Open(archive.Config{ConnectionString: d.storage.ConnectionString(),
		HTTP: &http.Client{Transport: way}})
	if err != nil {
		d.t.Fatal(err)
	}
	return store
}

// through returns the log of a process whose requests go another way.
func (d *desk) through(way http.RoundTripper) *Log {
	return New(Options{Logs: d.open(way).Audit(), Now: d.clock.Now})
}

func entry(form string) Entry {
	return Entry{By: "0b1c", Name: "jane@contoso.example", Role: "administrator", Action: "mapping.replaced",
		Object: "sha256-" + form, Count: 3, Says: "Put the mapping file in force", Form: form}
}

func (d *desk) append(e Entry) {
	d.t.Helper()
	if err := d.log.Append(d.t.Context(), e); err != nil {
		d.t.Fatal(err)
	}
}

// forms returns the forms of all days, after the log was verified.
func (d *desk) forms() (all []string) {
	d.t.Helper()
	if _, err := d.log.Verify(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	days, err := d.log.Days(d.t.Context(), "")
	for _, day := range days {
		lines, n, rerr := d.log.Read(d.t.Context(), day, 10_000)
		err = errors.Join(err, rerr)
		if n != len(lines) {
			d.t.Errorf("%d lines of %d", len(lines), n)
		}
		for _, l := range lines {
			all = append(all, l.Form)
		}
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return all
}

func TestChainFromDayToDay(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		if p, err := d.log.Verify(t.Context()); err != nil || p != (Proof{}) {
			t.Errorf("an empty log: %+v, %v", p, err)
		}
		d.append(entry("a"))
		d.append(entry("b"))
		d.append(entry("a")) // sent twice
		d.clock.Add(3 * 24 * time.Hour)
		d.append(entry("b")) // as the page was left for days
		d.append(entry("c"))
		d.append(entry("b"))
		other := entry("c")
		other.Action, other.At = "settings.size", time.Time{}
		d.append(other) // another change by the same form
		d.clock.Add(-2 * 24 * time.Hour)
		d.append(entry("d")) // by a host whose clock is behind
		if diff := cmp.Diff([]string{"a", "b", "c", "c", "d"}, d.forms()); diff != "" {
			t.Errorf("forms (-want +got):\n%s", diff)
		}
		days, err := d.log.Days(t.Context(), "2026")
		if diff := cmp.Diff([]string{"2026/11/29", "2026/12/02"}, days); diff != "" || err != nil {
			t.Errorf("%v, days (-want +got):\n%s", err, diff)
		}
		if p, err := d.log.Verify(t.Context()); err != nil || p.Days != 3 || p.Lines != 7 || !p.Whole ||
			len(p.Last) != 64 {
			t.Errorf("%+v, %v", p, err)
		}
		lines, all, err := d.log.Read(t.Context(), "2026/11/29", 1)
		want := entry("b")
		want.At = evening
		if len(lines) != 1 || all != 2 || err != nil || !cmp.Equal(want, lines[0].Entry) {
			t.Errorf("%d lines, %v: %+v", all, err, lines)
		}
		if lines, all, err := d.log.Read(t.Context(), "2026/11/30", 1); len(lines) != 0 || all != 0 || err != nil {
			t.Errorf("a day without a log: %v, %v", lines, err)
		}
	})
}

// What is not of its form is not written, and the error repeats nothing of it. A name and a sentence are made fit.
func TestEntriesThatAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		for _, e := range []Entry{
			{By: "x", Action: "day.closed"}, {By: "x", Action: "mail.read"}, {By: "x", Action: "terms"},
			{By: "x"}, {Action: "terms.accepted"}, {By: "SECRET\n", Action: "terms.accepted"},
			{By: "x", Action: "terms.accepted", Form: "SECRET form"},
			{By: "x", Action: "terms.accepted", Object: "SECRÉT"},
			{By: "x", Action: "terms.accepted", Object: strings.Repeat("x", maxID+1)},
		} {
			if err := d.log.Append(t.Context(), e); !errors.Is(err, errEntry) || strings.Contains(err.Error(), "SECR") {
				t.Errorf("%+v: %v", e, err)
			}
		}
		long := entry("a")
		long.Name, long.Says = strings.Repeat("é\n\xff", 1000), strings.Repeat("\u0001<&>", 1000)
		d.append(long)
		lines, _, err := d.log.Read(t.Context(), "2026/11/29", 10)
		if err != nil || len(lines) != 1 || len(lines[0].Name) > maxName || len(lines[0].Says) > maxSays ||
			strings.ContainsFunc(lines[0].Name, unicode.IsControl) || !utf8.ValidString(lines[0].Name) {
			t.Errorf("%v: %+v", err, lines)
		}
	})
}

// story appends four entries, the last two of them on a new day.
func (d *desk) story(ctx context.Context, l *Log) error {
	for i, form := range []string{"a", "b", "c", "d"} {
		if err := l.Append(ctx, entry(form)); err != nil {
			return err
		}
		if i == 1 {
			d.clock.Add(20 * time.Minute)
		}
	}
	return nil
}

// A process may die after any of its writes: the next one appends what is left, once, on the same day or days later.
func TestKilledAtEveryWrite(t *testing.T) {
	for _, later := range []time.Duration{time.Minute, 3 * 24 * time.Hour} {
		t.Run(later.String(), func(t *testing.T) { killAtEveryWrite(t, later) })
	}
}

func killAtEveryWrite(t *testing.T, later time.Duration) {
	t.Helper()
	for n, more := 0, true; more; n++ {
		inBubble(t, func(t *testing.T, d *desk) {
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			death := archivetest.DieAfter(n, archivetest.IsWrite, kill)
			if err := d.story(ctx, d.through(d.storage.Through(death.Rule))); (err == nil) == death.Dead() {
				t.Errorf("killed after %d writes: %v, %v", n, death.Dead(), err)
			}
			d.clock.Add(later)
			if err := d.story(t.Context(), d.log); err != nil {
				t.Fatal(err)
			}
			got := d.forms()
			if later > 24*time.Hour { // a form of days ago may count as another one
				slices.Sort(got)
				got = slices.Compact(got)
			}
			if diff := cmp.Diff([]string{"a", "b", "c", "d"}, got); diff != "" {
				t.Errorf("killed after %d writes, forms (-want +got):\n%s", n, diff)
			}
			// The first line with its log, two entries with theirs, the end of the day, two entries with theirs.
			if more = death.Dead(); !more && n != 9 {
				t.Errorf("%d writes", n)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// Of each write the first answer is lost: nothing is written twice.
func TestAnswersAreLost(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		writes := 0
		l := d.through(d.storage.Through(func(r *http.Request) archivetest.Fault {
			if archivetest.IsWrite(r) {
				if writes++; writes%2 == 1 {
					return archivetest.Lose
				}
			}
			return archivetest.Pass
		}))
		if err := d.story(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"a", "b", "c", "d"}, d.forms()); diff != "" || writes < 10 {
			t.Errorf("%d writes, forms (-want +got):\n%s", writes, diff)
		}
	})
}

// Several processes append at once, also while the day ends, and one form is sent to each of them.
func TestWritersAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		var all sync.WaitGroup
		want := []string{"twice"}
		for w := range 4 {
			l := d.through(d.storage)
			if w == 3 { // its clock is ahead, by more than the day has left
				l.opts.Now = func() time.Time { return d.clock.Now().Add(15 * time.Minute) }
			}
			for n := range 5 {
				want = append(want, fmt.Sprintf("%d-%d", w, n))
			}
			all.Go(func() {
				for n := range 5 {
					for _, form := range []string{fmt.Sprintf("%d-%d", w, n), "twice"}[:1+n%2] {
						if err := l.Append(t.Context(), entry(form)); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		all.Wait()
		got := d.forms()
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("forms (-want +got):\n%s", diff)
		}
	})
}

// Another process is first each time: the entry is given up, and nothing of it is written.
func TestOtherWritersAreFirstEachTime(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.append(entry("a"))
		n := 0
		l := d.through(d.storage.Through(func(r *http.Request) archivetest.Fault {
			if archivetest.IsWrite(r) {
				n++
				d.append(entry(fmt.Sprintf("other-%d", n)))
			}
			return archivetest.Pass
		}))
		if err := l.Append(t.Context(), entry("late")); !errors.Is(err, ErrBusy) || n != maxTries {
			t.Errorf("after %d tries: %v", n, err)
		}
		if got := d.forms(); len(got) != 1+maxTries || slices.Contains(got, "late") {
			t.Errorf("forms %v", got)
		}
	})
}

// The caller's time ends while other processes are first: that is no reason to report that the log is busy.
func TestTimeEndsWhileOthersWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.append(entry("a"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n := 0
		l := d.through(d.storage.Through(func(r *http.Request) archivetest.Fault {
			if archivetest.IsWrite(r) {
				n++
				d.append(entry(fmt.Sprintf("other-%d", n)))
			}
			return archivetest.Pass
		}))
		began := time.Now()
		err := l.Append(ctx, entry("late"))
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrBusy) || time.Since(began) != time.Second {
			t.Errorf("after %v and %d tries: %v", time.Since(began), n, err)
		}
	})
}

func TestFullDay(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.append(entry("a"))
		at, err := d.log.readEnd(t.Context(), "2026/11/29")
		if err != nil {
			t.Fatal(err)
		}
		at.size = maxDay
		if err := d.log.appendAt(t.Context(), at, entry("b")); !errors.Is(err, ErrFull) {
			t.Errorf("an entry: %v", err)
		}
		closing := Entry{At: evening, Action: Closed}
		if err := d.log.appendAt(t.Context(), at, closing); !errors.Is(err, archive.ErrChanged) {
			t.Errorf("the end of the day is tried all the same: %v", err)
		}
		least, err := encodeLine(firstHash, Entry{At: evening, By: "x", Action: "terms.a"})
		if err != nil || maxDay/len(least) >= 50_000 {
			t.Errorf("a day may have %d lines, and a blob takes 50,000 appends (%v)", maxDay/len(least), err)
		}
	})
}

// Nothing is appended to a log that is not as it was written.
func TestNoEntryAfterTampering(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.append(entry("a"))
		at, err := d.log.readEnd(t.Context(), "2026/11/29")
		if err == nil {
			err = d.log.opts.Logs.Append(t.Context(), at.day, at.size, []byte("x\n"))
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := d.log.Append(t.Context(), entry("b")); !errors.Is(err, ErrTampered) {
			t.Errorf("an entry: %v", err)
		}
	})
}

// Whatever a log holds, it is read or refused; what is read is linked.
func FuzzParse(f *testing.F) {
	one, err := encodeLine(firstHash, entry("a"))
	if err != nil {
		f.Fatal(err)
	}
	two, err := encodeLine(hashOf(bytes.TrimSuffix(one, []byte("\n"))), Entry{At: evening, Action: Closed})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(slices.Concat(one, two), firstHash)
	f.Add(one[:20], "")
	f.Add([]byte("\n"), "x")
	f.Add([]byte(`{"v":1,"prev":null}`+"\n"), "")
	f.Fuzz(func(t *testing.T, data []byte, prev string) {
		n := 0
		c, err := parseLines(data, prev, func(l Line) {
			if n++; l.Action == "" || !hashForm.MatchString(l.Prev) {
				t.Errorf("line %d: %+v", n, l)
			}
		})
		switch {
		case err != nil && !errors.Is(err, ErrTampered):
			t.Errorf("error %v", err)
		case err == nil && n != bytes.Count(data, []byte("\n")):
			t.Errorf("%d lines of %d", n, bytes.Count(data, []byte("\n")))
		case err == nil && n == 0 && c.last != prev:
			t.Error("no line has another hash")
		}
	})
}
