package deliveries

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive/layout"
	"o2archiver/shared/source/delivery/zipread"
)

// oneReport returns the report of the only ZIP that was read.
func (w *world) oneReport() Report {
	w.t.Helper()
	done := w.state().Done
	folders, err := w.Store.Batches().Runs(w.t.Context(), layout.Day(start))
	if err != nil || len(done) != 1 || len(folders) != 1 {
		w.t.Fatalf("%d ZIPs, runs %v, %v", len(done), folders, err)
	}
	return w.report(folders[0])
}

// message returns an entry of a ZIP that is a message.
func message(name string) [2]string {
	return [2]string{name, emlHead + "X-TELEMESSAGE-ArchiveMessageID: " + name + "\r\n\r\nx"}
}

// Only a count that is certain, and that of the messages, proves that a ZIP is complete.
func TestCountThatProves(t *testing.T) {
	proof := func(n int64) *int64 { return &n }
	differs := func(count string) []string {
		return []string{"the manifest counts " + count + " messages, and 1 is there"}
	}
	unclear := []string{"the manifest states a count that is no plain number"}
	for list, want := range map[string]struct {
		counted *int64
		reasons []string
	}{
		"Count: 1\r\na.eml":             {proof(1), nil},
		"Count: 1; a.eml":               {proof(1), nil},
		"Count: 1,000\r\na.eml":         {proof(1000), differs("1000")},
		"Count: 1 000; a.eml":           {proof(1000), differs("1000")},
		"Count: 1.0\r\na.eml":           {nil, unclear},
		"Count: 1 of 12\r\na.eml":       {nil, unclear},
		"Count: 1e3\r\na.eml":           {nil, unclear},
		"Count: 1\r\nCount: ?\r\na.eml": {nil, unclear},
		"Count: 1\r\nCount: 2\r\na.eml": {nil, []string{"the manifest states several counts"}},
		"a.eml":                         {nil, []string{"the manifest states no count"}},
		"Count: 1\r\na.eml, b.eml":      {proof(1), []string{"1 message is listed and not there"}},
	} {
		t.Run(list, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t)
				w.shelf.put(nameOf(1), zipOf(message("a.eml"), [2]string{"l.mf", list}), old)
				w.run()
				report := w.oneReport()
				if diff := cmp.Diff(want.reasons, report.Reasons); diff != "" {
					t.Errorf("reasons (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(want.counted, report.Counted); diff != "" {
					t.Errorf("counted (-want +got):\n%s", diff)
				}
				if outcome := w.outcomes(); (outcome == Complete) != (want.reasons == nil) {
					t.Errorf("the outcome is %s", outcome)
				}
			})
		})
	}
}

// Manifests beyond the limit of all together are not read, and then no count is certain.
func TestManifestsTooLargeTogether(t *testing.T) {
	const list = "Count: 1\r\na.eml\r\n"
	for limit, left := range map[int64]int{2 * int64(len(list)): 1, 2*int64(len(list)) - 1: 2, 1: 2, 1 << 20: 0} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t)
				w.shelf.put(nameOf(1), zipOf(message("a.eml"), [2]string{"l.mf", list}, [2]string{"m.mf", list},
					[2]string{"n.mf", list}), old)
				d := w.intake(w.Store)
				d.limits.lists = limit
				if _, err := w.try(t.Context(), d); err != nil {
					t.Fatal(err)
				}
				report, told := w.oneReport(), 0
				for _, reason := range report.Reasons {
					if reason == fmt.Sprintf("manifests that are not read, as all are too large together: %d", left) {
						told++
					}
				}
				if told != min(left, 1) || (report.Counted == nil) != (left > 0) || report.Listed != 3-left ||
					w.outcomes() != Incomplete {
					t.Errorf("a limit of %d: %+v", limit, report)
				}
			})
		})
	}
}

// changeEntry sets the flags and the checksum of an entry, in the directory of a ZIP.
func changeEntry(raw []byte, name string, flags uint16, sum uint32) []byte {
	const header = 46 // bytes before the name
	at := bytes.LastIndex(raw, []byte(name)) - header
	binary.LittleEndian.PutUint16(raw[at+8:], flags)
	if sum != 0 {
		binary.LittleEndian.PutUint32(raw[at+16:], sum)
	}
	return raw
}

