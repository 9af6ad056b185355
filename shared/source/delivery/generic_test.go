package delivery

import (
	"strings"
	"testing"

	"o2archiver/shared/phone"
	"o2archiver/shared/record"
)

const genericHead = "Date: Fri, 27 Nov 2026 18:00:00 +0000\r\nFrom: jane@contoso.com\r\nTo: ali@contoso.com\r\n" +
	"Message-ID: <1@contoso.com>\r\n"

// generic returns the record of a message of another archive.
func generic(t *testing.T, eml string, o Options) *record.Record {
	t.Helper()
	o.Source = record.GenericEML
	r, err := Parse(described(t, []byte(eml), o))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The settings of the import come before what a message states, and no message is taken for a heartbeat, which import
// would leave out.
func TestGenericKind(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxWord+1)
	for _, tt := range []struct {
		header  string
		set     record.Kind
		network string
		kind    record.Kind
		want    string // network
	}{
		{"", "", "", record.Message, ""},
		{"", record.SMS, "Contoso Mobile", record.SMS, "Contoso Mobile"},
		{"X-GlobalRelay-MsgType: Mattermost\r\n", "", "", "MATTERMOST", ""},
		{"X-GlobalRelay-MsgType: text\r\n", record.SMS, "", record.SMS, ""},
		{"X-GlobalRelay-MsgType: call_log\r\n", "", "", record.CallLog, ""},
		{"X-GlobalRelay-MsgType: System\r\n", "", "", record.Message, ""},
		{"X-TELEMESSAGE-MessageType: SYSTEM\r\n", "", "", record.Message, ""},
		{"X-TELEMESSAGE-MessageType: MMS\r\nX-GlobalRelay-MsgType: x\r\nX-TELEMESSAGE-Network: O2\r\n", "", "",
			record.MMS, "O2"},
		{"X-TELEMESSAGE-MessageType: MMS\r\nX-TELEMESSAGE-Network: O2\r\n", record.CallLog, "Other", record.CallLog,
			"Other"},
		{"X-GlobalRelay-MsgType: " + long + "\r\nX-TELEMESSAGE-Network: " + long + "\r\n", "", "", record.Message, ""},
		{"X-GlobalRelay-MsgType: =?utf-8?q?a=0D=0AX-Bad:_b?=\r\n", "", "", record.Message, ""},
		{"Subject: System from 447700900123 to 447700900456\r\n", "", "", record.Message, ""},
	} {
		r := generic(t, tt.header+genericHead+"\r\nx", Options{Kind: tt.set, Network: tt.network})
		if r.Kind != tt.kind || r.Network != tt.want {
			t.Errorf("%q with %q: %q %q, want %q %q", tt.header, tt.set, r.Kind, r.Network, tt.kind, tt.want)
		}
	}
}

// The subject of a message of another archive is a person's: nothing is read from it, and it is never left out.
func TestGenericSubject(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{"SMS from 447700900123 to 447700900456", "Photo from Ann to chat group Friends"} {
		r := generic(t, "Subject: "+subject+"\r\n"+genericHead+"\r\nx", Options{Kind: record.SMS})
		if r.Subject != subject || r.GroupMessage || r.GroupName != "" || r.From.Value != "" || r.To[0].Value != "" {
			t.Errorf("%q: %+v", subject, r)
		}
	}
}

// The number is in the field that the settings name. Whatever stands there is the archived phone as given, and only a
// telephone number finds a mailbox.
func TestGenericNumber(t *testing.T) {
	t.Parallel()
	const name = "X-Contoso-Number"
	for _, tt := range []struct{ fields, owner, number string }{
		{"", "", ""},
		{"X-Contoso-Number: +447700900123\r\n", "+447700900123", "+447700900123"},
		{"x-contoso-NUMBER:\r\n  07700 900123 \r\n", "07700 900123", "+447700900123"},
		{"X-Contoso-Number: tel:+447700900123\r\n", "tel:+447700900123", "+447700900123"},
		{"X-Contoso-Number: =?utf-8?q?=2B447700900123?=\r\n", "+447700900123", "+447700900123"},
		{"X-Contoso-Number:\r\nX-Contoso-Number: 07700 900456\r\n", "07700 900456", "+447700900456"},
		{"X-Contoso-Number: 07700 900123, 07700 900456\r\n", "07700 900123, 07700 900456", ""},
		{"X-Contoso-Number: not known\r\n", "not known", ""},
		{"X-Contoso-Number: =?utf-8?q?07700_900123=0D=0ABcc:_eve=40mail.example?=\r\n",
			"07700 900123\r\nBcc: eve@mail.example", ""},
		{"X-Contoso-Number: " + strings.Repeat("7", 100_000) + "\r\n", strings.Repeat("7", 100_000), ""},
		{"X-Contoso-Number: \xff\xfe07700900123\r\n", "⟦byte FFFE⟧07700900123", ""},
	} {
		r := generic(t, tt.fields+genericHead+"\r\nx", Options{NumberField: name})
		number, _ := phone.E164(r.Owner, "GB")
		if number != tt.number || r.Owner != tt.owner {
			t.Errorf("%.60q: owner %.60q, number %q, want %.60q, %q", tt.fields, r.Owner, number, tt.owner, tt.number)
		}
		if len(r.To) != 1 || r.From.Value != "" || len(r.LeftOut) > 0 {
			t.Errorf("%.60q: %+v", tt.fields, r)
		}
		if r := generic(t, tt.fields+genericHead+"\r\nx", Options{}); r.Owner != "" {
			t.Errorf("%.60q: owner %q without the setting", tt.fields, r.Owner)
		}
	}
}

// An item of the vendor that is attached to a message of another archive is an attachment. A journal report is removed
// all the same.
func TestGenericAttachedItem(t *testing.T) {
	t.Parallel()
	attached := func(outer string) string {
		return outer + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n" +
			"look\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + textItem("text/plain", "inner") + "\r\n--b--\r\n"
	}
	r := generic(t, attached(genericHead), Options{})
	if r.ID != "1@contoso.com" || r.Text != "look" || len(r.Attachments) != 1 {
		t.Errorf("an attached item: %q, %q, %d attachments", r.ID, r.Text, len(r.Attachments))
	}
	r = generic(t, attached("X-MS-Journal-Report:\r\n"+genericHead), Options{})
	if r.Text != "inner" {
		t.Errorf("a journal report: %q", r.Text)
	}
}
