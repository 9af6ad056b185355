package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDeliveryIsCopiedOnceAndReadByRanges(t *testing.T) {
	s := testStore(t)
	d, ctx := s.Deliveries(), t.Context()
	for i, size := range []int{0, 10, s.block, 2*s.block + 17} {
		body := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
		digest := sha256.Sum256(body)
		name := "2026/11/28/" + strings.Repeat("0", 31) + string(rune('0'+i))
		if _, _, err := d.Find(ctx, name); !errors.Is(err, ErrNotFound) {
			t.Fatalf("%d bytes: found before it was copied: %v", size, err)
		}
		for range 2 {
			sha, n, err := d.Put(ctx, name, bytes.NewReader(body))
			if err != nil || n != int64(size) || sha != hex.EncodeToString(digest[:]) {
				t.Fatalf("%d bytes: %s, %d, %v", size, sha, n, err)
			}
		}
		sha, n, err := d.Find(ctx, name)
		if err != nil || n != int64(size) || sha != hex.EncodeToString(digest[:]) {
			t.Errorf("%d bytes: found %s, %d, %v", size, sha, n, err)
		}
		if _, _, err := d.Put(ctx, name, bytes.NewReader(append(body, 'x'))); !errors.Is(err, ErrExists) {
			t.Errorf("%d bytes: other bytes under the same name: %v", size, err)
		}
		open, err := d.Open(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(open, 0, open.Size()))
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes: read %d bytes, %v", size, len(got), err)
		}
		if size > 5 {
			tail := make([]byte, 10)
			if n, err := open.ReadAt(tail, int64(size)-4); n != 4 || !errors.Is(err, io.EOF) ||
				!bytes.Equal(tail[:4], body[size-4:]) {
				t.Errorf("%d bytes: the last four are %q, %v", size, tail[:n], err)
			}
		}
	}
}

func TestDeliveryThatBreaksOffIsNotThere(t *testing.T) {
	s := testStore(t)
	d, ctx := s.Deliveries(), t.Context()
	broken := errors.New("broken")
	for i, size := range []int{10, 3 * s.block} {
		name := "2026/11/29/" + strings.Repeat("a", 31) + string(rune('0'+i))
		r := io.MultiReader(bytes.NewReader(make([]byte, size)), iotest.ErrReader(broken))
		if _, _, err := d.Put(ctx, name, r); !errors.Is(err, broken) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if _, _, err := d.Find(ctx, name); !errors.Is(err, ErrNotFound) {
			t.Errorf("%d bytes: half of a copy is there: %v", size, err)
		}
	}
}

// A name must not hold that of the file.
func TestDeliveryNames(t *testing.T) {
	s := testStore(t)
	for _, name := range []string{"", "a.zip", "2026/11/28/a.zip", "2026/11/28/" + strings.Repeat("A", 32)} {
		_, _, perr := s.Deliveries().Put(t.Context(), name, strings.NewReader("x"))
		_, _, ferr := s.Deliveries().Find(t.Context(), name)
		_, oerr := s.Deliveries().Open(t.Context(), name)
		if perr == nil || ferr == nil || oerr == nil {
			t.Errorf("%q is taken: %v, %v, %v", name, perr, ferr, oerr)
		}
	}
}
