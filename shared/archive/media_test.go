package archive

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"o2archiver/shared/archivetest"
)

const day = "2026/11/28"

// content returns n bytes that no other call gives, and their digest.
func content(n int) ([]byte, string) {
	data := make([]byte, n)
	_, _ = rand.Read(data) // never fails
	sum := sha256.Sum256(data)
	return data, hex.EncodeToString(sum[:])
}

func (s *Store) mustHave(t *testing.T, name string, want []byte) {
	t.Helper()
	body, size, err := s.Media().Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err != nil || size != int64(len(want)) || !bytes.Equal(got, want) {
		t.Errorf("size %d, %d bytes, %v; want %d bytes", size, len(got), err, len(want))
	}
}

func TestPutMedia(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	for _, size := range []int{0, 1, testBlock - 1, testBlock, testBlock + 1, 2 * testBlock, 2*testBlock + 77} {
		data, digest := content(size)
		for range 2 {
			sha, n, err := s.Media().Put(ctx, day, digest, iotest.HalfReader(bytes.NewReader(data)))
			if err != nil || sha != digest || n != int64(size) {
				t.Fatalf("%d bytes: %q, %d, %v; want %q", size, sha, n, err, digest)
			}
		}
		s.mustHave(t, mediaName(day, digest), data)
	}
}

func TestPutBytes(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	for _, size := range []int{0, 1, testBlock - 1, testBlock, testBlock + 1} {
		data, digest := content(size)
		for range 2 {
			if err := s.Media().PutBytes(ctx, day, digest, data); err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
		}
		s.mustHave(t, mediaName(day, digest), data)
	}
	_, digest := content(1)
	for _, bad := range [][2]string{{"2026-11-28", digest}, {"", digest}, {day, ""}, {day, digest[1:]}} {
		if err := s.Media().PutBytes(ctx, bad[0], bad[1], []byte("x")); err == nil {
			t.Errorf("day %q and digest %q are taken", bad[0], bad[1])
		}
	}
}

// The same bytes under another day are another blob; those of the form before, without a day, are a third. So none of
// them is tiered or deleted by the age of another.
func TestPutMediaOfDays(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	for _, size := range []int{10, testBlock + 10} {
		data, digest := content(size)
		days := []string{"", day, "2027/12/01"}
		for n, d := range days {
			if _, _, err := s.Media().Put(ctx, d, digest, bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			for i, other := range days {
				body, _, err := s.Media().Open(ctx, mediaName(other, digest))
				if err == nil {
					body.Close()
				}
				if there := err == nil; there != (i <= n) {
					t.Errorf("%d bytes, stored under %d days, day %q: %v", size, n+1, other, err)
				}
			}
		}
	}
	for _, bad := range []string{"2026-11-28", "2026/11", "2026/11/28/", "../../..", "raw"} {
		if _, _, err := s.Media().Put(ctx, bad, "", bytes.NewReader(nil)); err == nil {
			t.Errorf("day %q is taken", bad)
		}
	}
}

func TestPutMediaWithoutDigest(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	for _, size := range []int{3, 2*testBlock - 1} {
		data, digest := content(size)
		sha, n, err := s.Media().Put(ctx, day, "", bytes.NewReader(data))
		if err != nil || sha != digest || n != int64(size) {
			t.Fatalf("%d bytes: %q, %d, %v; want %q", size, sha, n, err, digest)
		}
		s.mustHave(t, mediaName(day, digest), data)
	}
	data, digest := content(2*testBlock + 5)
	sha, n, err := s.Media().Put(ctx, day, "", bytes.NewReader(data))
	if !errors.Is(err, ErrNeedDigest) || sha != digest || n != int64(len(data)) {
		t.Fatalf("large: %q, %d, %v; want %q and %v", sha, n, err, digest, ErrNeedDigest)
	}
	if _, _, err := s.Media().Open(ctx, mediaName(day, digest)); !errors.Is(err, ErrNotFound) {
		t.Errorf("it is visible: %v", err)
	}
}

func TestPutMediaWrongDigest(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	for _, size := range []int{10, testBlock + 10} {
		data, _ := content(size)
		other, digest := content(size)
		if _, _, err := s.Media().Put(ctx, day, digest, bytes.NewReader(data)); !errors.Is(err, ErrDigest) {
			t.Errorf("%d bytes: %v, want %v", size, err, ErrDigest)
		}
		if _, _, err := s.Media().Open(ctx, mediaName(day, digest)); !errors.Is(err, ErrNotFound) {
			t.Errorf("%d bytes: it is visible: %v", size, err)
		}
		// The right bytes have their place still.
		if _, _, err := s.Media().Put(ctx, day, digest, bytes.NewReader(other)); err != nil {
			t.Error(err)
		}
		s.mustHave(t, mediaName(day, digest), other)
	}
	for _, bad := range []string{"x", "../batches",
		"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"} {
		if _, _, err := s.Media().Put(ctx, day, bad, bytes.NewReader(nil)); !errors.Is(err, ErrDigest) {
			t.Errorf("digest %q: %v", bad, err)
		}
		if _, _, err := s.Media().Open(ctx, bad); err == nil {
			t.Errorf("open %q: no error", bad)
		}
	}
}

func TestPutMediaReaderFails(t *testing.T) {
	s := testStore(t)
	broken := errors.New("the source broke off")
	for _, size := range []int{10, testBlock + 10, 3 * testBlock} {
		data, digest := content(size)
		r := io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken))
		if _, _, err := s.Media().Put(t.Context(), day, digest, r); !errors.Is(err, broken) {
			t.Errorf("%d bytes: %v, want %v", size, err, broken)
		}
		if _, _, err := s.Media().Open(t.Context(), mediaName(day, digest)); !errors.Is(err, ErrNotFound) {
			t.Errorf("%d bytes: it is visible: %v", size, err)
		}
	}
}

