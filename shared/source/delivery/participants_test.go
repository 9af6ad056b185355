package delivery

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// one is a participant in the short form of these tests.
func one(value, name, email string) record.Participant {
	p := record.Participant{Value: value}
	if at := strings.LastIndexByte(name, ' '); at >= 0 {
		p.FirstName, p.LastName = name[:at], name[at+1:]
	} else {
		p.FirstName = name
	}
	if email != "" {
		p.Emails = []string{email}
	}
	return p
}

func TestReadPeople(t *testing.T) {
	t.Parallel()
	const mail = "jane@contoso.com"
	jane, other := one("447700900123", "Jane Doe", mail), one("", "", "b@b.example")
	for field, want := range map[string][]record.Participant{
		"":                                       nil,
		" , ;":                                   nil,
		"Jane Doe 447700900123 <" + mail + ">":   {jane},
		"447700900123 Jane Doe <" + mail + ">":   {jane},
		`"447700900123 Jane Doe" <` + mail + ">": {jane},
		`"Doe, Jane 447700900123" <` + mail + ">":             {one("447700900123", "Doe, Jane", mail)},
		"Doe, Jane 447700900123 <" + mail + ">":               {one("", "Doe", ""), one("447700900123", "Jane", mail)},
		"+44 7700 900123 Jane Doe <" + mail + ">":             {one("+44 7700 900123", "Jane Doe", mail)},
		"Jane Doe (07700 900123) <" + mail + ">":              {one("07700 900123", "Jane Doe", mail)},
		"Jane Doe - 07700-900123 <" + mail + ">":              {one("07700-900123", "Jane Doe", mail)},
		"24 Hour Desk 447700900123 <" + mail + ">":            {one("447700900123", "24 Hour Desk", mail)},
		"100 Club 447700900123 <" + mail + ">":                {one("447700900123", "100 Club", mail)},
		"447700900123 Studio 100 <" + mail + ">":              {one("447700900123", "Studio 100", mail)},
		"12345678901234567890 Jane <" + mail + ">":            {one("", "12345678901234567890 Jane", mail)},
		"Jane 2 <" + mail + ">":                               {one("", "Jane 2", mail)},
		"65000 <>":                                            {one("65000", "", "")},
		`"x" <>`:                                              {one("", "x", "")},
		"447700900123 <447700900123>":                         {one("447700900123", "", "")},
		"447700900123":                                        {one("447700900123", "", "")},
		"<tel:+447700900123>":                                 {one("+447700900123", "", "")},
		"447700900901 <447700900901@u.example>":               {one("447700900901", "", "447700900901@u.example")},
		"<447700900901@u.example>":                            {one("447700900901", "", "447700900901@u.example")},
		mail:                                                  {one("", "", mail)},
		mail + ";":                                            {one("", "", mail)},
		mail + "; " + "447700900123 Jane Doe <" + mail + ">;": {one("", "", mail), jane},
		mail + " (447700900123 Jane Doe)":                     {jane},
		"447700900456, Jane Doe 447700900123 <" + mail + ">":  {one("447700900456", "", ""), jane},
		`"Jane 447700900123 <` + mail + ">, b@b.example":      {one("447700900123", `"Jane`, mail), other},
		"Jane <" + mail + ", b@b.example":                     {one("", "Jane", mail), other},
		"=?utf-8?q?Ren=C3=A9e_447700900123?= <" + mail + ">":  {one("447700900123", "Ren\u00e9e", mail)},
		"=?x-own?q?Jane?= 447700900123 <" + mail + ">":        {one("447700900123", "=?x-own?q?Jane?=", mail)},
		"Ren\u00e9e 447700900123 <" + mail + ">":              {one("447700900123", "Ren\u00e9e", mail)},
		"Rota: 447700900123 Jane Doe <" + mail + ">;":         {jane},
	} {
		got, more := readPeople(field, true)
		if diff := cmp.Diff(want, got); diff != "" || more {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
}

func TestSubjectHasTheNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]subject{
		"SMS from 447700900123 to 447700900456": {kind: "SMS", from: "447700900123", to: "447700900456"},
		"CallLog from +447700900123 to 65000":   {kind: "CallLog", from: "+447700900123", to: "65000"},
		"SMS from 447700900123 to chat group Rota to Bath": {
			kind: "SMS", from: "447700900123", group: "Rota to Bath", toGroup: true},
		"Deleted SMS from 447700900123 to 447700900456": {
			kind: "Deleted SMS", from: "447700900123", to: "447700900456"},
		"SMS from Royal Mail to 447700900456": {kind: "SMS", sender: "Royal Mail", to: "447700900456"},
		"SMS from Jane to Ali":                {kind: "SMS", sender: "Jane"},
		"Notes":                               {},
		"":                                    {},
	} {
		if diff := cmp.Diff(want, readSubject(text), cmp.AllowUnexported(subject{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	r := parsed(t, "Date: Fri, 27 Nov 2026 09:30:00 +0000\r\nFrom: jane@contoso.com\r\nTo: ali@contoso.com\r\n"+
		"Subject: MMS from 447700900123 to 447700900456\r\n\r\n")
	if r.From.Value != "447700900123" || len(r.To) != 1 || r.To[0].Value != "447700900456" || r.Kind != record.MMS {
		t.Errorf("%+v", r)
	}
	r = parsed(t, "Date: Fri, 27 Nov 2026 09:30:00 +0000\r\nSubject: SMS from 447700900123 to 447700900456\r\n\r\n")
	if r.From.Value != "447700900123" || len(r.To) != 1 || r.To[0].Value != "447700900456" {
		t.Errorf("no addresses: %+v", r)
	}
}

// 100,000 recipients are within the limit of a header. The record has as many as one of another source may have.
func TestManyRecipients(t *testing.T) {
	t.Parallel()
	var to strings.Builder
	for n := range 100_000 {
		fmt.Fprintf(&to, ",\r\n 447700900%03d <u%d@contoso.com>", n%1000, n)
	}
	r := parsed(t, "To: jane@contoso.com"+to.String()+"\r\n"+textItem("text/plain", "x"))
	if len(r.To) != maxPeople || len(r.LeftOut) != 1 || r.LeftOut[0] != "to (all after the first 50000 entries)" {
		t.Errorf("%d recipients, left out %q", len(r.To), r.LeftOut)
	}
}

func FuzzReadPeople(f *testing.F) {
	for _, seed := range []string{
		`"Doe, Jane 447700900123" <jane@contoso.com>, 65000`, `"x" <>, (a) b@c;`, "=?utf-8?q?a?= <<b>",
		`"a\", <b`, "Rota: a@b.example;",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		for _, numbered := range []bool{true, false} {
			all, _ := readPeople(field, numbered)
			if len(all) > len(field)+1 {
				t.Errorf("%d people in %d bytes", len(all), len(field))
			}
			for _, p := range all {
				if n := countDigits(p.Value); p.Value != "" && (n < minDigits || n > maxDigits) {
					t.Errorf("number %q", p.Value)
				}
				found := append([]string{p.Value, p.FirstName, p.LastName}, p.Emails...)
				plain := (&record.Record{From: p}).Parties()
				moveOutside(&p, []string{"contoso.com"})
				for _, email := range p.Emails {
					if !strings.HasSuffix(record.LowerASCII(email), "@contoso.com") {
						t.Errorf("address %q", email)
					}
				}
				if (&record.Record{From: p}).Parties() != plain || p.Value+p.Name() == "" && len(p.Emails) == 0 {
					t.Errorf("with the domains it is another person: %+v", p)
				}
				for _, s := range append(found, p.Outside) {
					if !utf8.ValidString(s) {
						t.Errorf("invalid UTF-8 %q", s)
					}
				}
			}
		}
		readSubject(field)
	})
}
