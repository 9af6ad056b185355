package main

import (
	"net/http"
	"strings"
	"testing"
)

// An item of which no message can be made is quarantined with the reason, and the lines beside it are archived. A
// replay ends in the same outcomes.
func TestItemWithoutMessageIsQuarantined(t *testing.T) {
	t.Parallel()
	const (
		reason = "no message can be made of the item: "
		words  = "confidential words of a panic"
	)
	for _, tt := range []struct {
		name   string
		item   func(w *world) item
		around func(http.RoundTripper) http.RoundTripper
		want   string
	}{
		{
			name: "refused",
			item: func(*world) item { // in UTC it is the year 10000
				return sms("m2", "a text that no header can date", jane, ali).
					with("messageTime", "9999-12-31T23:30:00-01:00").with("archivedTime", "9999-12-31T23:59:59Z")
			},
			want: reason + "field messageTime: lies after the year 9999",
		},
		{
			name: "panic",
			item: func(w *world) item {
				return w.file(sms("m2", "a text with a deadly file", jane, ali), "", []byte("\x89PNG"))
			},
			around: func(way http.RoundTripper) http.RoundTripper { // the beginning of the file is read for its type
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					if strings.Contains(r.URL.Path, "/media/") {
						panic(words)
					}
					return way.RoundTrip(r)
				})
			},
			want: reason + "it has a form that the program was not made for",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.secret(words)
			batch := w.put(w.line(sms("m1", "the first of three", jane, ali)), w.line(tt.item(w)),
				w.line(sms("m3", "the last of three", jane, ali)))
			a := w.start(func(s *start) { s.around = tt.around })
			a.deliver(batch)
			for range 2 {
				w.became(batch, "archived: ali imported, jane imported", "quarantined: ali failed, jane failed",
					"archived: ali imported, jane imported")
				if r, _ := w.state(batch).Record(2); !strings.Contains(r.Reason, tt.want) {
					t.Errorf("the reason is %q, want %q", r.Reason, tt.want)
				}
				a.swept(`{"replay":"` + batch + `"}`)
			}
			w.holds(jane, "m1", "m3")
		})
	}
}
