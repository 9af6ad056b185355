package message

import (
	"bytes"
	"html"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// checkParts holds what must be true of every attachment. Their order is another test's.
func checkParts(t *testing.T, r *record.Record, o Options, s store, p *Parsed) {
	t.Helper()
	want := 0
	sizes := map[string]int64{}
	for _, a := range r.Attachments {
		if a.Gone == "" && isHash(a.SHA256) && (o.Omit == nil || o.Omit(a) == "") {
			want++
			sizes[a.SHA256] = a.Size
		}
	}
	names, ids := map[string]bool{}, map[string]bool{}
	for {
		part, err := p.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want--
		got, err := io.ReadAll(part.Body)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, s[part.SHA256]) || int64(len(got)) != part.Size || part.Size != sizes[part.SHA256] {
			t.Errorf("attachment's bytes differ: %d of %d, announced %d", len(got), len(s[part.SHA256]), part.Size)
		}
		key := strings.ToLower(part.Name)
		if part.Name == "" || utf8.RuneCountInString(part.Name) > maxName || names[key] || device(part.Name) ||
			strings.ContainsAny(part.Name, "/\\:*?\"<>|\x00\r\n\u202e") {
			t.Errorf("file name %q", part.Name)
		}
		names[key] = true
		if !strings.Contains(p.Text, part.Name) {
			t.Errorf("%q isn't named in the text", part.Name)
		}
		if part.Type != harmless(part.Type, part.Name) {
			t.Errorf("%q is of type %s", part.Name, part.Type)
		}
		if shown := strings.Contains(p.HTML, `src="cid:`+part.ContentID+`"`); part.Inline != (part.ContentID != "") || part.Inline && !shown || ids[part.ContentID] {
			t.Errorf("%q: inline %v, shown %v, as %q", part.Name, part.Inline, shown, part.ContentID)
		}
		ids[part.ContentID] = part.ContentID != ""
		if part.Inline && !isPicture(part.Type, got) {
			t.Errorf("%q is shown and no %s", part.Name, part.Type)
		}
	}
	if want != 0 {
		t.Errorf("%d attachments are missing", want)
	}
}

// checkPrivate holds that every field comes back, from the headers or from the block.
func checkPrivate(t *testing.T, r *record.Record, p *Parsed) {
	t.Helper()
	headers := map[string]string{}
	for _, h := range p.Headers {
		headers[h.Name] = h.Value
	}
	for name, given := range map[string]string{
		"X-O2-Message-Id": r.ID, "X-O2-Type": string(r.Kind), "X-O2-Owner": r.Owner, "X-O2-Original-Sha256": r.SHA256,
		"X-O2-Direction": r.Direction, "X-O2-Status": r.Status, "X-O2-Time": r.TimeText, "X-O2-Format": format,
	} {
		if want := strings.Trim(oneLine(given, 200), " "); headers[name] != want {
			t.Errorf("%s = %q, want %q", name, headers[name], want)
		}
	}
	_, block, _ := cutLast("\r\n"+p.Text, "\r\n"+ruler+"\r\n")
	for name, given := range map[string]string{
		"Type": string(r.Kind), "Network": r.Network, "Direction": r.Direction, "Status": r.Status, "Group": r.GroupName, "Group id": r.GroupID,
		"SHA-256 of the original item": r.SHA256, "Conversation": headers["X-O2-Conversation"], "Subject": r.Subject,
	} {
		if given != "" && !strings.Contains(block, "\r\n"+name+": "+string(appendShown(nil, given, maxShown))+"\r\n") {
			t.Errorf("the block has no %s", name)
		}
	}
	for _, who := range append([]record.Participant{r.From}, r.To...) {
		for _, given := range append([]string{who.Value, who.Name()}, who.Emails...) {
			if !strings.Contains(block, string(appendShown(nil, given, maxShown))) {
				t.Errorf("the block doesn't have a participant's %q", given)
			}
		}
	}
	if (p.ThreadTopic == "") != (headers["X-O2-Conversation"] == "") || (p.ThreadIndex == "") != (p.ThreadTopic == "") {
		t.Errorf("thread %q, %q", p.ThreadTopic, p.ThreadIndex)
	}
}

var (
	tags = regexp.MustCompile(`<[^>]*>?`)
	tag  = regexp.MustCompile(`^<(!DOCTYPE html|/?html|/?head|/?body|/?p|/?div|/?table|/?tbody|/?tr|/?th|/?td|/?bdi|br|hr|` +
		`meta http-equiv="Content-Type" content="text/html; charset=utf-8"|p dir="auto"|td colspan="2"|tbody align="left" valign="top"|` +
		`div dir="auto" style="white-space:pre-wrap;unicode-bidi:plaintext;overflow-wrap:anywhere"|` +
		`img src="cid:[0-9]+\.[0-9a-f]{40}@o2archiver\.invalid" alt="[^"<>]*" style="max-width:100%")>$`)
	entity = regexp.MustCompile(`&(amp|lt|gt|#34|#39);`)
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
	if !utf8.ValidString(p.HTML) || strings.ContainsFunc(p.HTML, func(c rune) bool { return c < ' ' && c != '\t' && c != '\r' && c != '\n' }) {
		t.Errorf("characters that HTML has no place for")
	}
	if r.Text != "" {
		_, own, _ := strings.Cut(p.HTML, "anywhere\">")
		own, _, _ = strings.Cut(own, "</div>")
		own = html.UnescapeString(strings.ReplaceAll(own, "<br>", "\n"))
		want := strings.ReplaceAll(strings.ReplaceAll(r.Text, "\r\n", "\n"), "\r", "\n")
		if want = marked(want); own != want {
			t.Errorf("the HTML's own text (-want +got):\n%s", cmp.Diff(want, own))
		}
	}
	// Every line of the block is a row.
	_, block, _ := cutLast("\r\n"+p.Text, "\r\n"+ruler+"\r\n")
	rows := strings.Count(p.HTML, "<tr>")
	if want := strings.Count(block, "\r\n") - 1; rows != want {
		t.Errorf("%d rows, %d lines", rows, want)
	}
	for line := range strings.SplitSeq(block, "\r\n") {
		if name, _, ok := strings.Cut(line, ": "); ok && !strings.Contains(p.HTML, "<th>"+html.EscapeString(name)+"</th>") {
			t.Errorf("no row for %s", name)
		}
	}
}

// marked is s as the HTML has it, before its escaping.
func marked(s string) string {
	return html.UnescapeString(strings.ReplaceAll(string(appendEscaped(nil, []byte(s), true)), "<br>", "\n"))
}
