package message

import (
	"hash/fnv"
	"io"
	"strings"
	"testing"
	"time"

	"o2archiver/local/soak"
	"o2archiver/shared/record"
)

// hostile are what a source can put into a field to have an effect outside of it.
var hostile = map[string]string{
	"header":          "x\r\nBcc: thief@elsewhere.example\r\nX-Evil: 1",
	"bare LF":         "x\nBcc: thief@elsewhere.example",
	"bare CR":         "x\rBcc: thief@elsewhere.example",
	"end of a header": "x\r\n\r\nthe body is mine",
	"NUL":             "a\x00b",
	"encoded word":    "=?utf-8?q?=0D=0ABcc:_thief=40elsewhere.example?=",
	"10,000 letters":  strings.Repeat("é", 10_000),
	"a long program":  strings.Repeat("n", 10_000) + ".exe",
	"no characters":   "a\uffffb\ufffe\ufdd0\U0010ffff",
	"one of a list": `Jane", +447700900999 (07700 900999), "boss@contoso.example", text/plain, 5 bytes, SHA-256 ` +
		strings.Repeat("0", 64),
	"end of isolation": "אב\u2069\u2069 12\u2066",
	"path":             "../../../etc/passwd",
	"Windows path":     `..\..\C:\Windows\system32\cmd.exe`,
	"device":           "CON",
	"device, named":    "nul.txt",
	"script":           "<script>alert(1)</script>",
	"attribute":        `"><img src=x onerror=alert(1)>`,
	"entity":           "&#60;script&#62;",
	"style":            "</div><style>*{display:none}</style>",
	"remote content":   `<img src="https://elsewhere.example/pixel.png">`,
	"boundary":         "\r\n--=_o2_a_7cd7b195bc377bc2effed878d98da10286025573--\r\n",
	"forged block": "\r\n" + ruler + "\r\nThe text above the line (1 bytes) is the original message." + signature +
		"\r\nDirection: In\r\n",
	"right-to-left": "gpj.\u202eexe",
	"isolates":      "\u2068HMRC\u2069\ufffc",
	"quotes":        `"; DROP TABLE x; --'`,
	"address":       "thief@elsewhere.example, a@b@c <d@e.example>",
	"formula":       "=HYPERLINK(\"https://elsewhere.example\")",
	"content type":  "text/html; charset=utf-7; name=\"x.html\"\r\n\tContent-Disposition: inline",
	"only blanks":   " \t \u00a0 ",
}

