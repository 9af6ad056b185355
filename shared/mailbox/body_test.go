package mailbox

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/mailbox/mailboxtest"
)

func TestImportHTMLWithPictures(t *testing.T) {
	t.Parallel()
	g, c := open(t, mailboxtest.Options{KeepContent: true})
	m := sms(1)
	m.HTML = `<html><body><p>Hello</p><img src="cid:1@o2archiver.invalid"></body></html>`
	m.Topic, m.Index = "O2 conversation", base64.StdEncoding.EncodeToString(make([]byte, 22))
	files := []*Attachment{
		{Name: "a.png", Type: "image/png", Size: 3, Inline: true, ContentID: "1@o2archiver.invalid",
			Body: strings.NewReader("png")},
		{Name: "big.gif", Type: "image/gif", Size: 2_700_000, Inline: true, ContentID: "2@o2archiver.invalid",
			Body: bytes.NewReader(make([]byte, 2_700_000))},
		{Name: "b.txt", Type: "text/plain", Size: 1, Body: strings.NewReader("b")},
	}
	m.Next = func() (*Attachment, error) {
		if len(files) == 0 {
			return nil, io.EOF
		}
		a := files[0]
		files = files[1:]
		return a, nil
	}
	if _, err := slot(t, c, alice).Import(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	one := g.Messages(alice)[0]
	if one.TextType != "html" || one.Text != m.HTML {
		t.Errorf("the body is %s: %s", one.TextType, one.Text)
	}
	type file struct {
		Name, ContentID string
		Inline          bool
	}
	var got []file
	for _, a := range one.Attachments {
		got = append(got, file{a.Name, a.ContentID, a.Inline})
	}
	want := []file{{"a.png", "1@o2archiver.invalid", true}, {"big.gif", "2@o2archiver.invalid", true},
		{"b.txt", "", false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attachments (-want +got):\n%s", diff)
	}
	props := rest(one.Properties)
	if props["String 0x0070"] != m.Topic || props["Binary 0x0071"] != m.Index || props["Boolean 0x3016"] != "true" {
		t.Errorf("properties %v", props)
	}
}

func TestFitsBody(t *testing.T) {
	for _, c := range []struct {
		html string
		want bool
	}{
		{"", true}, {strings.Repeat("x", maxText), true}, {strings.Repeat("x", maxText+1), false},
		{strings.Repeat("\n", maxText/2), true}, {strings.Repeat("\n", maxText/2+1), false},
	} {
		if got := FitsBody(c.html); got != c.want {
			t.Errorf("%d bytes: %v", len(c.html), got)
		}
	}
	// What fits is sent in the one request that creates the message.
	g, c := open(t, mailboxtest.Options{})
	m := sms(1)
	m.HTML = strings.Repeat(`<p>"\`+"\n", maxText/9) // each 9 bytes of JSON
	if !FitsBody(m.HTML) {
		t.Fatal("does not fit")
	}
	if _, err := slot(t, c, alice).Import(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	if one := g.Messages(alice)[0]; one.Text != m.HTML || g.Requests().Kinds["create"] != 1 {
		t.Errorf("%d bytes arrived of %d", len(one.Text), len(m.HTML))
	}
}
