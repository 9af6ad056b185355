package deliveries

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/arrival"
	"o2archiver/shared/record"
	"o2archiver/shared/source"
)

var update = flag.Bool("update", false, "write testdata/imports anew")

// newImports returns a world whose store is the folder imports.
func newImports(t *testing.T) *world {
	w := newWorld(t)
	w.rules.Import = &Import{Kind: record.SMS, Network: "Contoso Mobile", NumberHeader: "X-Contoso-Number"}
	w.Secret("export", "Has the parcel come?")
	return w
}

// conversation is a message of another archive in the form of Global Relay's convention: a whole conversation, without
// an identity unless id is one.
func conversation(id, number, text string) string {
	head := "Date: Fri, 27 Nov 2026 18:00:00 +0000\r\nFrom: jane@contoso.example\r\n" +
		"To: jane@contoso.example, ali@contoso.example\r\nSubject: Text message, 2 Users, 2 Messages, 1 Minute\r\n" +
		"X-GlobalRelay-MsgType: SMS\r\nAuto-Submitted: auto-generated\r\n"
	if id != "" {
		head += "Message-ID: <" + id + ">\r\n"
	}
	if number != "" {
		head += "X-Contoso-Number: " + number + "\r\n"
	}
	return head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n" +
		"17:59:10 447700900123: " + text + "\r\n--b\r\nContent-Type: text/csv; name=\"list.csv\"\r\n\r\na,b," + text +
		"\r\n--b--\r\n"
}

// threeZIPs are the ZIPs of TestImport, by their names. The second has a message of the first again, in other bytes.
func threeZIPs(t *testing.T) map[string][]byte {
	const text = "Has the parcel come?"
	return map[string][]byte{
		"export 1.zip": zipOf(
			[2]string{"a - (1) - 0.eml", conversation("c1@contoso.example", "+447700900123", text)},
			[2]string{"b - (2) - 0.eml", conversation("", "", text)}),
		"Export 2.ZIP": zipOf([2]string{"2019/a.eml", conversation("c1@contoso.example", "+447700900123", text)},
			[2]string{"2019/c.EML", conversation("c3@contoso.example", "07700 900789\r\n ", text+" Again.")},
			[2]string{"2019/d.eml", "From: jane@contoso.example\r\n\r\nno date"}),
		"export 3.zip": zipOf([2]string{"__MACOSX/._b.eml", "\x00\x05\x16\x07"}, [2]string{".DS_Store", "x"},
			[2]string{"b.eml", conversation("", "", text)}, [2]string{"garbage.eml", "no message"}),
	}
}

// The batches of three ZIPs, and what their lines name, are in testdata/imports: the tests of import import them.
func TestImport(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newImports(t)
		for name, content := range threeZIPs(t) {
			w.shelf.put(name, content, old)
		}
		w.shelf.put("notes.txt", []byte("x"), old)
		w.shelf.put("export 4.zip.filepart", []byte("x"), old)
		res := w.run()
		if res.Read != 3 || res.Received != 7 || res.Open != 0 || res.Listed.Others != 2 || res.Listed.Misplaced != 0 {
			t.Errorf("%+v", res)
		}
		if got := w.outcomes(); got != "complete complete complete" {
			t.Errorf("outcomes %q", got)
		}
		for _, event := range []string{"fetch.deliveryIncomplete", "fetch.deliveryGap", "fetch.noDelivery"} {
			if w.events(event) != 0 {
				t.Errorf("the event %s, without a manifest and without numbers", event)
			}
		}
		var ids []string
		for _, e := range w.entries() {
			if e.Source != record.GenericEML {
				t.Errorf("source %q", e.Source)
			}
			r, err := source.Parse(e)
			if err != nil {
				ids = append(ids, err.Error())
				continue
			}
			ids = append(ids, fmt.Sprintf("%s %s %s %s", strings.ReplaceAll(r.ID[:10], r.SHA256[:3], "…"), r.Kind,
				r.Network, r.Owner))
		}
		slices.Sort(ids)
		want := []string{
			"c1@contoso SMS Contoso Mobile +447700900123", "c1@contoso SMS Contoso Mobile +447700900123",
			"c3@contoso SMS Contoso Mobile 07700 900789",
			"field Date: is missing", "field item: the file is not an e-mail message",
			"sha256:… SMS Contoso Mobile ", "sha256:… SMS Contoso Mobile ",
		}
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for name := range w.batches() {
			folder := archive.RunOf(name)
			if !strings.HasPrefix(folder, "2026/11/28/import-") {
				t.Errorf("folder %s", folder)
			}
			m, err := w.Store.Batches().ReadManifest(t.Context(), folder, nil)
			if err != nil || m.Kind != "import" || m.Received != m.Staged ||
				!m.From.Equal(start.Truncate(24*time.Hour)) {
				t.Errorf("manifest %+v, %v", m, err)
			}
			if r := w.report(folder); r.Outcome != Complete || r.Messages != m.Received || r.Listed+r.Others != 0 ||
				*r.Import != *w.rules.Import {
				t.Errorf("report %+v", r)
			}
		}
		w.compareGolden(filepath.Join("testdata", "imports"))
		if res := w.run(); res.Read+res.Listed.Planned != 0 || len(w.shelf.opens) != 3 {
			t.Errorf("read again: %+v, opened %d times", res, len(w.shelf.opens))
		}
	})
}

