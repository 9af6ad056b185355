package message

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// checkParts holds what must be true of every attachment. Their order is another test's.
func checkParts(t *testing.T, r *record.Record, o Options, s store, p *Parsed) {
	t.Helper()
	want := 0
	sizes := map[string]int64{}
	names, block := blockOf(p.Text)
	var lines []string
	for _, name := range names {
		if strings.HasPrefix(name, "Attachment ") {
			lines = append(lines, block[name][0])
		}
	}
	if len(lines) != len(r.Attachments) {
		t.Errorf("the block names %d attachments of %d", len(lines), len(r.Attachments))
	}
	for _, a := range r.Attachments {
		why := a.Gone
		if why == "" && o.Omit != nil {
			why = o.Omit(a)
		}
		if why == "" && isHash(a.SHA256) {
			want++
			sizes[a.SHA256] = a.Size
		}
		// There is a line with all that was given.
		if !slices.ContainsFunc(lines, func(line string) bool {
			known := strings.HasPrefix(line, asQuote(a.Name, maxShown)+", ") || a.Name == "" ||
				strings.Contains(line, ", named "+asQuote(a.Name, maxShown))
			typed := strings.Contains(line, ", "+a.Type+", ") || a.Type == "" ||
				strings.Contains(line, ", type given as "+asQuote(a.Type, 200))
			hash := a.SHA256
			if !isHash(hash) {
				hash = asQuote(hash, 64)
			}
			claimed := ""
			if a.Gone != "" {
				claimed = " claimed by the source"
			}
			digest := a.Digest == "" ||
				strings.Contains(line, ", digest given as "+asQuote(a.Digest, 200)+" (could not be checked)")
			return known && typed && digest &&
				(a.SHA256 == "" ||
					strings.Contains(line, ", "+formatThousands(a.Size)+" bytes"+claimed+", SHA-256 "+hash+claimed)) &&
				(why == "" || strings.HasSuffix(line, ", not attached: "+string(appendShown(nil, why, maxShown))))
		}) {
			t.Errorf("the block has no line for an attachment named %q: %q", a.Name, lines)
		}
	}
	taken, ids := map[string]bool{}, map[string]bool{}
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
		if part.Name == "" || utf8.RuneCountInString(part.Name) > maxName || taken[key] || deviceName(part.Name) ||
			strings.ContainsAny(part.Name, "/\\:*?\"<>|\x00\r\n\u202e") {
			t.Errorf("file name %q", part.Name)
		}
		taken[key] = true
		media, _, _ := strings.Cut(part.Type, "; charset=")
		if !slices.ContainsFunc(lines, func(line string) bool {
			return strings.HasPrefix(line,
				asQuote(part.Name, maxShown)+", "+media+", "+formatThousands(part.Size)+" bytes, SHA-256 "+part.SHA256)
		}) {
			t.Errorf("%q isn't named in the block", part.Name)
		}
		if media != safeMediaType(media, part.Name) {
			t.Errorf("%q is of type %s", part.Name, part.Type)
		}
		if shown := strings.Contains(p.HTML, `src="cid:`+part.ContentID+`"`); part.Inline != (part.ContentID != "") ||
			part.Inline && !shown || ids[part.ContentID] {
			t.Errorf("%q: inline %v, shown %v, as %q", part.Name, part.Inline, shown, part.ContentID)
		}
		ids[part.ContentID] = part.ContentID != ""
		if part.Inline && !isPicture(media, got) {
			t.Errorf("%q is shown and no %s", part.Name, part.Type)
		}
	}
	if want != 0 {
		t.Errorf("%d attachments are missing", want)
	}
}

// blockOf is the block of a text, line by line: the names, and behind each what it says.
func blockOf(text string) (names []string, values map[string][]string) {
	values = map[string][]string{}
	for line := range strings.SplitSeq(strings.TrimSuffix(textBelow(text), "\r\n"), "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		names = append(names, name)
		values[name] = append(values[name], value)
	}
	return names, values
}

// asField and asQuote are a value of the source as the block has it: alone on its line, and beside others.
func asField(s string, limit int) string {
	b, end := appendIsolated(nil, s)
	return string(appendShown(b, s, limit)) + end
}

func asQuote(s string, limit int) string { return string(appendQuote(nil, s, limit)) }

