package collector

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/source/telemessage/telemessagetest"
)

// What a cut-off reading of a page found out of the attachments stands, whatever the source says now.
func TestAttachmentsOfAPageThatBreaksOff(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		first, again telemessagetest.Fault
		ids          []string // after the first run
	}{
		{"first out of reach, then there", telemessagetest.Fault{Status: 503}, telemessagetest.Fault{}, nil},
		{"first there, then out of reach", telemessagetest.Fault{}, telemessagetest.Fault{Status: 503}, []string{"m"}},
		{"first gone, then there", telemessagetest.Fault{Status: 404}, telemessagetest.Fault{}, []string{"m"}},
	} {
		t.Run(tt.name, virtually(func(t *testing.T) {
			w := newWorld(t)
			w.add(w.mms("m", 2*time.Hour, item{"contentUrl": w.content("/file", []byte("bytes"))}))
			w.many("n", 120)
			w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Cut: 35_000}) // after the first batch
			w.site.Fail(telemessagetest.Content, 1, tt.first)
			w.site.Fail(telemessagetest.Content, 2, tt.again)
			w.run()
			if diff := cmp.Diff(append(tt.ids, numbered("n", 120)...), w.ids()); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			w.nextDay()
			w.run()
			counts := map[string]int{}
			for _, id := range w.ids() {
				counts[id]++
			}
			if counts["m"] != 1 || len(w.ids()) != 121 {
				t.Errorf("m is there %d times among %d items", counts["m"], len(w.ids()))
			}
			w.balanced()
			if w.Log.Has(slog.LevelError, "") {
				t.Errorf("the log has an error:\n%s", w.Log)
			}
		}))
	}
}

// What one slice has taken out of the waiting room, though it could not be finished, no other takes as well.
func TestTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(w.mms("m", time.Hour, item{"contentUrl": w.content("/file", []byte("bytes"))}))
	w.site.Fail(telemessagetest.Content, 1, telemessagetest.Fault{Status: 503})
	w.run()
	w.nextDay()
	w.nextDay()
	w.site.Fail(telemessagetest.Count, 1, telemessagetest.Fault{Status: 500}) // of the first of two slices
	if res, err := w.try(w.collector, ""); err == nil || res.Slices != 1 || res.Open != 1 {
		t.Errorf("%+v, %v; want the second slice finished", res, err)
	}
	w.run()
	if diff := cmp.Diff([]string{"m"}, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	w.balanced()
}

// What a slice set aside that has to be read again from its beginning is not for another slice to take.
func TestUnreadWindowKeepsItsDeferredItems(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pagesOf(1), func(o *telemessagetest.Options) { o.CursorLife = 30 * time.Hour })
	w.add(w.mms("m", 2*time.Hour, item{"contentUrl": w.content("/file", []byte("bytes"))}),
		w.sms("second page", "of the first day", time.Hour))
	w.site.Fail(telemessagetest.Content, 1, telemessagetest.Fault{Status: 503})
	w.site.Fail(telemessagetest.Items, 2, telemessagetest.Fault{Status: 503})
	if res, err := w.try(w.collector, ""); err == nil || res.Slices != 0 {
		t.Errorf("the second page: %+v, %v", res, err)
	}
	w.nextDay()
	w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Status: 503})
	if res, err := w.try(w.collector, ""); err == nil || res.Slices != 1 || res.Open != 1 {
		t.Errorf("the second day: %+v, %v", res, err)
	}
	w.nextDay() // the cursor has expired
	w.run()
	counts := map[string]int{}
	for _, id := range w.ids() {
		counts[id]++
	}
	if diff := cmp.Diff(map[string]int{"m": 1, "second page": 1}, counts); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	w.balanced()
	if len(w.waiting()) > 0 {
		t.Error("the item still waits")
	}
}

// Credentials that are refused in the middle of the day are not an attachment's fault.
func TestCredentialsExpireAtAnAttachment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(w.mms("m", time.Hour, item{"contentUrl": w.content("/file", []byte("bytes"))}))
	w.site.Fail(telemessagetest.Content, 1,
		telemessagetest.Fault{Status: 401, Body: `{"code":301,"message":"bad password"}`})
	if _, err := w.try(w.collector, ""); err != nil || !w.Log.Has(slog.LevelError, "code 301") {
		t.Errorf("error %v; want none, and the refusal in the log:\n%s", err, w.Log)
	}
	w.run()
	if diff := cmp.Diff([]string{"m"}, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}
