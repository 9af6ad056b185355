package sample

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// textTraps adds texts, subjects and names that a program might mishandle.
func (m *maker) textTraps() {
	for _, t := range []struct {
		name string
		body any
	}{
		{"text like Base64", "U2VlIHlvdSBhdCB0aGUgZGVwb3QgYXQgZm91ciBhbmQgYnJpbmcgdGhlIGJsdWUgZm9sZGVyIQ=="},
		{"control characters", "bell \a tab \t feed \f shift \x0e escape \x1b[31mred delete \x7f next line \u0085 end"},
		{"isolates and object marks", "\u2068Jasper\u2069 shared \ufffc and \u202egnp.exe\u202c here \ufeff too"},
		{"lone surrogate", json.RawMessage(`"here is half an emoji \ud83d and then more words"`)},
		{"lone surrogate", json.RawMessage(
			`"here is the other half \ude00 and the two of them reversed \ude00\ud83d at the end\ud83d"`)},
		{"NUL", "before the zero byte\x00after the zero byte\x00"},
		{"joined emoji", "👩‍👩‍👧‍👦 and 🏴󠁧󠁢󠁳󠁣󠁴󠁿 and 👍🏽 are one sign each, e\u0301 is two"},
		{"right to left", "موعدنا الساعة الرابعة في المستودع"},
		{"line ends", "carriage return\ralone, then both\r\nthen a line feed\nthen none\r\n\r\n"},
		{"text like a mail",
			"\r\n.\r\nFrom nobody Thu Jan  1 1970\r\nBcc: evil@" + partner +
				"\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"},
		{"one very long line", strings.Repeat("all work and no play ", 400)},
		{"blank text", " \t\u00a0\u3000 "},
		{"no text", ""},
		{"line separators of JavaScript", "one\u2028two\u2029three"},
	} {
		m.trap(t.name, func(it *item) { it.TextContent = t.body })
	}
	m.trap("HTML", func(it *item) {
		it.TextContent = `<html><body onload="alert(1)"><img src="https://tracker.` + partner +
			`/p.gif"><b>See you at the depot at four</b></body></html>`
		it.ContentType = "text/html"
	})
	m.trap("no subject", func(it *item) { it.Subject = nil })
	m.trap("group without metadata", func(it *item) {
		it.To, it.boxes = partiesOf(plus, []*person{it.to[0], m.staff[0], m.outside[77]}), boxesOf(it.from, m.staff[0])
	})

	evil := "Jane\r\nBcc: evil@" + partner + "\r\nX-Evil: 1"
	m.trap("name that breaks out of a header", func(it *item) {
		p := it.from.as(plus)
		p.FullName = fullName{evil, "Doe\" <evil@" + partner + ">, \"x"}
		it.From = p
	})
	m.trap("name that breaks out of a header", func(it *item) {
		it.Subject, it.GroupMessage, it.GroupName = "Photos\r\nBcc: evil@"+partner, true, evil
	})
	m.trap("odd name", func(it *item) {
		p := it.to[0].as(plus)
		p.FullName = fullName{json.RawMessage(`"\ud83d\u0000\u2068"`), strings.Repeat("Wolfeschlegelsteinhausen", 30)}
		it.To = []party{p}
	})
	m.trap("sender without a number", func(it *item) {
		it.From, it.To, it.Direction = party{Value: "O2"}, []party{it.from.as(national)}, "IN"
	})
	m.trap("sender with a short code", func(it *item) {
		it.From, it.To, it.Direction = party{Value: "65000"}, []party{it.from.as(spaced)}, "in"
	})

	// Exceed the 4 MB that a request to Graph may have.
	var long strings.Builder
	for all := texts(); long.Len() < 4<<20+4096; {
		for _, t := range all {
			long.WriteString(t.body)
			long.WriteByte('\n')
		}
	}
	m.trap("text too long for one request", func(it *item) { it.TextContent = long.String() })
}

