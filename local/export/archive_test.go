package export

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
)

const (
	jane = "1d5e7a3c-0000-4000-8000-000000000001"
	ali  = "1d5e7a3c-0000-4000-8000-000000000002"
	sam  = "1d5e7a3c-0000-4000-8000-000000000003"
)

// testArchive is one that a test fills as fetch and import do.
type testArchive struct {
	t     *testing.T
	store *archive.Store
	dir   string
	lines [][]byte
	media map[string][]byte
}

func (a *testArchive) options() Options {
	return Options{Region: "GB", MaxItem: 1000, Address: func(id string) string {
		return map[string]string{jane: "jane@contoso.example"}[id]
	}}
}

// line adds a line to the batch that is to come, and gives the record that it is read as.
func (a *testArchive) line(id, text string, files ...[]byte) *record.Record {
	a.t.Helper()
	item := map[string]any{"messageId": id, "messageType": "MMS", "messageTime": "2026-11-22T09:30:00Z", "archivedTime": "2026-11-22T10:00:00Z",
		"msisdn": "447700900123", "from": map[string]any{"value": "07700 900123"}, "to": []any{map[string]any{"value": "+447700900456"}}, "textContent": text}
	e := record.Entry{Version: 1}
	var list []any
	for _, f := range files {
		day := map[bool]string{true: "2026/11/28"}[len(a.media)%2 == 0] // others are of the form before
		sha, size, err := a.store.Media().Put(a.t.Context(), day, hexSum(f), bytes.NewReader(f))
		if err != nil {
			a.t.Fatal(err)
		}
		m := record.Media{SHA256: sha, Size: size, Day: day}
		a.media[m.Blob()] = f
		e.Media = append(e.Media, m)
		list = append(list, map[string]any{"name": "file.png", "contentType": "image/png", "contentUrl": "/x"}) // which has to be looked at
	}
	if list != nil {
		item["attachment"] = list
	}
	raw, err := json.Marshal(item)
	if err != nil {
		a.t.Fatal(err)
	}
	e.Items = []record.Item{{SHA256: hexSum(raw), Raw: raw}}
	entry, err := json.Marshal(e)
	if err != nil {
		a.t.Fatal(err)
	}
	a.lines = append(a.lines, entry)
	rec, err := telemessage.Parse(e)
	if err != nil {
		a.t.Fatal(err)
	}
	if len(rec.Attachments) != len(files) {
		a.t.Fatalf("the record has %d attachments, want %d", len(rec.Attachments), len(files))
	}
	return rec
}

// bytes is the message of a record, made with no help of the code under test.
func (a *testArchive) bytes(r *record.Record, omit func(record.Attachment) string) []byte {
	a.t.Helper()
	m, err := message.Build(r, message.Options{Region: "GB", Omit: omit, Peek: func(x record.Attachment, n int) ([]byte, error) {
		return a.media[x.Blob()][:min(n, len(a.media[x.Blob()]))], nil
	}})
	if err != nil {
		a.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := m.Write(&b, func(blob string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(a.media[blob])), nil }); err != nil {
		a.t.Fatal(err)
	}
	return b.Bytes()
}

// write writes the lines as a batch, and its journal.
func (a *testArchive) write(run string, journalOf func(j *journal.Journal)) {
	a.t.Helper()
	name, err := a.store.Batches().Write(a.t.Context(), "2026/11/22/"+run, 1, append(bytes.Join(a.lines, []byte("\n")), '\n'), len(a.lines))
	if err != nil {
		a.t.Fatal(err)
	}
	a.lines = nil
	j, err := journal.Open(a.t.Context(), a.store.Logs(), name, "test", time.Now)
	if err != nil {
		a.t.Fatal(err)
	}
	defer j.Close()
	journalOf(j)
	if err := j.Finish(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

// outcome notes a copy.
func outcome(j *journal.Journal, line int, r *record.Record, mailbox string, o journal.Outcome) {
	j.Plan(line, mailbox)
	j.Copy(journal.Copy{Line: line, Key: record.Key("", r.ID, mailbox), Mailbox: mailbox, Outcome: o})
}

// archived notes the end of a record. whole is the message that was rendered; nil where none was.
func archived(j *journal.Journal, line int, whole []byte) {
	r := journal.Record{Line: line, Records: 1, Outcome: journal.Archived}
	if whole != nil {
		r.Rendered = hexSum(whole)
	}
	j.Record(r)
}

func (a *testArchive) export(o Options) Result {
	a.t.Helper()
	got, err := To(a.t.Context(), a.dir, a.store, o)
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

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func nameOf(r *record.Record) string {
	return "20261122T093000Z-" + record.MessageKey("", r.ID)[:16] + ".eml"
}

func noise(n int, with byte) []byte {
	return bytes.Repeat([]byte{with}, n)
}
