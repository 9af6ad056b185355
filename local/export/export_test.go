package export

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/azurite"
	"o2archiver/local/cloud"
	"o2archiver/shared/journal"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
)

func TestExport(t *testing.T) {
	root, err := cloud.Root()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		test func(*testArchive)
	}{
		{"what is in mailboxes", whatIsInMailboxes}, {"what was left out", whatWasLeftOut}, {"again", again}, {"what differs", whatDiffers},
		{"index", theIndex}, {"large", large}, {"interrupted", interrupted}, {"nothing", nothing}, {"mapped", mapped},
		{"first records", firstRecords}, {"first record is gone", firstIsGone}, {"copies of two records", copiesOfTwo},
	}
	emulator, err := azurite.Start(t.Context(), azurite.Options{Root: root, Accounts: len(tests)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(emulator.Stop)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store, err := cloud.Prepare(t.Context(), emulator.For(i).ConnectionString())
			if err != nil {
				t.Fatal(err)
			}
			tt.test(&testArchive{t: t, store: store, dir: filepath.Join(t.TempDir(), "out"), media: map[string][]byte{}})
		})
	}
}

func whatIsInMailboxes(a *testArchive) {
	one, two, three := a.line("m1", "to both", noise(500, 1)), a.line("m2", "to one, again to the other"), a.line("m3", "nowhere")
	unproven := a.line("m4", "taken over, so nobody rendered it")
	a.write("run1", func(j *journal.Journal) {
		outcome(j, 1, one, jane, journal.Imported)
		outcome(j, 1, one, strings.ToUpper(ali), journal.Imported)
		archived(j, 1, a.bytes(one, nil))
		outcome(j, 2, two, jane, journal.Imported)
		outcome(j, 2, two, ali, journal.Duplicate)
		archived(j, 2, a.bytes(two, nil))
		outcome(j, 3, three, jane, journal.CopyFailed)
		j.Plan(3, ali)
		outcome(j, 4, unproven, jane, journal.Imported)
		archived(j, 4, nil)
	})
	a.line("m1", "to both", noise(500, 1)) // as a ledger that was lost would have it
	a.write("run2", func(j *journal.Journal) {
		outcome(j, 1, one, jane, journal.Imported)
		archived(j, 1, a.bytes(one, nil))
	})
	got := a.export(a.options())
	if diff := cmp.Diff(Result{Messages: 4, Mailboxes: 2, Unproven: 1}, got); diff != "" {
		a.t.Errorf("result (-want +got):\n%s", diff)
	}
	want := map[string]string{
		"jane@contoso.example/" + nameOf(one):      string(a.bytes(one, nil)),
		ali + "/" + nameOf(one):                    string(a.bytes(one, nil)),
		"jane@contoso.example/" + nameOf(two):      string(a.bytes(two, nil)),
		"jane@contoso.example/" + nameOf(unproven): string(a.bytes(unproven, nil)),
	}
	if diff := cmp.Diff(want, a.files()); diff != "" {
		a.t.Errorf("files (-want +got):\n%s", diff)
	}
}

func whatWasLeftOut(a *testArchive) {
	limited := a.line("m1", "the first and the last fit into 1,000 bytes", noise(600, 1), noise(500, 2), noise(400, 3))
	refused := a.line("m2", "the mailbox refuses it", noise(300, 4))
	proven := a.line("m3", "the mailbox refuses what the limit leaves", noise(600, 5), noise(500, 6))
	cloud := a.line("m4", "the cloud takes one of them", noise(700, 7), noise(200, 8))
	bare := func(x record.Attachment) string { return message.OverMailbox.Of(x) }
	large := func(x record.Attachment) string {
		if x.Size == 700 {
			return message.OverCloud.Of(x)
		}
		return ""
	}
	rule := func(x record.Attachment) string {
		if x.Size == 500 {
			return message.OverLimit.Of(x)
		}
		return ""
	}
	a.write("run", func(j *journal.Journal) {
		outcome(j, 1, limited, jane, journal.Oversize)
		archived(j, 1, a.bytes(limited, rule))
		outcome(j, 2, refused, jane, journal.Oversize)
		outcome(j, 2, refused, ali, journal.Imported)
		archived(j, 2, a.bytes(refused, nil))
		j.Plan(3, jane)
		j.Copy(journal.Copy{Line: 3, Key: record.Key("", proven.ID, jane), Mailbox: jane, Outcome: journal.Oversize, Rendered: hexSum(a.bytes(proven, bare))})
		archived(j, 3, nil)
		outcome(j, 4, cloud, jane, journal.Oversize)
		archived(j, 4, a.bytes(cloud, large))
	})
	o := a.options()
	o.MaxFile = 650
	got := a.export(o)
	if diff := cmp.Diff(Result{Messages: 5, Mailboxes: 2, Unproven: 1}, got); diff != "" {
		a.t.Errorf("result (-want +got):\n%s", diff)
	}
	want := map[string]string{
		"jane@contoso.example/" + nameOf(limited): string(a.bytes(limited, rule)),
		"jane@contoso.example/" + nameOf(refused): string(a.bytes(refused, bare)),
		"jane@contoso.example/" + nameOf(proven):  string(a.bytes(proven, bare)),
		"jane@contoso.example/" + nameOf(cloud):   string(a.bytes(cloud, large)),
		ali + "/" + nameOf(refused):               string(a.bytes(refused, nil)),
	}
	if diff := cmp.Diff(want, a.files()); diff != "" {
		a.t.Errorf("files (-want +got):\n%s", diff)
	}
	// With another limit neither oversize copy is the one that was imported; an imported one depends on no limit.
	o.MaxItem = 1_000_000
	a.dir += "-other"
	if got := a.export(o); got.Messages != 4 || got.Failed != 1 {
		a.t.Errorf("with a larger limit: %+v", got)
	}
	o.MaxItem = 100
	a.dir += "-another"
	if got := a.export(o); got.Messages != 2 || got.Failed != 3 {
		a.t.Errorf("with a smaller limit: %+v", got)
	}
}

