package archive

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBatchNames(t *testing.T) {
	const folder = "2026/11/28/run"
	var names []string
	for _, seq := range []int{1, 2, 99_998, 99_999, 100_000, 100_001, 999_999} {
		name := BatchName(folder, seq)
		if got, ok := BatchNumber(name); got != seq || !ok {
			t.Errorf("%s has the number %d, %v", name, got, ok)
		}
		names = append(names, name)
	}
	if !slices.IsSorted(names) {
		t.Errorf("the order of the names is not that of the numbers: %v", names)
	}
	s := testStore(t)
	for name, want := range map[string]int{"00001-b": 1, "00001-z": 1, "00001-zzzb": 1, "a100000-c": 100_000, "0001": 0,
		"a00001x": 0, "b100000": 0,
		"00001-a": 0, "00001-bb": 0, "100000": 0} {
		got, ok := BatchNumber(folder + "/" + name + ".ndjson")
		if got != want || ok != (want > 0) {
			t.Errorf("%s has the number %d, %v; want %d", name, got, ok, want)
		}
		if _, err := s.Batches().FromURI(s.Batches().URI(folder + "/" + name + ".ndjson")); (err == nil) != ok {
			t.Errorf("the event of %s: %v", name, err)
		}
	}
}

func TestShortNamesOfBatches(t *testing.T) {
	for name, short := range map[string]string{
		"2026/11/28/run/00001.ndjson":     "2026/11/28/run/00001",
		"2026/11/28/r.u.n/00001-b.ndjson": "2026/11/28/r.u.n/00001-b",
	} {
		if got := ShortName(name); got != short || FullName(got) != name {
			t.Errorf("%s has the short name %s, which is that of %s", name, got, FullName(got))
		}
		if folder, base := RunOf(name), BatchBase(name); folder+"/"+base != short || BatchAt(folder, base) != name {
			t.Errorf("%s is the batch %s in %s, which is %s", name, base, folder, BatchAt(folder, base))
		}
	}
}

// The names are those of all archives: none may change.
func TestNamesOfItemsAndReports(t *testing.T) {
	const folder, key = "2026/11/28/run", "0123456789abcdef0123456789abcdef"
	at := time.Date(2026, 11, 28, 5, 30, 0, 700e6, time.UTC)
	local := at.In(time.FixedZone("", -6*3600)) // a time of the day before
	got := []string{
		RawName(folder, 0, 0, nil), RawName(folder, 12, 345, []byte("head")), RawName(folder, 123_456, 12_345, nil),
		RawDeferredName(folder, "media-20261128T053000Z-00000007-0123456789abcdef"),
		DeferredKey("media", local, 7, key[:16]), DeferredKey("pieces", at, 123_456_789, key[:16]),
		FormerDeferredKey("media", local, 7, key[:16]), DeferredPrefix("pieces", local),
		CopyName(local, key), DeliveryReport(folder), ImportReport(folder),
		manifestName(folder), deferredName("media-1"), partName(key, 3, 45), mediaName("2026/11/28", key),
	}
	want := []string{
		"2026/11/28/run/00000-0000-e3b0c44298fc1c14", "2026/11/28/run/00012-0345-9f2e6d33a3717ee8",
		"2026/11/28/run/123456-12345-e3b0c44298fc1c14",
		"2026/11/28/run/media-20261128T053000Z-00000007-0123456789abcdef",
		"media-20261128T053000Z-00000007-0123456789abcdef", "pieces-20261128T053000Z-123456789-0123456789abcdef",
		"media-20261128T053000Z-0000007-0123456789abcdef", "pieces-20261128T053000Z-",
		"2026/11/28/" + key, "deliveries/2026/11/28/run.json", "imports/2026/11/28/run.json",
		"2026/11/28/run/manifest.json", "waiting/media-1.json", "parts/" + key + "/3-00045", "2026/11/28/" + key,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	for key, want := range map[string]bool{got[4]: true, got[6]: true, got[5]: false, "mediator-1": false, "": false} {
		if IsDeferredFor("media", key) != want {
			t.Errorf("%q is deferred for media: %v, want %v", key, !want, want)
		}
	}
	for _, name := range got[:4] {
		if !rawForm.MatchString(name) {
			t.Errorf("KeepRaw does not take %s", name)
		}
	}
	if name := CopyName(at, key); !deliveryForm.MatchString(name) {
		t.Errorf("Put does not take %s", name)
	}
	for _, name := range []string{DeliveryReport(folder), ImportReport(folder)} {
		if !IsDeliveryReport(name) {
			t.Errorf("%s is no report about a ZIP", name)
		}
	}
}

// However often a batch, or an item that is only kept, comes with other bytes: there is a name for them.
func TestNamesBesideTheFirst(t *testing.T) {
	s, folder := testStore(t), "2026/11/28/names-"+strings.ToLower(rand.Text())
	seen := map[string]bool{}
	for i := range 30 {
		for range 2 {
			name, err := s.Batches().Write(t.Context(), folder, 1, fmt.Appendf(nil, "{%d}\n", i), 1)
			if err != nil {
				t.Fatalf("batch %d: %v", i, err)
			}
			seen[name] = true
		}
	}
	if len(seen) != 30 {
		t.Errorf("%d names for 30 batches", len(seen))
	}
	for _, size := range []int{10, 3 * s.block} {
		seen := map[string]bool{}
		for i := range 5 {
			data := bytes.Repeat([]byte{byte(i)}, size)
			for range 2 {
				name, sha, n, err := s.Media().KeepRaw(t.Context(), fmt.Sprintf("%s/kept-%d", folder, size),
					bytes.NewReader(data))
				if err != nil || n != int64(size) {
					t.Fatalf("%d bytes, reading %d: %d, %v", size, i, n, err)
				}
				seen[name+sha] = true
			}
		}
		if len(seen) != 5 {
			t.Errorf("%d names for 5 readings", len(seen))
		}
	}
}
