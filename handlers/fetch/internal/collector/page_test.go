package collector

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/firsts"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// numbered are the ids that world.many gives.
func numbered(prefix string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s%04d", prefix, i))
	}
	return ids
}

func pagesOf(n int) func(*telemessagetest.Options) {
	return func(o *telemessagetest.Options) { o.PageLimit = n }
}

func TestDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pagesOf(130), func(o *telemessagetest.Options) { o.EmptyEvery = 3 })
	w.many("m", 400)
	w.add(w.sms("too early", "before the window", 24*time.Hour+time.Second),
		w.sms("too late", "after the window", -time.Second))
	from, to := w.ago(24*time.Hour), w.ago(0)

	res := w.run()
	want := Result{Slices: 1, Received: 400, Records: 400, Watermark: to}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(numbered("m", 400), w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	r := w.one()
	total := int64(400)
	manifest := archive.Manifest{Version: 1, Kind: schedule.Daily, From: from, To: to, Started: w.clock.Now(),
		Finished: w.clock.Now(),
		Received: 400, SourceTotal: &total, Records: 400, Batches: r.infos, Staged: 400}
	if diff := cmp.Diff(manifest, *r.manifest); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	var sizes []int
	for i, b := range r.batches {
		sizes = append(sizes, len(b))
		if want := archive.BatchName(r.folder, i+1); r.infos[i].Name != want {
			t.Errorf("a batch is called %s, want %s", r.infos[i].Name, want)
		}
	}
	if diff := cmp.Diff([]int{100, 30, 100, 30, 100, 30, 10}, sizes); diff != "" {
		t.Errorf("records of the batches (-want +got):\n%s", diff)
	}
	// the first run begins anew
	if w.Log.Has(slog.LevelError, "") || strings.Count(w.Log.String(), `"level":"WARN"`) != 1 {
		t.Errorf("a quiet day has errors or more than one warning in the log:\n%s", w.Log)
	}

	// At once again there is nothing to do; the next day takes up where this one ended.
	if res := w.run(); res.Slices != 0 {
		t.Errorf("a run at the same moment read %d slices", res.Slices)
	}
	w.nextDay()
	if res := w.run(); res.Slices != 1 || res.Received != 1 {
		t.Errorf("the next day: %+v, want the one item that came after the first window", res)
	}
	if diff := cmp.Diff(append(numbered("m", 400), "too late"), w.ids()); diff != "" {
		t.Errorf("items of two days (-want +got):\n%s", diff)
	}
	w.balanced()
}

func TestBatchSizes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sizes := []int{300 << 10, 300 << 10, 300 << 10, 300 << 10, 100, 1500 << 10, 100, 1<<20 - 2000, 100, 1100 << 10, 100}
	for i, n := range sizes {
		w.add(w.sms(fmt.Sprintf("m%04d", i), strings.Repeat("x", n), time.Hour-time.Duration(i)*time.Minute))
	}
	w.run()
	w.balanced()
	if diff := cmp.Diff(numbered("m", len(sizes)), w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	var got []int
	r := w.one()
	for i, b := range r.batches {
		got = append(got, len(b))
		if r.infos[i].Size > firsts.MaxBytes && len(b) > 1 {
			t.Errorf("batch %d has %d bytes and %d records", i+1, r.infos[i].Size, len(b))
		}
	}
	if diff := cmp.Diff([]int{3, 2, 1, 3, 1, 1}, got); diff != "" {
		t.Errorf("records of the batches (-want +got):\n%s", diff)
	}
}

func TestItemsThatAreNoRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pagesOf(4))
	huge := fmt.Appendf(nil, `{"messageId":"huge", "textContent":%q}`, strings.Repeat("secret of 17 MiB ", 1<<20))
	deep := []byte(`{"messageId":"deep","x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`)
	deeper := []byte(`{"messageId":"deeper","x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`)
	broken := []byte(`{"messageId":"broken","textContent":"confidential",}`)
	bad := map[string][]byte{"it has more than 16 MiB": huge, "it is not valid JSON": broken}
	w.Secret("secret of 17", "confidential")
	w.add(w.sms("a", "before them all", time.Hour), w.sms("z", "after them all", time.Minute))
	for _, raw := range [][]byte{deep, deeper, broken, huge} {
		w.site.Add(w.ago(30*time.Minute), raw)
	}
	w.site.Add(w.ago(20*time.Minute), []byte(`["no object"]`)) // import reports it
	// Only the second reading comes to the end of the largest.
	w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Cut: 1 << 20})
	w.run()
	w.balanced()

	entries := w.one().entries()
	if len(entries) != 7 {
		t.Fatalf("%d entries, want 7", len(entries))
	}
	if got := entries[1]; string(got.Items[0].Raw) != string(deep) || got.RawBlob != "" {
		t.Errorf("the item that is nested deeply: %.50s, %s", got.Items[0].Raw, got.RawBlob)
	}
	if got := entries[2]; got.Fault != "" || !bytes.Equal(w.media(got.RawBlob), deeper) ||
		got.RawHash != hash(deeper) || got.Items[0].SHA256 != hash(deeper) {
		t.Errorf("the item that is nested too deeply: %.50s, %s", got.Items[0].Raw, got.RawBlob)
	}
	for _, e := range entries {
		if e.Fault == "" {
			continue
		}
		why, _, _ := strings.Cut(e.Fault, ";")
		raw := bad[why]
		delete(bad, why)
		if want := fmt.Sprintf("%s; its %d bytes are kept", why, len(raw)); e.Fault != want || len(e.Items) > 0 ||
			e.ID == "" {
			t.Errorf("fault %q with %d items, want %q", e.Fault, len(e.Items), want)
		}
		if hash(raw) != e.RawHash || !bytes.Equal(w.media(e.RawBlob), raw) {
			t.Errorf("%s: the bytes that were kept are not those that came", why)
		}
	}
	if len(bad) > 0 {
		t.Errorf("no entry for %d of the items", len(bad))
	}
	if got := string(entries[5].Items[0].Raw); got != `["no object"]` {
		t.Errorf("the item that is no object is %s", got)
	}
}

// betweenReadings calls change once, before the site answers the second request for a page.
func (w *world) betweenReadings(change func()) {
	pages := 0
	w.collector = w.hostile(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/items") {
			if pages++; pages == 2 {
				change()
			}
		}
		return false
	})
}

// The bytes of a broken item are kept under a name of the page and the place in it. If the page changes, the place may
// be another's.
func TestChangedPageWithItemsThatAreNoRecords(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.site.Add(w.ago(30*time.Minute), []byte(`{"x":1,}`))
		w.site.Add(w.ago(10*time.Minute), []byte(`{"textContent":"`+strings.Repeat("x", 200<<10)+`"}`))
		w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Cut: 150 << 10})
		w.betweenReadings(func() { w.site.Add(w.ago(40*time.Minute), []byte(`{"x":2,}`)) })
		w.run()
		var raw []string
		for _, e := range w.one().entries() {
			if e.Fault != "" {
				raw = append(raw, string(w.media(e.RawBlob)))
			}
		}
		if diff := cmp.Diff([]string{`{"x":2,}`, `{"x":1,}`}, raw); diff != "" {
			t.Errorf("bytes that were kept (-want +got):\n%s", diff)
		}
	})
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// A slice that fails after some pages goes on at its cursor.
func TestCursorIsKept(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, pagesOf(150))
		w.many("m", 400)
		w.site.Fail(telemessagetest.Items, 3, telemessagetest.Fault{Cut: 30_000, Times: pageTries})
		if _, err := w.try(w.collector, ""); err == nil {
			t.Fatal("no error")
		}
		before := w.site.Calls()[telemessagetest.Items]
		w.clock.Add(time.Hour)
		w.run()
		// The one page that is missing, and the hour that has passed.
		if calls := w.site.Calls()[telemessagetest.Items] - before; calls != 2 {
			t.Errorf("the second run asked for %d pages, want 2", calls)
		}
		if diff := cmp.Diff(numbered("m", 400), w.ids()); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
		w.balanced()
	})
}

