package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/oldarchive"
	"o2archiver/shared/mailbox/mailboxtest"
)

// TestArchiveOfEarlierVersionIsFinished lets today's importer continue an archive whose importer of an earlier version
// was killed: each copy is in its mailbox once, and what that version imported is recognized as a duplicate.
func TestArchiveOfEarlierVersionIsFinished(t *testing.T) {
	t.Parallel()
	const folder = "../testdata/archive-f76a792"
	mailboxes, err := os.ReadFile(filepath.Join(folder, "mailboxes.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mailboxes.jsonl"), mailboxes, 0o600); err != nil {
		t.Fatal(err)
	}
	archive, err := oldarchive.Read(filepath.Join(folder, "archive.json"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldOnAzurite(t, func(o *mailboxtest.Options) { o.Dir = dir })
	if err := archive.Load(t.Context(), w.connection); err != nil {
		t.Fatal(err)
	}
	if n := len(w.graph.Messages(ali.id())) + len(w.graph.Messages(jane.id())); n != 8 {
		t.Fatalf("%d messages to begin with, want 8: the earlier importer was killed in the middle", n)
	}

	a := w.start(doubt(10 * time.Second)) // the claims of the earlier importer are as old as the table is here
	if res := a.swept(""); res.Batches != 3 || res.Finished != 3 {
		t.Errorf("sweep: %+v, want 3 batches and all of them finished", res)
	}
	want := []string{"a1", "a2", "a3", "a8", "b1", "b2", "b3"}
	check := func() {
		t.Helper()
		for _, p := range []person{jane, ali} {
			var got []string
			for _, m := range w.graph.Messages(p.id()) {
				for _, h := range m.Headers {
					if strings.EqualFold(h.Name, "X-O2-Message-Id") {
						got = append(got, h.Value)
					}
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the mailbox of %s (-want +got):\n%s", p.name, diff)
			}
		}
	}
	check()

	// A backfill collects everything again.
	seq := 0
	for _, b := range archive.Blobs {
		if b.Container != "batches" || !strings.HasSuffix(b.Name, ".ndjson") {
			continue
		}
		seq++
		name, err := w.store.Batches().Write(t.Context(), w.folder, seq, b.Data, strings.Count(string(b.Data), "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if res := a.deliver(name); res.Totals.Copies.Duplicate != res.Totals.Copies.Planned {
			t.Errorf("collected again: %+v, want only duplicates", res.Totals.Copies)
		}
	}
	check()
}
