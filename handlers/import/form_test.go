package main

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/record"
)

const (
	somePNG  = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
	someSMIL = `<smil><body><par><img src="second.png"/><text src="words.txt"/></par><par><img src="first.png"/>` +
		`</par></body></smil>`
)

// pictures is an MMS: two pictures and a text in the order of its SMIL, which is not theirs.
func (w *world) pictures(id string) item {
	w.t.Helper()
	png, err := base64.StdEncoding.DecodeString(somePNG)
	if err != nil {
		w.t.Fatal(err)
	}
	it := sms(id, "look <b>here</b>", otto, ali)
	for _, f := range []struct {
		name, media string
		content     []byte
	}{
		{"main.smil", "application/smil", []byte(someSMIL)}, {"first.png", "image/png", png}, {"second.png",
			"image/png", append(png, 0)},
		{"words.txt", "text/plain", []byte("words")}, {"fake.png", "image/png", []byte("<script>")},
	} {
		it = w.file(it, f.name, f.content)
		list := it["attachment"].([]item)
		list[len(list)-1]["contentType"] = f.media
	}
	return it
}

func TestMessageBody(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings []func(*start)
		kind     string
		begins   string
		files    string
	}{
		"by default": {nil, "text",
			"look <b>here</b>\r\n\r\n[second.png]\r\n\r\nwords\r\n\r\n[first.png]\r\n\r\n[fake.png]\r\n\r\n---",
			"second.png first.png words.txt main.smil fake.png"},
		"html": {[]func(*start){set("MESSAGE_BODY", "HTML"), set("OUTLOOK_CONVERSATIONS", "true")}, "html",
			"<!DOCTYPE html>",
			"second.png(inline) first.png(inline) words.txt main.smil fake.png"},
	} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t)
			batch := w.put(w.line(w.pictures("m1")))
			w.start(test.settings...).deliver(batch)
			w.became(batch, "archived: ali imported")
			m := w.graph.Messages(ali.id())[0]
			if m.TextType != test.kind || !strings.HasPrefix(m.Text, test.begins) {
				t.Errorf("the body is %s: %.80q", m.TextType, m.Text)
			}
			var files []string
			for _, a := range m.Attachments {
				text := a.Name
				if a.Inline {
					text += "(inline)"
				}
				if a.Inline != (a.ContentID != "") || a.Inline &&
					strings.Count(m.Text, `src="cid:`+a.ContentID+`"`) != 1 {
					t.Errorf("%s is in the body as %q", a.Name, a.ContentID)
				}
				files = append(files, text)
			}
			if got := strings.Join(files, " "); got != test.files {
				t.Errorf("files %s, want %s", got, test.files)
			}
			for _, id := range []string{"String 0x0070", "Binary 0x0071", "Boolean 0x3016"} {
				if _, has := m.Properties[id]; has != (test.kind == "html") {
					t.Errorf("%s is there: %v", id, has)
				}
			}
		}))
	}
}

// HTML can't be cut off: an item that is too long for a request has its text as the body, and the whole of it as a
// file.
func TestLongTextIsNoHTML(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(w.line(sms("m1", strings.Repeat("<&>", 300_000), otto, ali)))
		w.start(set("MESSAGE_BODY", "html")).deliver(batch)
		w.became(batch, "archived: ali imported")
		m := w.graph.Messages(ali.id())[0]
		if m.TextType != "text" || !strings.HasPrefix(m.Text, "<&><&>") {
			t.Errorf("the body is %s: %.80q", m.TextType, m.Text)
		}
	})
}

// A file that is gone ends its own record alone, also where it would be looked at before anything is written.
func TestPictureThatIsGone(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		it := w.pictures("m1")
		media := it["media"].([]record.Media)
		for i := range media {
			media[i].SHA256, media[i].Day = strings.Repeat("ab", 32), mediaDay
		}
		batch := w.put(w.line(it), w.line(w.pictures("m2")))
		w.start().deliver(batch)
		w.became(batch, "failed: ali failed", "archived: ali imported")
	})
}

// Storage that is away while a picture is looked at is waited for: the message must not become another one.
func TestPictureIsWaitedFor(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(w.line(w.pictures("m1")), w.line(sms("m2", "hello", otto, ali)))
		var refused atomic.Int32
		a := w.start(func(s *start) {
			s.rule = func(r *http.Request) archivetest.Fault {
				if strings.Contains(r.URL.Path, "/media/") && refused.Add(1) <= 5 {
					return archivetest.Busy
				}
				return archivetest.Pass
			}
		})
		a.deliver(batch)
		w.became(batch, "archived: ali imported", "archived: ali imported")
	})
}
