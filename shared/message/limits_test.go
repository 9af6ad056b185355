package message

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"o2archiver/local/soak"
	"o2archiver/shared/record"
)

// An item is at most 16 MiB, and its sender chooses what is in it. Whatever that is, its message takes a few times as
// much memory while it is made, is one that Parse reads, and has a text that a reader can use. The items of the short
// form have a quarter of the size, and an eighth of the people.
func TestHostileLengths(t *testing.T) {
	item, crowd := 4<<20, 1250
	if soak.ForTest(t).Long {
		item, crowd = 16<<20, 10_000
	}
	people := func(n int, value string) func(r *record.Record) {
		return func(r *record.Record) {
			for range n {
				r.To = append(r.To,
					record.Participant{Value: value, FirstName: value, LastName: value,
						Emails: []string{value, value, value}})
			}
		}
	}
	for name, change := range map[string]func(r *record.Record){
		"DEL":              func(r *record.Record) { r.Text = strings.Repeat("\x7f", item) },
		"ampersands":       func(r *record.Record) { r.Text = strings.Repeat("&", item) },
		"no characters":    func(r *record.Record) { r.Text = strings.Repeat("\uffff", item/3) },
		"line ends":        func(r *record.Record) { r.Text = strings.Repeat("\n", item) },
		"letters":          func(r *record.Record) { r.Text = strings.Repeat("語", item/3) },
		"both directions":  func(r *record.Record) { r.Text = strings.Repeat("a\nא\n\n", item/7) },
		"just too long":    func(r *record.Record) { r.Text = strings.Repeat("x", maxHTML-1000) },
		"DEL, just short":  func(r *record.Record) { r.Text = strings.Repeat("\x7f", maxHTML-10_000) },
		"many people":      people(crowd, strings.Repeat("\x7f", 270)),
		"many short names": people(crowd, strings.Repeat("\x7f", 62)),
	} {
		t.Run(name, func(t *testing.T) {
			r := shortText()
			change(r)
			o := Options{Region: "GB", Numbers: NewNumberCache()}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			m, err := Build(r, o)
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 12*uint64(item)+16<<20 { // and what is there once
				t.Errorf("allocated %d MiB", got>>20)
			}
			if m.Size() > 3*int64(item) {
				t.Errorf("a message of %d bytes", m.Size())
			}
			var b bytes.Buffer
			if err := m.Write(&b, nil); err != nil {
				t.Fatal(err)
			}
			p, err := Parse(&b)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(p.Text, r.Text) ||
				!strings.Contains(p.Text, "\r\n"+ruler+"\r\nThe text above the line (") || len(p.HTML) > maxHTML+100 {
				t.Errorf("text of %d bytes, HTML of %d", len(p.Text), len(p.HTML))
			}
			if got := strings.Count(p.Text, "\r\nTo: "); got != len(r.To) {
				t.Errorf("the block names %d recipients of %d", got, len(r.To))
			}
			if _, err := p.Next(); err == nil {
				t.Error("there is an attachment")
			}
		})
	}
}

// Without HTML there is nothing to show a picture in: it is a file like any other.
func TestPictureWithoutHTML(t *testing.T) {
	s := store{}
	picture := []byte("\x89PNG\r\n\x1a\n0")
	r := shortText()
	r.Kind, r.Text = record.MMS, strings.Repeat("long ", maxHTML/5)
	r.Attachments = []record.Attachment{{Name: "a.png", Type: "image/png", Size: int64(len(picture)),
		SHA256: s.put(picture)}}
	o := Options{Region: "GB", Peek: s.peek}
	raw := build(t, r, o, s)
	checkMessage(t, r, o, s, raw)
	p, err := Parse(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if part, err := p.Next(); err != nil || part.Inline || part.ContentID != "" || p.HTML != "" {
		t.Errorf("%+v, %v, HTML of %d bytes", part, err, len(p.HTML))
	}
}
