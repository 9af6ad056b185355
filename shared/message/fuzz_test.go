package message

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/record"
)

// FuzzRoundTrip: whatever a record holds, the message is one message of ours, and gives back the
// text and the attachments byte for byte.
func FuzzRoundTrip(f *testing.F) {
	f.Add("O2-1", "SMS", "447700900123", "+447700900123", "Jane", "Doe", "jane@contoso.example", "07700 900456", "Ops",
		"hi",
		"text", "photo.jpg", "image/jpeg", "gone", []byte("bytes"), int64(1763803868))
	f.Add("a\r\nBcc: x@y.example", "CALL_AUDIO", "O2", "\u2068HMRC\u2069", "=?utf-8?q?x?=", "\"<>\\", "a@b@c", "",
		"\r\n\r\n", "\x00\x7f",
		"\r\n--=_o2_\r\n= \n \r", "../../NUL", "a/b;c", "\n", []byte{0, 255}, int64(1_000_000_000))
	f.Add(strings.Repeat("é", 3000), "\t", " ", "65000", strings.Repeat("x", 2000), " a  b ", "é@b.example",
		strings.Repeat(" ", 50), "\u202e",
		strings.Repeat("語", 300), ruler+"\r\nThe text above the line (1 bytes) is the original message."+
			signature, strings.Repeat("語", 300)+".png", "multipart/mixed", "", bytes.Repeat([]byte("x"),
			200), int64(32503680000))
	f.Add("O2-2", "MMS", "", "", "דוד", "&#60;", "", "HMRC", "<b>", "</td>", "<script>\r\n  </div>\u2068&", "a.png",
		"image/png", "", []byte("\x89PNG\r\n\x1a\n0"), int64(1763803868))
	f.Add("O2-3", "CALL_AUDIO", "", "07700900123", "", "", "", "", "", "", "", "", "x", "", []byte("RIFF....WAVE"),
		int64(1763803868))
	f.Add("O2-4", "MMS", "", "1", "", "", "", "", "", "", "", "p.smil", "application/smil", "",
		[]byte("<smil><img src='P (2).smil'/><img src='p.smil'/></smil>"), int64(1763803868))
	f.Fuzz(func(t *testing.T, id, kind, owner, from, first, last, email, to, group, subject, text, name, media,
		gone string, content []byte, unix int64) {
		s := store{}
		r := &record.Record{
			ID: id, Kind: record.Kind(kind), Network: group, Owner: owner, Time: time.Unix(unix, 0), TimeText: subject,
			Archived: time.Unix(unix, 0).Add(time.Hour), ArchivedText: last, Direction: first, Status: last,
			From: record.Participant{Value: from, FirstName: first, LastName: last, Emails: []string{email}},
			To: []record.Participant{{Value: to}, {Value: from, Emails: []string{email, to}},
				{FirstName: first}, {Value: email}},
			GroupMessage: len(
				group)%2 == 0, GroupName: group, GroupID: id, Subject: subject, Text: text, ContentType: media,
			Attachments: []record.Attachment{
				{Name: name, Type: media, Size: int64(len(content)), SHA256: s.put(content)},
				{Name: name, Type: media, Size: 7, SHA256: id, Gone: gone},
				{Name: strings.ToUpper(name), Type: name, Size: int64(len(content)), SHA256: s.put(content)},
			},
			Call: &record.Call{ID: id, Status: first, Start: last, Answer: group, End: subject,
				Duration: time.Duration(unix)},
			LeftOut: []string{name}, SHA256: media,
			Pieces: []record.Piece{{Number: 1, ID: id, SHA256: last},
				{Number: 2, Lost: true}}, Total: 2, Derived: len(id)%5 == 0,
		}
		if len(content)%3 == 0 {
			r.Attachments, r.Call = nil, nil
		}
		if len(text)%2 == 0 { // a call whose times can be read
			at := r.Time.UTC()
			r.Call = &record.Call{ID: id, Status: last, Start: at.Format(time.RFC3339),
				End: at.Add(time.Minute).Format(time.RFC3339)}
			r.Archived = time.Time{}
		}
		if record.Check(r) != nil || r.Time.UTC().Year() > 9999 {
			t.Skip()
		}
		o := Options{Region: "GB", Peek: s.peek}
		checkMessage(t, r, o, s, build(t, r, o, s))
	})
}

// FuzzParse: no message makes Parse fail in another way than with an error.
func FuzzParse(f *testing.F) {
	for _, r := range []*record.Record{shortText(), withFile(100)} {
		m, err := Build(r, Options{})
		if err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if err := m.Write(&b, openZeros(100)); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Parse(bytes.NewReader(raw))
		if err != nil {
			return
		}
		for range 100 {
			part, err := p.Next()
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, part.Body) // whether it can be read or not
		}
	})
}
