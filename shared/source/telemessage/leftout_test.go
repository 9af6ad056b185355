package telemessage

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// What the message shows is not said to be left out.
func TestLeftOutIsTrue(t *testing.T) {
	item := func(raw string) record.Item { return record.Item{SHA256: "00", Raw: json.RawMessage(raw)} }
	const head = `"messageId":"m1","messageTime":"2026-11-22T09:30:00Z","messageType":"SMS","textContent":"x",`
	for name, tt := range map[string]struct {
		entry record.Entry
		want  []string
	}{
		"a wrong member, then a right one": {record.Entry{Version: 1,
			Items: []record.Item{item(`{` + head +
				`"from":7,"to":[1],"from":{"value":"65000"},"to":[{"value":"65000"}]}`)}}, nil},
		"a right one, then a wrong one": {record.Entry{Version: 1,
			Items: []record.Item{item(`{` + head + `"from":{"value":"65000"},"from":7}`)}}, []string{"from"}},
		"a field of the second part alone": {record.Entry{Version: 1, Total: 2, Items: []record.Item{
			item(`{` + head + `"from":{"value":"65000"},"subject":1,"segmentedData":{"segmentedId":"s",` +
				`"pieceNumber":1,"totalPieces":2}}`),
			item(`{` + head + `"from":7,"segmentedData":{"segmentedId":"s","pieceNumber":2,"totalPieces":2}}`)}},
			[]string{"subject", "from (in part 2)"}},
	} {
		r, err := Parse(tt.entry)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, r.LeftOut,
			cmp.Transformer("empty", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
