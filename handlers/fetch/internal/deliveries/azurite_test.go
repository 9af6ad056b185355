package deliveries

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/local/soak"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/delivery/deliverytest"
)

// newWorldOnAzurite returns a world whose archive is real Azurite, in real time. Its test must not be parallel.
func newWorldOnAzurite(t *testing.T) *world {
	t.Helper()
	w := &world{World: fetchtest.NewWorldOnAzurite(t), t: t, clock: archivetest.NewClock(time.Now().Add(time.Hour)),
		shelf: &shelf{files: map[string]shelved{}}, rules: Rules{StableAfter: 10 * time.Minute}}
	w.store = w.shelf
	w.Secret("TeleMessage_", "7700900", "contoso", "confidential", ".eml")
	for _, name := range []string{StateName, "delivery-progress.json", "delivery-past.json"} {
		lease, err := w.Store.Checkpoints().Lease(t.Context(), name) // it creates the document
		if err == nil {
			_, err = w.Store.Checkpoints().Put(t.Context(), name, struct{}{}, "*", lease)
			lease.Release()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// cutWay breaks off one request for content in so many, after half of its answer.
type cutWay struct {
	every int64
	n     atomic.Int64
}

func (c *cutWay) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusPartialContent && c.n.Add(1)%c.every == 0 {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(resp.Body, resp.ContentLength/2), cutReader{}), resp.Body}
	}
	return resp, err
}

type cutReader struct{}

