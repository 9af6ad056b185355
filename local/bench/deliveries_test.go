package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"o2archiver/local/cloud"
	"o2archiver/shared/archive"
	"o2archiver/shared/source/delivery/zipread"
)

// What is measured is what the requirement says: 5,000 messages and 50 MB in a ZIP.
func TestDeliveredZIP(t *testing.T) {
	w := &world{o: options{mailboxes: 150}}
	const part = 20 // of the messages and of the 50 MB
	z, err := w.makeZIP(0, zipMessages/part)
	if err != nil || z.Messages != zipMessages/part || len(z.Data) < 48e6/part || len(z.Data) > 54e6/part {
		t.Fatalf("%d messages, %d bytes, %v", z.Messages, len(z.Data), err)
	}
	opened, err := zipread.Open(bytes.NewReader(z.Data), int64(len(z.Data)), zipread.DefaultLimits())
	if err != nil || len(opened.Entries) != zipMessages/part+1 {
		t.Fatalf("%v", err)
	}
	if bytes.Equal(pictureBytes(0, 0), pictureBytes(0, 20)) || bytes.Equal(pictureBytes(0, 0), pictureBytes(1, 0)) {
		t.Error("two pictures are the same")
	}
}

// The storage holds what is written by the archive's own client, counts it, and forgets media.
func TestMemoryStorage(t *testing.T) {
	var servers cloud.Servers
	defer servers.Close()
	m, store, err := serveStorage(t.Context(), &servers)
	if err != nil {
		t.Fatal(err)
	}
	before, created := m.requests(archive.MediaContainer)
	if _, err := store.Batches().Write(t.Context(), "2026/11/28/run", 1, []byte("{}\n"), 1); err != nil {
		t.Fatal(err)
	}
	sha, _, err := store.Media().Put(t.Context(), "2026/11/28", "", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Media().Open(t.Context(), "2026/11/28/"+sha); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("the medium is still there: %v", err)
	}
	if _, _, err := store.Batches().Read(t.Context(), "2026/11/28/run/00001.ndjson"); err != nil {
		t.Error(err)
	}
	if all, media := m.requests(archive.MediaContainer); all-before != 4 || media-created != 2 {
		t.Errorf("%d requests, %d for media", all-before, media-created)
	}
	if missing := m.Unimplemented(); len(missing) > 0 {
		t.Errorf("not implemented: %q", missing)
	}
}
