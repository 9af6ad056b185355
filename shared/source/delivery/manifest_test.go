package delivery

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/source/delivery/zipread"
)

// entriesOf returns a function that reports whether a name is one of names.
func entriesOf(names ...string) func(string) bool {
	all := map[string]bool{}
	for _, n := range names {
		all[n] = true
	}
	return func(name string) bool { return all[name] }
}

func TestReadManifest(t *testing.T) {
	t.Parallel()
	isEntry := entriesOf("a.eml", "b c.eml", "d", "x, y.eml", "Count: 7.eml")
	for text, want := range map[string]ListManifest{
		"":                          {Count: -1},
		"Count: 2\r\na.eml\r\nd":    {Count: 2, Listed: map[string]bool{"a.eml": true, "d": true}},
		"\ufeffCOUNT:2\na.eml\n":    {Count: 2, Listed: map[string]bool{"a.eml": true}},
		"a.eml\rb c.eml\rcount : 0": {Count: 0, Listed: map[string]bool{"a.eml": true, "b c.eml": true}},
		"EML Count: 1;a\t\n\n":      {Count: 1},
		"Count: 1\nCount: 1":        {Count: 1},
		"Count: 1\nCount: 2":        {Count: 1, Disagrees: true},
		"Discount: 5":               {Count: -1, Unknown: 1, Kept: []string{"Discount: 5"}},
		"Count: 12345678901":        {Count: -1, Unclear: true, Unknown: 1, Kept: []string{"Count: 12345678901"}},
		"\"a.eml\"\n\"d\";sha;1":    {Count: -1, Listed: map[string]bool{"a.eml": true, "d": true}},
		"Name: b c.eml\n1\ta.eml\t0": {Count: -1,
			Listed: map[string]bool{"b c.eml": true, "a.eml": true}},
		"x, y.eml":             {Count: -1, Listed: map[string]bool{"x, y.eml": true}},
		"00ff00 a.eml":         {Count: -1, Listed: map[string]bool{"a.eml": true}},
		"b c.eml 1234":         {Count: -1, Listed: map[string]bool{"b c.eml": true}},
		"Count: 7.eml":         {Count: -1, Listed: map[string]bool{"Count: 7.eml": true}},
		"A.eml\nA.eml,9":       {Count: -1, Missing: []string{"A.eml"}},
		"File: no.EML; 5":      {Count: -1, Missing: []string{"no.EML"}},
		"# written by\n- x -":  {Count: -1, Unknown: 2, Kept: []string{"# written by", "- x -"}},
		"caf\xe9":              {Count: -1, Unknown: 1, Kept: []string{"caf\u27e6byte E9\u27e7"}},
		"a.eml.bak\ndir/a.eml": {Count: -1, Missing: []string{"dir/a.eml"}, Unknown: 1, Kept: []string{"a.eml.bak"}},
	} {
		got, err := ReadManifest(t.Context(), strings.NewReader(text), isEntry)
		if err != nil {
			t.Fatal(err)
		}
		if want.Listed == nil {
			want.Listed = map[string]bool{}
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestManifestIsBounded(t *testing.T) {
	t.Parallel()
	none := entriesOf()
	m, err := ReadManifest(t.Context(), strings.NewReader(strings.Repeat("x", 10<<20)), none)
	if err != nil || m.Unknown != 640 || len(m.Kept) != maxKeptLines || len(m.Kept[0]) != maxFile {
		t.Errorf("one line of 10 MB: %d lines, %v", m.Unknown, err)
	}
	var many strings.Builder
	for n := range maxListed + 1 {
		fmt.Fprintf(&many, "%d.eml\n", n)
	}
	m, err = ReadManifest(t.Context(), strings.NewReader(many.String()), none)
	if err != nil || len(m.Missing) != maxListed || !m.Cut {
		t.Errorf("%d names, %v", len(m.Missing), err)
	}
	large := io.MultiReader(strings.NewReader("Count: 3\n"), &blanks{maxManifest})
	if m, err = ReadManifest(t.Context(), large, none); err != nil || m.Count != 3 || !m.Cut {
		t.Errorf("more than %d bytes: %+v, %v", maxManifest, m, err)
	}
	gone := errors.New("gone")
	if _, err := ReadManifest(t.Context(), iotest.ErrReader(gone), none); !errors.Is(err, gone) {
		t.Errorf("an error of the reader: %v", err)
	}
}

// blanks is a reader of so many blanks.
type blanks struct{ n int }

func (b *blanks) Read(p []byte) (int, error) {
	n := min(len(p), b.n)
	for i := range p[:n] {
		p[i] = ' '
	}
	b.n -= n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// The samples are judged by the vendor's rules. Whatever is wrong, the other messages are there to be imported.
func TestVerdictOfSamples(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"202611280000-TeleMessage_1_20261128050012": nil,
		"count-too-high": {"the manifest counts 8 messages, and 7 are there"},
		"listed-but-missing": {"the manifest counts 7 messages, and 6 are there",
			"1 message is listed and not there"},
		"there-but-not-listed": {"the manifest counts 7 messages, and 8 are there",
			"1 message is there and not listed"},
		"empty-file":   {"1 file is listed and empty"},
		"no-manifest":  {"there is no manifest"},
		"password":     {"there is no manifest"},
		"case-differs": {"1 message is listed and not there", "1 message is there and not listed"},
		"paths":        {"3 messages are listed and not there", "3 messages are there and not listed"},
		"same-name-twice": {"1 file has the name of an earlier one",
			"the manifest counts 7 messages, and 8 are there"},
	} {
		raw, err := os.ReadFile(filepath.Join("zipread", "testdata", name+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		verdict := judgeRaw(t, string(raw))
		if diff := cmp.Diff(want, verdict.Reasons); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if outcome := verdict.Outcome(); (outcome == "complete") != (want == nil) {
			t.Errorf("%s: %s", name, outcome)
		}
	}
}

// judgeRaw reads a ZIP as fetch does.
func judgeRaw(t *testing.T, raw string) Verdict {
	t.Helper()
	a, err := zipread.Open(strings.NewReader(raw), int64(len(raw)), zipread.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	var files []File
	names := map[string]bool{}
	for _, e := range a.Entries {
		names[e.Name] = true
		files = append(files, File{Name: e.Name, Message: e.Kind == zipread.Message, Twice: e.Twice,
			Manifest: e.Kind == zipread.Manifest, Empty: e.Size == 0, Folder: e.Problem == zipread.Folder})
	}
	var manifests []*ListManifest
	for _, e := range a.Entries {
		if e.Kind != zipread.Manifest {
			continue
		}
		problem, err := a.Read(e, func(r io.Reader) error {
			m, err := ReadManifest(t.Context(), r, func(name string) bool { return names[name] })
			manifests = append(manifests, m)
			return err
		})
		if err != nil || problem != "" {
			t.Fatal(problem, err)
		}
	}
	return JudgeZIP(files, manifests)
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	eml, mf := File{Name: "a.eml", Message: true}, File{Name: "m.mf", Manifest: true}
	listed := &ListManifest{Count: 1, Listed: map[string]bool{"a.eml": true}}
	for name, tt := range map[string]struct {
		files     []File
		manifests []*ListManifest
		want      []string
	}{
		"complete": {[]File{eml, mf, {Name: "d/", Folder: true}}, []*ListManifest{listed}, nil},
		"other file": {[]File{eml, mf, {Name: "p.png"}}, []*ListManifest{listed},
			[]string{"1 other file is there and not listed"}},
		"no count": {[]File{eml, mf}, []*ListManifest{{Count: -1, Listed: listed.Listed}},
			[]string{"the manifest states no count"}},
		"several counts": {[]File{eml, mf}, []*ListManifest{{Count: 1, Disagrees: true, Cut: true,
			Listed: listed.Listed}},
			[]string{"the manifest states several counts",
				"the manifest, or a line of it, is too large to be read as a whole"}},
		"two manifests": {[]File{eml, mf, mf}, []*ListManifest{listed, {Count: 0}}, []string{"there are 2 manifests"}},
		"nothing":       {nil, nil, []string{"there is no manifest"}},
		"quiet day":     {[]File{mf}, []*ListManifest{{Count: 0}}, nil},
	} {
		if diff := cmp.Diff(tt.want, JudgeZIP(tt.files, tt.manifests).Reasons); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add("Count: 2\r\na.eml\r\nb.eml")
	f.Add("\ufeffcount=1\r\"a.eml\";00ff\rx y.eml")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ReadManifest(t.Context(), strings.NewReader(text), entriesOf("a.eml", "b"))
		if err != nil {
			t.Fatal(err)
		}
		if m.Count < -1 || len(m.Listed) > 2 || len(m.Kept) > m.Unknown {
			t.Errorf("%+v", m)
		}
		for _, s := range append(m.Kept, m.Missing...) {
			if !utf8.ValidString(s) || s == "" {
				t.Errorf("%q", s)
			}
		}
	})
}
