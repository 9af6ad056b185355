package collector

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

const outOfReach = "the source did not give its bytes for 14 days"

// content serves the bytes at the path.
func (w *world) content(path string, data []byte) string {
	w.Secret(path)
	w.site.AddContent(path, int64(len(data)), func() io.Reader { return bytes.NewReader(data) })
	return path
}

// unreachable lets every request for content fail from now on, until the function that it returns is called.
func (w *world) unreachable() (back func()) {
	w.site.Fail(telemessagetest.Content, 1, telemessagetest.Fault{Status: 503, Times: 1 << 20})
	return func() { w.site.Fail(telemessagetest.Content, 1, telemessagetest.Fault{Times: 1 << 20}) }
}

// mms is a message with attachments.
func (w *world) mms(id string, d time.Duration, files ...item) item {
	return w.sms(id, "picture "+id, d).with("messageType", "MMS").with("attachment", files)
}

func (w *world) contentCalls() int { return w.site.Calls()[telemessagetest.Content] }

func base64Sum(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func base64Of(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

func TestAttachments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	small, large := []byte("a small picture"), bytes.Repeat([]byte("0123456789abcdef"), 9<<16)
	other := hash([]byte("something else"))
	stored := func(data []byte) record.Media {
		return record.Media{SHA256: hash(data), Size: int64(len(data)), Day: w.today()}
	}
	gone := func(size int64, why string) record.Media { return record.Media{Size: size, Gone: why} }
	const (
		absent  = "the source does not have it, or named an address outside its own origin"
		digest  = "its bytes do not match the digest that the source gave"
		corrupt = "its content is not valid Base64"
		nothing = "the source sent neither its content nor its address"
	)
	at := w.content
	url := func(n int, data []byte) string { return w.content(fmt.Sprintf("/content/%d.bin", n), data) }
	tests := []struct {
		name string
		file item
		want record.Media
	}{
		{"inline", item{"content": base64Of(small)}, stored(small)},
		{"inline, digest", item{"content": base64Of(small), "digest": hash(small)}, stored(small)},
		{"inline, capitals and blanks",
			item{"content": base64Of(small), "digest": " " + strings.ToUpper(hash(small)) + " "}, stored(small)},
		{"inline, URL alphabet", item{"content": base64.RawURLEncoding.EncodeToString([]byte{0xfb, 0xff})},
			stored([]byte{0xfb, 0xff})},
		{"inline, wrong digest", item{"content": base64Of(small), "digest": other, "attachSize": 15}, gone(15, digest)},
		{"inline, digest of no form", item{"content": base64Of(small), "digest": "md5:1234"}, stored(small)},
		{"inline, digest by MD5", item{"content": base64Of(small), "digest": "5d41402abc4b2a76b9719d911017c592"},
			stored(small)},
		{"inline, no digest in words", item{"content": base64Of(small), "digest": "none"}, stored(small)},
		{"inline, digest with its name", item{"content": base64Of(small), "digest": "sha256:" + hash(small)},
			stored(small)},
		{"inline, wrong digest with its name", item{"content": base64Of(small), "digest": "sha256:" + other},
			gone(0, digest)},
		{"inline, digest in Base64", item{"content": base64Of(small), "digest": base64Sum(small)}, stored(small)},
		{"inline, wrong digest in Base64", item{"content": base64Of(small), "digest": base64Sum([]byte("other"))},
			gone(0, digest)},
		{"inline, broken", item{"content": "no Base64!", "attachSize": 3}, gone(3, corrupt)},
		{"inline, broken, and an address", item{"content": "no Base64!", "contentUrl": url(20, small)}, stored(small)},
		{"inline, cut off, and an address", item{"content": base64Of(small)[:5], "contentUrl": url(21, small)},
			stored(small)},
		{"inline, wrong digest, and an address",
			item{"content": base64Of([]byte("old")), "digest": hash(small),
				"contentUrl": url(22, small)}, stored(small)},
		{"inline, wrong type, and an address", item{"content": item{}, "contentUrl": url(23, small)}, stored(small)},
		{"inline, and an address that is gone", item{"content": base64Of(small), "contentUrl": "/content/none.bin"},
			stored(small)},
		{"inline, broken, and an address that is gone",
			item{"content": "no Base64!", "contentUrl": "/content/none.bin"},
			gone(0, corrupt+"; and of its address: "+absent)},
		{"a data URL", item{"content": "data:image/png;base64," + base64Of(small)}, stored(small)},
		{"inline, nothing in it", item{"content": "", "attachSize": 0}, stored(nil)},
		{"inline and an address", item{"content": base64Of(small), "contentUrl": "https://elsewhere.example/x"},
			stored(small)},
		{"address", item{"contentUrl": url(1, small)}, stored(small)},
		{"address with white space around", item{"contentUrl": " \t" + url(30, small) + "\r\n"}, stored(small)},
		{"address with a blank", item{"contentUrl": at("/content/a b.bin", small)}, stored(small)},
		{"address with a bare %", item{"contentUrl": at("/content/100%.bin", small)}, stored(small)},
		{"address in other letters", item{"contentUrl": at("/content/größe 写真.bin", small)}, stored(small)},
		{"address with a backslash", item{"contentUrl": at(`/content/a\b.bin`, small)}, stored(small)},
		{"address with a fragment", item{"contentUrl": url(31, small) + "#page=1"}, stored(small)},
		{"address with the origin", item{"contentUrl": w.base.String() + url(2, small)}, stored(small)},
		{"address, digest", item{"contentUrl": url(3, small), "digest": strings.ToUpper(hash(small))}, stored(small)},
		{"address, wrong digest", item{"contentUrl": url(4, small), "digest": other}, gone(0, digest)},
		{"address, large, wrong digest", item{"contentUrl": url(5, large), "digest": other}, gone(0, digest)},
		{"address, large, digest", item{"contentUrl": url(6, large), "digest": hash(large), "attachSize": 1},
			stored(large)},
		{"address, nothing there", item{"contentUrl": "/content/none.bin", "attachSize": 77}, gone(77, absent)},
		{"another host", item{"contentUrl": "https://elsewhere.example/steal"}, gone(0, absent)},
		{"another port", item{"contentUrl": "https://" + w.base.Hostname() + ":1/x"}, gone(0, absent)},
		{"a file of this machine", item{"contentUrl": "file:///etc/passwd"}, gone(0, absent)},
		{"neither", item{"name": "x.png"}, gone(0, nothing)},
	}
	w.Secret("elsewhere.example", "/content/none.bin")
	var want []record.Media
	incomplete := 0
	for i, tt := range tests {
		w.add(w.mms(fmt.Sprintf("m%04d", i), time.Hour-time.Duration(i)*time.Second, tt.file))
		want = append(want, tt.want)
		if tt.want.Gone != "" {
			incomplete++
		}
	}
	w.add(w.sms("m9999", "no traffic for 7 days", time.Second).with("messageType", "SYSTEM").with("attachment",
		[]item{{"contentUrl": "/content/never-asked"}}))
	w.run()
	w.balanced()
	r := w.one()
	for i, e := range r.entries()[:len(tests)] {
		if len(e.Media) != 1 {
			t.Errorf("%s: %d attachments", tests[i].name, len(e.Media))
			continue
		}
		if diff := cmp.Diff(want[i], e.Media[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tests[i].name, diff)
		}
	}
	if got := r.manifest.Incomplete; got != incomplete {
		t.Errorf("the manifest has %d incomplete, want %d", got, incomplete)
	}
	for _, data := range [][]byte{small, large, nil} {
		if !bytes.Equal(w.media(w.today()+"/"+hash(data)), data) {
			t.Errorf("%d bytes were stored as others", len(data))
		}
	}
	if _, _, err := w.Store.Media().Open(t.Context(), w.today()+"/"+other); err == nil {
		t.Error("bytes with a wrong digest were stored")
	}
}

func TestLargeAttachmentWithoutDigest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data := bytes.Repeat([]byte("fedcba9876543210"), 9<<16)
	w.add(w.mms("m", time.Hour, item{"contentUrl": w.content("/large.bin", data)}))
	w.run()
	want := []record.Media{{SHA256: hash(data), Size: int64(len(data)), Day: w.today()}}
	if diff := cmp.Diff(want, w.one().entries()[0].Media); diff != "" {
		t.Errorf("media (-want +got):\n%s", diff)
	}
	if n := w.contentCalls(); n != 2 {
		t.Errorf("%d readings, want 2", n)
	}
}

