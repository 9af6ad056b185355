package collector

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"o2archiver/local/sample"
	"o2archiver/shared/source/telemessage/client"
)

// A person waits for the sample day. The attachment that its site refuses for good, "try again later", costs few
// seconds of pauses, and nothing is lost by it.
func TestSampleDayHasFewPauses(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		day := sample.Make(w.ago(0))
		refused, asked := map[string]sample.Content{}, 0
		for _, c := range day.Contents {
			if c.Status != 0 {
				refused[c.Path] = c
			}
		}
		for _, it := range day.Items { // the others cost no pause
			for path := range refused {
				if bytes.Contains(it.Raw, []byte(path)) {
					w.site.Add(it.Archived, it.Raw)
				}
			}
		}
		f := w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
			c, ok := refused[r.URL.Path]
			if !ok {
				return false
			}
			for name, value := range map[string]string{"Location": c.Location, "Retry-After": c.RetryAfter} {
				if value != "" {
					rw.Header().Set(name, value)
				}
			}
			rw.WriteHeader(c.Status)
			if c.Status == http.StatusServiceUnavailable {
				asked++
			}
			return true
		}, func(o *client.Options) { o.Tries = 0 })
		f.from = day.From
		began := time.Now()
		if res, err := w.try(f, ""); err != nil || res.Open != 0 || res.Received == 0 || len(w.waiting()) != 0 {
			t.Errorf("%+v, %v; %d items are deferred", res, err, len(w.waiting()))
		}
		if took := time.Since(began); asked == 0 || took > 10*time.Second {
			t.Errorf("%d requests are refused, with pauses of %v", asked, took)
		}
	})
}
