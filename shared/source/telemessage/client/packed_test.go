package client

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"o2archiver/shared/source/telemessage"
)

// No answer is unpacked: a few kilobytes would become gigabytes. None is asked for, and one that comes all the same is
// none: the bytes of an attachment would not be the site's.
func TestAnswersAreNotUnpacked(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, `{"items":[],"total":0}`)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("Accept-Encoding")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(packed.Bytes())
	}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(base, credentials, Options{Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	_, itemsErr := c.Items(t.Context(), now.Add(-time.Hour), now, "", 10, func(Item) error { return nil })
	_, _, countErr := c.Count(t.Context(), now.Add(-time.Hour), now)
	_, _, contentErr := c.Attachment(t.Context(), telemessage.AttachmentSource{ContentURL: "/file"})
	for what, err := range map[string]error{"items": itemsErr, "count": countErr, "content": contentErr} {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v, want %v", what, err, ErrUnavailable)
		}
		if got := <-asked; got != "identity" {
			t.Errorf("%s: asked for %q", what, got)
		}
	}
}
