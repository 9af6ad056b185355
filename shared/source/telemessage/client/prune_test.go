package client

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
)

// An item that is too deep for a record keeps everything else, and says what it lacks.
func TestDeepItemIsArchived(t *testing.T) {
	t.Parallel()
	const when = `{"messageId":"m","messageTime":"2026-11-22T09:30:00Z","textContent":"text"`
	for _, levels := range []int{telemessage.MaxDepth + 1, 10_001, 1 << 20} {
		items, _, err := collect(`{"items":[`+when+`,"x":`+nested(levels)+`,"y":"\"[{"}]}`, plain)
		if err != nil || len(items) != 1 || items[0].Whole == "" {
			t.Fatalf("%d levels: %d items, %v", levels, len(items), err)
		}
		r, err := telemessage.Parse(record.Entry{
			Version: 1, Items: []record.Item{{SHA256: items[0].SHA256, Raw: json.RawMessage(items[0].Raw)}},
			RawBlob: "raw/x", RawHash: items[0].SHA256,
		})
		if err != nil {
			t.Fatalf("%d levels: %v", levels, err)
		}
		if diff := cmp.Diff([]string{"item (what is nested deeper than 1000 levels)"}, r.LeftOut); diff != "" ||
			r.ID != "m" || r.Text != "text" {
			t.Errorf("%d levels: %q, text %q, left out (-want +got):\n%s", levels, r.ID, r.Text, diff)
		}
	}
}

// An item that is only kept still has its message id found, wherever it stands, and whatever is wrong with the item.
func TestBigItemNamesItself(t *testing.T) {
	t.Parallel()
	long := `"x":"` + strings.Repeat("\\\"", maxItem/2) + `"`
	pad := long
	if slow {
		pad = `"x":01` // makes an item that is only kept, too
	}
	for name, tt := range map[string]struct{ raw, want string }{
		"first":           {`{"messageId":"m",` + long + `}`, "m"},
		"last":            {`{` + long + ` , "messageId" : "m" }`, "m"},
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
	for _, raw := range []string{`{"messageId":"m"}`, `{"a":["messageId"],"messageId":"\ud83d"}`, `{"messageId":{}}`,
		`"messageId"`} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		id := &idFinder{}
		_, _ = id.Write(raw)
		if o, err := telemessage.Peek(raw); err == nil && len(raw) < maxID && id.found() != o.MessageID {
			t.Errorf("%q, want %q", id.found(), o.MessageID)
		}
		if p := pruneDepth(raw, 3); len(p) > len(raw)+4*len(raw) {
			t.Error(fmt.Sprint(len(p)))
		}
	})
}
