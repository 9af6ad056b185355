package archive

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archivetest"
)

// testBlock makes small blobs have many blocks.
const testBlock = 64 << 10

var folders sync.Map // by test: the folder that no other has

// quickly is the retry policy of tests: as many tries as in earnest, without their pauses.
func quickly() policy.RetryOptions {
	return policy.RetryOptions{MaxRetries: 3, RetryDelay: time.Millisecond, MaxRetryDelay: 5 * time.Millisecond,
		TryTimeout: 10 * time.Second}
}

func testStore(t testing.TB) *Store {
	t.Helper()
	s := openThrough(t, archivetest.Shared(t), quickly())
	for range 2 { // twice: the second finds them there
		if err := s.CreateContainers(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// openThrough opens the test's storage on a way of its own.
func openThrough(t testing.TB, way http.RoundTripper, retry policy.RetryOptions) *Store {
	t.Helper()
	s, err := openWith(Config{ConnectionString: archivetest.Shared(t).ConnectionString(),
		HTTP: &http.Client{Transport: way}}, retry)
	if err != nil {
		t.Fatal(err)
	}
	s.block = testBlock
	return s
}

// faultyStore has faults on its way to the same storage: rule sees every request, n counts those for which when holds.
func faultyStore(t testing.TB, when func(*http.Request) bool, fault func(n int) archivetest.Fault) *Store {
	t.Helper()
	testStore(t)
	var n atomic.Int32
	return openThrough(t, archivetest.Shared(t).Through(func(r *http.Request) archivetest.Fault {
		if !when(r) {
			return archivetest.Pass
		}
		return fault(int(n.Add(1)))
	}), quickly())
}

func method(m string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == m }
}

// first applies the fault to the first request, and lets the others pass.
func first(f archivetest.Fault) func(int) archivetest.Fault {
	return func(n int) archivetest.Fault {
		if n == 1 {
			return f
		}
		return archivetest.Pass
	}
}

func always(f archivetest.Fault) func(int) archivetest.Fault {
	return func(int) archivetest.Fault { return f }
}

// folder is a run's folder that no other test has, nor the same test when it is run once more.
func folder(t testing.TB) string {
	name := "2026/11/23/" + strings.NewReplacer("/", "-", "_", "-", "#", "-").Replace(t.Name()) + "-" + rand.Text()
	f, _ := folders.LoadOrStore(t, name)
	return f.(string)
}

// blobName is a name within a container that no other test has.
func blobName(t testing.TB) string { return folder(t) + ".json" }

func TestOpenRefuses(t *testing.T) {
	tests := map[string]Config{
		"nothing":             {},
		"no credential":       {BlobURL: &url.URL{Scheme: "https", Host: "a.blob.core.windows.net"}},
		"development storage": {ConnectionString: "UseDevelopmentStorage=true"},
		"no key":              {ConnectionString: "AccountName=geheim"},
		"bad key":             {ConnectionString: "AccountName=geheim;AccountKey=ge heim"},
		"no form":             {ConnectionString: "geheim"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Open(c)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "geheim") {
				t.Errorf("the error shows the connection string: %v", err)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	const secret = "lauterzeug"
	tests := []struct {
		name  string
		fault archivetest.Fault
		want  error
		text  string
	}{
		{"500", archivetest.Refuse, ErrUnavailable, "blob service unavailable: answered 500 "},
		{"503", archivetest.Busy, ErrUnavailable, "blob service unavailable: answered 503 "},
		{"reset", archivetest.Reset, ErrUnavailable, "blob service unavailable: the connection broke off"},
		{"stall", archivetest.Stall, ErrUnavailable, "blob service unavailable: no answer in time"},
		{"none", archivetest.Pass, ErrNotFound, "not found: blob service: answered 404 BlobNotFound"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				testStore(t)
				retry := quickly()
				retry.MaxRetries, retry.TryTimeout = 1, time.Second
				way := archivetest.Shared(t).Through(func(*http.Request) archivetest.Fault { return tt.fault })
				var v any
				_, err := openThrough(t, way, retry).Checkpoints().Get(t.Context(), secret+".json", &v)
				if !errors.Is(err, tt.want) || strings.TrimSpace(err.Error()) != strings.TrimSpace(tt.text) {
					t.Errorf("error %v, want %q", err, tt.text)
				}
			})
		})
	}
	t.Run("refused", func(t *testing.T) {
		c := archivetest.Shared(t).ConnectionString() + ";BlobEndpoint=http://127.0.0.1:1/" + archivetest.Account
		s, err := openWith(Config{ConnectionString: c}, quickly())
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Batches().Days(t.Context())
		if want := "list the days: blob service unavailable: connection refused"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %q", err, want)
		}
	})
	t.Run("wrong key", func(t *testing.T) {
		c := strings.ReplaceAll(archivetest.Shared(t).ConnectionString(), archivetest.Key, "AAAA")
		s, err := openWith(Config{ConnectionString: c, HTTP: archivetest.Shared(t).Client()}, quickly())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Batches().Days(t.Context()); !errors.Is(err, ErrDenied) {
			t.Errorf("error %v, want %v", err, ErrDenied)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		cause := errors.New("that is enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if _, err := testStore(t).Batches().Days(ctx); !errors.Is(err, cause) || errors.Is(err, ErrUnavailable) {
			t.Errorf("error %v, want %v", err, cause)
		}
	})
}

// noToken is a credential without an identity behind it.
type noToken struct{}

func (noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("no identity of tenant geheim")
}

func TestCredential(t *testing.T) {
	home := &url.URL{Scheme: "https", Host: "o2archive.blob.core.windows.net", Path: "/"}
	s, err := openWith(Config{BlobURL: home, Credential: noToken{}}, quickly())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Batches().Days(t.Context())
	if want := "list the days: blob service unavailable: no token for the blob service"; err == nil ||
		err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	if name, err := s.Batches().FromURI("https://o2archive.blob.core.windows.net/batches/" +
		goodName); name != goodName {
		t.Errorf("%q, %v; want %q", name, err, goodName)
	}
	if _, err := Open(Config{BlobURL: &url.URL{Scheme: "http", Host: "127.0.0.1"}, Credential: noToken{}}); err == nil {
		t.Error("a token would go over http")
	}
}

func TestPutDocument(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	type doc struct{ A, B string }
	name := blobName(t)
	want := doc{"<&>", "\u2028"}
	one, err := s.Checkpoints().Put(ctx, name, want, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got doc
	etag, err := s.Checkpoints().Get(ctx, name, &got)
	if err != nil || etag != one {
		t.Fatalf("ETag %q, %v, want %q", etag, err, one)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Checkpoints().Put(ctx, name, want, "", nil); !errors.Is(err, ErrExists) {
		t.Errorf("create again: %v, want %v", err, ErrExists)
	}
	two, err := s.Checkpoints().Put(ctx, name, want, one, nil)
	if err != nil || two == one {
		t.Fatalf("ETag %q, %v", two, err)
	}
	if _, err := s.Checkpoints().Put(ctx, name, want, one, nil); !errors.Is(err, ErrChanged) {
		t.Errorf("write over another's: %v, want %v", err, ErrChanged)
	}
	if _, err := s.Checkpoints().Put(ctx, name, want, "*", nil); err != nil {
		t.Error(err)
	}
	if err := s.getJSONTooLarge(ctx, name); !errors.Is(err, ErrTooLarge) {
		t.Errorf("read with a small limit: %v, want %v", err, ErrTooLarge)
	}
}

func (s *Store) getJSONTooLarge(ctx context.Context, name string) error {
	var v any
	_, err := s.Checkpoints().GetLarge(ctx, name, &v, 3)
	return err
}

// The write is done and its answer lost. The SDK's own retry meets the condition that the write itself has broken.
func TestPutDocumentLostAnswer(t *testing.T) {
	ctx := t.Context()
	s := faultyStore(t, method(http.MethodPut), first(archivetest.Lose))
	etag, err := s.Checkpoints().Put(ctx, blobName(t), 1, "", nil)
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	s = faultyStore(t, method(http.MethodPut), first(archivetest.Lose))
	etag, err = s.Checkpoints().Put(ctx, blobName(t), 2, etag, nil)
	if err != nil {
		t.Fatalf("replace: %v", err)
	}
	var got int
	now, err := s.Checkpoints().Get(ctx, blobName(t), &got)
	if err != nil || got != 2 || now != etag {
		t.Errorf("got %d, ETag %q, %v; want 2 and %q", got, now, err, etag)
	}
}

func TestPutDocumentCutAnswer(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	want := strings.Repeat("0123456789", 100_000)
	if _, err := s.Checkpoints().Put(ctx, blobName(t), want, "*", nil); err != nil {
		t.Fatal(err)
	}
	s = faultyStore(t, method(http.MethodGet), first(archivetest.Cut))
	var got string
	if _, err := s.Checkpoints().Get(ctx, blobName(t), &got); err != nil || got != want {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, len(want))
	}
}

func Example_batchName() {
	fmt.Println(BatchName("2026/11/23/20261122T052000Z-20261123T052000Z", 1))
	// Output: 2026/11/23/20261122T052000Z-20261123T052000Z/00001.ndjson
}