// Bytes that differ from one reading to the next are none that can be archived, nor are they gone.
func TestLargeAttachmentThatChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var n atomic.Int32
	const size = 9 << 20
	w.site.AddContent("/changing.bin", size, func() io.Reader {
		return bytes.NewReader(bytes.Repeat([]byte{byte(min(n.Add(1), 3))}, size))
	})
	w.add(w.mms("m", time.Hour, item{"contentUrl": "/changing.bin"}))
	if res := w.run(); res.Waiting != 1 || len(w.ids()) != 0 {
		t.Errorf("%+v, want the item set aside", res)
	}
	w.nextDay()
	w.run()
	if diff := cmp.Diff([]string{"m"}, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

func TestAttachmentThatIsCutShort(t *testing.T) {
	t.Parallel()
	short := func(body string) telemessagetest.Fault { return telemessagetest.Fault{Status: 200, Body: body} }
	for _, tt := range []struct {
		name   string
		faults []telemessagetest.Fault
		aside  bool
		gone   bool
	}{
		{"cut off once", []telemessagetest.Fault{{Cut: 5}}, false, false},
		{"half of it once, as a whole answer", []telemessagetest.Fault{short("to be")}, false, false},
		{"cut off, and then half of it", []telemessagetest.Fault{{Cut: 5}, short("to be")}, true, false},
		{"another part each time", []telemessagetest.Fault{short("to be"), short("to b")}, true, false},
		{"the same wrong bytes twice", []telemessagetest.Fault{short("to be"), short("to be")}, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			data := []byte("to be had in the end: " + tt.name)
			w.add(w.mms("m", time.Hour, item{"contentUrl": w.content("/short.bin", data), "digest": hash(data)}))
			for i, f := range tt.faults {
				w.site.Fail(telemessagetest.Content, i+1, f)
			}
			if res := w.run(); (res.Waiting == 1) != tt.aside {
				t.Errorf("set aside: %d, want it %v", res.Waiting, tt.aside)
			}
			if tt.aside {
				w.nextDay()
				w.run()
			}
			runs := w.runs()
			m := runs[len(runs)-1].entries()[0].Media[0]
			if (m.Gone != "") != tt.gone || !tt.gone && m.SHA256 != hash(data) {
				t.Errorf("the attachment became %+v, want it gone: %v", m, tt.gone)
			}
		})
	}
}

