package record

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestKeyIsTheSameOnEveryRun(t *testing.T) {
	// These values are in the mailboxes of every installation: a change imports everything again.
	const want = "899b49ac8ad78faf5a422c7afba34725591567afab4369f2cd460ede98fb6d37"
	got := Key("", "O2-8f1c", "6E7B768E-07E2-4810-8459-485F84F8F204")
	if got != want {
		t.Errorf("Key = %s, want %s", got, want)
	}
	if named := Key("telemessage-o2", "O2-8f1c", "6E7B768E-07E2-4810-8459-485F84F8F204"); named != want {
		t.Errorf("Key with the name of the source = %s, want %s", named, want)
	}
	const wantMessage = "f958f91f18e1093aea04ae165b0bdd7232b371713385e2db0c4629897eb21d26"
	for _, source := range []string{"", "telemessage-o2"} {
		if m := MessageKey(source, "O2-8f1c"); m != wantMessage {
			t.Errorf("MessageKey of the source %q = %s, want %s", source, m, wantMessage)
		}
	}
	if other := Key("eml", "O2-8f1c", "6E7B768E-07E2-4810-8459-485F84F8F204"); other == want {
		t.Error("the source does not change the key")
	}
	if other := MessageKey("eml", "O2-8f1c"); other == wantMessage {
		t.Error("the source does not change the key of the message")
	}
	if lower := Key("", "O2-8f1c", "6e7b768e-07e2-4810-8459-485f84f8f204"); lower != got {
		t.Errorf("the mailbox's case changes the key: %s", lower)
	}
	if other := Key("", "o2-8f1c", "6e7b768e-07e2-4810-8459-485f84f8f204"); other == got {
		t.Error("the message id's case does not change the key")
	}
	if MessageKey("", "O2-8f1c") == got {
		t.Error("the message's key is the copy's")
	}
}

func TestFingerprint(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	base := Record{ID: "a", Kind: SMS, Time: at, From: Participant{Value: "+447700900123"}, Text: "hello",
		To: []Participant{{Value: "07700 900456"}}, Attachments: []Attachment{{SHA256: "00"}}}
	change := func(f func(*Record)) Record {
		r := base
		f(&r)
		return r
	}
	tests := map[string]struct {
		other Record
		same  bool
	}{
		"national spelling":     {change(func(r *Record) { r.From.Value = "07700 900123" }), true},
		"a name":                {change(func(r *Record) { r.From.FirstName = "Jane" }), true},
		"another owner":         {change(func(r *Record) { r.Owner = "447700900456"; r.SHA256 = "11" }), true},
		"another time zone":     {change(func(r *Record) { r.Time = at.In(time.FixedZone("", 3600)) }), true},
		"another text":          {change(func(r *Record) { r.Text = "hello " }), false},
		"another second":        {change(func(r *Record) { r.Time = at.Add(time.Second) }), false},
		"another sender":        {change(func(r *Record) { r.From.Value = "+447700900124" }), false},
		"another attachment":    {change(func(r *Record) { r.Attachments = []Attachment{{SHA256: "01"}} }), false},
		"text moved to subject": {change(func(r *Record) { r.Subject, r.Text = "hello", "" }), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if same := tt.other.Fingerprint() == base.Fingerprint(); same != tt.same {
				t.Errorf("same fingerprint: %v, want %v", same, tt.same)
			}
		})
	}
}

func TestCheckQuarantinesWhatIsImpossible(t *testing.T) {
	archived := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		r    Record
		want string // the field at fault
	}{
		"ordinary":          {Record{ID: "a", Time: archived.Add(-time.Hour), Archived: archived}, ""},
		"14 days late":      {Record{ID: "a", Time: archived.AddDate(0, 0, -14), Archived: archived}, ""},
		"not archived":      {Record{ID: "a", Time: archived}, ""},
		"clock a day ahead": {Record{ID: "a", Time: archived.Add(24 * time.Hour), Archived: archived}, ""},
		"clock more than a day off": {Record{ID: "a", Time: archived.Add(24*time.Hour + 1), Archived: archived},
			"messageTime"},
		"no time": {Record{ID: "a", Archived: archived}, "messageTime"},
		"epoch 0": {Record{ID: "a", Time: time.Unix(0, 0), Archived: archived}, "messageTime"},
		"1999": {Record{ID: "a", Time: time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC)},
			"messageTime"},
		"2000": {Record{ID: "a", Time: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}, ""},
		"year 57300": {Record{ID: "a", Time: time.Date(57300, 1, 1, 0, 0, 0, 0, time.UTC)},
			"messageTime"},
		"no identity": {Record{Time: archived}, "messageId"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var fault *Fault
			got := ""
			if err := Check(&tt.r); errors.As(err, &fault) {
				got = fault.Field
			}
			if got != tt.want {
				t.Errorf("fault in %q, want %q", got, tt.want)
			}
		})
	}
}

func TestParticipantsLeaveOutEmptyOnes(t *testing.T) {
	r := Record{To: []Participant{{}, {Value: "65000"}, {FirstName: " "}, {Emails: []string{"jane@contoso.com"}}}}
	want := []Participant{{Value: "65000"}, {Emails: []string{"jane@contoso.com"}}}
	if diff := cmp.Diff(want, r.Participants()); diff != "" {
		t.Errorf("participants (-want +got):\n%s", diff)
	}
}

func TestNameWithAnAddressOutside(t *testing.T) {
	for _, tt := range []struct {
		p    Participant
		want string
	}{
		{Participant{}, ""},
		{Participant{FirstName: " Jane ", LastName: " Doe "}, "Jane Doe"},
		{Participant{FirstName: "Jane", Emails: []string{"jane@contoso.com"}}, "Jane"},
		{Participant{Outside: "jane@client.example"}, "jane@client.example"},
		{Participant{Value: "65000", Outside: "jane@client.example"}, "jane@client.example"},
		{Participant{FirstName: "Jane", LastName: "Doe", Outside: "jane@client.example"},
			"Jane Doe (jane@client.example)"},
	} {
		if got := tt.p.Name(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.p, got, tt.want)
		}
	}
}