// compareGolden compares all batches, and the attachments that their lines name, with the files of a folder.
func (w *world) compareGolden(folder string) {
	w.t.Helper()
	got := map[string]string{}
	for name, body := range w.batches() {
		got[strings.ReplaceAll(name, "/", "_")] = body
	}
	for _, e := range w.entries() {
		for _, m := range e.Media {
			body, _, err := w.Store.Media().Open(context.Background(), m.Blob())
			if err != nil {
				w.t.Fatal(err)
			}
			content := make([]byte, m.Size)
			if _, err := body.Read(content); err != nil {
				w.t.Fatal(err)
			}
			body.Close()
			got[m.SHA256] = string(content)
		}
	}
	if *update {
		if err := os.RemoveAll(folder); err != nil {
			w.t.Fatal(err)
		}
		for name, content := range got {
			err := errors.Join(os.MkdirAll(folder, 0o755),
				os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644))
			if err != nil {
				w.t.Fatal(err)
			}
		}
	}
	want := map[string]string{}
	files, err := os.ReadDir(folder)
	for _, f := range files {
		content, rerr := os.ReadFile(filepath.Join(folder, f.Name()))
		want[f.Name()], err = string(content), errors.Join(err, rerr)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("differs (-want +got); -update writes it anew:\n%s", diff)
	}
}

// Of each ZIP, whatever is wrong with it, the messages that are there are in batches, and the report has the reasons.
func TestBrokenImports(t *testing.T) {
	t.Parallel()
	const otherFiles = "files that are no messages and were not read: "
	whole := conversation("c1", "", "x")
	files := func(entries ...[2]string) func(t *testing.T) []byte {
		return func(t *testing.T) []byte { return zipOf(entries...) }
	}
	of := func(name string) func(t *testing.T) []byte {
		return func(t *testing.T) []byte { return sample(t, name) }
	}
	for name, tt := range map[string]struct {
		zip                   func(t *testing.T) []byte
		received, quarantined int
		outcome, reasons      string
	}{
		"as of the vendor": {of("no-manifest"), 7, 0, Complete, ""},
		"password": {of("password"), 2, 2, Incomplete,
			"messages that can't be read: 2, of each: it is protected with a password"},
		"paths":               {of("paths"), 7, 0, Incomplete, otherFiles + "1"},
		"the same name twice": {of("same-name-twice"), 8, 0, Incomplete, otherFiles + "1"},
		"an empty message":    {files([2]string{"a.eml", ""}, [2]string{"b.eml", whole}), 2, 1, Complete, ""},
		"nothing":             {files(), 0, 0, Incomplete, "there is no message in it: no file *.eml"},
		"folders":             {files([2]string{"a/", ""}, [2]string{"a/b.eml", whole}), 1, 0, Complete, ""},
		"other forms": {files([2]string{"a.msg", "x"}, [2]string{"b.pst", "x"}, [2]string{"c.zip", "x"}), 0, 0,
			Incomplete, "there is no message in it: no file *.eml; " + otherFiles + "3"},
		"a large message": {files([2]string{"a.eml", whole}, [2]string{"b.eml", whole + randomText(3<<20)}), 2, 1,
			Incomplete,
			"messages that can't be read: 1, of each: it is larger than a file of a delivery may be, 64 MiB"},
		"a bomb": {files([2]string{"a.eml", whole}, [2]string{"b.eml", strings.Repeat("x", 3<<19)}), 2, 1, Incomplete,
			"messages that can't be read: 1, of each: it expands to many times its size, as no message does"},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newImports(t)
				w.shelf.put("export.zip", tt.zip(t), old)
				d := w.intake(w.Store)
				d.contents.Entry = 2 << 20 // in place of 64 MiB
				if _, err := w.try(t.Context(), d); err != nil {
					t.Fatal(err)
				}
				faults := 0
				for _, e := range w.entries() {
					if e.Source != record.GenericEML {
						t.Errorf("source %q", e.Source)
					}
					if e.Fault != "" {
						faults++
					}
				}
				report := w.report(w.onlyRun())
				if report.Messages != tt.received || faults != tt.quarantined || w.outcomes() != tt.outcome ||
					report.Outcome != tt.outcome || strings.Join(report.Reasons, "; ") != tt.reasons {
					t.Errorf("%s with %d faults: %+v", w.outcomes(), faults, report)
				}
			})
		})
	}
}

