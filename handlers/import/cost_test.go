package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/mailbox/mailboxtest"
)

// What is paid for, and what the limits of Graph count: texts to a hundred people.
func TestWhatABatchCosts(t *testing.T) {
	virtual(t, func(t *testing.T) {
		const people = 100
		somebody := func(i int) person {
			return person{"P", fmt.Sprintf("+4477009%05d", i), fmt.Sprintf("p%03d@contoso.example", i)}
		}
		w := newWorld(t, func(o *mailboxtest.Options) {
			o.Users = nil
			for i := range people {
				p := somebody(i)
				o.Users = append(o.Users, mailboxtest.User{ID: p.id(), UPN: p.email, Mail: p.email})
			}
		})
		var blobs, tables, totals atomic.Int64
		var paths seen
		a := w.start(func(s *start) {
			s.rule = func(r *http.Request) archivetest.Fault {
				switch {
				case strings.Contains(r.URL.Path, "/ledger"):
					tables.Add(1)
				case strings.Contains(r.URL.Path, "/totals"), strings.Contains(r.URL.Path, "/reports/"):
					totals.Add(1)
				default:
					blobs.Add(1)
					paths.rule(r)
				}
				return archivetest.Pass
			}
		})
		for _, round := range []string{"first", "second"} {
			var lines []raw
			for i := range people {
				lines = append(lines,
					w.line(sms(fmt.Sprintf("%s-%03d", round, i), fmt.Sprintf("the %s to %03d", round, i), otto,
						somebody(i))))
			}
			batch := w.put(lines...)
			before := w.calls()
			blobs.Store(0)
			tables.Store(0)
			totals.Store(0)
			a.deliver(batch)
			if totals := w.balanced(batch); totals.Copies.Imported != people {
				t.Fatalf("totals %+v", totals)
			}
			requests := w.calls() - before
			if round == "first" { // five look-ups in one request each, with 100 inside, and each mailbox's folder
				if most := people/20 + people + 2*people + people; requests > most {
					t.Errorf("%d requests to Graph with all look-ups, want at most %d", requests, most)
				}
			} else if requests != people {
				t.Errorf("%d requests to Graph for %d copies", requests, people)
			}
			if n := tables.Load(); n != 3*people { // two for each copy, and one for each record
				t.Errorf("%d requests to the ledger for %d copies of as many records", n, people)
			}
			if n := blobs.Load(); n > people/10 {
				t.Errorf("%d requests to blob storage for %d records:\n%s", n, people, strings.Join(paths.paths, "\n"))
			}
			// The row of the batch; and the names of mailboxes, which are read and written once.
			if n, most := totals.Load(), map[string]int64{"first": 3, "second": 1}[round]; n != most {
				t.Errorf("%d requests for the totals of a batch, want %d", n, most)
			}
			paths.count("")
		}
		if n := w.graph.Requests(); n.Throttled > 0 || n.Refused > 0 {
			t.Errorf("%d requests were throttled, %d refused", n.Throttled, n.Refused)
		}
	})
}

// Several messages to one mailbox stay within what it takes at once; those to others do not wait for them.
func TestLimitsOfAMailbox(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(w.texts("m", 60)...)
		w.start(set("MAILBOX_PERMITS", "4")).deliver(batch)
		counts := w.graph.Requests()
		if counts.Throttled > 0 || counts.MaxConcurrent[ali.id()] > 4 {
			t.Errorf("throttled %d times, at most %d at once", counts.Throttled, counts.MaxConcurrent[ali.id()])
		}
		w.balanced(batch)
	})
}

// Batches that begin together ask for the same people once.
func TestBatchesAskTogether(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		done := make(chan struct{})
		const batches = 6
		for i := range batches {
			batch := w.put(w.line(sms(fmt.Sprintf("m%d", i), "about the same people", jane, ali)))
			go func() {
				defer func() { done <- struct{}{} }()
				a.event(t.Context(), batch)
			}()
		}
		for range batches {
			<-done
		}
		if n := w.calls(mailboxtest.LookUp); n != 2 {
			t.Errorf("%d look-ups for two people", n)
		}
		if n := w.calls(mailboxtest.Folder, mailboxtest.FindFolder); n != 4 {
			t.Errorf("%d requests about two folders", n)
		}
		for _, b := range w.batches {
			w.balanced(b)
		}
	})
}