func again(a *testArchive) {
	r := a.line("m1", "the same on every run", noise(500, 1))
	a.write("run", func(j *journal.Journal) {
		outcome(j, 1, r, jane, journal.Imported)
		archived(j, 1, a.bytes(r, nil))
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
		{"of the same size", func() error { return os.WriteFile(file, make([]byte, len(a.bytes(r, nil))), 0o600) }, false},
		{"what a kill leaves", func() error { return os.Rename(file, file+".part") }, false},
		{"a link to another file", func() error {
			return errors.Join(os.WriteFile(a.dir+"-outside", []byte("mine"), 0o600), os.Remove(file), os.Symlink(a.dir+"-outside", file))
		}, false},
	} {
		if err := tt.spoil(); err != nil {
			a.t.Fatal(err)
		}
		_ = os.Chtimes(file, long, long)
		if diff := cmp.Diff(want, a.export(a.options())); diff != "" {
			a.t.Errorf("%s: result (-want +got):\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(map[string]string{"jane@contoso.example/" + nameOf(r): string(a.bytes(r, nil))}, a.files()); diff != "" {
			a.t.Errorf("%s: files (-want +got):\n%s", tt.name, diff)
		}
		if info, err := os.Stat(file); err != nil || info.ModTime().Equal(long) != tt.stays {
			a.t.Errorf("%s: written anew, or not, wrongly: %v", tt.name, err)
		}
	}
	if raw, err := os.ReadFile(a.dir + "-outside"); err != nil || string(raw) != "mine" {
		a.t.Errorf("a link led out of the folder: %q, %v", raw, err)
	}
}

func whatDiffers(a *testArchive) {
	differs, lost, foreign, good := a.line("m1", "SECRET text"), a.line("m2", "SECRET too", noise(500, 1)), a.line("m3", "SECRET"), a.line("m4", "good")
	a.lines[1] = bytes.ReplaceAll(a.lines[1], []byte(hexSum(noise(500, 1))), []byte(hexSum(noise(500, 2)))) // which was never stored
	a.lines = append(a.lines, []byte(`{"v":1,"items":"SECRET"}`))
	a.write("run", func(j *journal.Journal) {
		outcome(j, 1, differs, jane, journal.Imported)
		archived(j, 1, []byte("another message"))
		outcome(j, 2, lost, jane, journal.Imported)
		archived(j, 2, a.bytes(lost, nil))
		outcome(j, 3, differs, jane, journal.Imported) // on another's line
		archived(j, 3, a.bytes(foreign, nil))
		outcome(j, 4, good, jane, journal.Imported)
		archived(j, 4, a.bytes(good, nil))
		outcome(j, 5, good, jane, journal.Imported)
		outcome(j, 9, good, ali, journal.Imported)
		outcome(j, 9, good, jane, journal.Imported)
	})
	got := a.export(a.options())
	reasons := got.Reasons
	got.Reasons = nil
	if diff := cmp.Diff(Result{Messages: 1, Mailboxes: 1, Failed: 6}, got); diff != "" {
		a.t.Errorf("result (-want +got):\n%s", diff)
	}
	slices.SortFunc(reasons, func(a, b Reason) int { return strings.Compare(a.First, b.First) })
	const batch = " of batch 2026/11/22/run/00001.ndjson"
	want := []Reason{
		{errDiffers.Error(), 1, "line 1" + batch},
		{"an attachment is no longer in the archive's storage", 1, "line 2" + batch},
		{errForeign.Error(), 1, "line 3" + batch},
		{"the line of the batch is not the JSON of an entry", 1, "line 5" + batch},
		{"the batch has no such line", 2, "line 9" + batch},
	}
	if diff := cmp.Diff(want, reasons); diff != "" {
		a.t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"jane@contoso.example/" + nameOf(good): string(a.bytes(good, nil))}, a.files()); diff != "" {
		a.t.Errorf("files (-want +got):\n%s", diff)
	}
}

func theIndex(a *testArchive) {
	one, two, lost := a.line("m1", "to both"), a.line("m2", "to one, without a hash in the journal"), a.line("m3", "another message")
	a.write("run", func(j *journal.Journal) {
		outcome(j, 1, one, jane, journal.Imported)
		outcome(j, 1, one, strings.ToUpper(ali), journal.Imported)
		archived(j, 1, a.bytes(one, nil))
		outcome(j, 2, two, jane, journal.Imported)
		archived(j, 2, nil)
		outcome(j, 3, lost, jane, journal.Imported)
		archived(j, 3, []byte("other bytes"))
	})
	o := a.options()
	o.Address = func(id string) string { return map[string]string{jane: "jane.o'neil@contoso.example"}[id] }
	folder := Folder("jane.o'neil@contoso.example", jane)
	want := [][]string{{"file", "mailbox", "sha256"},
		{ali + "/" + nameOf(one), ali, hexSum(a.bytes(one, nil))},
		{folder + "/" + nameOf(one), "jane.o'neil@contoso.example", hexSum(a.bytes(one, nil))},
		{folder + "/" + nameOf(two), "jane.o'neil@contoso.example", hexSum(a.bytes(two, nil))}}
	for _, when := range []string{"at first", "again"} { // what is there already is in the index too
		a.export(o)
		raw, err := os.ReadFile(filepath.Join(a.dir, Index))
		if err != nil {
			a.t.Fatal(err)
		}
		got, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			a.t.Errorf("%s: index (-want +got): %v\n%s", when, err, diff)
		}
	}
	ctx, cancel := context.WithCancel(a.t.Context())
	cancel()
	_, err := To(ctx, a.dir, a.store, o)
	if _, there := os.Stat(filepath.Join(a.dir, Index)); err == nil || !errors.Is(there, os.ErrNotExist) {
		a.t.Errorf("an export that did not end (%v) has left an index: %v", err, there)
	}
}

