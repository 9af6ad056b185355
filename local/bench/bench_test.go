package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
)

// Every generated text must become exactly one copy, or the figures count something else.
func TestItems(t *testing.T) {
	d := day{from: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), items: 3000, mailboxes: 1200}
	ids, boxes := map[string]bool{}, map[string]int{}
	for i := range d.items {
		raw := d.json(i)
		rec, err := telemessage.Parse(record.Entry{Version: 1, Items: []record.Item{{Raw: raw}}})
		if err != nil {
			t.Fatalf("item %d: %v", i, err)
		}
		if err := record.Check(rec); err != nil || rec.Kind != record.SMS || len(rec.LeftOut) > 0 {
			t.Fatalf("item %d: %v, kind %s, left out %q", i, err, rec.Kind, rec.LeftOut)
		}
		var emails []string
		for _, p := range rec.Participants() {
			emails = append(emails, p.Emails...)
		}
		if len(emails) != 1 {
			t.Fatalf("item %d has %d addresses", i, len(emails))
		}
		boxes[emails[0]]++
		ids[rec.ID] = true
		if i > 0 && d.archived(i).Before(d.archived(i-1)) {
			t.Fatalf("item %d was archived before the one before it", i)
		}
	}
	if last := d.archived(d.items - 1); !last.Before(d.from.Add(24*time.Hour - 20*time.Minute)) {
		t.Errorf("the last item is of %v, which fetch may not see yet", last)
	}
	for _, u := range tenantUsers(d.mailboxes) {
		if n := boxes[u.Mail]; n < 2 || n > 3 {
			t.Errorf("%s has %d items", u.Mail, n)
		}
	}
	if len(ids) != d.items || len(boxes) != d.mailboxes {
		t.Errorf("%d ids, %d mailboxes", len(ids), len(boxes))
	}
}

func TestRecording(t *testing.T) {
	const size = 3<<20 + 17
	d := day{from: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), items: 1, mailboxes: 1}
	o, err := telemessage.Peek(encodeItem(d.recorded("/call", size)))
	if err != nil || len(o.Attachments) != 1 {
		t.Fatalf("%d attachments, %v", len(o.Attachments), err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, noiseReader(size))
	if a := o.Attachments[0]; n != size || err != nil || a.Size != size ||
		a.Digest != hex.EncodeToString(sum.Sum(nil)) {
		t.Errorf("%d bytes, %v, said to be %d", n, err, a.Size)
	}
}

func TestProc(t *testing.T) {
	now, peak, ok := parseStatus(
		"Name:\thandler\nVmPeak:\t 2239268 kB\nVmHWM:\t   90112 kB\nVmRSS:\t   51200 kB\nThreads:\t9\n")
	if now != 51200<<10 || peak != 90112<<10 || !ok {
		t.Errorf("memory %d, peak %d, %v", now, peak, ok)
	}
	if _, _, ok := parseStatus("Name:\thandler\n"); ok {
		t.Error("memory out of nothing")
	}
	const stat = "4711 (a (bad) name) S 1 4711 4711 0 -1 4194560 5215 0 0 0 250 50 7 7 20 0 9 0 83 1 2 3\n"
	if used, ok := parseStat([]byte(stat)); used != 3*time.Second || !ok {
		t.Errorf("%v, %v", used, ok)
	}
	if used, ok := parseBusy([]byte(
		"cpu  100 10 50 9000 800 0 40 7 0 0\ncpu0 1 1 1 1 1 1 1\n")); used != 2*time.Second || !ok {
		t.Errorf("busy %v, %v", used, ok)
	}
	for _, bad := range []string{"", "4711 (x) S 1", "4711 (x) S 1 4711 4711 0 -1 4194560 5215 0 0 0 x 50"} {
		if _, ok := parseStat([]byte(bad)); ok {
			t.Errorf("CPU time out of %q", bad)
		}
		if _, ok := parseBusy([]byte(bad)); ok {
			t.Errorf("busy out of %q", bad)
		}
	}
}

