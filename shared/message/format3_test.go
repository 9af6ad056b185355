package message

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"o2archiver/shared/record"
)

// TestEarlierFormatIsStillRead holds messages of format 3, as they are in mailboxes, to the messages that are built of
// the same records today: Parse reads both, and what identifies the message and its conversation is the same.
func TestEarlierFormatIsStillRead(t *testing.T) {
	names, err := filepath.Glob("testdata/format3/*.eml")
	if err != nil || len(names) < 10 {
		t.Fatalf("found %d messages: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			earlier, err := Parse(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			f := readFixture(t, filepath.Join("testdata", strings.TrimSuffix(filepath.Base(name), ".eml")+".json"))
			s, o := f.prepare()
			today, err := Parse(bytes.NewReader(build(t, &f.Record, o, s)))
			if err != nil {
				t.Fatal(err)
			}
			if got := header(earlier, "X-O2-Format"); got != "3" {
				t.Errorf("the message is of format %s", got)
			}
			if !strings.HasPrefix(earlier.Text, f.Record.Text) || earlier.HTML == "" {
				t.Error("the item's own text is not read")
			}
			if earlier.ID != today.ID || earlier.References != today.References ||
				earlier.ThreadTopic != today.ThreadTopic ||
				earlier.ThreadIndex != today.ThreadIndex || earlier.From != today.From ||
				!earlier.Date.Equal(today.Date) {
				t.Errorf("the message or its conversation is another: %s in %s, today %s in %s",
					earlier.ID, earlier.References, today.ID, today.References)
			}
			for {
				was, errWas := earlier.Next()
				is, errIs := today.Next()
				if (errWas == nil) != (errIs == nil) {
					t.Fatalf("the attachments differ: %v, %v", errWas, errIs)
				}
				if errWas != nil {
					break
				}
				if was.Name != is.Name || was.SHA256 != is.SHA256 || was.ContentID != is.ContentID {
					t.Errorf("attachment %q, today %q", was.Name, is.Name)
				}
			}
		})
	}
}

// TestSubjectNamesWhatIsMissing covers each kind of content that a message can lack, alone and together.
func TestSubjectNamesWhatIsMissing(t *testing.T) {
	gone := record.Attachment{Name: "a.jpg", Gone: "gone"}
	for name, c := range map[string]struct {
		change func(r *record.Record)
		want   string
	}{
		"nothing": {func(r *record.Record) {}, ""},
		"an attachment": {func(r *record.Record) { r.Attachments = []record.Attachment{gone} },
			" (1 attachment missing)"},
		"bytes": {func(r *record.Record) { r.Attachments = []record.Attachment{{Name: "a"}} },
			" (1 attachment missing)"},
		"two attachments": {func(r *record.Record) { r.Attachments = []record.Attachment{gone, gone} },
			" (2 attachments missing)"},
		"a part": {func(r *record.Record) {
			r.Total, r.Pieces = 2, []record.Piece{{Number: 1, ID: "x"}, {Number: 2, Lost: true}}
		}, " (1 part missing)"},
		"a part that is elsewhere": {func(r *record.Record) {
			r.Total, r.Pieces = 2, []record.Piece{{Number: 1, ID: "x"}, {Number: 2, Apart: true}}
		}, " (1 part in another message)"},
		"the recording": {func(r *record.Record) { r.Kind = record.CallAudio }, " (recording missing)"},
		"a wrong type":  {func(r *record.Record) { r.LeftOut = []string{"status"} }, " (incomplete)"},
		"what was cut": {func(r *record.Record) { r.LeftOut = []string{"to (all after the first 9 entries)"} },
			" (incomplete)"},
		"a name's end":    {func(r *record.Record) { r.From.FirstName = strings.Repeat("n", 501) }, " (incomplete)"},
		"a name in marks": {func(r *record.Record) { r.GroupName = strings.Repeat("\x7f", 63) }, " (incomplete)"},
		"addresses":       {func(r *record.Record) { r.To[0].Emails = make([]string, 21) }, " (incomplete)"},
		"all": {func(r *record.Record) {
			r.Total, r.Attachments, r.LeftOut = 3, []record.Attachment{gone, gone}, []string{"status"}
			r.Pieces = []record.Piece{{Number: 1, Lost: true}, {Number: 2, Lost: true}, {Number: 3, Apart: true}}
		}, " (2 attachments and 2 parts missing, 1 part in another message, incomplete)"},
	} {
		for _, letters := range []int{1, 60} { // the longest names do not push it out
			r := shortText()
			r.To = nil
			for i := range 5 {
				r.To = append(r.To, record.Participant{Value: fmt.Sprint(i), FirstName: strings.Repeat("é", letters)})
			}
			r.From.FirstName = strings.Repeat("é", letters)
			r.Subject = strings.Repeat("s", 250)
			c.change(r)
			m := build(t, r, Options{Region: "GB"}, nil)
			p, err := Parse(bytes.NewReader(m))
			if err != nil {
				t.Fatal(err)
			}
			people, _, _ := strings.Cut(p.Subject, ": s")
			if !strings.HasSuffix(people, c.want) || c.want == "" && strings.Contains(people, "(") {
				t.Errorf("%s is missing, and the subject is %q", name, p.Subject)
			}
			if n := utf8.RuneCountInString(p.Subject); n > maxSubject {
				t.Errorf("%s: a subject of %d characters", name, n)
			}
		}
	}
}

// TestLastLineHasEachNumberOnce holds that a number stands with its participants in E.164 only, and in its spellings
// once, whichever person has it and however it is written.
func TestLastLineHasEachNumberOnce(t *testing.T) {
	r := shortText()
	r.Owner, r.From.Value = "07700900123", "+44 7700 900123"
	r.To = []record.Participant{{Value: "447700900123"}, {Value: "07700 900123"}, {Value: "65000"},
		{Value: "+1 212 555 0123"}}
	p, err := Parse(bytes.NewReader(build(t, r, Options{Region: "GB"}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	block := textBelow(p.Text)
	last := "\r\nNumbers, for search: +447700900123, 07700 900123, 07700900123, +44 7700 900123, 447700900123; " +
		"+12125550123, (212) 555-0123, 2125550123, +1 212-555-0123, 12125550123\r\n"
	if !strings.HasSuffix(block, last) {
		t.Errorf("the block ends with %q", block[max(0, len(block)-200):])
	}
	if n := strings.Count(block, "7700 900123"); n != 2 {
		t.Errorf("the spellings with blanks stand %d times in the block, want 2", n)
	}
}
