package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/record"
)

// logs keep one journal in memory.
type logs struct{ data []byte }

func (l *logs) Acquire(ctx context.Context, _ string) (journal.Lease, bool, error) {
	return lease{l, ctx}, len(l.data) == 0, nil
}

// lease is the lease of the log.
type lease struct {
	*logs
	held context.Context
}

func (l lease) Context() context.Context { return l.held }

func (l lease) Append(_ context.Context, _ int64, data []byte) error {
	l.data = append(l.data, data...)
	return nil
}

func (l lease) Release() {}

func (l *logs) Read(context.Context, string) (io.ReadCloser, int64, error) {
	return io.NopCloser(strings.NewReader(string(l.data))), int64(len(l.data)), nil
}

func (l *logs) Tail(context.Context, string, int64) ([]byte, int64, error) {
	return l.data, int64(len(l.data)), nil
}

// batch is what lies in the folder under one name.
type batch struct {
	name  string
	items []string // raw; "": an empty line
	// deliveries say what became of the lines, each after the one before it: line → outcome. None: there is no journal.
	deliveries []map[int]journal.Outcome
	broken     bool // the last delivery did not finish
	tampered   bool
}

func (b batch) write(t *testing.T, folder string) {
	t.Helper()
	var lines strings.Builder
	for _, raw := range b.items {
		if raw != "" {
			entry := record.Entry{Version: 1}
			for _, piece := range strings.Split(raw, "|") {
				entry.Items = append(entry.Items, record.Item{Raw: json.RawMessage(piece)})
			}
			text, err := json.Marshal(entry)
			if err != nil {
				t.Fatal(err)
			}
			lines.Write(text)
		}
		lines.WriteByte('\n')
	}
	put(t, filepath.Join(folder, archive.BatchesContainer, b.name), lines.String())
	if b.deliveries == nil {
		return
	}
	l := &logs{}
	for i, outcomes := range b.deliveries {
		j, err := journal.Open(context.Background(), l, b.name, "invocation", func() time.Time { return time.Unix(1, 0) })
		if err != nil {
			t.Fatal(err)
		}
		for line, outcome := range outcomes {
			records := strings.Count(b.items[min(line, len(b.items))-1], "|") + 1
			j.Record(journal.Record{Line: line, Records: records, Outcome: outcome})
		}
		if finish := j.Finish; b.broken && i == len(b.deliveries)-1 {
			err = j.Flush(context.Background())
		} else {
			err = finish(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
		j.Close()
	}
	text := string(l.data)
	if b.tampered {
		text = strings.Replace(text, "unmapped", "archived", 1)
	}
	put(t, filepath.Join(folder, archive.JournalContainer, strings.TrimSuffix(b.name, ".ndjson")+".jsonl"), text)
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// item is one text from a number to another, of the phone owner.
func item(at, owner, from, to string) string {
	return `{"messageId":"m-` + at + `","messageType":"SMS","messageTime":"` + at + `","msisdn":"` + owner + `","from":{"value":"` + from + `"},"to":[{"value":"` + to + `"}],"textContent":"hello"}`
}

// outcomes are those of lines 1, 2, 3, …
func outcomes(all ...journal.Outcome) map[int]journal.Outcome {
	by := map[int]journal.Outcome{}
	for i, o := range all {
		by[i+1] = o
	}
	return by
}

const (
	jane  = "447700900123"
	ali   = "447700900456"
	first = "2026/11/23/20261122T052000Z-20261123T052000Z/00001.ndjson"
	next  = "2026/11/24/20261123T052000Z-20261124T052000Z/00001.ndjson"
)

func TestList(t *testing.T) {
	const header = "ITEMS  OWN  FIRST       LAST        NUMBER OR ADDRESS\n"
	morning, evening := "2026-11-22T09:30:00Z", "2026-11-23T18:00:00Z"
	for _, c := range []struct {
		name    string
		region  string
		batches []batch
		want    string
	}{
		{"nothing", "GB", []batch{
			{name: first, items: []string{item(morning, jane, ali, jane)}, deliveries: []map[int]journal.Outcome{outcomes(journal.Archived)}},
		}, "0 unmapped items in 1 batches.\n"},
		{"the phone's number comes first, over two runs", "GB", []batch{
			{name: first, items: []string{item(morning, jane, ali, "07700 900123")}, deliveries: []map[int]journal.Outcome{outcomes(journal.Unmapped)}},
			{name: next, items: []string{item(evening, jane, "HMRC", jane)}, deliveries: []map[int]journal.Outcome{outcomes(journal.Unmapped)}},
		}, header +
			"2      2    2026-11-22  2026-11-23  +447700900123\n" +
			"1      0    2026-11-22  2026-11-22  +447700900456\n2 unmapped items in 2 batches.\n"},
		{"other outcomes, and what a replay has archived", "GB", []batch{
			{name: first, items: []string{item(morning, jane, ali, jane), item(morning, ali, jane, ali), item(morning, ali, "65000", ali)},
				deliveries: []map[int]journal.Outcome{outcomes(journal.Unmapped, journal.RecordFailed, journal.Unmapped), outcomes(journal.Archived)}},
		}, header + "1      1    2026-11-22  2026-11-22  +447700900456\n1 unmapped items in 1 batches.\n"},
		{"lines are counted as import does", "GB", []batch{
			{name: first, items: []string{"", item(morning, jane, "HMRC", jane)}, deliveries: []map[int]journal.Outcome{{2: journal.Unmapped}}},
		}, header + "1      1    2026-11-22  2026-11-22  +447700900123\n1 unmapped items in 1 batches.\n"},
		{"an owner who takes no part, and addresses", "GB", []batch{
			{name: first, items: []string{`{"messageId":"m","messageType":"SMS","messageTime":"` + morning + `","msisdn":"` + jane +
				`","from":{"value":"HMRC","email":"A@contoso.example"},"to":[{"value":"unknown","email":"b\u001b[2J@contoso.example"}],"textContent":""}`},
				deliveries: []map[int]journal.Outcome{outcomes(journal.Unmapped)}},
		}, header +
			"1      1    2026-11-22  2026-11-22  +447700900123\n" +
			"1      0    2026-11-22  2026-11-22  a@contoso.example\n" +
			"1      0    2026-11-22  2026-11-22  b\\x1b[2j@contoso.example\n1 unmapped items in 1 batches.\n"},
		{"days are London's", "GB", []batch{
			{name: first, items: []string{item("2026-06-30T23:30:00Z", jane, "HMRC", jane)}, deliveries: []map[int]journal.Outcome{outcomes(journal.Unmapped)}},
		}, header + "1      1    2026-07-01  2026-07-01  +447700900123\n1 unmapped items in 1 batches.\n"},
		{"another region", "US", []batch{
			{name: first, items: []string{item(morning, "07700 900123", "HMRC", "unknown")}, deliveries: []map[int]journal.Outcome{outcomes(journal.Unmapped)}},
		}, "1 unmapped items in 1 batches.\n1 of them name no number and no address: no mapping can help them.\n"},
		{"not imported yet, and not to the end", "GB", []batch{
			{name: first, items: []string{item(morning, jane, ali, jane)}},
			{name: next, items: []string{item(evening, jane, "HMRC", jane), item(evening, jane, ali, jane)},
				deliveries: []map[int]journal.Outcome{outcomes(journal.Unmapped)}, broken: true},
		}, header + "1      1    2026-11-23  2026-11-23  +447700900123\n1 unmapped items in 2 batches.\n2 batches are not imported to their end, and may have more.\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			for _, b := range c.batches {
				b.write(t, folder)
			}
			put(t, filepath.Join(folder, archive.BatchesContainer, "2026/11/23/run/manifest.json"), "{}")
			got, err := printed(t, folder, c.region)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// printed runs the command with a file for its output.
func printed(t *testing.T, folder, region string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	failed := run(context.Background(), folder, region, out)
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), failed
}

// What can't be told for sure is not told, and no error holds a number.
func TestRefuses(t *testing.T) {
	text := item("2026-11-22T09:30:00Z", jane, ali, jane)
	for _, c := range []struct {
		name    string
		batches []batch
		says    string
	}{
		{"an empty folder", nil, "no such file"},
		{"a changed journal", []batch{{name: first, items: []string{text}, deliveries: []map[int]journal.Outcome{outcomes(journal.Unmapped)}, tampered: true}}, journal.ErrTampered.Error()},
		{"another archive's journal", []batch{{name: first, items: []string{text}, deliveries: []map[int]journal.Outcome{{7: journal.Unmapped}}}}, "not of one archive"},
		{"an item that can't be read", []batch{{name: first, items: []string{`{"messageId":"m1","msisdn":"` + jane + `"}`}, deliveries: []map[int]journal.Outcome{outcomes(journal.Unmapped)}}}, "messageTime"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			for _, b := range c.batches {
				b.write(t, folder)
			}
			got, err := printed(t, folder, "GB")
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "7700900") {
				t.Errorf("the error is %v, want one with %q", err, c.says)
			}
			if got != "" {
				t.Errorf("it prints %q all the same", got)
			}
		})
	}
}

// What is gathered from a pipe is a log's.
func TestPrintsIntoNoLog(t *testing.T) {
	folder := t.TempDir()
	batch{name: first, items: []string{item("2026-11-22T09:30:00Z", jane, ali, jane)}, deliveries: []map[int]journal.Outcome{outcomes(journal.Unmapped)}}.write(t, folder)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = run(context.Background(), folder, "GB", w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, failed := io.ReadAll(r)
	if err != errGathered || failed != nil || len(got) > 0 {
		t.Errorf("run says %v and wrote %d bytes (%v)", err, len(got), failed)
	}
}
