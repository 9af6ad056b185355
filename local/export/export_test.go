package export

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/journal"
	"o2archiver/shared/record"
	"o2archiver/shared/report"
	"o2archiver/shared/report/reporttest"
)

const (
	jane = "1d5e7a3c-0000-4000-8000-000000000001"
	ali  = "1d5e7a3c-0000-4000-8000-000000000002"
)

// testArchive is an archive and the folder that it is exported to.
type testArchive struct {
	*reporttest.Archive
	t   *testing.T
	dir string
}

func newArchive(t *testing.T) *testArchive {
	return &testArchive{reporttest.New(t), t, filepath.Join(t.TempDir(), "out")}
}

func testOptions() Options {
	return Options{Form: report.Form{Region: "GB", MaxItem: 1000}, Address: func(id string) string {
		return map[string]string{jane: "jane@contoso.example"}[id]
	}}
}

func (a *testArchive) export(o Options) Result {
	a.t.Helper()
	got, err := To(a.t.Context(), a.dir, a.Store, o)
	if err != nil {
		a.t.Fatal(err)
	}
	return got
}

// files is everything below the export's folder but the index.
func (a *testArchive) files() map[string]string {
	a.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(a.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == filepath.Join(a.dir, Index) {
			return err
		}
		raw, err := os.ReadFile(path)
		rel, _ := filepath.Rel(a.dir, path)
		all[filepath.ToSlash(rel)] = string(raw)
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return all
}

// content returns the message of a record with everything.
func (a *testArchive) content(r *record.Record) []byte { return a.Message(r, nil, nil) }

func nameOf(r *record.Record) string {
	return "20261122T093000Z-" + record.MessageKey("", r.ID)[:16] + ".eml"
}

func noise(n int, with byte) []byte { return bytes.Repeat([]byte{with}, n) }

func TestExportWritesWhatIsInMailboxes(t *testing.T) {
	a := newArchive(t)
	one, two, three := a.Line("m1", "to both", noise(500, 1)), a.Line("m2", "to one, again to the other"), a.Line("m3",
		"nowhere")
	unproven := a.Line("m4", "taken over, so nobody rendered it")
	a.Write("run1", func(j *journal.Journal) {
		reporttest.Copy(j, 1, one, jane, journal.Imported)
		reporttest.Copy(j, 1, one, strings.ToUpper(ali), journal.Imported)
		reporttest.Archived(j, 1, a.content(one))
		reporttest.Copy(j, 2, two, jane, journal.Imported)
		reporttest.Copy(j, 2, two, ali, journal.Duplicate)
		reporttest.Archived(j, 2, a.content(two))
		reporttest.Copy(j, 3, three, jane, journal.CopyFailed)
		j.Plan(3, ali)
		reporttest.Copy(j, 4, unproven, jane, journal.Imported)
		reporttest.Archived(j, 4, nil)
	})
	a.Line("m1", "to both", noise(500, 1)) // as a ledger that was lost would have it
	a.Write("run2", func(j *journal.Journal) {
		reporttest.Copy(j, 1, one, jane, journal.Imported)
		reporttest.Archived(j, 1, a.content(one))
	})
	got := a.export(testOptions())
	if diff := cmp.Diff(Result{Messages: 4, Mailboxes: 2, Unproven: 1}, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	want := map[string]string{
		"jane@contoso.example/" + nameOf(one):      string(a.content(one)),
		ali + "/" + nameOf(one):                    string(a.content(one)),
		"jane@contoso.example/" + nameOf(two):      string(a.content(two)),
		"jane@contoso.example/" + nameOf(unproven): string(a.content(unproven)),
	}
	if diff := cmp.Diff(want, a.files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestExportAgain(t *testing.T) {
	a := newArchive(t)
	r := a.Line("m1", "the same on every run", noise(500, 1))
	a.Write("run", func(j *journal.Journal) {
		reporttest.Copy(j, 1, r, jane, journal.Imported)
		reporttest.Archived(j, 1, a.content(r))
	})
	want := Result{Messages: 1, Mailboxes: 1}
	file := filepath.Join(a.dir, "jane@contoso.example", nameOf(r))
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, tt := range []struct {
		name  string
		spoil func() error
		stays bool
	}{
		{"nothing there", func() error { return nil }, false},
		{"there", func() error { return nil }, true},
		{"of another size", func() error { return os.WriteFile(file, []byte("other"), 0o600) }, false},
		{"of the same size", func() error { return os.WriteFile(file, make([]byte, len(a.content(r))), 0o600) }, false},
		{"what a kill leaves", func() error { return os.Rename(file, file+".part") }, false},
		{"a link to another file", func() error {
			return errors.Join(os.WriteFile(a.dir+"-outside", []byte("mine"), 0o600), os.Remove(file),
				os.Symlink(a.dir+"-outside", file))
		}, false},
	} {
		if err := tt.spoil(); err != nil {
			t.Fatal(err)
		}
		_ = os.Chtimes(file, long, long)
		if diff := cmp.Diff(want, a.export(testOptions())); diff != "" {
			t.Errorf("%s: result (-want +got):\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(map[string]string{"jane@contoso.example/" + nameOf(r): string(a.content(r))},
			a.files()); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", tt.name, diff)
		}
		if info, err := os.Stat(file); err != nil || info.ModTime().Equal(long) != tt.stays {
			t.Errorf("%s: written anew, or not, wrongly: %v", tt.name, err)
		}
	}
	if raw, err := os.ReadFile(a.dir + "-outside"); err != nil || string(raw) != "mine" {
		t.Errorf("a link led out of the folder: %q, %v", raw, err)
	}
}

func TestExportOfWhatDiffers(t *testing.T) {
	a := newArchive(t)
	differs, lost, foreign, good := a.Line("m1", "SECRET text"), a.Line("m2", "SECRET too", noise(500, 1)), a.Line("m3",
		"SECRET"), a.Line("m4", "good")
	// which was never stored
	a.Lines[1] = bytes.ReplaceAll(a.Lines[1], []byte(reporttest.HexSum(noise(500, 1))),
		[]byte(reporttest.HexSum(noise(500, 2))))
	a.Lines = append(a.Lines, []byte(`{"v":1,"items":"SECRET"}`))
	a.Write("run", func(j *journal.Journal) {
		reporttest.Copy(j, 1, differs, jane, journal.Imported)
		reporttest.Archived(j, 1, []byte("another message"))
		reporttest.Copy(j, 2, lost, jane, journal.Imported)
		reporttest.Archived(j, 2, a.content(lost))
		reporttest.Copy(j, 3, differs, jane, journal.Imported) // on another's line
		reporttest.Archived(j, 3, a.content(foreign))
		reporttest.Copy(j, 4, good, jane, journal.Imported)
		reporttest.Archived(j, 4, a.content(good))
		reporttest.Copy(j, 5, good, jane, journal.Imported)
		reporttest.Copy(j, 9, good, ali, journal.Imported)
		reporttest.Copy(j, 9, good, jane, journal.Imported)
	})
	got := a.export(testOptions())
	reasons := got.Reasons
	got.Reasons = nil
	if diff := cmp.Diff(Result{Messages: 1, Mailboxes: 1, Failed: 6}, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	slices.SortFunc(reasons, func(a, b Reason) int { return strings.Compare(a.First, b.First) })
	const batch = " of batch 2026/11/22/run/00001.ndjson"
	want := []Reason{
		{report.ErrDiffers.Error(), 1, "line 1" + batch},
		{"an attachment is no longer in the archive's storage", 1, "line 2" + batch},
		{"the journal's copy is of another message or mailbox than the line of the batch", 1, "line 3" + batch},
		{"the line of the batch is not the JSON of an entry", 1, "line 5" + batch},
		{"the batch has no such line", 2, "line 9" + batch},
	}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"jane@contoso.example/" + nameOf(good): string(a.content(good))},
		a.files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestIndex(t *testing.T) {
	a := newArchive(t)
	one, two, lost := a.Line("m1", "to both"), a.Line("m2", "to one, without a hash in the journal"), a.Line("m3",
		"another message")
	a.Write("run", func(j *journal.Journal) {
		reporttest.Copy(j, 1, one, jane, journal.Imported)
		reporttest.Copy(j, 1, one, strings.ToUpper(ali), journal.Imported)
		reporttest.Archived(j, 1, a.content(one))
		reporttest.Copy(j, 2, two, jane, journal.Imported)
		reporttest.Archived(j, 2, nil)
		reporttest.Copy(j, 3, lost, jane, journal.Imported)
		reporttest.Archived(j, 3, []byte("other bytes"))
	})
	o := testOptions()
	o.Address = func(id string) string { return map[string]string{jane: "jane.o'neil@contoso.example"}[id] }
	folder := Folder("jane.o'neil@contoso.example", jane)
	want := [][]string{{"file", "mailbox", "sha256"},
		{ali + "/" + nameOf(one), ali, reporttest.HexSum(a.content(one))},
		{folder + "/" + nameOf(one), "jane.o'neil@contoso.example", reporttest.HexSum(a.content(one))},
		{folder + "/" + nameOf(two), "jane.o'neil@contoso.example", reporttest.HexSum(a.content(two))}}
	for _, when := range []string{"at first", "again"} { // what is there already is in the index too
		a.export(o)
		raw, err := os.ReadFile(filepath.Join(a.dir, Index))
		if err != nil {
			t.Fatal(err)
		}
		got, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: index (-want +got): %v\n%s", when, err, diff)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := To(ctx, a.dir, a.Store, o)
	if _, there := os.Stat(filepath.Join(a.dir, Index)); err == nil || !errors.Is(there, os.ErrNotExist) {
		t.Errorf("an export that did not end (%v) has left an index: %v", err, there)
	}
}

// TestExportHoldsNoAttachment has an attachment that must not be held.
func TestExportHoldsNoAttachment(t *testing.T) {
	a := newArchive(t)
	const size = 16 << 20
	r := a.Line("m1", "a recording", noise(size, 1))
	whole := reporttest.HexSum(a.content(r))
	a.Forget()
	a.Write("run", func(j *journal.Journal) {
		reporttest.Copy(j, 1, r, jane, journal.Imported)
		j.Record(journal.Record{Line: 1, Records: 1, Outcome: journal.Archived, Rendered: whole})
	})
	held := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before, most := held(), uint64(0)
	ended, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		for {
			select {
			case <-ended:
				return
			case <-time.After(5 * time.Millisecond):
				most = max(most, held())
			}
		}
	}()
	got := a.export(testOptions())
	close(ended)
	<-looked
	if diff := cmp.Diff(Result{Messages: 1, Mailboxes: 1}, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if most > before && most-before > size/2 {
		t.Errorf("%d MiB were held for an attachment of %d", (most-before)>>20, size>>20)
	}
}

func TestExportIsInterrupted(t *testing.T) {
	a := newArchive(t)
	r := a.Line("m1", "never written", noise(500, 1))
	a.Write("run", func(j *journal.Journal) {
		reporttest.Copy(j, 1, r, jane, journal.Imported)
		reporttest.Archived(j, 1, a.content(r))
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := To(ctx, a.dir, a.Store, testOptions()); err == nil || len(a.files()) > 0 {
		t.Errorf("interrupted: %v, files %v", err, a.files())
	}
	// A disk that can't be written to ends the export, and the error does not say for whom the file was.
	if err := os.WriteFile(filepath.Join(a.dir, "jane@contoso.example"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := To(t.Context(), a.dir, a.Store, testOptions()); err == nil || strings.Contains(err.Error(), "jane") {
		t.Errorf("a file in place of a folder: %v", err)
	}
	if _, err := To(t.Context(), filepath.Join(a.dir, "jane@contoso.example"), a.Store, testOptions()); err == nil {
		t.Error("a file in place of the export's folder is no error")
	}
}

func TestExportOfNothing(t *testing.T) {
	a := newArchive(t)
	if diff := cmp.Diff(Result{}, a.export(testOptions())); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}
