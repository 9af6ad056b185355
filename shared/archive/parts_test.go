package archive

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"testing"
)

func TestParts(t *testing.T) {
	ctx, s, key := t.Context(), testStore(t), "media-"+rand.Text()
	for n, data := range []string{"one,", "", "three", "never counted"} {
		for range 2 {
			if err := s.Deferred().PutPart(ctx, key, 3, n, []byte(data)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Deferred().PutPart(ctx, key, 4, 0, []byte("of another file")); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(s.Deferred().OpenParts(ctx, key, 3, 3))
	if err != nil || string(got) != "one,three" {
		t.Errorf("%q, %v", got, err)
	}
	for range 2 {
		if err := s.Deferred().DeleteParts(ctx, key); err != nil {
			t.Error(err)
		}
	}
	for _, file := range []int{3, 4} {
		if _, err := io.ReadAll(s.Deferred().OpenParts(ctx, key, file, 1)); !errors.Is(err, ErrNotFound) {
			t.Errorf("file %d is left: %v", file, err)
		}
	}
	if err := s.Deferred().PutPart(ctx, key, 0, 0, bytes.Repeat([]byte("x"), MaxPart+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large a part: %v", err)
	}
	for _, bad := range []string{"", "../x", "a/b"} {
		if s.Deferred().PutPart(ctx, bad, 0, 0, nil) == nil || s.Deferred().DeleteParts(ctx, bad) == nil {
			t.Errorf("the key %q is taken", bad)
		}
	}
}
