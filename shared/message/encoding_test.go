package message

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"mime"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestOneLine(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 5, ""}, {"plain text", 10, "plain text"}, {"plain text", 9, "plain te…"}, {" a \r\n\t b ", 9, "a b"},
		{"\u202eab\u2069c\ufeff", 9, "abc"}, {"ab cd", 3, "ab…"}, {"ab cd", 4, "ab…"}, {"abcd ", 4, "abcd"}, {"éèà", 3,
			"éèà"}, {"éèàù", 3, "éè…"},
		{"👩\u200d👧", 9, "👩\u200d👧"}, {"a\x00b\u2028c", 9, "a b c"}, {"\xff", 9, "\ufffd"}, {"a\uffffb\ufdd0\U0001fffec",
			9, "abc"},
	} {
		if got := oneLine(c.in, c.limit); got != c.want {
			t.Errorf("oneLine(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}

func TestShown(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                "plain",
		" two  blanks ":        " two  blanks ",
		"\r\nb\u202e\x00":      "⟦U+000D⟧⟦U+000A⟧b⟦U+202E⟧⟦U+0000⟧",
		"a\ufffe\U0010ffff":    "a⟦U+FFFE⟧⟦U+10FFFF⟧",
		"\x00\x00\x00\x00\x00": "⟦U+0000⟧⟦U+0000⟧⟦U+0000⟧⟦U+0000⟧… (5 characters)",
		"0123456789x":          "0123456789… (11 characters)",
	} {
		limit := 33
		if strings.HasPrefix(in, "0") {
			limit = 10
		}
		if got := string(appendShown(nil, in, limit)); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func TestEncodeWords(t *testing.T) {
	for _, in := range []string{
		"", "plain", "a=?utf-8?q?b?=c", "two  blanks", strings.Repeat("x", 2000), strings.Repeat("語",
			200), "a_b é?=", "é é é",
	} {
		encoded := encodeWords(in)
		for word := range strings.SplitSeq(encoded, " ") {
			if strings.HasPrefix(word, "=?") && len(word) > 75 {
				t.Errorf("a word of %d: %s", len(word), word)
			}
		}
		got, err := new(mime.WordDecoder).DecodeHeader(encoded)
		if err != nil || got != in {
			t.Errorf("%q comes back as %q, %v", in, got, err)
		}
	}
}

func TestEncodingsGiveTheSameBytes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 3000 {
		text := make([]byte, random.IntN(300))
		for i := range text {
			text[i] = "abc =\r\n\t\x00\xc3\xa9."[random.IntN(12)]
		}
		quoted, _ := appendQuoted(nil, text)
		for line := range bytes.SplitSeq(quoted, []byte("\r\n")) {
			if len(line) > 76 || bytes.HasSuffix(line, []byte(" ")) || bytes.ContainsAny(line, "\r\n") {
				t.Fatalf("case %d: line %q", n, line)
			}
		}
		got, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(quoted)))
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("case %d: %q is read as %q, %v", n, text, got, err)
		}
	}
	for _, size := range []int{0, 1, 56, 57, 58, 114, chunk - 1, chunk, chunk + 1, 2*chunk + 100} {
		content := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		var b bytes.Buffer
		if err := writeBase64(&b, iotest.HalfReader(bytes.NewReader(content)), int64(size)); err != nil {
			t.Fatal(err)
		}
		if int64(b.Len()) != base64Size(int64(size)) {
			t.Errorf("%d bytes make %d, expected %d", size, b.Len(), base64Size(int64(size)))
		}
		want := base64.StdEncoding.EncodeToString(content)
		if got := strings.ReplaceAll(b.String(), "\r\n", ""); got != want {
			t.Errorf("%d bytes: %s", size, cmp.Diff(want, got))
		}
		for _, r := range []io.Reader{bytes.NewReader(b.Bytes()), iotest.HalfReader(bytes.NewReader(b.Bytes())),
			iotest.DataErrReader(bytes.NewReader(b.Bytes()))} {
			got, err := io.ReadAll(newBase64Reader(r))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes are read as %d, %v", size, len(got), err)
			}
		}
	}
}

// Line ends of any kind take time in proportion to their number: each byte is searched for CR once, and for LF once.
func TestManyLineEndsAreQuick(t *testing.T) {
	for _, end := range []string{"\r", "\n", "\r\n", "\n\r", "\r\r\r\n"} {
		text := []byte(strings.Repeat(end, 1<<20/len(end)))
		ends := lineEnds{left: -1}
		quoted, _ := appendQuotedLines(nil, text, &ends)
		if ends.searched > 2*len(text) {
			t.Errorf("%q: %d bytes were searched for line ends, of %d", end, ends.searched, len(text))
		}
		got, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(quoted)))
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%q: read as %d bytes of %d, %v", end, len(got), len(text), err)
		}
	}
}

func TestBase64ReaderRefuses(t *testing.T) {
	for _, in := range []string{"QUJ", "QUI=\r\nQUJD", "QU*D", "=", "QUJD\x00\x00\x00\x00"} {
		if got, err := io.ReadAll(newBase64Reader(iotest.HalfReader(strings.NewReader(in)))); err == nil {
			t.Errorf("%q is read as %q", in, got)
		}
	}
}
