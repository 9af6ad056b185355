package archive

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"o2archiver/shared/archivetest"
)

func TestWriteBatch(t *testing.T) {
	ctx, s, run := t.Context(), testStore(t), folder(t)
	steps := []struct{ body, want string }{
		{"one\n", "00001.ndjson"},
		{"one\n", "00001.ndjson"}, // the same page again
		{"two\n", "00001-b.ndjson"},
		{"three\n", "00001-c.ndjson"},
		{"two\n", "00001-b.ndjson"},
		{"one\n", "00001.ndjson"},
	}
	for _, step := range steps {
		name, err := s.Batches().Write(ctx, run, 1, []byte(step.body), len(step.body))
		if err != nil || name != run+"/"+step.want {
			t.Errorf("write %q: %q, %v; want %q", step.body, name, err, step.want)
		}
		data, etag, err := s.Batches().Read(ctx, name)
		if err != nil || string(data) != step.body || etag == "" {
			t.Errorf("read %q: %q, %q, %v; want %q", name, data, etag, err, step.body)
		}
	}
	if _, err := s.Batches().Write(ctx, run, 2, nil, 0); err != nil {
		t.Error(err)
	}
	got, err := s.Batches().List(ctx, run)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range got {
		if age := time.Since(b.Created); age > time.Minute || age < -time.Minute {
			t.Errorf("%s was created %v ago", b.Name, age)
		}
	}
	want := []BatchInfo{
		{Name: run + "/00001-b.ndjson", Size: 4, Records: 4,
			SHA256: "27dd8ed44a83ff94d557f9fd0412ed5a8cbca69ea04922d88c01184a07300a5a"},
		{Name: run + "/00001-c.ndjson", Size: 6, Records: 6,
			SHA256: "f6936912184481f5edd4c304ce27c5a1a827804fc7f329f43d273b8621870776"},
		{Name: run + "/00001.ndjson", Size: 4, Records: 4,
			SHA256: "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806"},
		{Name: run + "/00002.ndjson", SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(BatchInfo{}, "Created")); diff != "" {
		t.Error(diff)
	}
	for b, err := range s.Batches().InRun(ctx, run) {
		if err != nil || b.Name != want[0].Name {
			t.Errorf("after the end of the loop: %v, %v", b, err)
		}
		break
	}
}

func TestWriteBatchLostAnswer(t *testing.T) {
	for _, fault := range []archivetest.Fault{archivetest.Lose, archivetest.Reset, archivetest.Refuse,
		archivetest.Busy} {
		s := faultyStore(t, method(http.MethodPut), first(fault))
		name, err := s.Batches().Write(t.Context(), folder(t), 1, []byte("the same bytes\n"), 1)
		if err != nil || name != BatchName(folder(t), 1) {
			t.Errorf("fault %d: %q, %v", fault, name, err)
		}
	}
	if got, err := testStore(t).Batches().List(t.Context(), folder(t)); err != nil || len(got) != 1 {
		t.Errorf("there are %d batches, %v; want 1", len(got), err)
	}
}

func TestWriteBatchRefuses(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	for _, bad := range []string{"", "2026/11/23", "2026/11/23/..", "2026/11/23/a/b", "../2026/11/23/a",
		"2026/11/23/a b"} {
		if _, err := s.Batches().Write(ctx, bad, 1, nil, 0); err == nil {
			t.Errorf("folder %q is taken", bad)
		}
	}
	for _, seq := range []int{-1, 0, 1_000_000} {
		if _, err := s.Batches().Write(ctx, folder(t), seq, nil, 0); err == nil {
			t.Errorf("number %d is taken", seq)
		}
	}
	if _, err := s.Batches().Write(ctx, folder(t), 1, make([]byte, maxBatch+1), 1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

// documentsOf returns a handle that writes what the others would not.
func documentsOf(s *Store, container string) *Documents { return &Documents{s.blobs(container)} }

func TestReadBatch(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	large := []byte(strings.Repeat("x", maxBatch))
	name, err := s.Batches().Write(ctx, folder(t), 1, large, 1)
	if err != nil {
		t.Fatal(err)
	}
	faulty := faultyStore(t, method(http.MethodGet), first(archivetest.Cut))
	if data, _, err := faulty.Batches().Read(ctx, name); err != nil || string(data) != string(large) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, _, err := s.Batches().Read(ctx, BatchName(folder(t), 2)); !errors.Is(err, ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	if _, _, err := s.Batches().Read(ctx, "../settings/mapping.csv"); !errors.Is(err, ErrForeign) {
		t.Errorf("foreign: %v", err)
	}
	// The content is replaced and the metadata stay.
	if _, err := documentsOf(s, BatchesContainer).Put(ctx, BatchName(folder(t), 3), 1, "*", nil); err != nil {
		t.Fatal(err)
	}
	sum := strings.Repeat("0", 64)
	if _, err := s.Batches().blob(BatchName(folder(t), 3)).SetMetadata(ctx, map[string]*string{metaSHA256: &sum},
		nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Batches().Read(ctx, BatchName(folder(t), 3)); !errors.Is(err, ErrDigest) {
		t.Errorf("changed: %v, want %v", err, ErrDigest)
	}
}

func TestDaysAndRuns(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	// Years that no other test has.
	for _, f := range []string{"1901/02/03/b", "1901/02/03/a", "1901/02/01/a", "1902/01/01/a"} {
		if _, err := s.Batches().Write(ctx, f, 1, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := documentsOf(s, BatchesContainer).Put(ctx, "1901/stray.json", 1, "*", nil); err != nil {
		t.Fatal(err)
	}
	days, err := s.Batches().Days(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var old []string
	for _, d := range days {
		if d < "1950" {
			old = append(old, d)
		}
	}
	if diff := cmp.Diff([]string{"1901/02/01", "1901/02/03", "1902/01/01"}, old); diff != "" {
		t.Error(diff)
	}
	runs, err := s.Batches().Runs(ctx, "1901/02/03")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1901/02/03/a", "1901/02/03/b"}, runs); diff != "" {
		t.Error(diff)
	}
	if runs, err := s.Batches().Runs(ctx, "1901/02/04"); err != nil || len(runs) != 0 {
		t.Errorf("a day without runs: %v, %v", runs, err)
	}
	var names []string
	for b, err := range s.Batches().All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if b.Name > "1950" {
			break // the batches of other tests
		}
		names = append(names, b.Name)
	}
	want := []string{BatchName("1901/02/01/a", 1), BatchName("1901/02/03/a", 1), BatchName("1901/02/03/b", 1),
		BatchName("1902/01/01/a", 1)}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func at(t testing.TB, home string) *Batches {
	t.Helper()
	u, err := url.Parse(home)
	if err != nil {
		t.Fatal(err)
	}
	return &Batches{blobs{store: &Store{home: u}}}
}

const goodName = "2026/11/23/20261122T052000Z-20261123T052000Z/00001.ndjson"

func TestBatchFromURI(t *testing.T) {
	cloud := at(t, "https://o2archive.blob.core.windows.net")
	local := at(t, "http://127.0.0.1:10000/devstoreaccount1/")
	good := []struct {
		b         *Batches
		uri, want string
	}{
		{cloud, "https://o2archive.blob.core.windows.net/batches/" + goodName, goodName},
		{cloud, "HTTPS://O2Archive.blob.core.windows.net:443/batches/" + goodName, goodName},
		{cloud, "https://o2archive.blob.core.windows.net/batches/2026/11/23/a/00001-b.ndjson",
			"2026/11/23/a/00001-b.ndjson"},
		{local, "http://127.0.0.1:10000/devstoreaccount1/batches/" + goodName, goodName},
	}
	for _, tt := range good {
		if got, err := tt.b.FromURI(tt.uri); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.uri, got, err, tt.want)
		}
	}
	bad := []string{
		"",
		goodName,
		"/batches/" + goodName,
		"http://o2archive.blob.core.windows.net/batches/" + goodName,
		"https://other.blob.core.windows.net/batches/" + goodName,
		"https://o2archive.blob.core.windows.net.example/batches/" + goodName,
		"https://o2archive.blob.core.windows.net:444/batches/" + goodName,
		"https://o2archive.blob.core.windows.net@other/batches/" + goodName,
		"https://user@o2archive.blob.core.windows.net/batches/" + goodName,
		"https://user:pass@o2archive.blob.core.windows.net/batches/" + goodName,
		"https://o2archive.blob.core.windows.net/media/" + goodName,
		"https://o2archive.blob.core.windows.net/batches2/" + goodName,
		"https://o2archive.blob.core.windows.net//batches/" + goodName,
		"https://o2archive.blob.core.windows.net/batches//" + goodName,
		"https://o2archive.blob.core.windows.net/x/../batches/" + goodName,
		"https://o2archive.blob.core.windows.net/batches/2026/11/23/../00001.ndjson",
		"https://o2archive.blob.core.windows.net/batches/2026/11/23/./00001.ndjson",
		"https://o2archive.blob.core.windows.net/batches/2026/11/23/a%2F../00001.ndjson",
		"https://o2archive.blob.core.windows.net/batches/%32026/11/23/a/00001.ndjson",
		"https://o2archive.blob.core.windows.net/batches/" + goodName + "?",
		"https://o2archive.blob.core.windows.net/batches/" + goodName + "?snapshot=x",
		"https://o2archive.blob.core.windows.net/batches/" + goodName + "#x",
		"https://o2archive.blob.core.windows.net/batches/" + goodName + "\n",
		"https://o2archive.blob.core.windows.net/batches/" + goodName + " ",
		"https://o2archive.blob.core.windows.net/batches/" + goodName + "/",
		"https://o2archive.blob.core.windows.net\\batches/" + goodName,
		"https:o2archive.blob.core.windows.net/batches/" + goodName,
		"https://o2archive.blob.core.windows.net/batches/2026/11/23/a/0001.ndjson",
		"https://o2archive.blob.core.windows.net/batches/2026/11/23/a/00001-a.ndjson",
		"https://o2archive.blob.core.windows.net/batches/2026/11/23/a/manifest.json",
		"https://o2archive.blob.core.windows.net/batches/2026/11/23/" + strings.Repeat("a", 129) + "/00001.ndjson",
	}
	for _, uri := range bad {
		if got, err := cloud.FromURI(uri); !errors.Is(err, ErrForeign) {
			t.Errorf("%q: %q, %v; want %v", uri, got, err, ErrForeign)
		}
	}
	if _, err := local.FromURI("http://127.0.0.1:10000/batches/" + goodName); !errors.Is(err, ErrForeign) {
		t.Errorf("no account: %v", err)
	}
}

func FuzzBatchFromURI(f *testing.F) {
	f.Add("https://o2archive.blob.core.windows.net/batches/" + goodName)
	f.Add("https://o2archive.blob.core.windows.net:443/batches/2026/11/23/../00001.ndjson")
	b := at(f, "https://o2archive.blob.core.windows.net")
	f.Fuzz(func(t *testing.T, uri string) {
		name, err := b.FromURI(uri)
		if err != nil {
			return
		}
		// What is taken is the plain address of that very blob.
		u, err := url.Parse("https://o2archive.blob.core.windows.net/batches/" + name)
		if err != nil || u.JoinPath().Path != u.Path || strings.Contains(name, "..") && strings.Contains(name, "/../") {
			t.Errorf("%q gives %q", uri, name)
		}
		if !strings.HasSuffix(uri, "/batches/"+name) {
			t.Errorf("%q gives %q", uri, name)
		}
	})
}
