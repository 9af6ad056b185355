package archive

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archivetest"
)

func TestMapping(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	if _, err := s.Mapping().blob(mappingName).Delete(ctx, nil); err != nil &&
		!errors.Is(translateError(ctx, err), ErrNotFound) {
		t.Fatal(err)
	}
	if _, _, err := s.Mapping().Read(ctx, ""); !errors.Is(err, ErrNotFound) {
		t.Fatalf("no mapping: %v, want %v", err, ErrNotFound)
	}
	put, err := s.Mapping().Write(ctx, []byte("Phone,Email\n"))
	if err != nil {
		t.Fatal(err)
	}
	data, etag, err := s.Mapping().Read(ctx, "")
	if err != nil || string(data) != "Phone,Email\n" || etag != put {
		t.Fatalf("got %q, %q, %v", data, etag, err)
	}
	if _, _, err := s.Mapping().Read(ctx, etag); !errors.Is(err, ErrNotModified) {
		t.Errorf("the same mapping: %v, want %v", err, ErrNotModified)
	}
	if _, err := s.Mapping().Write(ctx, []byte{}); err != nil {
		t.Fatal(err)
	}
	if data, _, err := s.Mapping().Read(ctx, etag); err != nil || len(data) != 0 {
		t.Errorf("a new, empty mapping: %q, %v", data, err)
	}
	if _, err := s.Mapping().Write(ctx, make([]byte, maxMapping+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large mapping: %v, want %v", err, ErrTooLarge)
	}
}

func TestDeferredItems(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	for _, key := range []string{"b-2", "a-1"} {
		for _, v := range []string{key, "the first stays"} {
			if err := s.Deferred().Put(ctx, key, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Deferred().Replace(ctx, "b-2", "new"); err != nil {
		t.Fatal(err)
	}
	if err := s.Deferred().Replace(ctx, "c-3", "never there"); !errors.Is(err, ErrNotFound) {
		t.Errorf("replace what is not there: %v, want %v", err, ErrNotFound)
	}
	keys, err := s.Deferred().Keys(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, key := range keys {
		var v string
		if err := s.Deferred().Get(ctx, key, &v); err != nil {
			t.Fatal(err)
		}
		got[key] = v
	}
	if diff := cmp.Diff(map[string]string{"a-1": "a-1", "b-2": "new"}, got); diff != "" {
		t.Error(diff)
	}
	for _, key := range keys {
		if err := s.Deferred().Delete(ctx, key); err != nil {
			t.Error(err)
		}
		if err := s.Deferred().Delete(ctx, key); !errors.Is(err, ErrNotFound) {
			t.Errorf("delete twice: %v, want %v", err, ErrNotFound)
		}
	}
	for _, key := range []string{"", "..", "a/b", "a b", "ü"} {
		if err := s.Deferred().Put(ctx, key, 1); err == nil {
			t.Errorf("key %q is taken", key)
		}
	}
}

func TestDeferredItemLostAnswer(t *testing.T) {
	ctx := t.Context()
	if err := faultyStore(t, method(http.MethodPut), first(archivetest.Lose)).Deferred().Put(ctx, "lost",
		1); err != nil {
		t.Errorf("put: %v", err)
	}
	lossy := faultyStore(t, method(http.MethodPut), first(archivetest.Lose))
	if err := lossy.Deferred().Replace(ctx, "lost", 2); err != nil {
		t.Errorf("replace: %v", err)
	}
	// The second DELETE finds nothing; callers take ErrNotFound for done.
	lossy = faultyStore(t, method(http.MethodDelete), first(archivetest.Lose))
	if err := lossy.Deferred().Delete(ctx, "lost"); !errors.Is(err, ErrNotFound) {
		t.Errorf("delete: %v", err)
	}
}

func TestManifest(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	total := int64(7)
	want := Manifest{
		Version: 1, Kind: "daily", From: time.Date(2026, 11, 22, 5, 20, 0, 0, time.UTC), To: time.Date(2026, 11, 23, 5,
			20, 0, 0, time.UTC),
		Received: 7, SourceTotal: &total, Records: 7,
	}
	const many = 1500 // in more than one block, and more than one page of the listing
	for n := 1; n <= many; n++ {
		if _, err := s.Batches().Write(ctx, folder(t), n, fmt.Appendf(nil, "batch %d", n), n%3); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Batches().ReadManifest(ctx, folder(t), nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("no manifest: %v, want %v", err, ErrNotFound)
	}
	for _, m := range []Manifest{want, {}} { // the first one stays
		if batches, staged, err := s.Batches().WriteManifest(ctx, folder(t), m); err != nil || batches != many ||
			staged != many {
			t.Fatalf("%d batches of %d records, %v", batches, staged, err)
		}
	}
	var listed []BatchInfo
	got, err := s.Batches().ReadManifest(ctx, folder(t), func(b BatchInfo) { listed = append(listed, b) })
	if err != nil || got.Batches != nil {
		t.Fatalf("%d batches in the head, %v", len(got.Batches), err)
	}
	got.Batches = listed
	if want.Batches, err = s.Batches().List(ctx, folder(t)); err != nil || len(want.Batches) != many {
		t.Errorf("%d batches, %v: the manifest is none of them", len(want.Batches), err)
	}
	want.Staged = many
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	t.Run("the listing fails", func(t *testing.T) {
		other := folder(t)
		refused := faultyStore(t, method(http.MethodGet), func(int) archivetest.Fault { return archivetest.Refuse })
		if _, _, err := refused.Batches().WriteManifest(ctx, other, want); !errors.Is(err, ErrUnavailable) {
			t.Errorf("error %v, want %v", err, ErrUnavailable)
		}
		if _, err := s.Batches().ReadManifest(ctx, other, nil); !errors.Is(err, ErrNotFound) {
			t.Errorf("half a manifest was written: %v", err)
		}
	})
	t.Run("an answer is lost", func(t *testing.T) {
		other := folder(t)
		lossy := faultyStore(t, method(http.MethodPut), first(archivetest.Lose))
		if _, _, err := lossy.Batches().WriteManifest(ctx, other, want); err != nil {
			t.Error(err)
		}
		if _, err := s.Batches().ReadManifest(ctx, other, nil); err != nil {
			t.Error(err)
		}
	})
}
