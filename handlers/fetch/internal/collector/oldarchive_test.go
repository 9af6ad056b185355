package collector

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/oldarchive"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// TestArchiveOfEarlierVersionIsFetchedOn continues the checkpoint, the waiting room and the half-read window of an
// earlier version: each item ends in exactly one batch.
func TestArchiveOfEarlierVersionIsFetchedOn(t *testing.T) {
	w := newWorldOnAzurite(t, func(o *telemessagetest.Options) { o.PageLimit = 3 })
	archive, err := oldarchive.Read("../../../testdata/archive-f76a792/archive.json")
	if err != nil {
		t.Fatal(err)
	}
	kept := archive.Rows
	archive.Rows = nil // fetch has no ledger
	if len(kept) == 0 {
		t.Fatal("the archive has no ledger")
	}
	if err := archive.Load(t.Context(), w.Connection); err != nil {
		t.Fatal(err)
	}
	w.clock.Set(time.Date(2026, 11, 22, 5, 30, 0, 0, time.UTC))
	w.oldArchiveSite()

	w.run()
	if c := w.checkpoint(); len(c.Open) != 0 || !c.Watermark().Equal(w.ago(0)) {
		t.Errorf("%d windows open, watermark %s, want none and %s", len(c.Open), c.Watermark(), w.ago(0))
	}
	if left := w.waiting(); len(left) != 0 {
		t.Errorf("in the waiting room: %v", left)
	}
	got := map[string]int{}
	var media []string
	for _, day := range []string{"2026/11/20", "2026/11/21", "2026/11/22"} {
		runs, err := w.Store.Batches().Runs(t.Context(), day)
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range runs {
			if _, err := w.Store.Batches().ReadManifest(t.Context(), run, nil); err != nil {
				t.Errorf("run %s has no manifest: %v", run, err)
			}
			batches, err := w.Store.Batches().List(t.Context(), run)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range batches {
				data, _, err := w.Store.Batches().Read(t.Context(), b.Name)
				if err != nil {
					t.Fatal(err)
				}
				for line := range bytes.Lines(data) {
					var e record.Entry
					if err := json.Unmarshal(line, &e); err != nil {
						t.Fatal(err)
					}
					for _, it := range e.Items {
						var head struct {
							MessageID string `json:"messageId"`
						}
						if err := json.Unmarshal(it.Raw, &head); err != nil {
							t.Fatal(err)
						}
						got[head.MessageID]++
					}
					for _, m := range e.Media {
						media = append(media, m.Gone)
					}
				}
			}
		}
	}
	want := map[string]int{}
	for n := range 8 {
		want[fmt.Sprintf("a%d", n+1)], want[fmt.Sprintf("b%d", n+1)] = 1, 1
	}
	want["b9"] = 1
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("items in batches (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"", ""}, media); diff != "" {
		t.Errorf("why attachments are missing (-want +got):\n%s", diff)
	}
}

// oldArchiveSite adds what the site held when the archive was written, in the same order: the saved cursor counts on
// it. The attachment that was out of reach is there now.
func (w *world) oldArchiveSite() {
	day := time.Date(2026, 11, 19, 12, 0, 0, 0, time.UTC)
	add := func(id, kind, text string, at time.Time, more item) {
		it := item{
			"messageId": id, "messageType": kind, "network": "O2", "msisdn": "447700900123",
			"messageTime": at.Add(-time.Minute).Format(time.RFC3339), "archivedTime": at.Format(
				time.RFC3339Nano), "direction": "Out",
			"from":        item{"value": "+447700900123", "email": "jane@contoso.example"},
			"to":          []item{{"value": "07700 900456", "email": "ali@contoso.example"}},
			"textContent": text,
		}
		for field, value := range more {
			it[field] = value
		}
		w.add(it)
	}
	piece := func(n int) item {
		return item{"segmentedData": item{"segmentedId": "long-story-1", "pieceNumber": n, "totalPieces": 2}}
	}
	file := func(name, field, value string) item {
		return item{"attachment": []item{{"name": name, "contentType": "image/png", "attachSize": 36, field: value}}}
	}
	picture := []byte("\x89PNG\r\n\x1a\n, or the beginning of one")
	at := func(minute int) time.Time { return day.Add(time.Duration(minute) * time.Minute) }
	add("a1", "SMS", "Good morning", at(1), nil)
	add("a2", "SMS", "See you at noon", at(2), nil)
	add("a3", "MMS", "The picture", at(3), file("kitchen.png", "content", base64.StdEncoding.EncodeToString(picture)))
	add("a4", "SYSTEM", "", at(4), nil)
	add("a5", "SMS", "Piece 1 of a long story. ", at(5), piece(1))
	add("a6", "MMS", "Out of reach", at(6), file("late.png", "contentUrl", "/content/late"))
	add("a7", "SMS", "From far away", at(7), item{"messageTime": "57300-01-01T00:00:00Z"})
	add("a8", "SMS", "The last of the day", at(8), nil)
	day = day.AddDate(0, 0, 1)
	for n := range 8 {
		add(fmt.Sprintf("b%d", n+1), "SMS", fmt.Sprintf("Text of the second day %d", n+1), at(n), nil)
	}
	add("b9", "SMS", "Piece 2 of a long story. ", at(9), piece(2))
	w.site.AddContent("/content/late", int64(len(picture)), func() io.Reader { return bytes.NewReader(picture) })
}
