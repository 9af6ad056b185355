package telemessage

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// plain is a reader as it is.
func plain(r io.Reader) io.Reader { return r }

// No bound of ours keeps an item from being archived: beyond one, that field is left out, and the record says so.
func TestLargeItemsAreArchived(t *testing.T) {
	t.Parallel()
	list := func(one string, n int) string { return "[" + strings.Repeat(one+",", n-1) + one + "]" }
	const when = `"messageId":"m","messageTime":"2026-11-22T09:30:00Z","textContent":"text"`
	many := strings.Repeat("a@b.example;", 101)
	tests := []struct {
		name, more            string
		people, files, emails int
		left                  []string
	}{
		{"1,001 attachments", `"attachment":` + list("{}", 1001), 0, 1001, 0, nil},
		{"10,000 attachments and one", `"attachment":` + list("{}", maxAttachments+1), 0, maxAttachments, 0,
			[]string{"attachment (all after the first 10000 entries)"}},
		{"10,001 recipients", `"to":` + list(`{"value":"x"}`, 10_001), 10_001, 0, 0, nil},
		{"50,000 recipients and one", `"to":` + list(`{"value":"x"}`, maxPeople+1), maxPeople, 0, 0, []string{"to (all after the first 50000 entries)"}},
		{"101 addresses of one", `"from":{"email":"` + many + `"}`, 0, 0, 101, nil},
		{"101 addresses of 1,000", `"from":{"email":"x"},"to":` + list(`{"email":"`+many+`"}`, 1000), 1000, 0, maxEmails,
			[]string{"to[495].email (all after the item's first 50000 addresses)"}},
		{"a long list of addresses", `"from":{"email":"` + strings.Repeat("someone@contoso.example,", 20_000) + `"}`, 0, 0, maxEmailText / 24,
			[]string{"from.email (all after the first 256 KiB)"}},
		{"a long address", `"from":{"email":"` + strings.Repeat("a", maxEmailText+1) + `"}`, 0, 0, 0, []string{"from.email (all after the first 256 KiB)"}},
		{"deep in a field that nobody reads", `"x":` + nested(900), 0, 0, 0, nil},
		{"deep in a field that is read", `"from":{"fullName":` + nested(900) + `,"email":"x"}`, 0, 0, 1, nil},
		{"long texts", `"subject":"` + strings.Repeat("s", 5<<20) + `","dialogGroupName":"` + strings.Repeat("g", 5<<20) + `"`, 0, 0, 0, nil},
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
			if r.ID != "m" || r.Text != "text" || len(r.To) != tt.people || len(r.Attachments) != tt.files || emails != tt.emails {
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

// An item that is too deep for a record keeps everything else, and says what it lacks.
func TestDeepItemIsArchived(t *testing.T) {
	t.Parallel()
	const when = `{"messageId":"m","messageTime":"2026-11-22T09:30:00Z","textContent":"text"`
	for _, levels := range []int{maxDepth + 1, 10_001, 1 << 20} {
		items, _, err := collect(`{"items":[`+when+`,"x":`+nested(levels)+`,"y":"\"[{"}]}`, plain)
		if err != nil || len(items) != 1 || items[0].Whole == "" {
			t.Fatalf("%d levels: %d items, %v", levels, len(items), err)
		}
		e := entry(items[0].Raw)
		e.RawBlob, e.RawHash = "raw/x", items[0].SHA256
		r, err := Parse(e)
		if err != nil {
			t.Fatalf("%d levels: %v", levels, err)
		}
		if diff := cmp.Diff([]string{"item (what is nested deeper than 1000 levels)"}, r.LeftOut); diff != "" || r.ID != "m" || r.Text != "text" {
			t.Errorf("%d levels: %q, text %q, left out (-want +got):\n%s", levels, r.ID, r.Text, diff)
		}
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

// An item that is only kept still has its message id found, wherever it stands, and whatever is wrong with the item.
func TestBigItemNamesItself(t *testing.T) {
	t.Parallel()
	pad := `"x":"` + strings.Repeat("\\\"", MaxItem/2) + `"`
	for name, tt := range map[string]struct{ raw, want string }{
		"first":           {`{"messageId":"m",` + pad + `}`, "m"},
		"last":            {`{` + pad + ` , "messageId" : "m" }`, "m"},
		"twice":           {`{"messageId":"m",` + pad + `,"messageId":"n"}`, "n"},
		"escaped":         {`{` + pad + `,"message\u0049d":"\u006d\ud83d"}`, "m⟦U+D83D⟧"},
		"a number":        {`{` + pad + `,"messageId":7}`, ""},
		"an object":       {`{` + pad + `,"messageId":{"messageId":"x"}}`, ""},
		"deeper":          {`{` + pad + `,"a":{"messageId":"x"},"b":[{"messageId":"x"}]}`, ""},
		"a value":         {`{` + pad + `,"a":"messageId","b":"x"}`, ""},
		"in a list":       {`["messageId","x",{` + pad + `}]`, ""},
		"a blank":         {`{` + pad + `,"messageId":" "}`, ""},
		"too long":        {`{` + pad + `,"messageId":"` + strings.Repeat("a", maxID) + `"}`, ""},
		"invalid JSON":    {`{"messageId":"m","n":01}`, "m"},
		"invalid escapes": {`{"messageId":"\x","n":01}`, ""},
	} {
		items, _, err := collect(`{"items":[`+tt.raw+`]}`, plain)
		if err != nil || len(items) != 1 || items[0].Big != tt.raw {
			t.Fatalf("%s: %d items, %v", name, len(items), err)
		}
		if items[0].ID != tt.want {
			t.Errorf("%s: the id is %.40q, want %q", name, items[0].ID, tt.want)
		}
	}
}

func FuzzIDFinder(f *testing.F) {
	for _, raw := range []string{`{"messageId":"m"}`, `{"a":["messageId"],"messageId":"\ud83d"}`, `{"messageId":{}}`, `"messageId"`} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		id := &idFinder{}
		_, _ = id.Write(raw)
		if it, err := readItem(raw); err == nil && len(raw) < maxID && id.found() != it.messageID() {
			t.Errorf("%q, want %q", id.found(), it.messageID())
		}
		if p := pruneDepth(raw, 3); len(p) > len(raw)+4*len(raw) {
			t.Error(fmt.Sprint(len(p)))
		}
	})
}
