package message

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"o2archiver/shared/record"
)

func TestHasMarks(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "See you at ten": false, "one\r\ntwo\n\tthree": false,
		"語 é 👨‍👩‍👧 \u2068x\u2069 \ufffc \u2028 \ufeff": false, "[x]": false,
		"⟦": true, "⟦part 2 of 3 is missing⟧": true, "nul \x00": true, "escape \x1b[1m": true, "del \x7f": true,
		"next line \u0085": true,
		"a\ufdd0":          true, "a\uffff": true, "a\U0001fffe": true,
	} {
		if got := hasMarks(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Whatever is marked on the way into a mailbox has a note: for each character, those that HTML marks, and among them
// those that a text does.
func TestEveryMarkIsNoted(t *testing.T) {
	for c := rune(0); c <= utf8.MaxRune; c++ {
		if !utf8.ValidRune(c) {
			continue
		}
		s := string(c)
		html := strings.Contains(string(appendEscaped(nil, []byte(s), true)), "⟦")
		if noted := hasMarks(s); noted != html || NotStorable(c) && !noted {
			t.Errorf("%U: marked in HTML %v, in a text %v, noted %v", c, html, NotStorable(c), noted)
		}
	}
}

func TestMarksInAFileAreNoted(t *testing.T) {
	for _, text := range []string{"", "See this"} {
		s := store{}
		r := shortText()
		r.Kind, r.Text = record.MMS, text
		r.Attachments = []record.Attachment{{Name: "a.txt", Type: "text/plain", Size: 6,
			SHA256: s.put([]byte("nul \x00."))}}
		o := Options{Region: "GB", Peek: s.peek}
		raw := build(t, r, o, s)
		checkMessage(t, r, o, s, raw)
		p, err := Parse(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if note := " Marks in ⟦ ⟧ stand for "; !strings.Contains(p.Text, note) || !strings.Contains(p.HTML, note) {
			t.Errorf("with the text %q no note: %s", text, p.HTML)
		}
	}
}
