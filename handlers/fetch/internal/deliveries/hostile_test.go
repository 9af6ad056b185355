package deliveries

import (
	"archive/zip"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/record"
	"o2archiver/shared/source/delivery/deliverytest"
)

const emlHead = "Date: Fri, 27 Nov 2026 09:30:00 +0000\r\nFrom: Jane 447700900123 <jane@contoso.com>\r\n" +
	"To: <447700900456@unknown.example>\r\nX-TELEMESSAGE-MessageType: SMS\r\n"

// zipOf returns a ZIP of these entries, each a name and a content.
func zipOf(entries ...[2]string) []byte { return deliverytest.ZIP(zip.Deflate, entries...) }

// A message that must not be read has an entry with the reason, and the messages beside it are read.
func TestHostileEntries(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		small := func(id string) string { return emlHead + "X-TELEMESSAGE-ArchiveMessageID: " + id + "\r\n\r\nx" }
		w.shelf.put(nameOf(1), zipOf([2]string{"a.eml", small("a")},
			[2]string{"../../b.eml", small("b")}, [2]string{"bomb.eml", strings.Repeat("x", 2<<20)},
			[2]string{"c.eml", small("c")}, [2]string{"no mail.eml", "\x00\x01"}, [2]string{"picture.png", "x"},
			[2]string{"late.eml", small("late") + textOf(1<<20)},
			[2]string{"list.mf", "Count: 6\r\n"}), old)
		d := w.intake(w.Store)
		d.contents.Total = 2 << 20 // the bomb is read to its first MiB
		if res, err := w.try(t.Context(), d); err != nil || res.Received != 6 || res.Read != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
		var got []string
		for _, e := range w.entries() {
			if e.Fault == "" {
				got = append(got, e.ID)
				continue
			}
			got = append(got, e.Fault)
		}
		want := []string{"a", "b",
			"the message can't be read from its ZIP: it expands to many times its size, as no message does", "c",
			"the file is not an e-mail message",
			"the message can't be read from its ZIP: all files of the ZIP together are larger than a " +
				"delivery may be, 4 GiB"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for name := range w.batches() {
			r := w.report(archive.RunOf(name))
			if r.Unsafe != 1 || r.Others != 1 || r.Quarantined != 3 || r.Unlisted != 7 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// A large message is not held in memory, and is stored with its parts.
func TestLargeMessage(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		var block strings.Builder // longer than the window of the ZIP's compression
		for seed := uint32(1); block.Len() < 64<<10; {
			seed = seed*1664525 + 1013904223
			block.WriteByte('A' + byte(seed>>27))
		}
		noise := strings.Repeat(block.String(), 5<<20/block.Len())
		body := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n" +
			"text\r\n--b\r\nContent-Type: video/mp4; name=v.mp4\r\n\r\n" + noise + "\r\n--b--\r\n"
		w.shelf.put(nameOf(1), zipOf([2]string{"a.eml", emlHead + body},
			[2]string{"list.mf", "Count: 1\r\na.eml\r\n"}), old)
		w.run()
		all := w.entries()
		if len(all) != 1 || len(all[0].Media) != 1 || all[0].Media[0].Size != 5<<20 || w.outcomes() != Complete {
			t.Fatalf("%d entries, %s", len(all), w.outcomes())
		}
		blob := record.Media{SHA256: all[0].RawHash, Day: "2026/11/28"}.Blob()
		if all[0].RawBlob != blob || all[0].Mail.Text != "text" {
			t.Errorf("message in %s, text %q", all[0].RawBlob, all[0].Mail.Text)
		}
	})
}

// Each request to the archive fails once, refused, or with its answer lost or cut: the batches are as without faults.
func TestStorageFaults(t *testing.T) {
	virtual(t, func(t *testing.T) {
		want := newWorld(t)
		want.shelf.put(nameOf(1), makeZIP("a", 30), old)
		want.run()
		for _, fault := range []archivetest.Fault{archivetest.Refuse, archivetest.Lose, archivetest.Cut} {
			w := newWorld(t)
			w.shelf.put(nameOf(1), makeZIP("a", 30), old)
			var mu sync.Mutex
			seen := map[string]bool{}
			store := w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
				mu.Lock()
				defer mu.Unlock()
				key := r.Method + r.URL.Path + r.URL.RawQuery
				if seen[key] {
					return archivetest.Pass
				}
				seen[key] = true
				return fault
			}))
			if res, err := w.try(context.Background(), w.intake(store)); err != nil || res.Read != 1 {
				t.Errorf("fault %d: %+v, %v", fault, res, err)
			}
			if diff := cmp.Diff(want.batches(), w.batches()); diff != "" {
				t.Errorf("fault %d: the batches differ", fault)
			}
		}
	})
}
