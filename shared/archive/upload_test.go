package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"o2archiver/shared/archivetest"
)

var errCutOff = errors.New("cut off")

// copyUntil copies from what earlier calls copied until the copy breaks off at an offset of the whole, and returns what
// can be resumed, as it is after it was saved.
func copyUntil(t *testing.T, d *Deliveries, name string, from Partial, body []byte, end int) (p Partial) {
	t.Helper()
	p = from
	r := io.MultiReader(bytes.NewReader(body[from.Size:end]), iotest.ErrReader(errCutOff))
	_, _, err := d.Resume(context.Background(), name, from, testBlock, r, func(now Partial) error {
		raw, err := json.Marshal(now)
		p = Partial{}
		return errors.Join(err, json.Unmarshal(raw, &p))
	})
	if !errors.Is(err, errCutOff) {
		t.Fatalf("%v", err)
	}
	return p
}

func checkCopy(t *testing.T, d *Deliveries, name string, body []byte) {
	t.Helper()
	open, err := d.Open(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(open, 0, open.Size()))
	digest := sha256.Sum256(body)
	sha, _, ferr := d.Find(context.Background(), name)
	if err != nil || ferr != nil || !bytes.Equal(got, body) || sha != hex.EncodeToString(digest[:]) {
		t.Errorf("%d bytes with the hash %s: %v, %v", len(got), sha, err, ferr)
	}
}

// A copy that broke off, once or several times and at any place, is resumed where its last block ends.
func TestResume(t *testing.T) {
	s := testStore(t)
	d, ctx := s.Deliveries(), t.Context()
	body := bytes.Repeat([]byte("0123456789abcde"), (3*s.block+17)/15)
	for i, ends := range [][]int{{0}, {10}, {s.block}, {s.block + 1}, {2 * s.block, 2*s.block + 5, 3 * s.block},
		{3*s.block + 1}, {len(body)}} {
		name := "2026/11/28/" + strings.Repeat("b", 31) + string(rune('0'+i))
		var p Partial
		for _, end := range ends {
			p = copyUntil(t, d, name, p, body, end)
			if want := int64(end - end%s.block); p.Size != want {
				t.Fatalf("cut off at %v: %d bytes are kept, want %d", ends, p.Size, want)
			}
		}
		sha, size, err := d.Resume(ctx, name, p, testBlock, bytes.NewReader(body[p.Size:]), nil)
		digest := sha256.Sum256(body)
		if err != nil || size != int64(len(body)) || sha != hex.EncodeToString(digest[:]) {
			t.Errorf("cut off at %v: %s, %d, %v", ends, sha, size, err)
		}
		checkCopy(t, d, name, body)
		if p.Size > 0 { // what was committed already is found, and other bytes are refused
			again, _, err := d.Resume(ctx, name, p, testBlock, bytes.NewReader(body[p.Size:]), nil)
			if err != nil || again != sha {
				t.Errorf("again: %s, %v", again, err)
			}
			_, _, err = d.Resume(ctx, name, p, testBlock, strings.NewReader("other bytes"), nil)
			if !errors.Is(err, ErrExists) {
				t.Errorf("other bytes: %v", err)
			}
		}
	}
}

// A call that goes on after another one has resumed its copy changes nothing.
func TestResumeBesideAnother(t *testing.T) {
	s := testStore(t)
	d, name := s.Deliveries(), "2026/11/28/"+strings.Repeat("c", 32)
	body, other := bytes.Repeat([]byte("a"), 4*s.block), bytes.Repeat([]byte("b"), 4*s.block)
	var first Partial
	r := io.MultiReader(bytes.NewReader(body[:s.block]), readFunc(func(p []byte) (int, error) {
		second := copyUntil(t, d, name, first, body, 2*s.block) // after the first block
		r := io.MultiReader(bytes.NewReader(other[:2*s.block]), readFunc(func([]byte) (int, error) {
			rest := bytes.NewReader(body[second.Size:])
			_, _, err := d.Resume(context.Background(), name, second, testBlock, rest, nil)
			if err != nil {
				t.Error(err)
			}
			return 0, io.EOF
		}))
		return 0, firstError(d.Resume(context.Background(), name, first, testBlock, r, nil))
	}))
	_, _, err := d.Resume(t.Context(), name, Partial{}, testBlock, r, func(p Partial) error { first = p; return nil })
	if !errors.Is(err, ErrExists) {
		t.Errorf("%v", err)
	}
	checkCopy(t, d, name, body)
}

func firstError(_ string, _ int64, err error) error { return err }

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// The service keeps blocks for a week. Then, or with a state that cannot be read, the copy begins anew.
func TestResumeTooLate(t *testing.T) {
	clock := archivetest.NewClock(time.Now())
	storage := archivetest.ForTest(t, clock.Now)
	s, err := openWith(Config{ConnectionString: storage.ConnectionString(),
		HTTP: &http.Client{Transport: storage}}, quickly())
	if err != nil {
		t.Fatal(err)
	}
	s.block = testBlock
	if err := s.CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, body := s.Deliveries(), bytes.Repeat([]byte("a"), 3*s.block)
	name := "2026/11/28/" + strings.Repeat("d", 32)
	p := copyUntil(t, d, name, Partial{}, body, 2*s.block)
	damaged := p
	damaged.Hash = p.Hash[:20]
	_, _, err = d.Resume(t.Context(), name, damaged, testBlock, bytes.NewReader(body[p.Size:]), nil)
	if !errors.Is(err, ErrPartial) {
		t.Errorf("a damaged state: %v", err)
	}
	clock.Add(6 * 24 * time.Hour)
	if _, _, err := d.Resume(t.Context(), name, p, testBlock, bytes.NewReader(body[p.Size:]), nil); err != nil {
		t.Errorf("after 6 days: %v", err)
	}
	checkCopy(t, d, name, body)
	name = "2026/11/28/" + strings.Repeat("e", 32)
	p = copyUntil(t, d, name, Partial{}, body, 2*s.block)
	clock.Add(8 * 24 * time.Hour)
	_, _, err = d.Resume(t.Context(), name, p, testBlock, bytes.NewReader(body[p.Size:]), nil)
	if !errors.Is(err, ErrPartial) {
		t.Errorf("after 8 days: %v", err)
	}
	if _, _, err := d.Put(t.Context(), name, bytes.NewReader(body)); err != nil {
		t.Errorf("anew: %v", err)
	}
	checkCopy(t, d, name, body)
}