func TestNumber(t *testing.T) {
	for want, v := range map[string]float64{
		"0": 0, "0.0117": 0.01171, "0.980": 0.98, "1.00": 1, "9.81": 9.812, "12.3": 12.34, "640": 640,
		"12,321": 12321.4, "1,234,568": 1234567.8, "-1,500": -1500,
	} {
		if got := formatNumber(&v); got != want {
			t.Errorf("%v is shown as %s, want %s", v, got, want)
		}
	}
	if got := formatNumber(knownValue(math.NaN())); got != "n/a" {
		t.Errorf("no number is shown as %s", got)
	}
}

// A small run of everything, but for the large recording. It judges no figure that depends on time.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the handlers")
	}
	var out, said bytes.Buffer
	args := []string{"-json", "-copies", "200", "-mailboxes", "20", "-latency", "2ms", "-concurrency", "16", "-only",
		"Importing", "-big=false"}
	if code := run(t.Context(), args, &out, &said); code != 0 {
		t.Fatalf("exit code %d: %s", code, said.String())
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range r.Figures {
		if f.Value != nil {
			group, _, _ := strings.Cut(f.Group, ":")
			got[group+"|"+f.Name] = *f.Value
		}
	}
	for name, want := range map[string]float64{
		"Import, mailboxes known|Graph requests per copy, to create it": 1,
		"Import, mailboxes known|table operations per copy":             3,
		"Import, mailboxes known|share of answers 429":                  0,
		"Import, first contact|Graph requests per copy, to create it":   1,
		"Import, the whole run|table operations per copy":               3,
		"Import into a single mailbox|share of answers 429":             0,
		"A day of 1,000,000 copies on Azure|table operations":           2_500_000,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: %v, want %v", name, v, want)
		}
	}
	if v := got["Import, mailboxes known|blob operations per record"]; v <= 0 || v > 0.2 {
		t.Errorf("%v blob operations per record", v)
	}
	if v := got["Import, mailboxes known|operations for the totals, per batch"]; v < 1 || v > totalsPer {
		t.Errorf("%v operations for the totals of a batch", v)
	}
	if v := got["A day of 1,000,000 copies on Azure|runs of functions"]; v < 5025 || v > 6000 {
		t.Errorf("%v runs for batches of up to 100 records, two copies each", v)
	}
	for _, name := range []string{"1 process", "2 processes", "4 processes"} {
		if v := got["Import by several processes|"+name+": time per copy"]; v <= 0 {
			t.Errorf("%s: %v ms", name, v)
		}
	}
	var table bytes.Buffer
	r.print(&table)
	if !strings.Contains(table.String(),
		"\nImport, first contact: 100 copies into 20 mailboxes, C = 8 at once, L = 2ms\n") {
		t.Errorf("the table is:\n%s", table.String())
	}
}

func TestVerdicts(t *testing.T) {
	none := math.NaN()
	for _, c := range []struct {
		value float64
		limit limit
		want  verdict
	}{
		{304, atLeast(0.95, 320, "C/L"), holds},
		{303, atLeast(0.95, 320, "C/L"), misses},
		{303, atLeast(0.95, 320, "C/L").unless(true), full},
		{303, atLeast(0.95, 320, "C/L").unless(false), misses},
		{320, atLeast(0.95, 320, "C/L").unless(true), holds},
		{48, atMost(48, "over idle"), holds},
		{48.1, atMost(48, "over idle"), misses},
		{-1, atMost(48, "over idle"), holds},
		{none, atMost(48, "over idle"), unjudged},
		{none, atLeast(1, 3000, "items"), unjudged},
		{1, compareWith(2, "C/L"), unasked},
		{1, limit{value: none}, unasked},
	} {
		if got := c.limit.judge(c.value); got != c.want {
			t.Errorf("%v beside %+v: %q, want %q", c.value, c.limit, got, c.want)
		}
	}
}

