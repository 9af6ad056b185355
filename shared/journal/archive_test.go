package journal_test

import (
	"crypto/rand"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/shared/archive" // for tests only: what satisfies Logs in earnest
	"o2archiver/shared/archivetest"
	"o2archiver/shared/journal"
)

var _ journal.Logs = (*archive.Logs)(nil)

// blobs opens the journal's logs in a storage account of their own, on a way on which rule decides.
func blobs(t *testing.T, rule func(*http.Request) archivetest.Fault) *archive.Logs {
	t.Helper()
	account := archivetest.ForTest(t, nil)
	open := func(way http.RoundTripper) *archive.Store {
		s, err := archive.Open(archive.Config{
			ConnectionString: account.ConnectionString(), HTTP: &http.Client{Transport: way},
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := open(account).CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	return open(account.Through(rule)).Logs()
}

func TestInBlobStorage(t *testing.T) {
	for _, fault := range []archivetest.Fault{archivetest.Pass, archivetest.Lose, archivetest.Reset, archivetest.Busy} {
		var requests, appends atomic.Int32
		logs := blobs(t, func(r *http.Request) archivetest.Fault {
			requests.Add(1)
			if r.URL.Query().Get("comp") == "appendblock" && appends.Add(1)%2 == 1 {
				return fault
			}
			return archivetest.Pass
		})
		batch := "2026/11/23/" + rand.Text() + "/00001.ndjson"
		j, err := journal.TryOpen(t.Context(), logs, batch, "first", time.Now)
		if err != nil {
			t.Fatal(err)
		}
		writeDay(t, j)
		if err := j.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		j.Close()
		// To create it, to lease it, the plan, the rest, to release it.
		if got := requests.Load(); fault == archivetest.Pass && got != 5 {
			t.Errorf("%d requests for one batch, want 5", got)
		}
		s, err := journal.Read(t.Context(), logs, batch)
		if err != nil || !s.Done || s.Totals() != dayTotals {
			t.Errorf("fault %d: done %t, %+v, %v", fault, s.Done, s.Totals(), err)
		}
		if done, err := journal.Tail(t.Context(), logs, batch); !done || err != nil {
			t.Errorf("fault %d: tail: %t, %v", fault, done, err)
		}
		j, err = journal.Open(t.Context(), logs, batch, "second", time.Now)
		if err != nil || !j.State().Done {
			t.Fatalf("fault %d: open again: %v", fault, err)
		}
		j.Close()
	}
}

func TestHeldInBlobStorage(t *testing.T) {
	logs := blobs(t, func(*http.Request) archivetest.Fault { return archivetest.Pass })
	batch := "2026/11/23/" + rand.Text() + "/00001.ndjson"
	j, err := journal.Open(t.Context(), logs, batch, "first", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if _, err := journal.TryOpen(t.Context(), logs, batch, "second", time.Now); err == nil ||
		err.Error() != journal.ErrHeld.Error() {
		t.Errorf("error %v, want %v", err, journal.ErrHeld)
	}
	if s, err := journal.Read(t.Context(), logs, batch); err != nil || len(s.Lines()) > 0 {
		t.Errorf("read while it is held: %+v, %v", s, err)
	}
}
