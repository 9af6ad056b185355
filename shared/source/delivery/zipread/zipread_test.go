package zipread

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// member is an entry of a ZIP that a test makes.
type member struct {
	name, content string
	method        uint16
	mode          fs.FileMode
}

// makeZIP returns a ZIP with these entries.
func makeZIP(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: m.method}
		if m.mode != 0 {
			h.SetMode(m.mode)
		}
		entry, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(entry, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(t testing.TB, raw []byte, limits Limits) *Archive {
	t.Helper()
	a, err := Open(bytes.NewReader(raw), int64(len(raw)), limits)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// outcome is what became of an entry.
type outcome struct {
	Name    string
	Problem Problem
	Size    int
}

// readAll reads all entries of a ZIP.
func readAll(t testing.TB, a *Archive) (all []outcome) {
	t.Helper()
	for _, e := range a.Entries {
		o := outcome{Name: e.Name, Problem: e.Problem}
		problem, err := a.Read(e, func(r io.Reader) error {
			n, err := io.Copy(io.Discard, r)
			o.Size = int(n)
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		if problem != "" {
			o.Problem = problem
		}
		all = append(all, o)
	}
	return all
}

// The samples were written by Python and by zip(1).
func TestSamples(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		messages, manifests, twice, unsafe, encrypted int
		err                                           error
	}{
		"202611280000-TeleMessage_1_20261128050012": {messages: 7, manifests: 1},
		"case-differs":         {messages: 7, manifests: 1},
		"count-too-high":       {messages: 7, manifests: 1},
		"cut-short":            {err: ErrFormat},
		"empty-file":           {messages: 7, manifests: 1},
		"listed-but-missing":   {messages: 6, manifests: 1},
		"no-manifest":          {messages: 7},
		"password":             {messages: 2, encrypted: 2},
		"paths":                {messages: 7, manifests: 1, unsafe: 3},
		"same-name-twice":      {messages: 8, manifests: 1, twice: 1},
		"there-but-not-listed": {messages: 8, manifests: 1},
	} {
		raw, err := os.ReadFile(filepath.Join("testdata", name+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		a, err := Open(bytes.NewReader(raw), int64(len(raw)), DefaultLimits())
		if !errors.Is(err, want.err) {
			t.Errorf("%s: %v, want %v", name, err, want.err)
		}
		if err != nil {
			continue
		}
		got := want
		got.messages, got.manifests, got.twice, got.unsafe, got.encrypted = 0, 0, 0, 0, 0
		for i, o := range readAll(t, a) {
			e := a.Entries[i]
			switch e.Kind {
			case Message:
				got.messages++
			case Manifest:
				got.manifests++
			}
			if e.Twice {
				got.twice++
			}
			switch o.Problem {
			case UnsafeName:
				got.unsafe++
			case Encrypted:
				got.encrypted++
			case "":
			default:
				t.Errorf("%s: %s", name, o.Problem)
			}
			if o.Problem != Encrypted && int64(o.Size) != e.Size {
				t.Errorf("%s: %d bytes, want %d", name, o.Size, e.Size)
			}
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// Each hostile entry has its problem, and the entries beside it are read.
func TestHostileEntries(t *testing.T) {
	t.Parallel()
	limits := Limits{Entries: 100, Directory: 1 << 20, Entry: 8 << 20, Total: 16 << 20, Ratio: 200}
	noise := make([]byte, 8<<20+1)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	zeros := strings.Repeat("\x00", 8<<20)
	good := member{"a good one.eml", "text", zip.Deflate, 0}
	for name, tt := range map[string]struct {
		bad  member
		want Problem
	}{
		"parent":             {member{"../../x.eml", "x", zip.Deflate, 0}, UnsafeName},
		"parent in the path": {member{"a/../../x.eml", "x", zip.Deflate, 0}, UnsafeName},
		"absolute":           {member{"/x.eml", "x", zip.Deflate, 0}, UnsafeName},
		"drive":              {member{"C:x.eml", "x", zip.Deflate, 0}, UnsafeName},
		"backslash":          {member{`a\x.eml`, "x", zip.Deflate, 0}, UnsafeName},
		"NUL":                {member{"x\x00.eml", "x", zip.Deflate, 0}, UnsafeName},
		"no name":            {member{"", "x", zip.Deflate, 0}, UnsafeName},
		"dots in a name":     {member{"a..b.eml", "x", zip.Deflate, 0}, ""},
		"in a folder":        {member{"a/b.eml", "x", zip.Deflate, 0}, ""},
		"folder":             {member{"folder/", "", zip.Store, 0}, Folder},
		"link":               {member{"x.eml", "/etc/passwd", zip.Store, fs.ModeSymlink | 0o777}, Link},
		"device":             {member{"x.eml", "", zip.Store, fs.ModeDevice | 0o777}, Link},
		"at the limit":       {member{"x.eml", string(noise[:8<<20]), zip.Store, 0}, ""},
		"above the limit":    {member{"x.eml", string(noise), zip.Store, 0}, TooLarge},
		"bomb":               {member{"x.eml", zeros, zip.Deflate, 0}, Bomb},
		"small and smooth":   {member{"x.eml", zeros[:minExpanded], zip.Deflate, 0}, ""},
	} {
		got := readAll(t, open(t, makeZIP(t, good, tt.bad, good), limits))
		if len(got) != 3 || got[0].Size != 4 || got[2].Size != 4 || got[0].Problem != "" || got[2].Problem != "" {
			t.Errorf("%s: the others are %+v", name, got)
			continue
		}
		if got[1].Problem != tt.want {
			t.Errorf("%s: %q, want %q", name, got[1].Problem, tt.want)
		}
	}
	big := member{"x.eml", string(noise[:6<<20]), zip.Store, 0}
	a := open(t, makeZIP(t, big, good, big, big, good), limits)
	want := []outcome{{"x.eml", "", 6 << 20}, {good.name, "", 4}, {"x.eml", "", 6 << 20}}
	got := readAll(t, a)
	if diff := cmp.Diff(want, got[:3]); diff != "" || got[3].Problem != OverTotal || got[4].Problem != OverTotal {
		t.Errorf("total (-want +got):\n%s%+v", diff, got[3:])
	}
	for _, o := range readAll(t, a)[:3] { // what was counted counts once
		if o.Problem != OverTotal && o.Problem != "" {
			t.Errorf("read again: %+v", o)
		}
	}
}

// failing is a source that fails from an offset on.
type failing struct {
	io.ReaderAt
	from int64
	err  error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}

func TestErrorOfSourceIsNoProblemOfAnEntry(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 3*blockSize)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	raw := makeZIP(t, member{"a.eml", string(noise), zip.Store, 0}, member{"b.eml", "text", zip.Store, 0})
	gone := errors.New("gone")
	if _, err := Open(failing{bytes.NewReader(raw), 0, gone}, int64(len(raw)), DefaultLimits()); !errors.Is(err, gone) {
		t.Errorf("open: %v", err)
	}
	if _, err := Open(bytes.NewReader(raw[:10]), int64(len(raw)), DefaultLimits()); !errors.Is(err,
		io.ErrUnexpectedEOF) {
		t.Errorf("shorter than its size: %v", err)
	}
	away := &away{ReaderAt: bytes.NewReader(raw)}
	a, err := Open(away, int64(len(raw)), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	away.err = gone
	if problem, err := a.Read(a.Entries[0], func(r io.Reader) error { return nil }); !errors.Is(err, gone) ||
		problem != "" {
		t.Errorf("read: %q, %v", problem, err)
	}
	a = open(t, raw, DefaultLimits())
	if _, err := a.Read(a.Entries[0], func(io.Reader) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("an error of use: %v", err)
	}
}

type away struct {
	io.ReaderAt
	err error
}

func (a *away) ReadAt(p []byte, off int64) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	return a.ReaderAt.ReadAt(p, off)
}

// counting counts the reads of a source.
type counting struct {
	io.ReaderAt
	mu    sync.Mutex
	reads int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	c.reads++
	c.mu.Unlock()
	return c.ReaderAt.ReadAt(p, off)
}

// Entries are read in their order with one read of the source for each block, also by two goroutines.
func TestReadsAreFew(t *testing.T) {
	t.Parallel()
	var members []member
	want := map[string]uint32{}
	random := rand.NewChaCha8([32]byte{})
	for n := range 400 {
		noise := make([]byte, 20_000)
		_, _ = random.Read(noise) // it never fails
		members = append(members, member{fmt.Sprintf("%d.eml", n), string(noise), zip.Deflate, 0})
		want[members[n].name] = crc32.ChecksumIEEE(noise)
	}
	raw := makeZIP(t, members...)
	source := &counting{ReaderAt: bytes.NewReader(raw)}
	a, err := Open(source, int64(len(raw)), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	next := make(chan Entry)
	for range 2 {
		group.Go(func() {
			for e := range next {
				sum := crc32.NewIEEE()
				problem, err := a.Read(e, func(r io.Reader) error { _, err := io.Copy(sum, r); return err })
				if problem != "" || err != nil || sum.Sum32() != want[e.Name] {
					t.Errorf("%s: %q, %v", e.Name, problem, err)
				}
			}
		})
	}
	for _, e := range a.Entries {
		next <- e
	}
	close(next)
	group.Wait()
	if blocks := len(raw)/blockSize + 1; source.reads > blocks+3 {
		t.Errorf("%d reads of %d blocks", source.reads, blocks)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(makeZIP(f, member{"a.eml", "text", zip.Deflate, 0}, member{"b.mf", "Count: 1", zip.Store, 0}))
	for _, name := range []string{"paths", "password", "same-name-twice"} {
		raw, err := os.ReadFile(filepath.Join("testdata", name+".zip"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	limits := Limits{Entries: 100, Directory: 1 << 16, Entry: 1 << 20, Total: 4 << 20, Ratio: 200}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := Open(bytes.NewReader(raw), int64(len(raw)), limits)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTooMany) {
				t.Errorf("error %v", err)
			}
			return
		}
		total := 0
		for _, o := range readAll(t, a) {
			if total += o.Size; int64(total) > limits.Total {
				t.Errorf("%d bytes", total)
			}
		}
	})
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Kind{
		"a.eml": Message, "folder/A.EML": Message, "__MACOSX/folder/._a.eml": Other, "._a.mf": Other,
		"list.mf": Manifest, "a.msg": Other, "a.eml.zip": Other, "": Other,
	} {
		if got := kindOf(name); got != want {
			t.Errorf("%q: %d, want %d", name, got, want)
		}
	}
}

// The words for a problem name the limit, which is the default one.
func TestLimitsInWords(t *testing.T) {
	t.Parallel()
	limits := DefaultLimits()
	for problem, want := range map[Problem]string{
		TooLarge: fmt.Sprintf("%d MiB", limits.Entry>>20), OverTotal: fmt.Sprintf("%d GiB", limits.Total>>30)} {
		if !strings.HasSuffix(string(problem), ", "+want) {
			t.Errorf("%q does not name the limit %s", problem, want)
		}
	}
}

// Each entry has the offset of its header, and Open reads none of them to find it.
func TestOffsets(t *testing.T) {
	t.Parallel()
	raw := makeZIP(t, member{"a.eml", strings.Repeat("x", 5<<20), zip.Store, 0},
		member{"b.eml", "text", zip.Deflate, 0}, member{"c.png", strings.Repeat("y", 5<<20), zip.Store, 0})
	for name, before := range map[string]int{"a ZIP": 0, "a ZIP behind something else": 1000} {
		raw := append(bytes.Repeat([]byte{'z'}, before), raw...)
		source := &countingSource{ReaderAt: bytes.NewReader(raw)}
		a, err := Open(source, int64(len(raw)), DefaultLimits())
		if err != nil || source.reads > 2 {
			t.Fatalf("%s: %d reads, %v", name, source.reads, err)
		}
		for _, e := range a.Entries {
			if at := raw[e.Offset:]; !bytes.HasPrefix(at, []byte("PK\x03\x04")) || string(at[30:35]) != e.Name {
				t.Errorf("%s: %s is not at %d", name, e.Name, e.Offset)
			}
		}
	}
}

// countingSource counts the reads of a source.
type countingSource struct {
	io.ReaderAt
	reads int
}

func (c *countingSource) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	return c.ReaderAt.ReadAt(p, off)
}