// large has an attachment that must not be held.
func large(a *testArchive) {
	const size = 16 << 20
	r := a.line("m1", "a recording", noise(size, 1))
	whole := hexSum(a.bytes(r, nil))
	a.media = nil
	a.write("run", func(j *journal.Journal) {
		outcome(j, 1, r, jane, journal.Imported)
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
	got := a.export(a.options())
	close(ended)
	<-looked
	if diff := cmp.Diff(Result{Messages: 1, Mailboxes: 1}, got); diff != "" {
		a.t.Errorf("result (-want +got):\n%s", diff)
	}
	if most > before && most-before > size/2 {
		a.t.Errorf("%d MiB were held for an attachment of %d", (most-before)>>20, size>>20)
	}
}

func interrupted(a *testArchive) {
	r := a.line("m1", "never written", noise(500, 1))
	a.write("run", func(j *journal.Journal) {
		outcome(j, 1, r, jane, journal.Imported)
		archived(j, 1, a.bytes(r, nil))
	})
	ctx, cancel := context.WithCancel(a.t.Context())
	cancel()
	if _, err := To(ctx, a.dir, a.store, a.options()); err == nil || len(a.files()) > 0 {
		a.t.Errorf("interrupted: %v, files %v", err, a.files())
	}
	// A disk that can't be written to ends the export, and the error does not say for whom the file was.
	if err := os.WriteFile(filepath.Join(a.dir, "jane@contoso.example"), nil, 0o600); err != nil {
		a.t.Fatal(err)
	}
	if _, err := To(a.t.Context(), a.dir, a.store, a.options()); err == nil || strings.Contains(err.Error(), "jane") {
		a.t.Errorf("a file in place of a folder: %v", err)
	}
	if _, err := To(a.t.Context(), filepath.Join(a.dir, "jane@contoso.example"), a.store, a.options()); err == nil {
		a.t.Error("a file in place of the export's folder is no error")
	}
}

func nothing(a *testArchive) {
	if diff := cmp.Diff(Result{}, a.export(a.options())); diff != "" {
		a.t.Errorf("result (-want +got):\n%s", diff)
	}
}
