package longsms

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/record"
)

var start = time.Date(2026, 11, 23, 5, 30, 0, 700e6, time.UTC)

// parsePiece reads "A1/2@10m": piece 1 of 2 of message A, sent at 10 minutes. A mark after the message's letter makes
// another item of it: "A'1/2@10m".
func parsePiece(t *testing.T, s string, short bool) Part {
	t.Helper()
	var number, total int
	name, sent, _ := strings.Cut(s, "@")
	i := strings.IndexAny(name, "123456789")
	_, err := fmt.Sscanf(name[i:], "%d/%d", &number, &total)
	d, derr := time.ParseDuration(sent)
	if err != nil || derr != nil {
		t.Fatalf("%s: %v, %v", s, err, derr)
	}
	return Part{Group: "g", Number: number, Total: total, ID: name, Sent: start.Add(d), Size: 100, Short: short, Key: s}
}

func TestPuttingTogether(t *testing.T) {
	tests := []struct {
		name, pieces string
		near, all    string // messages, ! if complete; "" for all: the same
	}{
		{"in order", "A1/2@0s A2/2@1s", "A1+A2!", ""},
		{"out of order", "A3/3@2s A1/3@0s A2/3@1s", "A1+A2+A3!", ""},
		{"one missing", "A3/3@2s A1/3@0s", "A1+A3", ""},
		{"the same piece twice", "A1/2@0s A1/2@0s A2/2@1s", "A1+A1+A2!", ""},
		{"the same piece again after the last", "A1/2@0s A2/2@1s A1/2@0s", "A1+A1+A2!", ""},
		{"two messages, one after the other", "A1/2@0s A2/2@1s B1/2@2s B2/2@3s", "A1+A2! B1+B2!", ""},
		{"two messages, mixed up", "A1/2@0s B1/2@2s A2/2@1s B2/2@3s", "A1+A2! B1+B2!", ""},
		{"two messages at one moment", "A1/2@0s A2/2@0s B1/2@0s B2/2@0s", "A1+A2! B1+B2!", ""},
		{"other number of pieces", "A1/2@0s B2/3@1s A2/2@2s", "A1+A2! B2", ""},
		{"a piece lost, the id used again an hour later", "A1/2@0s B2/2@61m B1/2@60m", "A1 B1+B2!", ""},
		{"the same, a piece of each", "A1/2@0s B2/2@61m", "A1 B2", "A1+B2!"},
		{"the same with the count of a phone, days later: never mixed", "A1/2@0s B2/2@72h", "A1 B2", ""},
		{"a piece that was sent hours later", "A1/3@0s A2/3@3h A3/3@30h", "A1 A2 A3", "A1+A2+A3!"},
		{"the nearest first", "A1/2@0s B1/2@30h B2/2@31h", "A1 B1 B2", "A1 B1+B2!"},
		{"one lost of each of two", "A1/3@0s A2/3@1s B2/3@20h B3/3@20h", "A1+A2 B2+B3", ""},
		{"twice, hours apart", "A1/3@0s A2/3@1s A2/3@20h A3/3@20h", "A1+A2 A2+A3", "A1+A2+A2+A3!"},
	}
	show := func(sets []*Message) string {
		var all []string
		for _, s := range sets {
			var names []string
			for _, p := range s.Parts {
				name, _, _ := strings.Cut(p.Key, "/")
				names = append(names, name)
			}
			text := strings.Join(names, "+")
			if s.IsComplete() {
				text += "!"
			}
			all = append(all, text)
		}
		return strings.Join(all, " ")
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := NewGroups()
			for s := range strings.FieldsSeq(tt.pieces) {
				all.Add(parsePiece(t, s, true))
			}
			if got := show(all.NearbyMessages()); got != tt.near {
				t.Errorf("near: %s, want %s", got, tt.near)
			}
			want := tt.all
			if want == "" {
				want = tt.near
			}
			if got := show(all.AllMessages()); got != want {
				t.Errorf("all: %s, want %s", got, want)
			}
		})
	}
	t.Run("an id that is no phone's count has no time-out", func(t *testing.T) {
		all := NewGroups()
		for s := range strings.FieldsSeq("A1/2@0s A2/2@240h") {
			all.Add(parsePiece(t, s, false))
		}
		if got := show(all.AllMessages()); got != "A1+A2!" {
			t.Errorf("all: %s", got)
		}
	})
}

// Whatever a source sends, no piece is lost, and a message has a size that a batch can hold.
func TestManyPartsOfOneID(t *testing.T) {
	all := NewGroups()
	for i := range 3000 {
		p := parsePiece(t, "A1/255@0s", true)
		p.Number, p.Size = i%255+1, 8<<10
		if i%2 == 0 {
			p.ID = fmt.Sprint(i)
		}
		all.Add(p)
	}
	count := 0
	for _, s := range all.AllMessages() {
		count += len(s.Parts)
		if size := len(s.Parts) * 8 << 10; size > maxSize || size != s.size || len(s.Parts) > maxParts {
			t.Errorf("a message of %d pieces and %d bytes, counted as %d", len(s.Parts), size, s.size)
		}
	}
	if count != 3000 {
		t.Errorf("%d pieces of 3000", count)
	}
}

func TestPartsHaveTheLatestEnd(t *testing.T) {
	at := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	set := Message{Parts: []Part{
		{Total: 2, Until: at}, {Total: 2, Until: at.Add(time.Hour)}, {Total: 2, Item: record.Item{}},
	}}
	if got := set.Entry().Until; !got.Equal(at.Add(time.Hour)) {
		t.Errorf("until %v", got)
	}
}