func TestAttachmentOutOfReach(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault telemessagetest.Fault
	}{
		{"status 503", telemessagetest.Fault{Status: 503}},
		{"status 403", telemessagetest.Fault{Status: 403}},
		{"cut off twice", telemessagetest.Fault{Cut: 5, Times: 2}},
		{"HTML", telemessagetest.Fault{HTML: true}},
		{"reset", telemessagetest.Fault{Reset: true, Times: 5}}, // http.Transport tries a GET again by itself
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := w.today()
			data := []byte("to be had tomorrow: " + tt.name)
			w.add(w.mms("m", time.Hour, item{"content": base64Of([]byte("inline"))},
				item{"contentUrl": w.content("/soon.bin", data)}),
				w.sms("after", "does not wait for it", time.Minute))
			w.site.Fail(telemessagetest.Content, 1, tt.fault)
			res := w.run()
			if res.Waiting != 1 || res.Received != 2 || res.Records != 1 {
				t.Errorf("the first day: %+v", res)
			}
			if diff := cmp.Diff([]string{"after"}, w.ids()); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			w.nextDay()
			if tt.fault.Reset {
				w.site.Fail(telemessagetest.Content, 1, telemessagetest.Fault{Times: 10})
			}
			w.run()
			if diff := cmp.Diff([]string{"after", "m"}, w.ids()); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			e := w.runs()[1].entries()[0]
			want := []record.Media{{SHA256: hash([]byte("inline")), Size: 6, Day: first},
				{SHA256: hash(data), Size: int64(len(data)), Day: w.today()}}
			if diff := cmp.Diff(want, e.Media); diff != "" {
				t.Errorf("media (-want +got):\n%s", diff)
			}
			if !bytes.Equal(w.media(e.Media[1].Blob()), data) {
				t.Error("the bytes are not stored")
			}
			if left := w.waiting(); len(left) > 0 {
				t.Errorf("%d items still wait", len(left))
			}
			w.balanced()
		})
	}
}

