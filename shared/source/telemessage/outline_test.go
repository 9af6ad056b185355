package telemessage

import (
	"fmt"
	"testing"
	"time"
)

func TestPeekTellsConversationsApart(t *testing.T) {
	t.Parallel()
	piece := func(owner, from, to string) Outline {
		t.Helper()
		o, err := Peek(fmt.Appendf(nil,
			`{"messageTime":"2026-11-22T10:30:00+01:00","msisdn":%q,"from":{"value":%q},"to":%s,
			"segmentedData":{"segmentedId":"7","pieceNumber":1,"totalPieces":2}}`, owner, from, to))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	first := piece("447700900123", "+447700900123", `[{"value":"07700 900456"},{"value":"HMRC"}]`)
	if want := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC); !first.Time.Equal(want) {
		t.Errorf("time %v, want %v", first.Time, want)
	}
	if len(first.Parties) != 32 {
		t.Errorf("parties %q, want 32 hex digits", first.Parties)
	}
	tests := []struct {
		name            string
		owner, from, to string
		same            bool
	}{
		{"other spellings, other order", "07700 900123", "447700900123",
			`[{"value":" hmrc "},{"value":"+44 7700 900456"}]`, true},
		{"one of them twice", "447700900123", "447700900123",
			`[{"value":"HMRC"},{"value":"HMRC"},{"value":"07700900456"}]`, true},
		{"other owner", "447700900456", "+447700900123", `[{"value":"07700 900456"},{"value":"HMRC"}]`, false},
		{"other recipient", "447700900123", "+447700900123", `[{"value":"07700 900457"},{"value":"HMRC"}]`, false},
		{"one recipient less", "447700900123", "+447700900123", `[{"value":"07700 900456"}]`, false},
		{"the other way", "447700900123", "07700 900456", `[{"value":"+447700900123"},{"value":"HMRC"}]`, false},
		{"other sender by name", "447700900123", "O2", `[{"value":"07700 900456"},{"value":"HMRC"}]`, false},
	}
	for _, tt := range tests {
		if got := piece(tt.owner, tt.from, tt.to); (got.Parties == first.Parties) != tt.same {
			t.Errorf("%s: the same parties: %v, want %v", tt.name, !tt.same, tt.same)
		}
	}
	for _, raw := range []string{
		`{"msisdn":"447700900123"}`, // no part of a long SMS: not needed
		`{"messageTime":"soon","segmentedData":{"segmentedId":"7","pieceNumber":1,"totalPieces":2}}`,
	} {
		if o, err := Peek([]byte(raw)); err != nil || o.Parties != "" || !o.Time.IsZero() {
			t.Errorf("%s: parties %q, time %v, error %v; want none", raw, o.Parties, o.Time, err)
		}
	}
}