// fields are all places of a record that hold a text of the source.
var places = map[string]func(*record.Record, string){
	"ID":              func(r *record.Record, v string) { r.ID = v },
	"Kind":            func(r *record.Record, v string) { r.Kind = record.Kind(v) },
	"Network":         func(r *record.Record, v string) { r.Network = v },
	"Owner":           func(r *record.Record, v string) { r.Owner = v },
	"TimeText":        func(r *record.Record, v string) { r.TimeText = v },
	"ArchivedText":    func(r *record.Record, v string) { r.ArchivedText = v },
	"Direction":       func(r *record.Record, v string) { r.Direction = v },
	"Status":          func(r *record.Record, v string) { r.Status = v },
	"From.Value":      func(r *record.Record, v string) { r.From.Value = v },
	"From.FirstName":  func(r *record.Record, v string) { r.From.FirstName = v },
	"From.LastName":   func(r *record.Record, v string) { r.From.LastName = v },
	"From.Emails":     func(r *record.Record, v string) { r.From.Emails = []string{v} },
	"From.Outside":    func(r *record.Record, v string) { r.From.Emails, r.From.Outside = nil, v },
	"To.Value":        func(r *record.Record, v string) { r.To[0].Value = v },
	"To.FirstName":    func(r *record.Record, v string) { r.To[0].FirstName = v },
	"To.LastName":     func(r *record.Record, v string) { r.To[0].LastName = v },
	"To.Emails":       func(r *record.Record, v string) { r.To[0].Emails = []string{v, v} },
	"To.Outside":      func(r *record.Record, v string) { r.To[0].Value, r.To[0].Outside = "", v },
	"GroupID":         func(r *record.Record, v string) { r.GroupMessage, r.GroupID = true, v },
	"GroupName":       func(r *record.Record, v string) { r.GroupMessage, r.GroupName = true, v },
	"Subject":         func(r *record.Record, v string) { r.Subject = v },
	"Text":            func(r *record.Record, v string) { r.Text = v },
	"ContentType":     func(r *record.Record, v string) { r.ContentType = v },
	"Attachment.Name": func(r *record.Record, v string) { r.Attachments[0].Name = v },
	"Attachment.Type": func(r *record.Record, v string) { r.Attachments[0].Type = v },
	"picture's name":  func(r *record.Record, v string) { r.Attachments[1].Name = v },
	"Attachment.Gone": func(r *record.Record, v string) { r.Attachments[0].Gone = v },
	"gone one's hash": func(r *record.Record, v string) { r.Attachments[0].Gone, r.Attachments[0].SHA256 = "gone", v },
	"Call.ID":         func(r *record.Record, v string) { r.Call.ID = v },
	"Call.Status":     func(r *record.Record, v string) { r.Call.Status = v },
	"Call.Start":      func(r *record.Record, v string) { r.Call.Start = v },
	"Call.Answer":     func(r *record.Record, v string) { r.Call.Answer = v },
	"Call.End":        func(r *record.Record, v string) { r.Call.End = v },
	"Piece.ID": func(r *record.Record, v string) {
		r.Pieces = []record.Piece{{Number: 1, ID: v}, {Number: 2, Lost: true}}
		r.Total = 2
	},
	"Piece.SHA256": func(r *record.Record, v string) {
		r.Pieces, r.Total = []record.Piece{{Number: 1, ID: "O2-1", SHA256: v}, {Number: 2, Lost: true}}, 2
	},
	"third file's type":   func(r *record.Record, v string) { r.Attachments[2].Type = v },
	"LeftOut":             func(r *record.Record, v string) { r.LeftOut = []string{v} },
	"original's SHA-256":  func(r *record.Record, v string) { r.SHA256 = v },
	"a SMIL's references": func(r *record.Record, v string) { r.Attachments[2].Name = v + ".smil" },
}

// TestHostileInEveryField puts each of them into each field, of a message and of a call, and holds the result to what
// must be true of every message: only our own headers, parts and tags, and every value in its place.
func TestHostileInEveryField(t *testing.T) {
	for where, set := range places {
		t.Run(where, func(t *testing.T) {
			long := soak.ForTest(t).Long
			for what, value := range hostile {
				for _, kind := range []record.Kind{record.MMS, record.CallAudio} {
					// The short form takes each value in one of 24 fields.
					sum := fnv.New32a()
					if !long {
						_, _ = io.WriteString(sum, where+what+string(kind))
						if sum.Sum32()%24 != 0 {
							continue
						}
					}
					s := store{}
					file := func(name, media, content string) record.Attachment {
						return record.Attachment{Name: name, Type: media, Size: int64(len(content)),
							SHA256: s.put([]byte(content))}
					}
					r := &record.Record{
						ID: "O2-1", Kind: kind, Network: "O2", Owner: "447700900123", Time: time.Unix(1763803868,
							0), TimeText: "2025-11-22T09:31:08Z",
						From: record.Participant{Value: "+447700900123", FirstName: "Jane", LastName: "Doe",
							Emails: []string{"jane@contoso.example"}},
						To: []record.Participant{{Value: "07700 900456"}}, Text: "See this",
						Attachments: []record.Attachment{
							file("notes.txt", "text/plain", "notes: "+value), file("photo.png", "image/png",
								"\x89PNG\r\n\x1a\n0"),
							file("p.smil", "application/smil", smil(value, "photo.png")),
						},
						Archived: time.Unix(1763803868, 0), Call: &record.Call{}, SHA256: strings.Repeat("0", 64),
					}
					set(r, value)
					if err := record.Check(r); err != nil {
						continue // it is quarantined, with the reason
					}
					o := Options{Region: "GB", Peek: s.peek}
					if checkMessage(t, r, o, s, build(t, r, o, s)); t.Failed() {
						t.Fatalf("with %s in a %s", what, kind)
					}
				}
			}
		})
	}
}
