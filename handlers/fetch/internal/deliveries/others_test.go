package deliveries

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/source/delivery/deliverytest"
	"o2archiver/shared/source/delivery/zipread"
)

// shuffled returns a ZIP whose directory has its entries in another order: neighbours are step entries apart.
func shuffled(raw []byte, step int) []byte {
	const header, tail = 46, 22 // bytes of a header before the name, and of the end of the directory
	end := len(raw) - tail
	at := int(binary.LittleEndian.Uint32(raw[end+16:]))
	var headers [][]byte
	for rest := raw[at:end]; len(rest) > 0; {
		n := header + int(binary.LittleEndian.Uint16(rest[28:])) + int(binary.LittleEndian.Uint16(rest[30:]))
		headers, rest = append(headers, rest[:n]), rest[n:]
	}
	out := slices.Clone(raw[:at])
	for i := range headers {
		out = append(out, headers[i*step%len(headers)]...)
	}
	return append(out, raw[end:]...)
}

// withPictures returns a ZIP with two messages and n files that its manifest lists, of size bytes each.
func withPictures(n, size int) []byte {
	entries, list := [][2]string{message("a.eml"), message("b.eml")}, "Count: 2\r\na.eml\r\nb.eml\r\n"
	for i := range n {
		name := fmt.Sprintf("p%03d.png", i)
		entries, list = append(entries, [2]string{name, strings.Repeat("x", size)}), list+name+"\r\n"
	}
	return deliverytest.ZIP(zip.Store, append(entries, [2]string{"l.mf", list})...)
}

// pictureAt returns the offset in a ZIP of a file of withPictures.
func pictureAt(t *testing.T, raw []byte, name string) int64 {
	t.Helper()
	a, err := zipread.Open(bytes.NewReader(raw), int64(len(raw)), zipread.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range a.Entries {
		if e.Name == name {
			return e.Offset
		}
	}
	t.Fatal("no " + name)
	return 0
}

// copyRange returns the range that a request reads of the copy of a ZIP, or "".
func copyRange(r *http.Request) string {
	if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/deliveries/") {
		return ""
	}
	for name, values := range r.Header { // the SDK does not write the names as net/http does
		if strings.EqualFold(name, "x-ms-range") || strings.EqualFold(name, "range") {
			return values[0]
		}
	}
	return ""
}

// slowCopy pauses before each read of a copy behind its first block. The messages are in that one.
type slowCopy struct {
	http.RoundTripper
	pause time.Duration
}

// RoundTrip implements http.RoundTripper.
func (s slowCopy) RoundTrip(r *http.Request) (*http.Response, error) {
	if from := copyRange(r); from != "" && !strings.HasPrefix(from, "bytes=0-") {
		time.Sleep(s.pause)
	}
	return s.RoundTripper.RoundTrip(r)
}

// What can't be read of the listed files within their limits is a reason, and the ZIP closes with all its messages.
func TestListedFilesThatTakeTooLong(t *testing.T) {
	const size = 3 << 20 // more than a block: each file is a read of its own
	late := func(n int) []string { return []string{fmt.Sprintf("listed files that were not read in time: %d", n)} }
	for name, tt := range map[string]struct {
		change func(*workLimits)
		pause  time.Duration // of each read of the copy
		want   []string
	}{
		"in time":               {func(*workLimits) {}, time.Second, nil},
		"no time":               {func(l *workLimits) { l.others = 0 }, 0, late(4)},
		"time for one":          {func(l *workLimits) { l.others = time.Second }, 2 * time.Second, late(3)},
		"no bytes":              {func(l *workLimits) { l.content = 0 }, 0, late(4)},
		"bytes for one":         {func(l *workLimits) { l.content = 1 }, 0, late(3)},
		"bytes for exactly two": {func(l *workLimits) { l.content = 2 * size }, 0, late(2)},
		"a slow archive":        {func(*workLimits) {}, 25 * time.Second, late(2)},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t)
				w.shelf.put(nameOf(1), withPictures(4, size), old)
				d := w.intake(w.OpenWith(slowCopy{w.Direct(), tt.pause}))
				tt.change(&d.limits)
				if res, err := w.try(t.Context(), d); err != nil || res.Open != 0 || res.Received != 2 {
					t.Fatalf("%+v, %v", res, err)
				}
				report := w.oneReport()
				if diff := cmp.Diff(tt.want, report.Reasons); diff != "" {
					t.Errorf("reasons (-want +got):\n%s", diff)
				}
				if report.Others != 4 || report.Messages != 2 || len(w.entries()) != 2 {
					t.Errorf("%+v, %d entries", report, len(w.entries()))
				}
				if (report.Outcome == Complete) != (tt.want == nil) {
					t.Errorf("the outcome is %s", report.Outcome)
				}
			})
		})
	}
}

// The end of an invocation, or an error of the archive, while listed files are read is no fact about the ZIP: it stays
// open, and the next run reads them.
func TestListedFilesAreReadAgain(t *testing.T) {
	raw := withPictures(3, 3<<20)
	second := pictureAt(t, raw, "p001.png")
	for name, tt := range map[string]struct {
		fault archivetest.Fault
		end   bool
	}{
		"an error of the archive": {fault: archivetest.Refuse},
		"the invocation ends":     {end: true},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t)
				w.shelf.put(nameOf(1), raw, old)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				stopped := errors.New("the host stops")
				store := w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
					var from int64
					_, err := fmt.Sscanf(copyRange(r), "bytes=%d-", &from)
					if err != nil || from < second || from > second+4<<20 {
						return archivetest.Pass
					}
					if tt.end {
						cancel(stopped)
						return archivetest.Pass
					}
					return tt.fault
				}))
				if res, err := w.try(ctx, w.intake(store)); err == nil || w.outcomes() != "" || res.Read != 0 ||
					tt.end && !errors.Is(err, stopped) {
					t.Fatalf("%+v, %v, %q", res, err, w.outcomes())
				}
				if open := w.state().Open; len(open) != 1 {
					t.Fatalf("%+v", open)
				}
				if w.run(); w.outcomes() != Complete || w.oneReport().Reasons != nil {
					t.Errorf("%s: %+v", w.outcomes(), w.oneReport())
				}
			})
		})
	}
}

// Listed files are read in the order of their content: a block of the copy is read once, in whatever order the
// directory has them.
func TestListedFilesOfAShuffledDirectory(t *testing.T) {
	t.Parallel()
	const files, size = 60, 256 << 10 // 15 MiB are 8 blocks
	reads := func(raw []byte) (n int) {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.shelf.put(nameOf(1), raw, old)
			d := w.intake(w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
				if copyRange(r) != "" {
					n++
				}
				return archivetest.Pass
			})))
			if _, err := w.try(t.Context(), d); err != nil || w.outcomes() != Complete {
				t.Fatalf("%s, %v, %+v", w.outcomes(), err, w.oneReport())
			}
		})
		return n
	}
	raw := withPictures(files, size)
	inOrder, other := reads(raw), reads(shuffled(raw, 23)) // 23 and 63 entries have no common factor
	if inOrder < 8 || other > inOrder+4 {
		t.Errorf("%d reads of a ZIP whose directory is in order, %d of the other one", inOrder, other)
	}
}
