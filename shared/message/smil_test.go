package message

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// smil is one with a reference to each of the names.
func smil(refs ...string) string {
	var b strings.Builder
	b.WriteString("<smil><body><par>")
	for _, ref := range refs {
		fmt.Fprintf(&b, "<img src=%q/>", strings.ReplaceAll(ref, "<", "&lt;"))
	}
	return b.String() + "</par></body></smil>"
}

func TestOrderOfThePresentation(t *testing.T) {
	many := make([]string, maxSMILRefs+1)
	for i := range many {
		many[i] = "c.txt"
	}
	const given = "x.smil a.txt b.txt c.txt"
	for name, c := range map[string]struct{ smil, want string }{
		"names":                {smil("c.txt", "a.txt", "b.txt"), "c.txt a.txt b.txt x.smil"},
		"content ids":          {smil("cid:c.txt", "cid:<b.txt>", "CID:a"), "c.txt b.txt a.txt x.smil"},
		"paths, case, escapes": {smil("media/C.TXT", "%62.txt"), "c.txt b.txt x.smil a.txt"},
		"some":                 {smil("b.txt"), "b.txt x.smil a.txt c.txt"},
		"twice":                {smil("b.txt", "b.txt", "a.txt"), "b.txt a.txt x.smil c.txt"},
		"itself":               {smil("x.smil", "c.txt"), "c.txt x.smil a.txt b.txt"},
		"others":               {smil("http://evil.example/d.txt", "../../e", "file:///etc/passwd", ""), given},
		"in a namespace": {`<smil xmlns="http://www.w3.org/2001/SMIL20/Language"><body><ref src="c.txt"/>` +
			`</body></smil>`, "c.txt x.smil a.txt b.txt"},
		"of the wrong elements": {`<smil><body><script src="c.txt"/><meta src="b.txt"/></body></smil>`, given},
		"empty":                 {"", given},
		"no XML":                {"\x00\xff<<", given},
		"cut off":               {strings.TrimSuffix(smil("c.txt"), "</smil>"), given},
		"an entity": {`<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><smil>` +
			`<img src="c.txt"/>&x;</smil>`, given},
		"a bomb": {`<!DOCTYPE s [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><smil><img src="c.txt"/>&b;</smil>`,
			given},
		"too deep": {strings.Repeat("<par>", maxSMILDepth) + `<img src="c.txt"/>` +
			strings.Repeat("</par>", maxSMILDepth), given},
		"as deep as may be": {strings.Repeat("<par>", maxSMILDepth-1) + `<img src="c.txt"/>` +
			strings.Repeat("</par>", maxSMILDepth-1), "c.txt x.smil a.txt b.txt"},
		"too many references": {smil(many...), given},
		"too large":           {smil("c.txt") + strings.Repeat(" ", maxSMIL), given},
		"a charset that is a lie": {`<?xml version="1.0" encoding="utf-16"?>` + smil("c.txt"),
			"c.txt x.smil a.txt b.txt"},
		"10,000 references, large": {smil(make([]string, 10_000)...), given},
	} {
		t.Run(name, func(t *testing.T) {
			s := store{}
			r := shortText()
			r.Kind = record.MMS
			for _, f := range [][2]string{{"x.smil", c.smil}, {"a.txt", "a"}, {"b.txt", "b"}, {"c.txt", "c"}} {
				r.Attachments = append(r.Attachments,
					record.Attachment{Name: f[0], Type: "text/plain", Size: int64(len(f[1])),
						SHA256: s.put([]byte(f[1]))})
			}
			o := Options{Region: "GB", Peek: s.peek}
			p, err := Parse(strings.NewReader(string(build(t, r, o, s))))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for {
				part, err := p.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, part.Name)
			}
			if diff := cmp.Diff(c.want, strings.Join(names, " ")); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSameStemIsNoAnswer(t *testing.T) {
	r := &record.Record{Kind: record.MMS, Attachments: []record.Attachment{
		{Name: "x.smil"}, {Name: "a.jpg"}, {Name: "a.png"}, {Name: "b.png"}, {Name: "b.png"}}}
	o := Options{Peek: func(record.Attachment, int) ([]byte, error) { return []byte(smil("cid:a", "b.png")), nil }}
	order, err := arrangeBySMIL(r, o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range order {
		got = append(got, a.Name)
	}
	if diff := cmp.Diff([]string{"b.png", "x.smil", "a.jpg", "a.png", "b.png"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// What can't be looked at now must not make another message of the record than what can be looked at later.
func TestErrorOfPeekIsBuilds(t *testing.T) {
	for _, a := range []record.Attachment{{Name: "x.smil"}, {Name: "a.png", Type: "image/png"}} {
		r := shortText()
		r.Kind = record.MMS
		a.Size, a.SHA256 = 100, r.SHA256
		r.Attachments = []record.Attachment{a, {Name: "b"}, {Name: "c"}}
		_, err := Build(r, Options{Peek: func(record.Attachment, int) ([]byte, error) { return nil, errBlob }})
		if !errors.Is(err, errBlob) {
			t.Errorf("%s: error %v", a.Name, err)
		}
	}
}

// Only what has to be looked at is.
func TestPeeksAtLittle(t *testing.T) {
	r := shortText()
	r.Kind = record.MMS
	for _, a := range []record.Attachment{
		{Name: "x.smil", Size: maxSMIL + 1}, {Name: "big.png", Type: "image/png", Size: maxPicture + 1}, {Name: "v.mp4",
			Type: "video/mp4", Size: 10},
		{Name: "empty.png", Type: "image/png"}, {Name: "gone.png", Type: "image/png", Size: 10,
			Gone: "gone"}, {Name: "left-out.png", Type: "image/png", Size: 10},
	} {
		a.SHA256 = r.SHA256
		r.Attachments = append(r.Attachments, a)
	}
	o := Options{
		Peek: func(a record.Attachment, _ int) ([]byte, error) { t.Errorf("looks at %s", a.Name); return nil, nil },
		Omit: func(a record.Attachment) string {
			if a.Name == "left-out.png" {
				return "for a reason"
			}
			return ""
		},
	}
	if _, err := Build(r, o); err != nil {
		t.Fatal(err)
	}
}

func FuzzReferences(f *testing.F) {
	f.Add([]byte(smil("a.png", "cid:<b>")))
	f.Add([]byte(`<!DOCTYPE s [<!ENTITY a "b">]><smil><text src="%zz">&a;</text></smil>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if refs := smilNames(data); len(refs) > maxSMILRefs {
			t.Errorf("%d references", len(refs))
		}
	})
}
