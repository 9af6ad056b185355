package delivery

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/message"
	"o2archiver/shared/record"
)

// contoso are the domains of the organization in these tests.
var contoso = []string{"contoso.com", "xn--bcher-kva.example"}

// withDomains returns the record of an item that was read with these domains.
func withDomains(t testing.TB, eml string, domains []string) *record.Record {
	t.Helper()
	r, err := Parse(described(t, []byte(eml), Options{Domains: domains}))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// outsider is a participant whose address is of another domain.
func outsider(value, name, address string) record.Participant {
	p := one(value, name, "")
	p.Outside = address
	return p
}

// unreadable is Jane Doe with an address that is none: it stays in the name.
func unreadable(address string) record.Participant {
	return record.Participant{FirstName: "Jane", LastName: "Doe <" + address + ">"}
}

func TestDomains(t *testing.T) {
	t.Parallel()
	const number = "447700900123"
	for from, want := range map[string]record.Participant{
		"Jane Doe " + number + " <jane@contoso.com>":    one(number, "Jane Doe", "jane@contoso.com"),
		"Jane Doe <JANE@Contoso.COM>":                   one("", "Jane Doe", "JANE@Contoso.COM"),
		"Jane Doe <jane@contoso.com.>":                  one("", "Jane Doe", "jane@contoso.com"),
		"Jane Doe <jane@xn--bcher-kva.example>":         one("", "Jane Doe", "jane@xn--bcher-kva.example"),
		"Jane Doe " + number + " <jane@client.example>": outsider(number, "Jane Doe", "jane@client.example"),
		"Jane Doe <jane@client.example>":                outsider("", "Jane Doe", "jane@client.example"),
		"Jane <jane@client.example.>":                   outsider("", "Jane", "jane@client.example"),
		"<jane@client.example>":                         outsider("", "", "jane@client.example"),
		number + " <jane@client.example>":               outsider(number, "", "jane@client.example"),
		// Only a domain that is listed counts, not those around it.
		"Jane Doe <jane@uk.contoso.com>":           outsider("", "Jane Doe", "jane@uk.contoso.com"),
		"Jane Doe <jane@notcontoso.com>":           outsider("", "Jane Doe", "jane@notcontoso.com"),
		"Jane Doe <jane@contoso.com.evil.example>": outsider("", "Jane Doe", "jane@contoso.com.evil.example"),
		"Jane Doe <jane@contoso>":                  outsider("", "Jane Doe", "jane@contoso"),
		"Jane Doe <jane@b\u00fccher.example>":      outsider("", "Jane Doe", "jane@b\u00fccher.example"),
		"Jane Doe <jane@c\u043entoso.com>":         outsider("", "Jane Doe", "jane@c\u043entoso.com"), // Cyrillic
		"Jane Doe <jane@contoso.com\u212a>":        outsider("", "Jane Doe", "jane@contoso.com\u212a"),
		// An address that has only the number says nothing else.
		"<" + number + "@sms.example>":                        one(number, "", ""),
		number + " <" + number + "@sms.example>":              one(number, "", ""),
		"Jane Doe +" + number + " <" + number + "@s.example>": one("+"+number, "Jane Doe", ""),
		"+44 7700 900123 Jane <+" + number + "@s.example>":    one("+44 7700 900123", "Jane", ""),
		number + " <" + number + "@contoso.com>":              one(number, "", number+"@contoso.com"),
		"Jane " + number + " <447700900999@s.example>":        outsider(number, "Jane", "447700900999@s.example"),
		"Jane " + number + " <jane." + number + "@s.example>": outsider(number, "Jane", "jane."+number+"@s.example"),
		"<12@s.example>":               outsider("", "", "12@s.example"),
		"<1234567890123456@s.example>": outsider("", "", "1234567890123456@s.example"),
		number + " <" + number + ">":   one(number, "", ""),
		"65000 <>":                     one("65000", "", ""),
		// What is no address, or more than one, is never in Emails.
		"Jane Doe <a@b@contoso.com>":                 unreadable("a@b@contoso.com"),
		"Jane Doe <jane@client.example@contoso.com>": unreadable("jane@client.example@contoso.com"),
		`Jane Doe <"a@b"@contoso.com>`:               unreadable("a@b@contoso.com"),
		`Jane Doe <"jane"@client.example>`:           outsider("", "Jane Doe", "jane@client.example"),
		`Jane Doe <"jane"@contoso.com>`:              one("", "Jane Doe", "jane@contoso.com"),
	} {
		eml := strings.Replace(textItem("text/plain", "x"), "From: Jane Doe 447700900123 <jane@contoso.com>",
			"From: "+from, 1)
		plain, r := parsed(t, eml), withDomains(t, eml, contoso)
		if diff := cmp.Diff(want, r.From); diff != "" {
			t.Errorf("%s (-want +got):\n%s", from, diff)
		}
		// The address in To is made up, and says no more than the number does.
		if diff := cmp.Diff([]record.Participant{{Value: "447700900456"}}, r.To); diff != "" {
			t.Errorf("%s: to (-want +got):\n%s", from, diff)
		}
		if plain.Fingerprint() != r.Fingerprint() || plain.Parties() != r.Parties() {
			t.Errorf("%s: with the domains it is another record", from)
		}
		if given := plain.From.Emails; len(given) > 0 && len(r.From.Emails) == 0 && r.From.Outside != "" &&
			!strings.HasSuffix(strings.TrimSuffix(r.From.Name(), ")"), given[0]) {
			t.Errorf("%s: the name %q does not have the address %q", from, r.From.Name(), given[0])
		}
	}
}

// The domains decide nothing but what becomes of addresses: a sender without a number is the one of the subject.
func TestDomainsAndTheSubject(t *testing.T) {
	t.Parallel()
	const rest = "To: 447700900456 <447700900456@sms.example>\r\nDate: Fri, 27 Nov 2026 09:30:00 +0000\r\n" +
		"X-TELEMESSAGE-ArchiveMessageID: m1\r\nX-TELEMESSAGE-MessageType: SMS\r\n"
	for _, from := range []string{
		"Royal Mail", "Royal Mail <>", "Royal Mail <royal-mail@sms.example>", "<447700900123@sms.example>",
		"447700900123 Royal Mail <447700900123@sms.example>", "Royal Mail <Royal Mail>", "Royal Mail <447700900123>",
	} {
		for _, sender := range []string{"Royal Mail", "447700900123"} {
			eml := "From: " + from + "\r\nSubject: SMS from " + sender + " to 447700900456\r\n" + rest + "\r\nx"
			plain, r := parsed(t, eml), withDomains(t, eml, contoso)
			if plain.Fingerprint() != r.Fingerprint() || plain.Parties() != r.Parties() {
				t.Errorf("%s, %s: %+v is another record than %+v", from, sender, r, plain)
			}
			if len(r.From.Emails) > 0 {
				t.Errorf("%s, %s: addresses %q", from, sender, r.From.Emails)
			}
		}
	}
}

// A line has the domains with which it was read, so that its record stays the same. Without them, and for messages of
// other archives, it is what it was before there were domains.
func TestDomainsInTheLine(t *testing.T) {
	t.Parallel()
	line := func(o Options) string {
		e, err := Describe(strings.NewReader(head+"\r\nx"), o)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	without, with := line(Options{}), line(Options{Domains: contoso})
	if strings.Contains(without, "domains") {
		t.Errorf("without domains: %s", without)
	}
	if got := strings.Replace(with, `,"domains":["contoso.com","xn--bcher-kva.example"]`, "", 1); got != without {
		t.Errorf("with domains: %s", with)
	}
	generic := Options{Source: record.GenericEML}
	without = line(generic)
	generic.Domains = contoso
	if got := line(generic); got != without {
		t.Errorf("of another archive: %s", got)
	}
	e := described(t, []byte(head+"\r\nx"), Options{Source: record.GenericEML})
	e.Mail.Domains = []string{"elsewhere.example"}
	if r, err := Parse(e); err != nil || len(r.From.Emails) != 1 || len(r.To) != 1 || len(r.To[0].Emails) != 1 {
		t.Errorf("of another archive: %+v, %v", r, err)
	}
}

// A message shows the address of an outsider in the name, in no address, and with no effect elsewhere.
func TestDomainsInTheMessage(t *testing.T) {
	t.Parallel()
	eml, err := os.ReadFile("testdata/11-sms-outside.eml")
	if err != nil {
		t.Fatal(err)
	}
	got := messageOf(t, withDomains(t, string(eml), contoso))
	golden := filepath.Join("testdata", "golden", "11-sms-outside.eml")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("differs (-want +got); -update writes it anew:\n%s", diff)
	}
	// The conversation is the one of the items that were read before the domains were known.
	id := func(raw []byte) string { return fieldOfMessage(t, raw, "X-O2-Conversation") }
	if before := messageOf(t, parsed(t, string(eml))); id(before) != id(got) || id(got) == "" {
		t.Errorf("conversation %s, without domains %s", id(got), id(before))
	}
}

// Whatever stands in place of an address, the message has one From and no field of the item's.
func TestHostileOutsiders(t *testing.T) {
	t.Parallel()
	for _, from := range []string{
		"Jane <eve\rBcc:x@client.example>",
		"Jane <eve\x00@client.example>",
		"Jane <=?utf-8?q?eve=0D=0ABcc:_x?=@client.example>",
		"=?utf-8?q?Jane=0D=0ABcc:_x=40y.example?= <eve@client.example>",
		"Jane <eve@client.example), ceo@contoso.com>",
		`Jane <eve"@client.example>`,
		"Jane <eve\\@client.example>",
		"Jane <eve\u202e@client.example>",
		"Jane <eve@client.example\xff>",
		"<=?utf-8?q?eve?=@client.example>",
		"Jane <" + strings.Repeat("e", 900) + "@client.example>",
		"Jane <" + strings.Repeat("e", 90_000) + "@client.example>",
	} {
		r := withDomains(t, "From: "+from+"\r\nDate: Fri, 27 Nov 2026 09:30:00 +0000\r\nTo: 447700900456\r\n"+
			"X-TELEMESSAGE-ArchiveMessageID: m1\r\nX-TELEMESSAGE-MessageType: SMS\r\n\r\nx", contoso)
		if len(r.From.Emails) > 0 && !strings.HasSuffix(r.From.Emails[0], "@contoso.com") {
			t.Errorf("%.60q: addresses %q", from, r.From.Emails)
		}
		raw := messageOf(t, r)
		p, err := message.Parse(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%.60q: %v", from, err)
		}
		if fieldOfMessage(t, raw, "Bcc") != "" || !strings.HasSuffix(p.From.Address, ".invalid") {
			t.Errorf("%.60q: from %+v\n%s", from, p.From, raw)
		}
	}
}

// messageOf returns the message of a record without attachments.
func messageOf(t *testing.T, r *record.Record) []byte {
	t.Helper()
	m, err := message.Build(r, message.Options{Region: "GB"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	none := func(string) (io.ReadCloser, error) { return nil, errors.New("there are none") }
	if err := m.Write(&b, none); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fieldOfMessage returns the value of a field of a message's header, "" if it has none.
func fieldOfMessage(t *testing.T, raw []byte, name string) string {
	t.Helper()
	p, err := message.Parse(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range p.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}
