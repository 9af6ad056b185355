package archive

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"testing"

	"o2archiver/shared/archivetest"
)

// cutShort passes the first answers to a GET on with half of their bodies, and the Content-Length of these.
type cutShort struct {
	way   http.RoundTripper
	first int // number of answers that are cut
}

func (c *cutShort) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.way.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet || c.first == 0 {
		return answer, err
	}
	c.first--
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	body = body[:len(body)/2]
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return answer, nil
}

// An answer that was cut short on its way is no content of the blob: neither JSON that can't be read, nor a batch that
// was changed, nor a mapping with fewer people.
func TestContentCutShortIsAnOutage(t *testing.T) {
	account := archivetest.ForTest(t, nil)
	way := &cutShort{way: account}
	s, err := Open(Config{ConnectionString: account.ConnectionString(), HTTP: &http.Client{Transport: way}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, mapping := t.Context(),
		[]byte("number,mailbox\n+447700900101,jane@contoso.example\n+447700900102,x@y.example\n")
	name, err := s.Batches().Write(ctx, "2026/11/23/run", 1, []byte("{}\n{}\n"), 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Batches().Write(ctx, "2026/11/23/empty", 1, nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkpoints().Put(ctx, "x.json", "a text", "", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Deferred().Put(ctx, "key", "an item"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Mapping().Write(ctx, mapping); err != nil {
		t.Fatal(err)
	}
	var text string
	for what, read := range map[string]func() error{
		"a document":      func() error { _, err := s.Checkpoints().Get(ctx, "x.json", &text); return err },
		"a deferred item": func() error { return s.Deferred().Get(ctx, "key", &text) },
		"a batch":         func() error { _, _, err := s.Batches().Read(ctx, name); return err },
		"the mapping":     func() error { _, _, err := s.Mapping().Read(ctx, ""); return err },
	} {
		way.first = 1
		if err := read(); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrContent) || errors.Is(err, ErrDigest) {
			t.Errorf("%s, cut short: %v; want %v", what, err, ErrUnavailable)
		}
		if err := read(); err != nil {
			t.Errorf("%s, read again: %v", what, err)
		}
	}
	if data, _, err := s.Batches().Read(ctx, "2026/11/23/empty/00001.ndjson"); err != nil || len(data) != 0 {
		t.Errorf("an empty batch: %q, %v", data, err)
	}
}
