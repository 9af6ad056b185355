package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"o2archiver/shared/archivetest"
)

// worm is a service that looks at the immutability policy before it looks at any condition, which Azure's documentation
// leaves open: a blob that is there can't be written again. The stand-in behind it knows no policies.
type worm struct {
	way     http.RoundTripper
	mu      sync.Mutex
	there   map[string]bool
	refused int
}

func (s *worm) RoundTrip(r *http.Request) (*http.Response, error) {
	comp := r.URL.Query().Get("comp")
	written := r.Method == http.MethodPut && (comp == "" || comp == "blocklist")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.there[r.URL.Path] && (written || comp == "block") {
		s.refused++
		return &http.Response{
			StatusCode: http.StatusConflict, Status: "409 Conflict", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Request: r,
			Header:  http.Header{"X-Ms-Error-Code": {"BlobImmutableDueToPolicy"}}, Body: io.NopCloser(
				strings.NewReader("")),
		}, nil
	}
	answer, err := s.way.RoundTrip(r)
	if err == nil && written && answer.StatusCode == http.StatusCreated {
		s.there[r.URL.Path] = true
	}
	return answer, err
}

// What is written a second time under a policy is what it would be without one: there already, or another writer's.
func TestWritingTwiceUnderAPolicy(t *testing.T) {
	testStore(t)
	service := &worm{way: archivetest.Shared(t), there: map[string]bool{}}
	s := openThrough(t, service, quickly())
	ctx, run := t.Context(), folder(t)
	refused := 0
	// twice does it two times, and wants the second to be refused by the policy and to succeed all the same.
	twice := func(what string, do func() (string, error)) {
		t.Helper()
		var said [2]string
		for i := range said {
			var err error
			if said[i], err = do(); err != nil {
				t.Errorf("%s, time %d: %v", what, i+1, err)
			}
		}
		if said[0] != said[1] {
			t.Errorf("%s: %q, and then %q", what, said[0], said[1])
		}
		if service.refused == refused {
			t.Errorf("%s: the policy was not asked", what)
		}
		refused = service.refused
	}
	for _, size := range []int{10, 3*testBlock + 1} {
		data := bytes.Repeat([]byte(run), size/len(run)+1)[:size]
		digest := sha256.Sum256(data)
		raw := fmt.Sprintf("%s-%d", run, size)
		for range 2 {
			stored, _, _, err := s.Media().KeepRaw(ctx, raw, bytes.NewReader(data))
			if err != nil || stored != "raw/"+raw {
				t.Errorf("raw bytes, %d: %q, %v", size, stored, err)
			}
		}
		stored, _, _, err := s.Media().KeepRaw(ctx, raw, bytes.NewReader(data[:size-1]))
		if err != nil || stored != "raw/"+raw+"-b" {
			t.Errorf("other raw bytes, %d: %q, %v", size, stored, err)
		}
		refused = service.refused
		if size < testBlock { // of a larger one the service is asked first
			twice("an attachment", func() (string, error) {
				sha, _, err := s.Media().Put(ctx, day, hex.EncodeToString(digest[:]), bytes.NewReader(data))
				return sha, err
			})
		}
	}
	twice("a batch", func() (string, error) { return s.Batches().Write(ctx, run, 1, []byte("{}\n"), 1) })
	if name, err := s.Batches().Write(ctx, run, 1, []byte("[]\n"), 1); err != nil || name != run+"/00001-b.ndjson" {
		t.Errorf("another batch of the same number: %q, %v", name, err)
	}
	twice("a manifest", func() (string, error) {
		_, _, err := s.Batches().WriteManifest(ctx, run, Manifest{Version: 1})
		return "", err
	})
	logs, log := s.Logs(), run+"/00001.jsonl"
	length := int64(0)
	twice("a journal", func() (string, error) {
		lease, _, err := logs.Acquire(ctx, log)
		if err != nil {
			return "", err
		}
		defer lease.Release()
		line := []byte("{}\n")
		err = lease.Append(ctx, length, line)
		length += int64(len(line))
		return "", err
	})
}
