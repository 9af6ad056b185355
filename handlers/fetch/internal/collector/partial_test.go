package collector

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/soak"
	"o2archiver/shared/record"
)

// slowFile is a file of which a connection brings only so many bytes before it breaks off.
type slowFile struct {
	data   []byte
	tag    string // "": none
	brings int
	ranges bool // it knows ranges
	liar   bool // it sends a part of whatever it has, If-Range or not

	asked []string // what was asked for: Range and If-Range
}

func (s *slowFile) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	s.asked = append(s.asked, strings.TrimSpace(r.Header.Get("Range")+" "+r.Header.Get("If-Range")))
	first := 0
	if s.tag != "" {
		rw.Header().Set("ETag", s.tag)
	}
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &first); n == 1 && s.ranges &&
		(s.liar || r.Header.Get("If-Range") == "" || r.Header.Get("If-Range") == s.tag) {
		if first >= len(s.data) {
			rw.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		rw.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, len(s.data)-1, len(s.data)))
		rw.Header().Set("Content-Length", fmt.Sprint(len(s.data)-first))
		rw.WriteHeader(http.StatusPartialContent)
	} else {
		first = 0
		rw.Header().Set("Content-Length", fmt.Sprint(len(s.data)))
	}
	rest := s.data[first:]
	_, _ = rw.Write(rest[:min(len(rest), s.brings)])
	if len(rest) > s.brings {
		_ = http.NewResponseController(rw).Flush()
		panic(http.ErrAbortHandler)
	}
}

// A large file on a bad way comes in the course of some runs, each of which goes on where the one before ended, and
// never with other bytes than those that the site has.
func TestAttachmentIsResumed(t *testing.T) {
	t.Parallel()
	whole := bytes.Repeat([]byte("0123456789abcdef"), 700_000) // 11 MB
	other := bytes.Repeat([]byte("fedcba9876543210"), 700_000)
	const mib = 1 << 20
	form := soak.ForTest(t)
	for _, tt := range []struct {
		name   string
		short  bool // in the short form, too
		file   slowFile
		digest string
		change func(day int, f *slowFile)
		days   int // until it is there
		want   []byte
	}{
		{name: "entity tag", short: true, file: slowFile{data: whole, tag: `"a"`, ranges: true, brings: 5 * mib},
			days: 3, want: whole},
		{name: "digest alone", file: slowFile{data: whole, ranges: true, brings: 5 * mib}, digest: hash(whole), days: 3,
			want: whole},
		{name: "neither: as a whole", short: true, file: slowFile{data: whole, ranges: true, brings: 5 * mib}, days: 4,
			want:   whole,
			change: func(day int, f *slowFile) { f.brings = max(f.brings, day/4*20*mib) }},
		{name: "a weak tag: as a whole", file: slowFile{data: whole, tag: `W/"a"`, ranges: true, brings: 5 * mib},
			days: 4, want: whole,
			change: func(day int, f *slowFile) { f.brings = max(f.brings, day/4*20*mib) }},
		{name: "no ranges", file: slowFile{data: whole, tag: `"a"`, brings: 5 * mib}, days: 4, want: whole,
			change: func(day int, f *slowFile) { f.brings = max(f.brings, day/4*20*mib) }},
		{name: "it changes", file: slowFile{data: whole, tag: `"a"`, ranges: true, brings: 5 * mib}, days: 4,
			want: other,
			change: func(day int, f *slowFile) {
				if day == 2 {
					f.data, f.tag = other, `"b"`
				}
			}},
		{name: "it changes, and the site sends a part all the same",
			file: slowFile{data: whole, tag: `"a"`, ranges: true, liar: true, brings: 5 * mib},
			days: 5, want: other, change: func(day int, f *slowFile) {
				if day == 2 {
					f.data, f.tag = other, `"b"`
				}
			}},
		{name: "it changes into something shorter",
			file: slowFile{data: whole, tag: `"a"`, ranges: true, liar: true, brings: 5 * mib}, days: 3,
			want: other[:mib], change: func(day int, f *slowFile) {
				if day == 2 {
					f.data, f.tag = other[:mib], `"b"`
				}
			}},
		{name: "a part of something else under the digest", short: true,
			file: slowFile{data: other, ranges: true, brings: 5 * mib}, digest: hash(whole), days: 4,
			want: whole, change: func(day int, f *slowFile) {
				if day >= 2 {
					f.data = whole
				}
				if day >= 4 {
					f.brings = 20 * mib
				}
			}},
	} {
		if !form.Long && !tt.short {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			file := tt.file
			f := w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/large" {
					return false
				}
				file.ServeHTTP(rw, r)
				return true
			})
			f.limits.leastRate = 1
			w.add(w.mms("m", time.Hour, item{"contentUrl": "/large", "attachSize": len(tt.want), "digest": tt.digest}))
			day := 0
			for ; day < 8 && len(w.ids()) == 0; day++ {
				if tt.change != nil {
					tt.change(day, &file)
				}
				if _, err := w.try(f, ""); err != nil {
					t.Fatal(err)
				}
				w.nextDay()
			}
			if day > tt.days+1 || len(w.ids()) != 1 {
				t.Fatalf("there on day %d, want day %d; asked for: %q", day-1, tt.days, file.asked)
			}
			runs := w.runs()
			m := runs[len(runs)-1].entries()[0].Media[0]
			m.Day = ""
			if diff := cmp.Diff(record.Media{SHA256: hash(tt.want), Size: int64(len(tt.want))}, m); diff != "" {
				t.Errorf("medium (-want +got):\n%s", diff)
			}
			if n := w.partsLeft(t); n > 0 {
				t.Errorf("%d parts are left", n)
			}
			w.balanced()
		})
	}
}

// partsLeft returns how many parts of files lie beside the waiting room.
func (w *world) partsLeft(t *testing.T) (n int) {
	t.Helper()
	for _, key := range w.waiting() {
		var it deferred
		if err := w.Store.Deferred().Get(t.Context(), key, &it); err != nil {
			t.Fatal(err)
		}
		for _, p := range it.Partial {
			n += p.Parts
		}
	}
	return n
}