// onlyRun returns the folder of the only finished ZIP, which may have no batch.
func (w *world) onlyRun() string {
	w.t.Helper()
	done := w.state().Done
	if len(done) != 1 {
		w.t.Fatalf("%d finished ZIPs, want 1", len(done))
	}
	return start.Format("2006/01/02") + "/import-" + done[0].Key[:12]
}

// randomText returns a text of at least n bytes that does not compress well.
func randomText(n int) string {
	var b strings.Builder
	for seed := uint32(1); b.Len() < n; {
		seed = seed*1664525 + 1013904223
		b.WriteByte('A' + byte(seed>>27))
	}
	return b.String()
}

// A file that does not open is kept and reported after an hour, with words for who put it there.
func TestImportThatDoesNotOpen(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newImports(t)
		w.shelf.put("export.zip", []byte("this is no ZIP"), old)
		w.run()
		w.clock.Add(2 * time.Hour)
		w.run()
		if w.outcomes() != Broken || w.events("fetch.deliveryBroken") != 1 ||
			!w.Log.Has(slog.LevelError, "put it into the folder imports again") {
			t.Errorf("%s\n%s", w.outcomes(), w.Log)
		}
	})
}

// A ZIP of the vendor's is not read from the folder imports, where its items would be other messages.
func TestMisplacedDelivery(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newImports(t)
		w.shelf.put(sampleDay+".zip", sample(t, sampleDay), old)
		w.shelf.put("export.zip", zipOf([2]string{"a.eml", conversation("c1", "", "x")}), old)
		res := w.run()
		if res.Read != 1 || res.Listed.Misplaced != 1 || res.Listed.Others != 0 || len(w.entries()) != 1 ||
			w.events("fetch.deliveryMisplaced") != 1 {
			t.Errorf("%+v", res)
		}
	})
}

// A ZIP keeps the settings with which it was planned. Another one that comes after a change has the new ones.
func TestSettingsOfAnImport(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newImports(t)
		w.shelf.put("1.zip", zipOf([2]string{"a.eml", conversation("c1", "+447700900123", "x")}), old)
		w.paused = func() bool { return true }
		w.run() // it is planned, and not read
		w.paused = nil
		w.rules.Import = &Import{Kind: record.MMS}
		w.shelf.put("2.zip", zipOf([2]string{"a.eml", conversation("c2", "+447700900123", "x")}), old)
		if res := w.run(); res.Read != 2 {
			t.Errorf("%+v", res)
		}
		for _, e := range w.entries() {
			r, err := source.Parse(e)
			if err != nil {
				t.Fatal(err)
			}
			first := r.ID == "c1" && r.Kind == record.SMS && r.Network == "Contoso Mobile" && r.Owner == "+447700900123"
			second := r.ID == "c2" && r.Kind == record.MMS && r.Network == "" && r.Owner == ""
			if !first && !second {
				t.Errorf("%+v", r)
			}
		}
	})
}

// A file that both folders list with the same name, size and time is a copy and a run of its own in each.
func TestSameFileInBothFolders(t *testing.T) {
	t.Parallel()
	var deliveries, imports State
	var of []arrival.File
	for _, name := range []string{nameOf(1), "export.zip"} {
		of = append(of, fileOf(name))
	}
	rules := Rules{StableAfter: time.Minute}
	deliveries.Plan(rules.withKeys(of), rules, start)
	rules.Import = &Import{}
	imports.Plan(rules.withKeys(of), rules, start)
	if len(deliveries.Open) != 1 || len(imports.Open) != 1 {
		t.Fatalf("%+v, %+v", deliveries, imports)
	}
	if rules.keyOf(fileOf(nameOf(1))) == deliveries.Open[0].Key {
		t.Error("a file of the folder imports has the key of a delivery")
	}
}