// checkPrivate holds that every field comes back, from the headers and from the line of the block that is its own.
func checkPrivate(t *testing.T, r *record.Record, o Options, p *Parsed) {
	t.Helper()
	c := participantsOf(r, Options{Region: o.Region, Numbers: NewNumberCache()})
	archived := r.ArchivedText
	if archived == "" && !r.Archived.IsZero() {
		archived = r.Archived.UTC().Format("2006-01-02T15:04:05.999999999Z07:00")
	}
	want := map[string]string{}
	for name, given := range map[string]string{
		"X-O2-Message-Id": r.ID, "X-O2-Type": string(
			r.Kind), "X-O2-Owner": r.Owner, "X-O2-Original-Sha256": r.SHA256, "X-O2-Conversation": c.conversation,
		"X-O2-Direction": r.Direction, "X-O2-Status": r.Status, "X-O2-Time": r.TimeText, "X-O2-Archived": archived,
		"X-O2-Format": format,
	} {
		if value := strings.Trim(oneLine(given, 200), " "); value != "" {
			want[name] = value
		}
	}
	got := map[string]string{}
	for _, h := range p.Headers {
		got[h.Name] = h.Value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if root := "<" + c.conversation + "@conversation.o2archiver.invalid>"; p.References != root || p.InReplyTo != root {
		t.Errorf("References %s, In-Reply-To %s, want %s", p.References, p.InReplyTo, root)
	}
	absent := 0
	for _, a := range r.Attachments {
		if a.Gone != "" || !isHash(a.SHA256) || a.Size < 0 || o.Omit != nil && o.Omit(a) != "" {
			absent++
		}
	}
	c.missing = missingWords(r, absent, shortened.MatchString(textBelow(p.Text)))
	if p.ThreadTopic != c.threadTopic() || p.ThreadIndex != c.threadIndex(r.Time) || p.Subject != subjectOf(r, c) ||
		p.From != c.from.address {
		t.Errorf("topic %q, index %q, subject %q, from %q", p.ThreadTopic, p.ThreadIndex, p.Subject, p.From)
	}
	var to []Address
	for _, who := range c.to {
		if a := who.address; len(to) < maxRecipient && !slices.Contains(to, a) {
			to = append(to, a)
		}
	}
	if diff := cmp.Diff(to, p.To); diff != "" {
		t.Errorf("To (-want +got):\n%s", diff)
	}
	_, block := blockOf(p.Text)
	checkLines(t, r, c, block)
	checkTimes(t, r, block)
	checkPeople(t, r, c, block)
}

// shortened finds a value that the block does not show in full.
var shortened = regexp.MustCompile(`… \([0-9,]+ characters\)|, and [0-9,]+ more addresses\r\n`)

// textBelow is the block of a text.
func textBelow(text string) string {
	_, block, _ := cutLast("\r\n"+text, "\r\n"+ruler+"\r\n")
	return block
}

// checkLines holds the lines that have one value of the source.
func checkLines(t *testing.T, r *record.Record, c *participants, block map[string][]string) {
	t.Helper()
	call := callOf(r)
	wrong, others := leftOut(r)
	id, derived, duration := r.ID, "", ""
	if r.Derived {
		id, derived = "", r.ID
	}
	if call.Duration != 0 {
		duration = formatThousands(call.Duration.Milliseconds()) + " ms"
	}
	status := r.Status
	if call.Status == r.Status {
		status = ""
	}
	contentType := r.ContentType
	if strings.EqualFold(contentType, "text/plain") {
		contentType = ""
	}
	for name, given := range map[string]string{
		"Type": string(r.Kind), "Network": r.Network, "Direction": r.Direction, "Status": status, "Group": r.GroupName,
		"Group id":                     r.GroupID,
		"SHA-256 of the original item": r.SHA256, "Conversation": c.conversation, "Subject": r.Subject, "Source id": id,
		"Source id (made of the item's bytes, for it had none)": derived, "Call id": call.ID,
		"Call status": call.Status, "Call duration": duration,
		"Text's content type (shown as it stands)": contentType, "Left out because of a wrong JSON type": strings.Join(
			wrong, ", "), "Left out": strings.Join(others, ", "),
	} {
		var want []string
		if given != "" {
			want = []string{asField(given, maxShown)}
		}
		got := slices.Clone(block[name])
		switch {
		case len(got) != 1:
		case name == "Call duration":
			if words, rest, ok := strings.Cut(got[0], " ("); ok && words == formatDuration(call.Duration) {
				got[0], _, _ = strings.Cut(strings.TrimSuffix(rest, ")"), "; it is not")
			}
		case name == "Direction" && directionWords(r) != "":
			got[0] = strings.TrimSuffix(got[0], " ("+directionWords(r)+")")
		case (name == "Status" || name == "Call status") && statusWords(given) != "":
			got[0] = strings.TrimSuffix(got[0], " ("+statusWords(given)+")")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the block's %s (-want +got):\n%s", name, diff)
		}
	}
	for _, piece := range r.Pieces {
		want := asQuote(piece.ID, maxShown) + ", SHA-256 " + string(appendShown(nil, piece.SHA256, 64))
		if piece.Lost {
			want = "missing"
		} else if piece.Apart {
			want = "in another message: all parts together are too large for one"
		}
		if got := block[fmt.Sprintf("Part %d of %d", piece.Number, r.Total)]; !slices.Contains(got, want) {
			t.Errorf("part %d is %q, want %q", piece.Number, got, want)
		}
	}
	if got := len(block["Group message"]) == 1; got != r.GroupMessage {
		t.Errorf("group message: %v", got)
	}
}

// checkTimes holds what the block says of the times: on two clocks where they can be read, and as given.
func checkTimes(t *testing.T, r *record.Record, block map[string][]string) {
	t.Helper()
	call := callOf(r)
	for name, m := range map[string]struct {
		at    time.Time
		given string
	}{
		"Time": {r.Time, r.TimeText}, "Reached the archive": {r.Archived,
			r.ArchivedText}, "Call started": {callTime(call.Start), call.Start},
		"Call answered": {callTime(call.Answer), call.Answer}, "Call ended": {callTime(call.End), call.End},
	} {
		var want, given []string
		if !m.at.IsZero() {
			want = []string{m.at.UTC().Format("2006-01-02 15:04:05.999999999 MST, the same in London (GMT)")}
			if there := inLondon(m.at); there.Format("MST") == "BST" {
				want = []string{m.at.UTC().Format("2006-01-02 15:04:05.999999999 MST, in London ") + there.Format(
					"2006-01-02 15:04:05.999999999 MST")}
			}
		}
		if m.given != "" && (m.at.IsZero() || m.given != m.at.UTC().Format(time.RFC3339Nano)) {
			given = []string{asField(m.given, maxShown)}
		}
		if diff := cmp.Diff(want, block[name]); diff != "" {
			t.Errorf("the block's %s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(given, block[name+", as given"]); diff != "" {
			t.Errorf("the block's %s as given (-want +got):\n%s", name, diff)
		}
	}
}

// checkPeople checks that each person is in the line of their role, with all that is known of them.
func checkPeople(t *testing.T, r *record.Record, c *participants, block map[string][]string) {
	t.Helper()
	check := func(role string, n int, who person) {
		t.Helper()
		if n >= len(block[role]) {
			t.Errorf("the block has %d lines %q", len(block[role]), role)
			return
		}
		line := ", " + block[role][n] + ","
		var parts []string
		if full := who.given.Name(); full != "" {
			parts = append(parts, asQuote(full, maxShown))
		}
		switch value := who.given.Value; {
		case who.e164 != "":
			parts = append(parts, who.e164+",")
			if numbers := block["Numbers, for search"]; len(numbers) != 1 ||
				!strings.Contains("; "+numbers[0]+";", "; "+strings.Join(who.spellings(), ", ")+";") {
				t.Errorf("the last line is %q, without all spellings of %s", numbers, who.e164)
			}
		case value != "":
			parts = append(parts, asQuote(value, maxShown)+" (no telephone number)")
		}
		for _, email := range who.given.Emails[:min(20, len(who.given.Emails))] {
			if address := record.EmailAddress(email); validEmail(address) && address != email {
				email = address + ", given as " + asQuote(email, maxShown)
			} else if !validEmail(email) {
				email = asQuote(email, maxShown)
			}
			parts = append(parts, email+",")
		}
		for _, part := range parts {
			if !strings.Contains(line, ", "+part) {
				t.Errorf("%s %d is %q, without %q", role, n+1, line, part)
			}
		}
	}
	check("From", 0, c.from)
	for i, who := range c.to {
		check("To", i, who)
	}
	check("Owner of the archived phone", 0, c.owner)
	if want := c.ownerIs; r.Owner != "" && !strings.HasSuffix(block["Owner of the archived phone"][0], ", "+want) {
		t.Errorf("the owner is %q, want %s", block["Owner of the archived phone"], want)
	}
	if r.Owner == "" && block["Owner of the archived phone"][0] != "not given" {
		t.Errorf("the owner is %q", block["Owner of the archived phone"])
	}
}

var (
	tags = regexp.MustCompile(`<[^>]*>?`)
	tag  = regexp.MustCompile(
		`^<(!DOCTYPE html|/?html|/?head|/body|/?p|/div|/?table|/?tbody|/?tr|/?th|/?td|/span|br|hr|` +
			`meta http-equiv="Content-Type" content="text/html; charset=utf-8"|td colspan="2"|` +
			`tbody align="left" valign="top"|body dir="ltr" style="font-family:sans-serif"|span dir="(ltr|rtl)"|` +
			`div dir="(ltr|rtl)" style="white-space:pre-wrap;overflow-wrap:anywhere"|` +
			`img src="cid:[0-9]+\.[0-9a-f]{40}@o2archiver\.invalid" alt="[^"<>]*" style="max-width:100%")>$`)
	lines = regexp.MustCompile(`</div>\r\n<div [^>]*>`)

	shownTexts = regexp.MustCompile(`(?s)<div [^>]*>.*?</div>`) // of the item and its files
	entity     = regexp.MustCompile(`&(amp|lt|gt|#34|#39);`)
)
