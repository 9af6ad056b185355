package telemessage

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// No bound of ours keeps an item from being archived: beyond one, that field is left out, and the record says so.
func TestLargeItemsAreArchived(t *testing.T) {
	t.Parallel()
	list := func(one string, n int) string { return "[" + strings.Repeat(one+",", n-1) + one + "]" }
	const when = `"messageId":"m","messageTime":"2026-11-22T09:30:00Z","textContent":"text"`
	many := strings.Repeat("a@b.example;", 101)
	deep := `{"a":` + strings.Repeat("[", 899) + strings.Repeat("]", 899) + "}"
	tests := []struct {
		name, more            string
		people, files, emails int
		left                  []string
	}{
		{"1,001 attachments", `"attachment":` + list("{}", 1001), 0, 1001, 0, nil},
		{"10,000 attachments and one", `"attachment":` + list("{}", maxAttachments+1), 0, maxAttachments, 0,
			[]string{"attachment (all after the first 10000 entries)"}},
		{"10,001 recipients", `"to":` + list(`{"value":"x"}`, 10_001), 10_001, 0, 0, nil},
		{"50,000 recipients and one", `"to":` + list(`{"value":"x"}`, maxPeople+1), maxPeople, 0, 0,
			[]string{"to (all after the first 50000 entries)"}},
		{"101 addresses of one", `"from":{"email":"` + many + `"}`, 0, 0, 101, nil},
		{"101 addresses of 1,000", `"from":{"email":"x"},"to":` + list(`{"email":"`+many+`"}`, 1000), 1000, 0,
			maxEmails,
			[]string{"to[495].email (all after the item's first 50000 addresses)"}},
		{"a long list of addresses", `"from":{"email":"` + strings.Repeat("someone@contoso.example,", 20_000) + `"}`, 0,
			0, maxEmailText / 24,
			[]string{"from.email (all after the first 256 KiB)"}},
		{"a long address", `"from":{"email":"` + strings.Repeat("a", maxEmailText+1) + `"}`, 0, 0, 0,
			[]string{"from.email (all after the first 256 KiB)"}},
		{"deep in a field that nobody reads", `"x":` + deep, 0, 0, 0, nil},
		{"deep in a field that is read", `"from":{"fullName":` + deep + `,"email":"x"}`, 0, 0, 1, nil},
		{"long texts", `"subject":"` + strings.Repeat("s", 5<<20) + `","dialogGroupName":"` + strings.Repeat("g",
			5<<20) + `"`, 0, 0, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := entry("{" + when + "," + tt.more + "}")
			outline, err := Peek(e.Items[0].Raw)
			if err != nil || outline.MessageID != "m" || len(outline.Attachments) != tt.files {
				t.Errorf("outline of %q with %d files, %v", outline.MessageID, len(outline.Attachments), err)
			}
			r, err := Parse(e)
			if err != nil {
				t.Fatal(err)
			}
			emails := len(r.From.Emails)
			for _, p := range r.To {
				emails += len(p.Emails)
			}
			if r.ID != "m" || r.Text != "text" || len(r.To) != tt.people || len(r.Attachments) != tt.files ||
				emails != tt.emails {
				t.Errorf("%q with %d people, %d files, %d addresses", r.ID, len(r.To), len(r.Attachments), emails)
			}
			if len(r.LeftOut) > 1 { // the people behind the one with whom the bound is reached
				r.LeftOut = r.LeftOut[:1]
			}
			if diff := cmp.Diff(tt.left, r.LeftOut); diff != "" {
				t.Errorf("left out (-want +got):\n%s", diff)
			}
		})
	}
}

// A name that comes twice lacks nothing if the last one can be read.
func TestRepeatedMember(t *testing.T) {
	t.Parallel()
	const when = `{"messageId":"m","messageTime":"2026-11-22T09:30:00Z",`
	for raw, want := range map[string][]string{
		`"from":5,"from":{"value":"x"}`:                                          nil,
		`"from":{"value":5,"fullName":7},"from":{"value":"x"}`:                   nil,
		`"from":{"value":5,"value":"x"}`:                                         nil,
		`"from":{"value":"x","value":5}`:                                         {"from.value"},
		`"from":{"value":"x"},"from":5`:                                          {"from"},
		`"to":[{"value":5}],"to":[{"value":"x"}]`:                                nil,
		`"to":[5,{"value":5}]`:                                                   {"to[0]", "to[1].value"},
		`"subject":5,"subject":"x","subjects":5`:                                 nil,
		`"callInfo":{"callID":{}},"callInfo":{"callID":{},"callID":"x"}`:         nil,
		`"attachment":[{"name":5}],"attachment":[{"attachSize":"x"}]`:            {"attachment[0].attachSize"},
		`"segmentedData":5,"segmentedData":{}`:                                   nil,
		`"from":{"fullName":{"firstName":5}},"from":{"fullName":{"lastName":5}}`: {"from.fullName.lastName"},
	} {
		r, err := Parse(entry(when + raw + "}"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, r.LeftOut); diff != "" {
			t.Errorf("%s (-want +got):\n%s", raw, diff)
		}
	}
}

// The journal's line of an item that is quarantined has its message id.
func TestFaultNamesTheItem(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"messageId":"id-of-it","messageTime":"soon"}`:                                 "id-of-it",
		`{"messageId":"id-of-it","messageTime":"2026-11-22T09:30:00Z","textContent":7}`: "id-of-it",
		`{"messageId":"id-of-it","messageTime":7}`:                                      "id-of-it",
		`{"messageId":7}`: "sha256:" + hash(`{"messageId":7}`),
		`{}`:              "sha256:" + hash(`{}`),
		`[]`:              "sha256:" + hash(`[]`),
	} {
		_, err := Parse(entry(raw))
		var fault *record.Fault
		if !errors.As(err, &fault) || fault.ID != want || fault.SHA256 != hash(raw) {
			t.Errorf("%s: %+v, want the id %s", raw, fault, want)
		}
		if err != nil && strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error tells the id: %v", raw, err)
		}
	}
	for e, want := range map[*record.Entry]string{
		{Version: 1, Fault: "too large", ID: "m", RawHash: "00"}: "m",
		{Version: 1, Fault: "too large", RawHash: "00"}:          "sha256:00",
		{Version: 1, Fault: "too large"}:                         "",
	} {
		_, err := Parse(*e)
		var fault *record.Fault
		if !errors.As(err, &fault) || fault.ID != want {
			t.Errorf("%+v: %+v, want the id %s", e, fault, want)
		}
	}
}
