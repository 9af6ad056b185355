package message

import (
	"slices"
	"strings"
	"testing"

	"o2archiver/shared/record"
)

// parsed is a record's message, read back.
func parsed(t *testing.T, r *record.Record, o Options) *Parsed {
	t.Helper()
	s := store{}
	p, err := Parse(strings.NewReader(string(build(t, r, o, s))))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func header(p *Parsed, name string) string {
	i := slices.IndexFunc(p.Headers, func(h Header) bool { return h.Name == name })
	if i < 0 {
		return ""
	}
	return p.Headers[i].Value
}

func TestNumbersInEnvelopesAreTheNumbers(t *testing.T) {
	bare := shortText()
	bare.From = record.Participant{Value: "+447700900999"}
	want := parsed(t, bare, Options{Region: "GB"})
	for _, spelling := range []string{"07700 900999", "+447700900999/TYPE=PLMN", "tel:+447700900999",
		"sip:+447700900999@ims.example;user=phone",
		"<tel:+447700900999>", "tel:7700900999;phone-context=+44", "07700 900999 ext 5", "07700 900999 x5",
		"*31#07700900999", "#31#07700900999",
		"14107700900999", "07700900999,,5#", "+44 (0)7700 900999", "0044 7700 900999"} {
		r := shortText()
		r.From = record.Participant{Value: spelling}
		p := parsed(t, r, Options{Region: "GB"})
		if p.From.Address != "447700900999@sms.o2archiver.invalid" || p.ID != want.ID ||
			header(p, "X-O2-Conversation") != header(want, "X-O2-Conversation") {
			t.Errorf("%s: from %s, another message or conversation", spelling, p.From.Address)
		}
		if !strings.Contains(p.Text, ", "+spelling+", ") && !strings.Contains(p.Text, "given as "+spelling) &&
			!strings.Contains(p.Text, "given as \""+spelling+"\"") {
			t.Errorf("%s is not shown as given:\n%s", spelling, p.Text)
		}
		if !strings.Contains(p.Text, "\r\nFrom: +447700900999") {
			t.Errorf("%s is not shown as the number it is", spelling)
		}
	}
}

func TestShortCodesInEnvelopes(t *testing.T) {
	for _, tt := range []struct{ bare, given string }{{"65000", "65000/TYPE=PLMN"},
		{"65000", "tel:65000;phone-context=+44"}, {"HMRC", "<HMRC>"},
		{"anonymous", "sip:anonymous@anonymous.invalid"}} {
		a, b := shortText(), shortText()
		a.From, b.From = record.Participant{Value: tt.bare}, record.Participant{Value: tt.given}
		one, other := parsed(t, a, Options{Region: "GB"}), parsed(t, b, Options{Region: "GB"})
		if one.From.Address != other.From.Address ||
			header(one, "X-O2-Conversation") != header(other, "X-O2-Conversation") {
			t.Errorf("%s and %s are two senders: %s, %s", tt.bare, tt.given, one.From.Address, other.From.Address)
		}
	}
}

func TestInsertAddressTokenIsTheOwner(t *testing.T) {
	for _, tt := range []struct{ value, direction, owner, want string }{
		{"insert-address-token", "Out", "447700900123", "447700900123@sms.o2archiver.invalid"},
		{"Insert-Address-Token/TYPE=PLMN", "OUT", "07700 900123", "447700900123@sms.o2archiver.invalid"},
		{"<insert-address-token>", "", "447700900123", "447700900123@sms.o2archiver.invalid"},
		{"insert-address-token", "In", "447700900123", "unknown@sms.o2archiver.invalid"},
		{"insert-address-token", "Out", "", "unknown@sms.o2archiver.invalid"},
	} {
		r := shortText()
		r.Kind, r.From, r.Direction, r.Owner = record.MMS, record.Participant{Value: tt.value}, tt.direction, tt.owner
		before := r.Fingerprint()
		p := parsed(t, r, Options{Region: "GB"})
		if p.From.Address != tt.want {
			t.Errorf("%+v: from %s, want %s", tt, p.From.Address, tt.want)
		}
		if r.Fingerprint() != before || !strings.Contains(p.Text, "\""+tt.value+"\"") {
			t.Errorf("%+v: not as given", tt)
		}
		if named := strings.Contains(p.Text, "neither the sender"); named && strings.HasPrefix(tt.want, "447") {
			t.Errorf("%+v: the owner is said not to be the sender", tt)
		}
	}
}

func TestAddressesInEntries(t *testing.T) {
	for given, want := range map[string]string{
		"Bob Baker <Bob@contoso.example>":          "Bob@contoso.example",
		"<bob@contoso.example>":                    "bob@contoso.example",
		"mailto:bob%40contoso.example":             "bob@contoso.example",
		"SMTP:bob@contoso.example":                 "bob@contoso.example",
		"bob@contoso.example.":                     "bob@contoso.example",
		"ｂｏｂ＠contoso.example":                      "bob@contoso.example",
		"\"Baker; Bob\" <bob@contoso.example>":     "bob@contoso.example",
		"bob@contoso.İxample":                      "447700900999@sms.o2archiver.invalid",
		"bob@\u212aent.example":                    "447700900999@sms.o2archiver.invalid",
		"bob@b\u017f.example":                      "447700900999@sms.o2archiver.invalid",
		"mailto:x%0d%0aBcc:%20bob@contoso.example": "447700900999@sms.o2archiver.invalid",
	} {
		r := shortText()
		r.From = record.Participant{Value: "07700 900999", Emails: []string{given}}
		p := parsed(t, r, Options{Region: "GB"})
		if p.From.Address != want {
			t.Errorf("%q: from %s, want %s", given, p.From.Address, want)
		}
		if !strings.Contains(p.Text, string(appendQuote(nil, given, maxShown))) {
			t.Errorf("%q is not shown as given", given)
		}
	}
}

func TestFoundAddressesStandInFromAndTo(t *testing.T) {
	r := shortText()
	r.From = record.Participant{Value: "07700 900999", Emails: []string{"private@example.com"}}
	r.To = []record.Participant{{}, {Value: "+447700900456"}, {Value: "+447700900789"}}
	o := Options{Region: "GB",
		Addresses: map[int]string{0: "jane@contoso.example", 2: "sam@contoso.example",
			3: "no address\r\nBcc: x@y.example"}}
	p := parsed(t, r, o)
	var got []string
	for _, a := range append([]Address{p.From}, p.To...) {
		got = append(got, a.Address)
	}
	want := []string{"jane@contoso.example", "sam@contoso.example", "447700900789@sms.o2archiver.invalid"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	plain := parsed(t, r, Options{Region: "GB"})
	if p.ID != plain.ID || p.References != plain.References || p.ThreadTopic != plain.ThreadTopic ||
		p.Subject != plain.Subject {
		t.Error("the addresses change more than From and To")
	}
	if !strings.Contains(p.Text, "private@example.com") {
		t.Error("the address of the item is gone")
	}
	r.To, r.From.Emails = nil, []string{"someone@contoso.example"}
	if p := parsed(t, r, Options{}); p.From.Address != "someone@contoso.example" {
		t.Errorf("without an address found: %s", p.From.Address)
	}
}