func (cutReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A landing container in real Azurite is read like any store, also if each second answer breaks off.
func TestLandingOnAzurite(t *testing.T) {
	w := newWorldOnAzurite(t)
	way := &cutWay{every: 2}
	landing, err := archive.OpenLanding(archive.Config{ConnectionString: w.Connection,
		HTTP: &http.Client{Transport: way}}, "from the vendor", delivery.IsDelivery)
	if err == nil {
		err = landing.CreateContainer(t.Context())
	}
	put := func(name string, data []byte) {
		t.Helper()
		if perr := landing.Put(t.Context(), name, bytes.NewReader(data)); perr != nil {
			t.Fatal(perr)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	large := storedZIP(9 * mebibyte)
	put(nameOf(1), makeZIP("a", 30))
	put(nameOf(2), large)
	put(nameOf(3), sample(t, "password"))
	put("notes.txt", []byte("x"))
	w.store = landing
	earlier := w.batches()
	if res := w.run(); res.Read != 3 || res.Received != 33 || res.Listed.Others != 0 {
		t.Errorf("%+v", res)
	}
	if way.n.Load() < 5 {
		t.Errorf("%d requests for content: the test does not reach what it should", way.n.Load())
	}
	if w.events("fetch.deliveryIncomplete") != 1 || len(w.state().Done) != 3 {
		t.Errorf("outcomes %s", w.outcomes())
	}
	if res := w.run(); res.Read+res.Listed.Planned != 0 {
		t.Errorf("again: %+v", res)
	}
	if all := w.entriesBut(earlier); len(all) != 33 {
		t.Errorf("%d entries", len(all))
	}
}

// hostileZIP returns a ZIP of all that a hostile vendor could think of, between two good messages, and what becomes of
// each message: its identity, or a part of the reason why there is none. large is the size of the largest message.
func hostileZIP(t *testing.T, large int) (raw []byte, want []string) {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestSpeed)
	})
	put := func(h *zip.FileHeader, outcome string, content ...io.Reader) {
		t.Helper()
		f, err := z.CreateHeader(h)
		if err == nil {
			_, err = io.Copy(f, io.MultiReader(content...))
		}
		if err != nil {
			t.Fatal(err)
		}
		if outcome != "" {
			want = append(want, outcome)
		}
	}
	message := func(id string, more ...io.Reader) []io.Reader {
		head := emlHead + "X-TELEMESSAGE-ArchiveMessageID: " + id + "\r\n"
		return append([]io.Reader{strings.NewReader(head)}, more...)
	}
	text := func() io.Reader { return strings.NewReader("\r\nconfidential text") }
	plain := func(name string) *zip.FileHeader { return &zip.FileHeader{Name: name, Method: zip.Deflate} }
	stored := func(name string) *zip.FileHeader { return &zip.FileHeader{Name: name, Method: zip.Store} }
	put(plain("first.eml"), "first", message("first", text())...)
	for _, name := range []string{"../../up.eml", "/absolute.eml", `..\back.eml`, "C:drive.eml"} {
		put(plain(name), name, message(name, text())...)
	}
	put(plain("twice.eml"), "twice-1", message("twice-1", text())...)
	put(plain("twice.eml"), "twice-2", message("twice-2", text())...)
	link := plain("link.eml")
	link.SetMode(fs.ModeSymlink | 0o777)
	put(link, "a link", strings.NewReader("/etc/passwd"))
	put(plain("bomb.eml"), "many times its size", io.LimitReader(zeros{}, int64(min(large, 32<<20))))
	var deep strings.Builder
	for n := range 1_000 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=x%d\r\n\r\n--x%d\r\n", n, n)
	}
	put(plain("deep.eml"), "deep", message("deep", strings.NewReader(deep.String()+"\r\ntext"))...)
	put(stored("header.eml"), "the header of the message", message("header", strings.NewReader("X-Long: "),
		io.LimitReader(newNoise(1), 10_000_000), strings.NewReader("\r\n"), text())...)
	var people strings.Builder
	for n := range 100_000 {
		fmt.Fprintf(&people, "<4477009%05d@unknown.example>,\r\n ", n)
	}
	put(plain("people.eml"), "people", message("people", strings.NewReader("Cc: "+people.String()+"x@contoso.com\r\n"),
		text())...)
	mixed := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\n" +
		"Content-Type: video/mp4; name=v.mp4\r\n\r\n"
	put(stored("large.eml"), "large", message("large", strings.NewReader(mixed),
		io.LimitReader(newNoise(2), int64(large-2000)), strings.NewReader("\r\n--b--\r\n"))...)
	put(stored("larger.eml"), "larger than a file of a delivery may be", io.LimitReader(newNoise(3), int64(large)+1))
	put(plain("inner.zip"), "", strings.NewReader("PK\x05\x06"))
	put(plain("no mail.eml"), "not an e-mail message", strings.NewReader("\x00\x01"))
	put(plain("lies.eml"), "damaged", message("lies", text())...)
	for n := range 65 { // with which the sum of what the directory states is larger than a delivery may be
		put(plain(fmt.Sprintf("claim-%d.eml", n)), "damaged", message(fmt.Sprint(n), text())...)
	}
	put(plain("secret.eml"), "password", message("secret", text())...)
	put(plain("last.eml"), "last", message("last", text())...)
	put(plain("list.mf"), "", strings.NewReader("Count: 1\r\nfirst.eml\r\n../../../etc/passwd.eml\r\n"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	raw = out.Bytes()
	raw[bytes.LastIndex(raw, []byte("lies.eml"))-22] = 1 // the directory's size of the entry
	for n := range 65 {
		binary.LittleEndian.PutUint32(raw[bytes.LastIndex(raw, fmt.Appendf(nil, "claim-%d.eml", n))-22:], uint32(large))
	}
	raw[bytes.LastIndex(raw, []byte("secret.eml"))-46+8] |= 1 // the directory's flags of the entry
	return raw, want
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// noise is text that does not compress well.
type noise uint32

func newNoise(seed noise) *noise { return &seed }

func (n *noise) Read(p []byte) (int, error) {
	for i := range p {
		*n = *n*1664525 + 1013904223
		p[i] = 'A' + byte(*n>>27)
	}
	return len(p), nil
}

// watchMemory returns the highest size of the heap, garbage included, until stop is called.
func watchMemory() (stop func() (highest uint64)) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	end, highest := make(chan struct{}), make(chan uint64)
	go func() {
		top := uint64(0)
		for {
			metrics.Read(sample)
			top = max(top, sample[0].Value.Uint64())
			select {
			case <-end:
				highest <- top
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() uint64 { close(end); return <-highest }
}

// A hostile ZIP of 150 MB has an outcome and a reason for each of its messages, those beside them are read, and memory
// stays within 128 MB. The largest message of the short form is 12 MiB. Not parallel: it measures.
func TestHostileDelivery(t *testing.T) {
	large := 11 << 20
	if soak.ForTest(t).Long {
		large = 64 << 20
	}
	w := newWorldOnAzurite(t)
	raw, want := hostileZIP(t, large)
	path := t.TempDir() + "/a.zip"
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	w.store = disk{path, int64(len(raw))}
	raw = nil
	earlier := w.batches()
	d := w.intake(w.Store)
	d.contents.Entry, d.contents.Total = int64(large), 64*int64(large) // which they are in the long form
	runtime.GC()
	stop := watchMemory()
	res, err := w.try(t.Context(), d)
	highest := stop()
	if err != nil || res.Read != 1 || res.Received != len(want) {
		t.Fatalf("%+v, %v", res, err)
	}
	t.Logf("%d MB of memory", highest/1_000_000)
	if highest > 128_000_000 {
		t.Errorf("%d MB of memory", highest/1_000_000)
	}
	var got []string
	for i, e := range w.entriesBut(earlier) {
		outcome := e.Fault
		if outcome == "" {
			outcome = e.ID
		}
		if i < len(want) && strings.Contains(outcome, want[i]) {
			outcome = want[i]
		}
		got = append(got, outcome)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if w.outcomes() != Incomplete || w.events("fetch.deliveryIncomplete") != 1 {
		t.Errorf("outcome %s", w.outcomes())
	}
}

// A ZIP with more entries than are read has an outcome, and the ZIP beside it is read.
func TestBombOfEntries(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		entries := make([][2]string, 100_001)
		for n := range entries {
			entries[n][0] = fmt.Sprint(n)
		}
		w.shelf.put(nameOf(1), deliverytest.ZIP(zip.Store, entries...), old)
		w.shelf.put(nameOf(2), makeZIP("a", 3), old)
		if res := w.run(); res.Read != 1 || res.Others != 1 || len(w.entries()) != 3 ||
			w.events("fetch.deliveryBroken") != 1 {
			t.Errorf("%+v, %s", res, w.outcomes())
		}
	})
}