// Of an item's attachments only those that were out of reach are asked for again.
func TestOnlyWhatIsMissingIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(w.mms("m", time.Hour, item{"contentUrl": "/none"}, item{"contentUrl": w.content("/there", []byte("there"))},
		item{"contentUrl": w.content("/soon", []byte("soon"))}))
	w.site.Fail(telemessagetest.Content, 3, telemessagetest.Fault{Status: 503})
	w.run()
	w.nextDay()
	w.run()
	if n := w.contentCalls(); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
	media := w.runs()[1].entries()[0].Media
	if len(media) != 3 || media[0].Gone == "" || media[1].SHA256 != hash([]byte("there")) ||
		media[2].SHA256 != hash([]byte("soon")) {
		t.Errorf("media %+v", media)
	}
}

func TestAttachmentNeverComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(w.mms("m", time.Hour, item{"contentUrl": "/never.bin", "attachSize": 5}, item{"contentUrl": "/none.bin"}))
	back := w.unreachable()
	defer back()
	for day := 0; day < 14; day++ {
		if res := w.run(); len(w.ids()) > 0 || (res.Waiting == 1) != (day == 0) {
			t.Fatalf("day %d: %+v", day, res)
		}
		w.nextDay()
	}
	w.run()
	entries := w.runs()[14].entries()
	if len(entries) != 1 {
		t.Fatalf("%d entries on the 15th day, want 1", len(entries))
	}
	if diff := cmp.Diff([]record.Media{{Size: 5, Gone: outOfReach}, {Gone: outOfReach}}, entries[0].Media); diff != "" {
		t.Errorf("media (-want +got):\n%s", diff)
	}
	if m := w.runs()[14].manifest; m.Incomplete != 2 || m.Taken != 1 {
		t.Errorf("manifest %+v", m)
	}
	w.balanced()
}

// An item of a backfill waits from when it was asked for: its own day is long past.
func TestBackfilledAttachmentOutOfReach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(w.mms("m", 30*24*time.Hour, item{"contentUrl": "/later.bin"}))
	back := w.unreachable()
	input := fmt.Sprintf(`{"from":%q,"to":%q}`, w.ago(31*24*time.Hour).Format(time.RFC3339),
		w.ago(29*24*time.Hour).Format(time.RFC3339))
	if res, err := w.try(w.collector, input); err != nil || res.Waiting != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	w.nextDay()
	w.run()
	if len(w.ids()) > 0 {
		t.Error("a day later it is given up already")
	}
	w.content("/later.bin", []byte("there"))
	back()
	w.nextDay()
	w.run()
	if diff := cmp.Diff([]string{"m"}, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	w.balanced()
}

func TestRunStopsAsking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for i := range 8 {
		id := fmt.Sprintf("m%04d", i)
		w.add(w.mms(id, time.Hour-time.Duration(i)*time.Minute, item{"contentUrl": w.content("/files/"+id, []byte(id))},
			item{"content": base64Of([]byte("inline " + id))}))
		want = append(want, id)
	}
	back := w.unreachable()
	if res := w.run(); res.Waiting != 8 {
		t.Errorf("%+v, want all 8 set aside", res)
	}
	if n := w.contentCalls(); n != contentTries {
		t.Errorf("%d requests, want %d", n, contentTries)
	}
	w.nextDay()
	w.run()
	if n := w.contentCalls(); n != 2*contentTries {
		t.Errorf("%d requests in two runs, want %d", n, 2*contentTries)
	}
	back()
	w.nextDay()
	w.run()
	if diff := cmp.Diff(want, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	w.balanced()
}

// Some that are out of reach for good must not keep every run from asking for the others.
func TestOthersAreAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	back := w.unreachable()
	for i := range contentTries {
		w.add(w.mms(fmt.Sprintf("bad%d", i), 2*time.Hour, item{"contentUrl": fmt.Sprintf("/bad/%d", i)}))
	}
	w.add(w.mms("good", time.Hour, item{"contentUrl": w.content("/good", []byte("good"))}))
	w.run()
	back()
	for i := range contentTries {
		w.site.AddContent(fmt.Sprintf("/bad/%d", i), 100,
			func() io.Reader { return strings.NewReader("shorter than it says") })
	}
	for day := 0; len(w.ids()) == 0; day++ {
		if day == 13 { // by chance: one in 10^10
			t.Fatal("the one that could be had is not asked for")
		}
		w.nextDay()
		w.run()
	}
	if diff := cmp.Diff([]string{"good"}, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}