// A rate is beyond the machine if its processors have not the time for it, whatever was measured.
func TestTooMuchForTheMachine(t *testing.T) {
	cpus := time.Duration(runtime.NumCPU()) * time.Second
	for name, tt := range map[string]struct {
		load load // of 100 items
		rate float64
		want bool
	}{
		"Azurite's thread is enough":     {load{azurite: time.Second, ok: true}, 99, false},
		"Azurite needs more than that":   {load{azurite: time.Second, ok: true}, 101, true},
		"the processors are enough":      {load{handler: cpus, ok: true}, 99, false},
		"all need more than there are":   {load{handler: cpus / 2, bench: cpus / 2, ok: true}, 101, true},
		"what others do does not count":  {load{all: 10 * cpus, ok: true}, 101, false},
		"the processor time is unknown":  {load{azurite: 10 * time.Second}, 101, false},
		"nothing was measured of anyone": {load{ok: true}, 1e9, false},
	} {
		if got := tt.load.isTooMuch(tt.rate, 100); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// What does not hold is seen: in its row, at the end, and in whether all was kept.
func TestVerdictsInTheTable(t *testing.T) {
	r := newReport(options{})
	r.add("Import", "share of answers 429", 0, "%", atMost(1, "of the requests"))
	r.add("Import", "Graph requests per copy", 1, "", compareWith(1, "one"))
	if !r.kept() {
		t.Error("nothing is missed")
	}
	r.add("Import", "copies", 500, "copies/s", atLeast(0.95, 640, "C/L").unless(true))
	if !r.kept() {
		t.Error("the processors are to blame")
	}
	r.add("Fetch", "resident memory", math.NaN(), "MB", atMost(128, "over idle"))
	if r.kept() {
		t.Error("what was not to be had is kept")
	}
	r.add("Fetch", "items", 2999, "items/s", atLeast(1, 3000, "asked"))
	var table bytes.Buffer
	r.print(&table)
	for _, want := range []string{
		"≤ 1.00 %: of the requests                                    0.000  yes\n",
		"≥ 95 % of 640 copies/s: C/L                                  0.781  CPU\n",
		"\n\nCPU: Import: copies\n?: Fetch: resident memory\nNO: Fetch: items\n1 of 4 figures keep to what is asked " +
			"of them, 1 do not (NO), 1 could not for want of processors (CPU), 1 were not to be had (?).\n",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is missing in\n%s", want, table.String())
		}
	}
}

func TestAttribute(t *testing.T) {
	out := []byte("=== RUN   TestHour\n=== ATTR  TestHour copies 59876\n=== ATTR  TestHour throttled x\n" +
		"--- PASS: TestHour (20.00s)\n")
	if v := testAttribute(out, "copies"); v == nil || *v != 59876 {
		t.Errorf("%v copies", v)
	}
	for _, name := range []string{"throttled", "requests"} {
		if v := testAttribute(out, name); v != nil {
			t.Errorf("%s: %v", name, *v)
		}
	}
}

func TestFiguresInADocument(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(file, []byte("# Before\n"+docBegin+"an earlier run\n"+docEnd+"\nAfter\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	r := newReport(options{})
	r.add("Import", "copies", 303, "copies/s", atLeast(0.95, 320, "C/L"))
	for range 2 { // the second time the first one's are replaced
		if err := r.writeInto(file); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := "\n**Import**\n\n| figure | value | limit | ratio | holds |\n|---|---:|---|---:|---|\n" +
		"| copies | 303 copies/s | ≥ 95 % of 320 copies/s: C/L | 0.947 | NO |\n\n" +
		"0 of 1 figures keep to what is asked of them, 1 do not (NO).\n\n<!-- /bench -->\nAfter\n"
	if text := string(got); !strings.HasPrefix(text, "# Before\n<!-- bench -->\n") || !strings.HasSuffix(text, want) ||
		strings.Contains(text, "an earlier run") || strings.Count(text, "copies/s: C/L") != 1 {
		t.Errorf("the document is:\n%s", text)
	}
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.writeInto(file); err == nil {
		t.Error("a document without a place for the figures was written")
	}
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{{"-copies", "0"}, {"-mailboxes", "0"}, {"-concurrency", "2000"},
		{"-concurrency", "1"}, {"-latency", "0"}, {"x"}} {
		if code := run(t.Context(), args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}
