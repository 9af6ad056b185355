package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/report"
)

func TestPrintList(t *testing.T) {
	const header = "ITEMS  OWN  FIRST       LAST        NUMBER OR ADDRESS\n"
	const jane, ali, sam = "+447700900123", "+447700900456", "+447700900789"
	morning, evening := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC), time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	summer := time.Date(2026, 6, 30, 23, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		list report.Unmapped
		want string
	}{
		{"nothing", report.Unmapped{Batches: 1}, "0 unmapped items in 1 batches.\n"},
		{"archived phones come first, then the most items, then the text",
			report.Unmapped{Batches: 2, Items: 9, Rows: map[string]*report.UnmappedRow{
				ali: {Items: 9, First: morning, Last: evening}, jane: {Items: 2, Own: 2, First: morning, Last: morning},
				sam: {Items: 3, First: morning, Last: evening}, "a@contoso.example": {Items: 3, First: morning,
					Last: morning}}},
			header +
				"2      2    2026-11-22  2026-11-22  +447700900123\n" +
				"9      0    2026-11-22  2026-11-23  +447700900456\n" +
				"3      0    2026-11-22  2026-11-23  +447700900789\n" +
				"3      0    2026-11-22  2026-11-22  a@contoso.example\n9 unmapped items in 2 batches.\n"},
		{"a terminal interprets nothing", report.Unmapped{Batches: 1, Items: 1, Rows: map[string]*report.UnmappedRow{
			"b\x1b[2j@contoso.example": {Items: 1, First: morning, Last: morning}}},
			header + "1      0    2026-11-22  2026-11-22  b\\x1b[2j@contoso.example\n1 unmapped items in 1 batches.\n"},
		{"days are London's", report.Unmapped{Batches: 1, Items: 1, Rows: map[string]*report.UnmappedRow{
			jane: {Items: 1, Own: 1, First: summer, Last: summer}}},
			header + "1      1    2026-07-01  2026-07-01  +447700900123\n1 unmapped items in 1 batches.\n"},
		{"without a number", report.Unmapped{Batches: 1, Items: 1, Nameless: 1},
			"1 unmapped items in 1 batches.\n1 of them name no number and no address: no mapping can help them.\n"},
		{"not imported to the end", report.Unmapped{Batches: 3, Open: 2},
			"0 unmapped items in 3 batches.\n2 batches are not imported to their end, and may have more.\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got strings.Builder
			if err := printList(&got, &c.list); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestRun(t *testing.T) {
	folder := t.TempDir()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := run(t.Context(), folder, "GB", out); err == nil {
		t.Error("an empty folder is no error")
	}
	if info, err := out.Stat(); err != nil || info.Size() > 0 {
		t.Errorf("a list is printed with the error: %v", err)
	}
	batch := filepath.Join(folder, archive.BatchesContainer, filepath.FromSlash(archive.BatchName("2026/11/23/run", 1)))
	if err := os.MkdirAll(filepath.Dir(batch), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(batch, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), folder, "GB", out); err != nil {
		t.Fatal(err)
	}
	want := "0 unmapped items in 1 batches.\n1 batches are not imported to their end, and may have more.\n"
	if got, err := os.ReadFile(out.Name()); err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
}

// The output of a pipe may end up in a log, so nothing is printed into one.
func TestRunPrintsNothingIntoAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = run(t.Context(), t.TempDir(), "GB", w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, failed := io.ReadAll(r)
	if err != errGathered || failed != nil || len(got) > 0 {
		t.Errorf("run returns %v and wrote %d bytes (%v)", err, len(got), failed)
	}
}
