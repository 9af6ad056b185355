package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/leased"
	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/source/telemessage/client"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

func TestPageBreaksOff(t *testing.T) {
	t.Parallel()
	for i, pauses := range []time.Duration{time.Second, 3 * time.Second, 7 * time.Second} {
		times := i + 1
		t.Run(fmt.Sprint(times), virtually(func(t *testing.T) {
			w := newWorld(t, pagesOf(150))
			w.many("m", 400)
			w.site.Fail(telemessagetest.Items, 2, telemessagetest.Fault{Cut: 40_000, Times: times})
			began := time.Now()
			w.run()
			if took := time.Since(began); took < pauses*7/10 || took > pauses*13/10 {
				t.Errorf("it took %v, want pauses of %v ± 30 %%", took, pauses)
			}
			if diff := cmp.Diff(numbered("m", 400), w.ids()); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			w.balanced()
			w.items(3 + times)
			if n := strings.Count(w.Log.String(), "a page was cut off"); n != times {
				t.Errorf("the log tells of %d pages that were cut off, want %d", n, times)
			}
		}))
	}
}

func TestJudgePage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		err   error
		again bool
		after time.Duration
	}{
		{"cut off", fmt.Errorf("read: %w", client.ErrUnavailable), true, 0},
		{"no item arrived", fmt.Errorf("read: %w", errNoItem{client.ErrUnavailable}), false, 0},
		{"too long", fmt.Errorf("%w: %w", client.ErrUnavailable, client.ErrTooLong), false, 0},
		{"storage is unavailable", fmt.Errorf("write: %w", archive.ErrUnavailable), true, time.Minute},
		{"storage fails the site's stream", fmt.Errorf("%w: %w", client.ErrUnavailable, archive.ErrUnavailable), true,
			time.Minute},
		{"the cursor expired", client.ErrCursorExpired, false, 0},
		{"the credentials are refused", client.ErrCredentials, false, 0},
		{"the lease was lost", leased.ErrLost, false, 0},
		{"the pages repeat", errEndless, false, 0},
	} {
		if again, after := judgePage(tt.err); again != tt.again || after != tt.after {
			t.Errorf("%s: %t after %v, want %t after %v", tt.name, again, after, tt.again, tt.after)
		}
	}
}

// A page that does not even begin has been tried by the client as often as it makes sense.
func TestPageDoesNotBegin(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]telemessagetest.Fault{
		"HTML":       {HTML: true},
		"empty":      {Empty: true},
		"status 502": {Status: 502},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pagesOf(150))
			w.many("m", 400)
			w.site.Fail(telemessagetest.Items, 2, fault)
			if res, err := w.try(w.collector, ""); funchost.Status(err) != 503 || res.Open != 1 {
				t.Errorf("%+v, %v", res, err)
			}
			w.items(2)
			w.run()
			if diff := cmp.Diff(numbered("m", 400), w.ids()); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			w.balanced()
		})
	}
}
