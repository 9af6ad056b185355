package delivery

import (
	"encoding/base64"
	"fmt"
	"regexp"
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

// A list that does not have the form of RFC 5322: each entry ends in one participant, with its number and address.
func TestReadLooseLists(t *testing.T) {
	t.Parallel()
	const am, bm = "ann@contoso.com", "bob@contoso.com"
	const at, bt = " 447700900123 <" + am + ">", " 447700900124 <" + bm + ">"
	ann, bob := one("447700900123", "Ann", am), one("447700900124", "Bob", bm)
	lee, name := one("447700900123", "Lee, Ann", am), one("", "Undisclosed", "")
	onlyAnn, onlyBob := one("", "", am), one("", "", bm)
	number := one("447700900124", "", "")
	encoded := "=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte("Ann"+at+", Bob"+bt)) + "?="
	bracketed := one("447700900123", "Ann <ann(at)contoso.com>", "")
	for field, want := range map[string][]record.Participant{
		"Lee, Ann" + at:                                        {lee},
		"Lee, Ann" + at + ", Bob" + bt:                         {lee, bob},
		"Bob" + bt + ",\r\n\tLee,\r\n Ann" + at:                {bob, lee},
		"Lee, Ann, PhD" + at:                                   {one("447700900123", "Lee, Ann, PhD", am)},
		"447700900123 Lee, Ann <" + am + ">":                   {lee},
		"447700900123 Lee, Ann <" + am + ">, Bob" + bt:         {lee, bob},
		"Lee, 447700900123 Ann <" + am + ">":                   {lee},
		"Undisclosed, 447700900124":                            {name, number},
		"Undisclosed, 447700900124, 447700900124":              {name, number, number},
		"Undisclosed; Ann" + at:                                {name, ann},
		"Undisclosed, " + am:                                   {name, onlyAnn},
		"Ann" + at + ", Undisclosed":                           {ann, name},
		"447700900124, Ann" + at:                               {number, ann},
		`"Undisclosed", Ann` + at:                              {name, ann},
		"=?utf-8?Q?Lee,_Ann_447700900123?= <" + am + ">":       {lee},
		"=?utf-8?Q?Lee, Ann 447700900123?= <" + am + ">":       {lee},
		"=?utf-8?Q?Lee;_Ann?=" + at + ", Bob" + bt:             {one("447700900123", "Lee; Ann", am), bob},
		"=?utf-8?Q?Ann_<x>?=" + at:                             {one("447700900123", "Ann <x>", am)},
		"=?utf-8?Q?Ann" + at + ", Bob" + bt:                    {one("447700900123", "=?utf-8?Q?Ann", am), bob},
		"=?utf-8?Q?Ann_447700900123_<" + am + ">,_Bob?=" + "x": {ann, one("", "Bobx", "")},
		encoded:                                  {ann, bob},
		"Ann" + at + " Bob" + bt:                 {ann, bob},
		"Ann" + at + "\r\n Bob" + bt + ", " + am: {ann, bob, onlyAnn},
		"<" + am + "><" + bm + ">":               {onlyAnn, onlyBob},
		"Ann <447700900123> <" + am + ">":        {ann},
		am + " " + bm:                            {onlyAnn, onlyBob},
		am + "\r\n\t" + bm:                       {onlyAnn, onlyBob},
		"Ann 447700900123 " + am + " 447700900124 Bob " + bm:     {ann, bob},
		am + " (Ann 447700900123) " + bm + " (447700900124 Bob)": {ann, bob},
		"Ann" + at + "; Bob" + bt + ";":                          {ann, bob},
		"Ann\t447700900123\t<" + am + ">":                        {ann},
		"Team: " + am + ", " + bm + ";":                          {onlyAnn, onlyBob},
		"Team: " + am + "; " + bm:                                {onlyAnn, onlyBob},
		"Team: Lee, Ann" + at + ", 447700900124;, Bob" + bt:      {lee, number, bob},
		"Undisclosed, Team: Ann" + at + ";":                      {name, ann},
		"Undisclosed:;":                                          {name},
		"Undisclosed:;, " + bm:                                   {name, onlyBob},
		"Undisclosed: ;\r\n, Bob" + bt:                           {name, bob},
		"447700900124: " + am + ";":                              {one("447700900124", "", am)},
		"Mobile: 447700900124; Undisclosed":                      {one("447700900124", "Mobile", ""), name},
		"tel:+447700900123":                                      {one("+447700900123", "", "")},
		"tel:%2B447700900123":                                    {one("+447700900123", "", "")},
		"TEL:+44-7700-900123;ext=5, sms:447700900124?body=x":     {one("+44-7700-900123", "", ""), number},
		"smsto:447700900124; mms:447700900124":                   {number, number},
		"tel: 447700900124":                                      {number},
		"Ann tel:447700900123 <" + am + ">":                      {ann},
		"<tel:447700900124;phone-context=+44>":                   {number},
		"<sip:447700900124@x.example;user=phone>":                {one("447700900124", "", "447700900124@x.example")},
		"mailto:" + am + ", MAILTO:" + bm + "?subject=x":         {onlyAnn, onlyBob},
		"Ann 447700900123 mailto:" + am:                          {ann},
		"Ann 447700900123 <mailto:" + am + ">":                   {ann},
		"<Undisclosed>":                                          {name},
		"Ann 447700900123 <ann(at)contoso.com>":                  {bracketed},
		"Ann 447700900123 <447700900456>":                        {one("447700900123", "Ann <447700900456>", "")},
	} {
		got, more := readPeople(field, true)
		if diff := cmp.Diff(want, got); diff != "" || more {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
}

// A name that is a quoted string is a name as it stands, and so is any name in a message of another archive.
func TestNamesStayWhole(t *testing.T) {
	t.Parallel()
	const mail = "room@contoso.com"
	for _, tt := range []struct {
		field    string
		numbered bool
		want     record.Participant
	}{
		{`"Room <5> (07700-900123)" <` + mail + ">", true, one("07700-900123", "Room <5>", mail)},
		{`"sms: 5" <` + mail + ">", true, one("", "sms: 5", mail)},
		{`"tel:555 Ann" (x) <` + mail + ">", false, one("", `"tel:555 Ann" (x)`, mail)},
		{"Ann <447700900123> <" + mail + ">", true, one("447700900123", "Ann", mail)},
		{"Room <5> <" + mail + ">", true, one("", "Room <5>", mail)},
		{"Room <5> <" + mail + ">", false, one("", "Room <5>", mail)},
		{"Room <447700900123> <" + mail + ">", false, one("", "Room <447700900123>", mail)},
		{"Desk tel:447700900123 <" + mail + ">", false, one("", "Desk tel:447700900123", mail)},
	} {
		for name, read := range map[string]func(string, bool) ([]record.Participant, bool){
			"list": readPeople, "authors": readAuthors,
		} {
			got, _ := read(tt.field, tt.numbered)
			if diff := cmp.Diff([]record.Participant{tt.want}, got); diff != "" {
				t.Errorf("%s, %s, numbered %t (-want +got):\n%s", tt.field, name, tt.numbered, diff)
			}
		}
	}
}

// The sender is one: what stands before the address in From is part of the sender's name.
func TestReadAuthors(t *testing.T) {
	t.Parallel()
	const mail = "ann@contoso.com"
	const bob = "Bob 447700900124 <bob@contoso.com>"
	lee, other := one("447700900123", "Lee, Ann", mail), one("447700900124", "Bob", "bob@contoso.com")
	for field, want := range map[string][]record.Participant{
		"Lee, Ann 447700900123 <" + mail + ">":         {lee},
		"447700900123 Lee, Ann <" + mail + ">":         {lee},
		"Lee, 447700900123 Ann <" + mail + ">":         {lee},
		"Lee, Ann, 447700900123 <" + mail + ">":        {lee},
		"Lee, Ann, 447700900123, " + mail:              {lee},
		`Lee, Ann 447700900123`:                        {one("447700900123", "Lee, Ann", "")},
		"Lee; Ann 447700900123 <" + mail + ">":         {one("447700900123", "Lee; Ann", mail)},
		"Lee, Ann":                                     {one("", "Lee, Ann", "")},
		"Lee, Ann 447700900123 <" + mail + ">, " + bob: {lee, other},
		"447700900456, " + bob:                         {one("447700900456", "", ""), other},
		`"Lee, Ann" 447700900123 <` + mail + ">":       {lee},
	} {
		got, more := readAuthors(field, true)
		if diff := cmp.Diff(want, got); diff != "" || more {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
	r := parsed(t, "Date: Fri, 27 Nov 2026 09:30:00 +0000\r\nFrom: Lee, Ann 447700900123 <ann@contoso.com>\r\n"+
		"To: Ray, Bob 447700900124 <bob@contoso.com>\r\n\r\nx")
	if r.From.Value != "447700900123" || len(r.To) != 1 || r.To[0].Value != "447700900124" {
		t.Errorf("from %+v to %+v", r.From, r.To)
	}
}

// wordForm is a word of an address field that has to be found in a participant.
var wordForm = regexp.MustCompile(`[0-9A-Za-z]+`)

// checkNothingLost checks that each word of a field is in a participant. It does not check fields with encoded words,
// names of groups, parameters, or what is no ASCII.
func checkNothingLost(t *testing.T, field string, all []record.Participant) {
	t.Helper()
	other := func(c rune) bool { return c > '~' || c < ' ' || strings.ContainsRune(`=:\%;?`, c) }
	if strings.ContainsFunc(field, other) {
		return
	}
	var there strings.Builder
	for _, p := range all {
		fmt.Fprintln(&there, p.Value, p.Name(), p.Emails)
	}
	for _, word := range wordForm.FindAllString(field, -1) {
		if !strings.Contains(there.String(), word) {
			t.Errorf("%q: %q is in none of %q", field, word, there.String())
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
		`"a\", <b`, "Rota: a@b.example;", "Lee, Ann 447700900123 <a@b.example> Bob <b@b.example>", "<x> <1>, a@b c@d e",
		"(a) tel:+447700900123;ext=5, <(a> b@", "a@b (c d@e) f@g", "1 a, b <c>, d@e@f", "x, y; 123 z <a b@c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		for _, numbered := range []bool{true, false} {
			all, _ := readPeople(field, numbered)
			authors, _ := readAuthors(field, numbered)
			if max(len(all), len(authors)) > len(field)+1 {
				t.Errorf("%d people, %d authors in %d bytes", len(all), len(authors), len(field))
			}
			checkNothingLost(t, field, all)
			checkNothingLost(t, field, authors)
			for _, p := range append(all, authors...) {
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