func TestCursorExpires(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, pagesOf(150), func(o *telemessagetest.Options) { o.CursorLife = time.Hour })
		w.many("m", 450)
		// after a batch of the last page
		w.site.Fail(telemessagetest.Items, 3, telemessagetest.Fault{Cut: 40_000, Times: pageTries})
		if _, err := w.try(w.collector, ""); err == nil {
			t.Fatal("no error")
		}
		w.clock.Add(2 * time.Hour)
		w.run()
		if diff := cmp.Diff(numbered("m", 450), w.ids()); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
		w.balanced()
		if got := w.runs()[0].manifest.Restarts; got != 1 {
			t.Errorf("the manifest has %d restarts, want 1", got)
		}
	})
}

// However often the cursor expires, the next run begins with a fresh one and has its own number of restarts.
func TestCursorExpiresTooOften(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pagesOf(150))
	w.many("m", 200)
	first := 1
	for range 3 {
		for page := range 1 + maxRestarts {
			w.site.Fail(telemessagetest.Items, first+2*page+1, telemessagetest.Fault{Status: 410})
		}
		if res, err := w.try(w.collector, ""); err == nil || res.Open != 1 {
			t.Fatalf("a cursor that always expires: %+v, %v", res, err)
		}
	}
	w.run()
	if diff := cmp.Diff(numbered("m", 200), w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	w.balanced()
}

func TestChangedPage(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.many("m", 250)
		w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Cut: 40_000}) // after the first batch
		w.betweenReadings(func() { w.add(w.sms("late", "came between two readings", 23*time.Hour)) })
		w.run()
		got := map[string]bool{}
		for _, id := range w.ids() {
			got[id] = true
		}
		for _, id := range append(numbered("m", 250), "late") {
			if !got[id] {
				t.Errorf("%s is lost", id)
			}
		}
		r := w.one()
		if m := r.manifest; m.Received != 251 || m.Records != 251 || m.Staged != 351 {
			t.Errorf("received %d, records %d, staged %d; want 251, 251 and, with the first reading's batch, 351",
				m.Received, m.Records, m.Staged)
		}
		if !strings.HasSuffix(r.infos[0].Name, "/00001-b.ndjson") { // before 00001.ndjson in the alphabet
			t.Errorf("the first batch is %s", r.infos[0].Name)
		}
		if !w.Log.Has(slog.LevelError, "a page changed between two reads") {
			t.Error("the log does not tell")
		}
	})
}

func TestItemsWithoutAnID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, id := range []any{"m", nil, "", " ", 7} {
		w.add(w.sms("", fmt.Sprintf("number %d", i), time.Duration(i)*time.Minute).with("messageId", id))
	}
	anonymous := w.sms("", "no such field", time.Hour)
	delete(anonymous, "messageId")
	w.add(anonymous)
	w.run()
	if got := w.one().manifest.Derived; got != 5 {
		t.Errorf("%d items without an id, want 5", got)
	}
}

// A site that answers with the cursor of the request must not keep fetch for ever.
func TestCursorStandsStill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	calls := 0
	c := w.hostile(func(rw http.ResponseWriter, _ *http.Request) bool {
		calls++
		_, _ = io.WriteString(rw, `{"items":[],"next":"here"}`)
		return true
	})
	res, err := w.try(c, "")
	if err == nil || !strings.Contains(err.Error(), "would never end") || calls != 2 || res.Open != 1 {
		t.Errorf("%+v, error %v after %d requests", res, err, calls)
	}
}

// What the source wrote stays as it is: escapes, order, numbers.
func TestItemsAreWrittenAsTheyCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := `{ "b" : 1.50, "a":"<&>\u2028 \ud83d \u0000 \"` + "\u2028é" + `\"", "messageId":"m" }`
	w.site.Add(w.ago(time.Minute), []byte(raw))
	w.run()
	got := w.one().entries()[0].Items[0]
	compact := strings.NewReplacer(`{ "b" : 1.50, "a"`, `{"b":1.50,"a"`, `, "messageId":"m" }`,
		`,"messageId":"m"}`).Replace(raw)
	if string(got.Raw) != compact || got.SHA256 != hash([]byte(raw)) {
		t.Errorf("item %s with hash %s", got.Raw, got.SHA256)
	}
	if n := slices.IndexFunc(w.one().infos, func(b archive.BatchInfo) bool { return b.Records != 1 }); n >= 0 {
		t.Error("the batch does not have one record")
	}
}
