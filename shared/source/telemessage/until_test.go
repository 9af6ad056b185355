package telemessage

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"o2archiver/shared/record"
)

// A time that lies after the window in which the item was collected can't be, whether archivedTime is missing or as
// wrong.
func TestTimeAfterTheWindow(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 11, 28, 5, 20, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, item string
		until      time.Time
		ok         bool
	}{
		{"before the end", `{"messageId":"m","messageTime":"2026-11-28T05:00:00Z"}`, until, true},
		{"a day after it", `{"messageId":"m","messageTime":"2026-11-29T05:20:00Z"}`, until, true},
		{"more than a day after it", `{"messageId":"m","messageTime":"2026-11-29T05:20:01Z"}`, until, false},
		{"2099", `{"messageId":"m","messageTime":"2099-01-01T00:00:00Z"}`, until, false},
		{"9999", `{"messageId":"m","messageTime":"9999-12-31T23:59:59Z"}`, until, false},
		{"2099, and archivedTime too",
			`{"messageId":"m","messageTime":"2099-01-01T00:00:00Z","archivedTime":"2099-01-01T00:00:00Z"}`, until,
			false},
		{"2099 in a batch of the form before", `{"messageId":"m","messageTime":"2099-01-01T00:00:00Z"}`, time.Time{},
			true},
		{"a heartbeat", `{"messageId":"m","messageType":"SYSTEM","messageTime":"2099-01-01T00:00:00Z"}`, until, true},
	} {
		_, err := Parse(record.Entry{Version: 1, Until: tt.until,
			Items: []record.Item{{Raw: json.RawMessage(tt.item)}}})
		var fault *record.Fault
		if (err == nil) != tt.ok || err != nil && (!errors.As(err, &fault) || fault.Field != "messageTime") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Of a long SMS such a piece is part of the text, and its time is not the message's.
func TestPartAfterTheWindow(t *testing.T) {
	t.Parallel()
	piece := func(n, at string) record.Item {
		return record.Item{Raw: json.RawMessage(`{"messageId":"p` + n + `","messageTime":"` + at +
			`","textContent":"part ` + n + `;",` +
			`"segmentedData":{"segmentedId":"s","pieceNumber":` + n + `,"totalPieces":2}}`)}
	}
	rec, err := Parse(record.Entry{Version: 1, Total: 2, Until: time.Date(2026, 11, 28, 5, 20, 0, 0, time.UTC),
		Items: []record.Item{piece("1", "2099-01-01T00:00:00Z"), piece("2", "2026-11-28T05:00:00Z")}})
	if err != nil || rec.ID != "p2" || rec.Text != "part 1;part 2;" || rec.Time.Year() != 2026 {
		t.Errorf("%+v, %v", rec, err)
	}
}
