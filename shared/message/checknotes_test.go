package message

import (
	"fmt"
	"html"
	"o2archiver/shared/record"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// checkHTML holds that the HTML is made of our own tags alone, and shows the same as the text.
func checkHTML(t *testing.T, r *record.Record, p *Parsed) {
	t.Helper()
	for _, one := range tags.FindAllString(p.HTML, -1) {
		if !tag.MatchString(one) {
			t.Errorf("a tag that is not ours: %.100q", one)
		}
	}
	if rest := entity.ReplaceAllString(tags.ReplaceAllString(p.HTML, ""), ""); strings.ContainsAny(rest, `<>&"'`) {
		t.Errorf("markup in the text: %.200q", rest)
	}
	if !utf8.ValidString(p.HTML) ||
		strings.ContainsFunc(p.HTML, func(c rune) bool { return c < ' ' && c != '\t' && c != '\r' && c != '\n' }) {
		t.Errorf("characters that HTML has no place for")
	}
	if r.Text != "" {
		_, own, _ := strings.Cut(lines.ReplaceAllString(p.HTML, "<br>"), "anywhere\">")
		own, _, _ = strings.Cut(own, "</div>")
		own = html.UnescapeString(strings.ReplaceAll(own, "<br>", "\n"))
		want := strings.ReplaceAll(strings.ReplaceAll(r.Text, "\r\n", "\n"), "\r", "\n")
		if want = marked(want); own != want && !strings.HasPrefix(own, want+"\n") { // a file's text may follow
			t.Errorf("the HTML's own text (-want +got):\n%s", cmp.Diff(want, own))
		}
	}
	block := textBelow(p.Text)
	checkNotes(t, r, p, block)
	// Every line of the block is a row.
	rows := strings.Count(p.HTML, "<tr>")
	if want := strings.Count(block, "\r\n") - 1; rows != want {
		t.Errorf("%d rows, %d lines", rows, want)
	}
	for line := range strings.SplitSeq(block, "\r\n") {
		if name, _, ok := strings.Cut(line, ": "); ok &&
			!strings.Contains(p.HTML, "<th>"+html.EscapeString(name)+":</th>") {
			t.Errorf("no row for %s", name)
		}
	}
}

// checkNotes holds that the signature line, in the text and in the HTML, says what is not the sender's and what is
// missing.
func checkNotes(t *testing.T, r *record.Record, p *Parsed, block string) {
	t.Helper()
	want := ""
	for _, shown := range shownTexts.FindAllString(p.HTML, -1) {
		if strings.Contains(shown, "⟦") {
			want = " Marks in ⟦ ⟧ stand for what could not be kept or is missing, unless the sender wrote them."
		}
	}
	lost := 0
	for _, piece := range r.Pieces {
		if piece.Lost {
			lost++
		}
	}
	if lost > 0 {
		want += fmt.Sprintf(" Of its %d parts, %d did not arrive.", r.Total, lost)
	}
	line := firstLine(block)
	said, notes, _ := strings.Cut(line, signature)
	count := " (" + formatThousands(int64(len(r.Text))) + " bytes)"
	if notes != want || strings.Contains(said, count) != (r.Text != "") ||
		strings.HasPrefix(said, "The original item has no text of its own;") != (r.Text == "") {
		t.Errorf("the signature line is %q, want %q and %q at its end", line, count, want)
	}
	if !strings.Contains(p.HTML, "<hr><p>"+html.EscapeString(strings.Replace(line, count, "", 1))+"</p>") {
		t.Errorf("the HTML has no line with %q", want)
	}
}

// marked is s as the HTML has it, before its escaping.
func marked(s string) string {
	return html.UnescapeString(strings.ReplaceAll(string(appendEscaped(nil, []byte(s), true)), "<br>", "\n"))
}