// fileTraps adds attachments that are unavailable, and attachments that look odd but are available.
func (m *maker) fileTraps() {
	shot := makeGallery(1)[0]
	tone := makeRecording("note.wav", 500, 2*time.Second)
	attach := func(name string, gone int, files ...attachment) {
		m.trap(name, func(it *item) {
			it.MessageType, it.Attachment, it.gone = "MMS", files, gone
			for _, f := range files {
				_, text := f.AttachSize.(string)
				it.lacks = it.lacks || text
			}
		})
	}
	edit := func(a attachment, change func(*attachment)) attachment {
		change(&a)
		return a
	}

	attach("attachment is not there", 1, tone.linked(contents+"never-was.wav"))
	attach("attachment on another host", 1, tone.linked("https://files."+partner+"/steal?token=1"))
	attach("attachment on another host", 1, tone.linked("//files."+partner+"/steal"))
	attach("attachment on another host", 1, tone.linked("file:///etc/passwd"))
	m.day.Contents = append(m.day.Contents,
		Content{Path: contents + "elsewhere.wav", Status: 302, Location: "https://files." + partner + "/steal"},
		Content{Path: contents + "forged.wav", Type: "audio/wav", Data: makeRecording("", 501, 2*time.Second).data})
	attach("redirect to another host", 1, tone.linked(contents+"elsewhere.wav"))
	attach("wrong digest", 1, tone.linked(contents+"forged.wav"))
	attach("wrong digest", 1, edit(shot.inline(), func(a *attachment) { a.Digest = hexSHA256([]byte("other bytes")) }))
	attach("broken Base64", 1, edit(shot.inline(), func(a *attachment) { a.Content = "!" + a.Content.(string) }))
	attach("broken Base64", 2,
		edit(shot.inline(), func(a *attachment) { a.Content = a.Content.(string)[:1001] }),
		edit(shot.inline(), func(a *attachment) { a.Content = "Content removed." }))
	attach("neither bytes nor address", 1, attachment{Name: "lost.jpg", ContentType: "image/jpeg", AttachSize: 1234})
	attach("one of three is gone", 1, shot.inline(), tone.linked(contents+"never-was-either.wav"), tone.inline())

	attach("no digest", 0, edit(shot.inline(), func(a *attachment) { a.Digest = nil }))
	attach("digest in capitals", 0,
		edit(shot.inline(), func(a *attachment) { a.Digest = strings.ToUpper(a.Digest.(string)) }))
	attach("wrong size", 0, edit(shot.inline(), func(a *attachment) { a.AttachSize = 7 }))
	attach("size of the wrong type", 0, edit(shot.inline(), func(a *attachment) { a.AttachSize = "12 kB" }))
	attach("Base64 for URLs", 0,
		edit(shot.inline(), func(a *attachment) { a.Content = base64.RawURLEncoding.EncodeToString(shot.data) }))
	attach("Base64 in lines", 0, edit(shot.inline(), func(a *attachment) {
		s := a.Content.(string)
		a.Content = s[:76] + "\r\n" + s[76:152] + "\n " + s[152:] + "\n"
	}))
	attach("item over a mebibyte", 0, bigPicture().inline())

	var odd []attachment
	for _, name := range []any{"../../../etc/passwd", `..\..\boot.ini`, "CON.txt",
		"photo.png\r\nContent-Type: text/html\r\n\r\n<b>", "", nil, ".",
		"\u202egnp.exe", "zero\x00.png", "same.png", "same.png", strings.Repeat("long", 100) + ".png",
		`"quoted;" name.png`, "🏔 Ausflug.png"} {
		odd = append(odd, file{mime: "text/plain", data: []byte("only the name is odd\n")}.inline())
		odd[len(odd)-1].Name = name
	}
	attach("odd file names", 0, odd...)

	odd = nil
	for _, mime := range []any{"image/png\r\nX-Evil: 1", `text/plain; name="../x"; charset=none`,
		"multipart/mixed; boundary=x", "message/rfc822", "TEXT/HTML", "", nil, "???"} {
		odd = append(odd, file{name: "type.bin", data: []byte("only the type is odd\n")}.inline())
		odd[len(odd)-1].ContentType = mime
	}
	attach("odd content types", 0, odd...)
}
