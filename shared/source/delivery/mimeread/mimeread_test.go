package mimeread

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// leaf is a part with its content.
type leaf struct {
	Type, Content string
	Depth         int
}

func readAll(t testing.TB, r io.Reader, unwrap func(outer, inner Header) bool) (*Scanner, []leaf) {
	t.Helper()
	s := NewScanner(r, unwrap)
	var all []leaf
	for {
		p, err := s.Next()
		if errors.Is(err, io.EOF) {
			return s, all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		if p.Ordinal != len(all) {
			t.Errorf("part %d has the ordinal %d", len(all), p.Ordinal)
		}
		all = append(all, leaf{p.Type, string(content), p.Depth})
	}
}

func TestStructure(t *testing.T) {
	t.Parallel()
	const mixed = "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n"
	tests := []struct {
		name, in string
		want     []leaf
		found    Found
	}{
		{"no body", "A: b\r\n\r\n", []leaf{{"text/plain", "", 0}}, Found{}},
		{"no empty line", "A: b\r\n", []leaf{{"text/plain", "", 0}}, Found{}},
		{"line ends of LF", "A: b\n\nx\ny\n", []leaf{{"text/plain", "x\ny\n", 0}}, Found{}},
		{"two parts", mixed +
			"preamble\r\n--b\r\n\r\none\r\n\r\n--b\r\nContent-Type: image/png\r\n\r\ntwo\r\n--b--\r\nepilogue",
			[]leaf{{"text/plain", "one\r\n", 1}, {"image/png", "two", 1}}, Found{}},
		{"parts without a header", mixed + "--b\r\n--b\r\n\r\nx\r\n--b--", []leaf{{"text/plain", "", 1},
			{"text/plain", "x", 1}},
			Found{}},
		{"white space after a delimiter", mixed + "--b \t\r\n\r\nx\r\n--b-- \r\n", []leaf{{"text/plain", "x", 1}},
			Found{}},
		{"a delimiter with LF", strings.ReplaceAll(mixed+"--b\r\n\r\nx\r\n--b--\r\n", "\r\n", "\n"),
			[]leaf{{"text/plain", "x", 1}}, Found{}},
		{"what only looks like one", mixed + "--b\r\n\r\n--bb\r\n --b\r\nx--b\r\n--b--x\r\n--b--",
			[]leaf{{"text/plain", "--bb\r\n --b\r\nx--b\r\n--b--x", 1}}, Found{}},
		{"the outer delimiter ends the inner multipart",
			mixed + "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--",
			[]leaf{{"text/plain", "x", 2}, {"text/plain", "y", 1}}, Found{}},
		{"a boundary that begins like the outer one",
			mixed +
				"--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\nx\r\n--bb--\r\n" +
				"--b\r\n\r\ny\r\n--b--",
			[]leaf{{"text/plain", "x", 2}, {"text/plain", "y", 1}}, Found{}},
		{"never closed", mixed + "--b\r\n\r\nx\r\n", []leaf{{"text/plain", "x\r\n", 1}}, Found{Unclosed: true}},
		{"cut in a delimiter", mixed + "--b\r\n\r\nx\r\n--", []leaf{{"text/plain", "x\r\n--", 1}},
			Found{Unclosed: true}},
		{"an empty multipart", mixed + "--b--", nil, Found{}},
		{"no part", mixed + "text", []leaf{{"text/plain", "text", 0}}, Found{NoParts: true, Unclosed: true}},
		{"base64", "Content-Transfer-Encoding: BASE64\r\n\r\naGVs\r\nbG8=\r\n", []leaf{{"text/plain", "hello", 0}},
			Found{}},
		{"base64 with other characters", "Content-Transfer-Encoding: base64\r\n\r\n a*G\x00Vs\r\nbG8\r\n",
			[]leaf{{"text/plain", "hello", 0}}, Found{}},
		{"base64 in pieces", "Content-Transfer-Encoding: base64\r\n\r\naGU=\r\nbGxv", []leaf{{"text/plain", "hello",
			0}}, Found{}},
		{"quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n\r\nca=C3=a9 =\r\nx =ZZ = \r\ny=",
			[]leaf{{"text/plain", "ca\u00e9 x =ZZ y", 0}}, Found{}},
		{"unknown encoding", "Content-Transfer-Encoding: x-uuencode\r\n\r\nx", []leaf{{"text/plain", "x", 0}}, Found{}},
		{"a message in a message", mixed + "--b\r\nContent-Type: message/rfc822\r\n\r\n" + mixed + "--c\r\n--b--",
			[]leaf{{"message/rfc822", mixed + "--c", 1}}, Found{}},
	}
	for _, tt := range tests {
		for how, r := range map[string]io.Reader{
			"whole": strings.NewReader(tt.in), "byte by byte": iotest.OneByteReader(strings.NewReader(tt.in)),
		} {
			s, got := readAll(t, r, nil)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", tt.name, how, diff)
			}
			if s.Found != tt.found {
				t.Errorf("%s: found %+v, want %+v", tt.name, s.Found, tt.found)
			}
		}
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	s := NewScanner(strings.NewReader("From jane Fri Nov 27\nA : one\r\n\ttwo\r\nno field\r\na:\r\nX-B:three\r\n"+
		" : four\r\n\r\n"), nil)
	want := Header{Fields: []Field{{"A", "one\ttwo"}, {"", "no field"}, {"a", ""}, {"X-B", "three : four"}},
		Malformed: 1}
	if diff := cmp.Diff(want, s.Header); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s.Header.Get("a") != "one\ttwo" || s.Header.Get("x-b") == "" || s.Header.Get("c") != "" || !s.Header.Has("x-") ||
		s.Header.Has("y-") {
		t.Error("a field is not found by its name")
	}
}

func TestUnwrap(t *testing.T) {
	t.Parallel()
	const inner = "X-Item: 1\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nitem\r\n--i--"
	report := "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nreport\r\n--o\r\n" +
		"Content-Type: message/rfc822\r\n\r\n" + inner +
		"\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n" + inner + "\r\n--o--"
	unwrap := func(_, h Header) bool { return h.Has("X-Item") }
	s, got := readAll(t, strings.NewReader(report), unwrap)
	want := []leaf{{"text/plain", "report", 1}, {"text/plain", "item", 2}, {"message/rfc822", inner, 1}}
	if diff := cmp.Diff(want, got); diff != "" || len(s.Wrapped()) != 1 || s.Wrapped()[0].Get("x-item") != "1" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s, got = readAll(t, strings.NewReader(report), func(_, _ Header) bool { return false })
	if len(got) != 3 || got[1].Content != inner || len(s.Wrapped()) != 0 {
		t.Errorf("not unwrapped: %+v", got)
	}
}

// nested returns a message with multiparts in each other.
func nested(levels int) string {
	var b strings.Builder
	for n := range levels {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", n, n)
	}
	b.WriteString("\r\ntext\r\n")
	for n := range levels {
		fmt.Fprintf(&b, "--b%d--\r\n", levels-1-n)
	}
	return b.String()
}

func TestHostileStructure(t *testing.T) {
	t.Parallel()
	s, got := readAll(t, strings.NewReader(nested(MaxDepth)), nil)
	if len(got) != 1 || got[0].Content != "text" || s.Found != (Found{}) {
		t.Errorf("%d levels: %+v", MaxDepth, s.Found)
	}
	deep := nested(1_000)
	s, got = readAll(t, strings.NewReader(deep), nil)
	if len(got) != 1 || got[0].Type != "multipart/mixed" || !strings.Contains(got[0].Content, "text") ||
		s.Found != (Found{TooDeep: true}) {
		t.Errorf("1,000 levels: %d parts, %+v", len(got), s.Found)
	}
	many := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", MaxParts+1) +
		"--b--"
	if s, got = readAll(t, strings.NewReader(many), nil); len(got) != MaxParts || !s.Found.TooMany {
		t.Errorf("%d parts, %+v", len(got), s.Found)
	}
	s = NewScanner(strings.NewReader("A: b\r\nX: "+strings.Repeat("x", MaxHeader)+"\r\n\r\ntext"), nil)
	if p, err := s.Next(); !s.Header.Cut || s.Header.Get("A") != "b" || err != nil {
		t.Errorf("a header over the limit: %v, %v", p, err)
	} else if content, _ := io.ReadAll(p.Body); string(content) != "text" {
		t.Errorf("a header over the limit: the body is %q", content)
	}
	s = NewScanner(strings.NewReader(strings.Repeat("a:\r\n", 1_000_000)+"\r\n"), nil)
	if !s.Header.Cut || len(s.Header.Fields) != maxFields {
		t.Errorf("a million fields: %d", len(s.Header.Fields))
	}
	line := strings.Repeat("-", 10<<20)
	s, got = readAll(t,
		strings.NewReader("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"+line+"\r\n--b--"), nil)
	if len(got) != 1 || got[0].Content != line || s.Found != (Found{}) {
		t.Errorf("a line of 10 MB: %+v", s.Found)
	}
}

func TestErrorOfInputIsReturned(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for _, in := range []string{"", "A: b\r\n", "A: b\r\n\r\nx", "Content-Type: multipart/mixed; boundary=b\r\n\r\nx",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx", "Content-Transfer-Encoding: base64\r\n\r\nYQ",
		"Content-Transfer-Encoding: quoted-printable\r\n\r\nYQ"} {
		s := NewScanner(io.MultiReader(strings.NewReader(in), iotest.ErrReader(gone)), nil)
		var err error
		for range 3 {
			var p *Part
			if p, err = s.Next(); err != nil {
				break
			}
			if _, err = io.Copy(io.Discard, p.Body); err != nil {
				break
			}
		}
		if !errors.Is(err, gone) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// The samples are read as the standard library reads them.
func TestSamplesAsTheStandardLibrary(t *testing.T) {
	t.Parallel()
	samples, err := filepath.Glob("../testdata/*.eml")
	if err != nil || len(samples) < 9 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, path := range samples {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		_, params := parseType(m.Header.Get("Content-Type"))
		if params["boundary"] == "" {
			continue
		}
		var want []string
		parts := multipart.NewReader(m.Body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			var r io.Reader = p
			switch p.Header.Get("Content-Transfer-Encoding") {
			case "base64":
				r = base64.NewDecoder(base64.StdEncoding, p)
			case "quoted-printable":
				r = quotedprintable.NewReader(p)
			}
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, string(content))
		}
		_, leaves := readAll(t, bytes.NewReader(raw), nil)
		var got []string
		for _, l := range leaves {
			got = append(got, l.Content)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-standard library +got):\n%s", filepath.Base(path), diff)
		}
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte(nested(3)))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\nYQ=\r\n--b--"))
	f.Add([]byte("A: b\n\nx"))
	f.Add([]byte("X-Item: 0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte("X-Item: 1\n"+nested(2)))))
	f.Add([]byte("\xef\xbb\xbf\r\rFrom x\rA: b\rContent-Type: application/x; name=\"x.eml\r\rX-Item: 1\rDate: x\r\rx"))
	f.Add([]byte("Content-Type: multipart/digest; boundary*0=b\n\n--b\n\nX-Item: 1\n\n--b--"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, got := readAll(t, bytes.NewReader(raw), func(_, h Header) bool { return h.Has("X-Item") })
		_, again := readAll(t, iotest.OneByteReader(bytes.NewReader(raw)),
			func(_, h Header) bool { return h.Has("X-Item") })
		if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("differs with the sizes of the reads:\n%s", diff)
		}
		size := 0
		for _, l := range got {
			size += len(l.Content)
		}
		if size > len(raw) {
			t.Errorf("%d bytes of content in %d bytes, %+v", size, len(raw), s.Found)
		}
	})
}
