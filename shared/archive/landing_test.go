package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/arrival"
	"o2archiver/shared/retry"
)

// testLanding returns the test's landing container, and its folder.
func testLanding(t testing.TB, folder string, accept func(string) bool) *Landing {
	t.Helper()
	return landingThrough(t, archivetest.Shared(t), folder, accept)
}

func landingThrough(t testing.TB, way http.RoundTripper, folder string, accept func(string) bool) *Landing {
	t.Helper()
	l, err := openThrough(t, way, quickly()).landing(folder, accept)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.CreateContainer(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func putLanded(t testing.TB, l *Landing, name string, data []byte) {
	t.Helper()
	if err := l.Put(t.Context(), name, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

func readLanded(ctx context.Context, l *Landing, name string, offset int64) ([]byte, error) {
	r, err := l.Open(ctx, name, offset)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestLanding(t *testing.T) {
	t.Parallel()
	size := 3*testBlock + 17
	data := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
	for _, folder := range []string{"", "out", "/a/b/"} {
		l := testLanding(t, folder, func(name string) bool { return strings.HasSuffix(name, ".zip") })
		putLanded(t, l, "b.zip", data)
		putLanded(t, l, "a.zip", nil)
		putLanded(t, l, "sub/c.zip", data)
		putLanded(t, l, "sub/d.zip", data)
		putLanded(t, l, "folder.zip/e.zip", data)
		putLanded(t, l, "a.txt", data)
		if _, err := l.client.NewBlockBlobClient(l.prefix+"folder.zip").Upload(t.Context(),
			streaming.NopCloser(bytes.NewReader(nil)), &blockblob.UploadOptions{
				Metadata: map[string]*string{"Hdi_isfolder": to.Ptr("true")}}); err != nil {
			t.Fatal(err)
		}
		found, err := l.List(t.Context())
		want := arrival.Listing{Files: []arrival.File{{Path: "a.zip"}, {Path: "b.zip", Size: int64(size)}},
			NotFiles: []string{"folder.zip", "sub"}}
		recent := cmp.Comparer(func(a, b time.Time) bool { return max(time.Since(a), time.Since(b)) > 0 })
		if diff := cmp.Diff(want, found, recent); diff != "" || err != nil {
			t.Fatalf("folder %q: error %v, listing (-want +got):\n%s", folder, err, diff)
		}
		for _, f := range found.Files {
			if time.Since(f.ModTime) > time.Hour {
				t.Errorf("folder %q: a file of %s", folder, f.ModTime)
			}
		}
		for _, offset := range []int{0, 1, testBlock, size - 1, size} {
			got, err := readLanded(t.Context(), l, "b.zip", int64(offset))
			if err != nil || !bytes.Equal(got, data[offset:]) {
				t.Errorf("from %d: %d bytes, %v", offset, len(got), err)
			}
		}
		if got, err := readLanded(t.Context(), l, "a.zip", 0); len(got) != 0 || err != nil {
			t.Errorf("an empty file: %d bytes, %v", len(got), err)
		}
		for _, offset := range []int64{-1, int64(size) + 1} {
			if _, err := l.Open(t.Context(), "b.zip", offset); err == nil {
				t.Errorf("offset %d is accepted", offset)
			}
		}
		for _, name := range []string{"a.txt", "sub/c.zip", "folder.zip", "../b.zip", ""} {
			if _, err := l.Open(t.Context(), name, 0); !errors.Is(err, arrival.ErrNotListed) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	for _, folder := range []string{"a\\b", "a\x00b", "a\nb"} {
		if _, err := testStore(t).landing(folder, nil); err == nil {
			t.Errorf("folder %q is accepted", folder)
		}
	}
}

// Only the version that was listed is read, from its first byte to its last.
func TestLandingReadsOneVersion(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("x"), 2*testBlock)
	l := testLanding(t, "", nil)
	for name, change := range map[string]func(){
		"other bytes": func() { putLanded(t, l, "a.zip", bytes.Repeat([]byte("y"), len(data))) },
		"same bytes":  func() { putLanded(t, l, "a.zip", data) },
		"more bytes":  func() { putLanded(t, l, "a.zip", append(data, 'x')) },
	} {
		putLanded(t, l, "a.zip", data)
		if _, err := l.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		r, err := l.Open(t.Context(), "a.zip", 0)
		if err != nil {
			t.Fatal(err)
		}
		change()
		n, err := io.Copy(io.Discard, r)
		if again, _ := retry.IsTransient(err); !errors.Is(err, arrival.ErrChanged) || again || n != testBlock {
			t.Errorf("%s, while it is read: %d bytes, %v", name, n, err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, arrival.ErrChanged) {
			t.Errorf("%s, read again: %v", name, err)
		}
		if _, err := l.Open(t.Context(), "a.zip", 1); !errors.Is(err, arrival.ErrChanged) {
			t.Errorf("%s, opened: %v", name, err)
		}
	}
	if _, err := l.blob("a.zip").Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Open(t.Context(), "a.zip", 0); !errors.Is(err, arrival.ErrChanged) {
		t.Errorf("a file that has gone: %v", err) // Get Blob: the condition is checked first
	}
}

// Every request may fail several times, longer than the SDK tries: the folder is read all the same, each byte once.
func TestLandingOutlastsFaults(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("0123456789"), testBlock/2)
	faults := []archivetest.Fault{archivetest.Refuse, archivetest.Busy, archivetest.Reset, archivetest.Cut}
	for _, fault := range faults {
		synctest.Test(t, func(t *testing.T) {
			storage := archivetest.ForTest(t, nil)
			n := 0
			way := storage.Through(func(r *http.Request) archivetest.Fault {
				if n++; r.Method != http.MethodGet || n%10 == 0 {
					return archivetest.Pass
				}
				return fault
			})
			l := landingThrough(t, way, "", nil)
			putLanded(t, l, "a.zip", data)
			if found, err := l.List(t.Context()); len(found.Files) != 1 || err != nil {
				t.Fatalf("fault %v: %d files, %v", fault, len(found.Files), err)
			}
			if got, err := readLanded(t.Context(), l, "a.zip", 0); !bytes.Equal(got, data) || err != nil {
				t.Errorf("fault %v: %d bytes, %v", fault, len(got), err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		down := false
		storage := archivetest.ForTest(t, nil)
		l := landingThrough(t, storage.Through(func(*http.Request) archivetest.Fault {
			if down {
				return archivetest.Busy
			}
			return archivetest.Pass
		}), "", nil)
		putLanded(t, l, "a.zip", data)
		if _, err := l.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		down = true
		began := time.Now()
		_, err := l.Open(t.Context(), "a.zip", 0)
		if _, lerr := l.List(t.Context()); !errors.Is(err, ErrUnavailable) || !errors.Is(lerr, ErrUnavailable) {
			t.Errorf("during an outage: %v, %v", err, lerr)
		}
		if took := time.Since(began); took < 2*time.Minute || took > 20*time.Minute {
			t.Errorf("it gave up after %v", took)
		}
		down = false
		if got, err := readLanded(t.Context(), l, "a.zip", 0); len(got) != len(data) || err != nil {
			t.Errorf("after the outage: %d bytes, %v", len(got), err)
		}
	})
}

func TestLandingListsManyFiles(t *testing.T) {
	t.Parallel()
	l := testLanding(t, "in", nil)
	for i := range landingPage + 10 {
		putLanded(t, l, fmt.Sprintf("%05d.zip", i), []byte("x"))
	}
	if found, err := l.List(t.Context()); len(found.Files) != landingPage+10 || err != nil {
		t.Errorf("%d files, %v", len(found.Files), err)
	}
	missing, err := openThrough(t, archivetest.New(nil), quickly()).landing("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := missing.List(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("without a container: %v", err)
	}
}