// What the manifest lists besides messages is read to its end, with the limits of messages.
func TestOtherFiles(t *testing.T) {
	const pictures = "Count: 1\r\na.eml\r\np.png\r\nq.png"
	picture := func(name string, size int64) [2]string { return [2]string{name, textOf(size)} }
	unread := func(n int, problem zipread.Problem) string {
		return fmt.Sprintf("other files that can't be read: %d, of each: %s", n, problem)
	}
	for name, tt := range map[string]struct {
		zip     []byte
		reasons []string
		others  int
		unsafe  int
	}{
		"whole": {zip: zipOf(message("a.eml"), picture("p.png", 100), picture("q.png", 2<<10),
			[2]string{"l.mf", pictures}), others: 2},
		"with a password": {zip: changeEntry(zipOf(message("a.eml"), picture("p.png", 100), picture("q.png", 100),
			[2]string{"l.mf", pictures}), "p.png", 1, 0), others: 2, reasons: []string{unread(1, zipread.Encrypted)}},
		"damaged": {zip: changeEntry(zipOf(message("a.eml"), picture("p.png", 100), picture("q.png", 100),
			[2]string{"l.mf", pictures}), "p.png", 0, 1), others: 2, reasons: []string{unread(1, zipread.Broken)}},
		"a bomb": {zip: zipOf(message("a.eml"), [2]string{"p.png", strings.Repeat("x", 2<<20)}, picture("q.png", 100),
			[2]string{"l.mf", pictures}), others: 2, reasons: []string{unread(1, zipread.Bomb)}},
		"too large together": {zip: zipOf(message("a.eml"), picture("p.png", 20<<10), picture("q.png", 100),
			[2]string{"l.mf", pictures}), others: 2, reasons: []string{unread(2, zipread.OverTotal)}},
		"too large": {zip: zipOf(message("a.eml"), picture("p.png", 9<<10), picture("q.png", 100),
			[2]string{"l.mf", pictures}), others: 2, reasons: []string{unread(1, zipread.TooLarge)}},
		"a name that is a path": {zip: zipOf(message("a.eml"), picture("../p.png", 100),
			[2]string{"l.mf", "Count: 1\r\na.eml\r\n../p.png"}), others: 1, unsafe: 1},
		"a folder that is listed": {zip: zipOf(message("a.eml"), [2]string{"d/", ""},
			[2]string{"l.mf", "Count: 1\r\na.eml\r\nd/"}), others: 1, reasons: []string{unread(1, zipread.Folder)}},
		"a folder": {zip: zipOf(message("a.eml"), [2]string{"d/", ""}, [2]string{"l.mf", "Count: 1\r\na.eml"})},
		"not listed, with a password": {zip: changeEntry(zipOf(message("a.eml"), picture("p.png", 100),
			[2]string{"l.mf", "Count: 1\r\na.eml"}), "p.png", 1, 0), others: 1,
			reasons: []string{"1 other file is there and not listed", unread(1, zipread.Encrypted)}},
		"not listed, damaged": {zip: changeEntry(zipOf(message("a.eml"), picture("p.png", 100),
			[2]string{"l.mf", "Count: 1\r\na.eml"}), "p.png", 0, 1), others: 1,
			reasons: []string{"1 other file is there and not listed"}},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t)
				w.shelf.put(nameOf(1), tt.zip, old)
				d := w.intake(w.Store)
				switch name {
				case "too large together":
					d.contents.Total = 10 << 10
				case "too large":
					d.contents.Entry = 8 << 10
				}
				if _, err := w.try(t.Context(), d); err != nil {
					t.Fatal(err)
				}
				report := w.oneReport()
				if diff := cmp.Diff(tt.reasons, report.Reasons); diff != "" {
					t.Errorf("reasons (-want +got):\n%s", diff)
				}
				if report.Others != tt.others || report.Unsafe != tt.unsafe || report.Messages != 1 ||
					report.Quarantined != 0 {
					t.Errorf("%+v", report)
				}
				if outcome := w.outcomes(); (outcome == Complete) != (tt.reasons == nil) {
					t.Errorf("the outcome is %s", outcome)
				}
			})
		})
	}
}
