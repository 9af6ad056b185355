// Package reporttest fills an archive for tests as fetch and import do: batches, attachments, manifests and journals.
package reporttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/journal"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
)

// Archive is an archive in memory.
type Archive struct {
	Store *archive.Store
	Lines [][]byte // of the next batch, see Line and Write

	t     *testing.T
	media map[string][]byte // by name
}

// New returns an empty archive.
func New(t *testing.T) *Archive {
	t.Helper()
	s := archivetest.ForTest(t, nil)
	store, err := archive.Open(archive.Config{ConnectionString: s.ConnectionString(), HTTP: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &Archive{Store: store, t: t, media: map[string][]byte{}}
}

// Line adds a message with these attachments to the next batch, and returns its record.
func (a *Archive) Line(id, text string, files ...[]byte) *record.Record {
	a.t.Helper()
	item := map[string]any{
		"messageId": id, "messageType": "MMS",
		"messageTime": "2026-11-22T09:30:00Z", "archivedTime": "2026-11-22T10:00:00Z",
		"msisdn": "447700900123", "from": map[string]any{"value": "07700 900123"},
		"to": []any{map[string]any{"value": "+447700900456"}}, "textContent": text,
	}
	e := record.Entry{Version: 1}
	var list []any
	for _, f := range files {
		day := map[bool]string{true: "2026/11/28"}[len(a.media)%2 == 0] // both forms of names occur
		sha, size, err := a.Store.Media().Put(a.t.Context(), day, HexSum(f), bytes.NewReader(f))
		if err != nil {
			a.t.Fatal(err)
		}
		m := record.Media{SHA256: sha, Size: size, Day: day}
		a.media[m.Blob()] = f
		e.Media = append(e.Media, m)
		// The content decides the type of such a name.
		list = append(list, map[string]any{"name": "file.png", "contentType": "image/png", "contentUrl": "/x"})
	}
	if list != nil {
		item["attachment"] = list
	}
	raw := encodeJSON(a.t, item)
	e.Items = []record.Item{{SHA256: HexSum(raw), Raw: raw}}
	a.Lines = append(a.Lines, encodeJSON(a.t, e))
	rec, err := telemessage.Parse(e)
	if err != nil {
		a.t.Fatal(err)
	}
	if len(rec.Attachments) != len(files) {
		a.t.Fatalf("the record has %d attachments, want %d", len(rec.Attachments), len(files))
	}
	return rec
}

// Message returns the bytes of a record's message. omit and addresses are those of message.Options.
func (a *Archive) Message(r *record.Record, omit func(record.Attachment) string, addresses map[int]string) []byte {
	a.t.Helper()
	m, err := message.Build(r, message.Options{Region: "GB", Omit: omit, Addresses: addresses,
		Peek: func(x record.Attachment, n int) ([]byte, error) {
			return a.media[x.Blob()][:min(n, len(a.media[x.Blob()]))], nil
		}})
	if err != nil {
		a.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := m.Write(&b, func(blob string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(a.media[blob])), nil
	}); err != nil {
		a.t.Fatal(err)
	}
	return b.Bytes()
}

// Forget drops the test's own copy of the attachments. Message can't be called any more.
func (a *Archive) Forget() { a.media = nil }

// Write writes Lines as the only batch of a run of 2026/11/22, and its journal.
func (a *Archive) Write(run string, outcomes func(j *journal.Journal)) {
	a.t.Helper()
	name := a.Batch("2026/11/22/"+run, 1, a.Lines...)
	a.Lines = nil
	a.Deliver(name, true, outcomes)
}

// Item writes a line with one item of the source.
func Item(t *testing.T, item string) []byte {
	return encodeJSON(t, record.Entry{Version: 1, Items: []record.Item{{Raw: json.RawMessage(item)}}})
}

// Batch writes a batch and returns its name.
func (a *Archive) Batch(run string, seq int, lines ...[]byte) (name string) {
	a.t.Helper()
	body := append(bytes.Join(lines, []byte("\n")), '\n')
	name, err := a.Store.Batches().Write(a.t.Context(), run, seq, body, len(lines))
	if err != nil {
		a.t.Fatal(err)
	}
	return name
}

// Deliver writes the journal of one delivery of the batch. If finish is not set, the delivery breaks off.
func (a *Archive) Deliver(batch string, finish bool, outcomes func(j *journal.Journal)) {
	a.t.Helper()
	j, err := journal.Open(a.t.Context(), a.Store.Logs(), batch, "invocation", time.Now)
	if err != nil {
		a.t.Fatal(err)
	}
	defer j.Close()
	outcomes(j)
	end := j.Flush
	if finish {
		end = j.Finish
	}
	if err := end(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

// Copy adds the outcome of a copy that was made from the record of its own line.
func Copy(j *journal.Journal, line int, r *record.Record, mailbox string, o journal.Outcome) {
	j.Plan(line, mailbox)
	j.Copy(journal.Copy{Line: line, Key: record.Key("", r.ID, mailbox), Mailbox: mailbox, Outcome: o})
}

// Archived adds the outcome of a record. rendered is the message that was made from it, nil if none was.
func Archived(j *journal.Journal, line int, rendered []byte) {
	r := journal.Record{Line: line, Records: 1, Outcome: journal.Archived}
	if rendered != nil {
		r.Rendered = HexSum(rendered)
	}
	j.Record(r)
}

// Manifest closes a run.
func (a *Archive) Manifest(run string, m archive.Manifest) {
	a.t.Helper()
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	m.Version, m.Kind, m.From, m.To = 1, "daily", day, day.Add(24*time.Hour)
	if _, _, err := a.Store.Batches().WriteManifest(a.t.Context(), run, m); err != nil {
		a.t.Fatal(err)
	}
}

// CopyOut copies the batches, the journals and the manifests into a folder, and returns its path.
func (a *Archive) CopyOut() string {
	a.t.Helper()
	ctx, folder := a.t.Context(), a.t.TempDir()
	for run, err := range a.Store.Batches().AllRuns(ctx) {
		if err != nil {
			a.t.Fatal(err)
		}
		var batches []archive.BatchInfo
		m, err := a.Store.Batches().ReadManifest(ctx, run, func(b archive.BatchInfo) { batches = append(batches, b) })
		m.Batches = batches
		if err == nil {
			PutFile(a.t, filepath.Join(folder, archive.BatchesContainer, run, "manifest.json"), encodeJSON(a.t, m))
		}
	}
	for b, err := range a.Store.Batches().All(ctx) {
		if err != nil {
			a.t.Fatal(err)
		}
		raw, _, err := a.Store.Batches().Read(ctx, b.Name)
		if err != nil {
			a.t.Fatal(err)
		}
		PutFile(a.t, filepath.Join(folder, archive.BatchesContainer, b.Name), raw)
		log, size, err := a.Store.Logs().Read(ctx, journal.LogName(b.Name))
		if err != nil {
			a.t.Fatal(err)
		}
		if size < 0 {
			continue
		}
		if raw, err = io.ReadAll(log); err != nil {
			a.t.Fatal(err)
		}
		PutFile(a.t, filepath.Join(folder, archive.JournalContainer, journal.LogName(b.Name)), raw)
	}
	return folder
}

// PutFile writes a file, and creates the folders that it is in.
func PutFile(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func encodeJSON(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// HexSum returns the SHA-256 of b in hex.
func HexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