// TestPutMediaFaults puts each fault on each PUT of a blob in three blocks: the blocks and the list that makes a blob
// of them.
func TestPutMediaFaults(t *testing.T) {
	for _, fault := range []archivetest.Fault{archivetest.Lose, archivetest.Reset, archivetest.Refuse} {
		for put := 1; put <= 4; put++ {
			data, digest := content(2*testBlock + 5)
			s := faultyStore(t, method(http.MethodPut), func(n int) archivetest.Fault {
				if n == put {
					return fault
				}
				return archivetest.Pass
			})
			sha, n, err := s.Media().Put(t.Context(), day, digest, bytes.NewReader(data))
			if err != nil || sha != digest || n != int64(len(data)) {
				t.Errorf("fault %d at PUT %d: %q, %d, %v", fault, put, sha, n, err)
				continue
			}
			s.mustHave(t, mediaName(day, digest), data)
		}
		small, digest := content(100)
		s := faultyStore(t, method(http.MethodPut), first(fault))
		if _, _, err := s.Media().Put(t.Context(), day, digest, bytes.NewReader(small)); err != nil {
			t.Errorf("fault %d, small: %v", fault, err)
		}
	}
	data, digest := content(2 * testBlock)
	s := faultyStore(t, method(http.MethodPut), always(archivetest.Refuse))
	if _, _, err := s.Media().Put(t.Context(), day, digest, bytes.NewReader(data)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("away: %v, want %v", err, ErrUnavailable)
	}
}

func TestPutMediaAtOnce(t *testing.T) {
	s := testStore(t)
	data, digest := content(2*testBlock + 1)
	wrong, _ := content(2*testBlock + 1)
	errs := make(chan error)
	for i := range 6 {
		go func() {
			if i%2 == 0 {
				_, _, err := s.Media().Put(t.Context(), day, digest, bytes.NewReader(data))
				errs <- err
				return
			}
			_, _, err := s.Media().Put(t.Context(), day, digest, bytes.NewReader(wrong))
			if errors.Is(err, ErrDigest) {
				err = nil // or it came late and found the right bytes there
			}
			errs <- err
		}()
	}
	for range 6 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	s.mustHave(t, mediaName(day, digest), data)
}

func TestKeepRaw(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	for _, size := range []int{5, testBlock + 5} {
		data, digest := content(size)
		name := folder(t) + "/" + digest[:8]
		for range 2 {
			stored, sha, n, err := s.Media().KeepRaw(ctx, name, bytes.NewReader(data))
			if err != nil || stored != "raw/"+name || sha != digest || n != int64(size) {
				t.Fatalf("%d bytes: %q, %q, %d, %v", size, stored, sha, n, err)
			}
		}
		s.mustHave(t, "raw/"+name, data)
		lossy := faultyStore(t, method(http.MethodPut),
			func(n int) archivetest.Fault { return archivetest.Fault(n%2) * archivetest.Lose })
		if _, _, _, err := lossy.Media().KeepRaw(ctx, name+"-l", bytes.NewReader(data)); err != nil {
			t.Errorf("%d bytes, lost answers: %v", size, err)
		}
		other, otherDigest := content(size)
		stored, sha, _, err := s.Media().KeepRaw(ctx, name, bytes.NewReader(other))
		if err != nil || stored != "raw/"+name+"-b" || sha != otherDigest {
			t.Errorf("%d other bytes: %q, %q, %v", size, stored, sha, err)
		}
		s.mustHave(t, stored, other)
		s.mustHave(t, "raw/"+name, data)
	}
	for _, bad := range []string{"", "..", "a/../b", "/a", "a//b", "a b"} {
		if _, _, _, err := s.Media().KeepRaw(ctx, bad, bytes.NewReader(nil)); err == nil {
			t.Errorf("name %q is taken", bad)
		}
	}
}

func TestOpenMediaFaults(t *testing.T) {
	data, digest := content(3*testBlock + 3)
	if _, _, err := testStore(t).Media().Put(t.Context(), day, digest, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []archivetest.Fault{archivetest.Cut, archivetest.Reset, archivetest.Refuse} {
		s := faultyStore(t, method(http.MethodGet),
			func(n int) archivetest.Fault { return archivetest.Fault(n%2) * fault })
		s.mustHave(t, mediaName(day, digest), data)
	}
	// Away for good in the middle; the reader goes on where it was when storage is back.
	var away atomic.Bool
	s := faultyStore(t, method(http.MethodGet), func(int) archivetest.Fault {
		if away.Load() {
			return archivetest.Refuse
		}
		return archivetest.Pass
	})
	body, _, err := s.Media().Open(t.Context(), mediaName(day, digest))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	away.Store(true)
	got, err := io.ReadAll(body)
	if !errors.Is(err, ErrUnavailable) {
		t.Fatalf("away: %v, want %v", err, ErrUnavailable)
	}
	away.Store(false)
	rest, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(append(got, rest...), data) {
		t.Errorf("%d and %d bytes, %v", len(got), len(rest), err)
	}
}
