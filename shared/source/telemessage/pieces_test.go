package telemessage

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// pieceJSON is one item of a long SMS.
func pieceJSON(id, time string, number, total string, text string) string {
	return `{"messageId":"` + id + `","messageTime":"` + time + `","from":{"value":"` + id + `"},"textContent":` +
		text +
		`,"segmentedData":{"segmentedId":"s","pieceNumber":` + number + `,"totalPieces":` + total + `}}`
}

func TestParseParts(t *testing.T) {
	t.Parallel()
	one := pieceJSON("a", "2026-11-22T09:30:01Z", "1", "3", `"first \ud83d"`)
	two := pieceJSON("b", "2026-11-22T09:30:02Z", "2", "3", `"\ude00 second "`)
	three := pieceJSON("c", "2026-11-22T09:30:03Z", "3", "3", `"third"`)
	badTime := pieceJSON("b", "nonsense", "2", "3", `"\ude00 second "`)
	future := pieceJSON("a", "57300-01-01T00:00:00Z", "1", "3", `"first \ud83d"`)
	never := pieceJSON("c", "1970-01-01T00:00:00Z", "3", "3", `"third"`)
	badText := pieceJSON("b", "2026-11-22T09:30:02Z", "2", "3", `7`)
	badID := strings.Replace(one, `"messageId":"a"`, `"messageId":7`, 1)
	heartbeat := strings.Replace(two, `{`, `{"messageType":" system",`, 1)
	zero := pieceJSON("z", "2026-11-22T09:30:00Z", "0", "3", `"zero "`)
	other := pieceJSON("a", "2026-11-22T09:30:01Z", "1", "3", `"first"`)
	piece := func(n int, id, raw string) record.Piece { return record.Piece{Number: n, ID: id, SHA256: hash(raw)} }
	lost := func(n int) record.Piece { return record.Piece{Number: n, Lost: true} }
	tests := []struct {
		name   string
		items  []string
		id     string
		text   string
		pieces []record.Piece
		field  string // of the fault
		left   []string
	}{
		{name: "whole, a pair cut in two", items: []string{one, two, three}, id: "a", text: "first 😀 second third",
			pieces: []record.Piece{piece(1, "a", one), piece(2, "b", two), piece(3, "c", three)}},
		{name: "out of order", items: []string{three, one, two}, id: "a", text: "first 😀 second third",
			pieces: []record.Piece{piece(1, "a", one), piece(2, "b", two), piece(3, "c", three)}},
		{name: "middle missing", items: []string{one, three}, id: "a",
			text:   "first ⟦U+D83D⟧⟦part 2 of 3 is missing⟧third",
			pieces: []record.Piece{piece(1, "a", one), lost(2), piece(3, "c", three)}},
		{name: "only the last", items: []string{three}, id: "c",
			text:   "⟦part 1 of 3 is missing⟧⟦part 2 of 3 is missing⟧third",
			pieces: []record.Piece{lost(1), lost(2), piece(3, "c", three)}},
		{name: "one twice", items: []string{one, one, two, three}, id: "a", text: "first 😀 second third",
			pieces: []record.Piece{piece(1, "a", one), piece(1, "a", one), piece(2, "b", two), piece(3, "c", three)}},
		{name: "a later piece without a time", items: []string{one, badTime, three}, id: "a",
			text:   "first 😀 second third",
			pieces: []record.Piece{piece(1, "a", one), piece(2, "b", badTime), piece(3, "c", three)}},
		{name: "the first piece without a time", items: []string{badTime, three}, id: "c",
			text:   "⟦part 1 of 3 is missing⟧⟦U+DE00⟧ second third",
			pieces: []record.Piece{lost(1), piece(2, "b", badTime), piece(3, "c", three)}},
		{name: "the first piece from the future", items: []string{future, two, three}, id: "b",
			text:   "first 😀 second third",
			pieces: []record.Piece{piece(1, "a", future), piece(2, "b", two), piece(3, "c", three)}},
		{name: "no piece with a time", items: []string{badTime, never}, field: "messageTime"},
		{name: "a piece whose text is none", items: []string{one, badText, three}, id: "a",
			text: "first ⟦U+D83D⟧⟦part 2 of 3 is missing⟧third",
			pieces: []record.Piece{piece(1, "a", one), lost(2),
				piece(3, "c", three)}, left: []string{"textContent of a piece (is not a text)"}},
		{name: "the first piece's id is none", items: []string{badID, two, three}, id: "b",
			text: "⟦part 1 of 3 is missing⟧⟦U+DE00⟧ second third",
			pieces: []record.Piece{lost(1), piece(2, "b", two),
				piece(3, "c", three)}, left: []string{"messageId of a piece (is not a text)"}},
		{name: "a piece that is none", items: []string{one, `{` + when + `}`, three}, id: "a",
			text:   "first ⟦U+D83D⟧⟦part 2 of 3 is missing⟧third",
			pieces: []record.Piece{piece(1, "a", one), lost(2), piece(3, "c", three)},
			left:   []string{"segmentedData of a piece (does not say which piece this is)"}},
		{name: "a piece that is no object", items: []string{one, `[]`, three}, id: "a",
			text: "first ⟦U+D83D⟧⟦part 2 of 3 is missing⟧third",
			pieces: []record.Piece{piece(1, "a", one), lost(2),
				piece(3, "c", three)}, left: []string{"item of a piece (is not a JSON object)"}},
		{name: "a heartbeat among them", items: []string{one, heartbeat, three}, id: "a",
			text: "first ⟦U+D83D⟧⟦part 2 of 3 is missing⟧third",
			pieces: []record.Piece{piece(1, "a", one), lost(2),
				piece(3, "c", three)}, left: []string{"item (a heartbeat among the pieces)"}},
		{name: "no piece that can be read", items: []string{badText, badText}, field: "textContent"},
		{name: "numbers from 0", items: []string{zero, one, two}, id: "z", text: "zero first 😀 second ",
			pieces: []record.Piece{piece(1, "z", zero), piece(2, "a", one), piece(3, "b", two)}},
		{name: "numbers from 0, the second one missing", items: []string{zero, two}, id: "z",
			text:   "zero ⟦part 2 of 3 is missing⟧⟦U+DE00⟧ second ",
			pieces: []record.Piece{piece(1, "z", zero), lost(2), piece(3, "b", two)}},
		{name: "another total",
			items: []string{pieceJSON("a", "2026-11-22T09:30:01Z", "1", "2", `"first \ud83d"`), two,
				three}, id: "a", text: "first 😀 second third",
			pieces: []record.Piece{piece(1, "a", pieceJSON("a", "2026-11-22T09:30:01Z", "1", "2", `"first \ud83d"`)),
				piece(2, "b", two), piece(3, "c", three)}},
		{name: "one twice, with another text", items: []string{one, other, two, three}, id: "a",
			text:   "first 😀 second third",
			pieces: []record.Piece{piece(1, "a", one), piece(1, "a", other), piece(2, "b", two), piece(3, "c", three)},
			left:   []string{"textContent (another text of part 1)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := entry(tt.items...)
			e.Total = 3
			got, err := Parse(e)
			if tt.field != "" {
				var fault *record.Fault
				if !errors.As(err, &fault) || fault.Field != tt.field {
					t.Errorf("error = %v, want a fault of %s", err, tt.field)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != tt.id || got.From.Value != tt.id || got.Total != 3 ||
				got.SHA256 != got.Pieces[len(got.Pieces)-1].SHA256 && len(tt.items) == 1 {
				t.Errorf("identity of the wrong piece: %+v", got)
			}
			if diff := cmp.Diff(tt.text, got.Text); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.pieces, got.Pieces); diff != "" {
				t.Errorf("pieces (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.left, got.LeftOut); diff != "" {
				t.Errorf("left out (-want +got):\n%s", diff)
			}
		})
	}
}

// The pieces' attachments are those of the message, each with what became of it; those of a piece that is archived
// twice come once.
func TestParsePartsWithAttachments(t *testing.T) {
	t.Parallel()
	with := func(raw, files string) string { return strings.Replace(raw, "{", `{"attachment":[`+files+"],", 1) }
	one := with(pieceJSON("a", "2026-11-22T09:30:01Z", "1", "2", `"one "`), `{"name":"1a"},{"name":"1b"}`)
	again := with(pieceJSON("a", "2026-11-22T09:30:01Z", "1", "2", `"one "`), `{"name":"1a again"}`)
	broken := with(pieceJSON("x", "2026-11-22T09:30:01Z", "2", "2", `7`), `{"name":"x"}`)
	two := with(pieceJSON("b", "2026-11-22T09:30:02Z", "2", "2", `"two"`), `{"name":"2"},{"name":"2 not stored"}`)
	e := entry(one, again, broken, two)
	e.Total = 2
	e.Media = []record.Media{{SHA256: "1a", Size: 1, Day: "2026/11/28"}, {Gone: "status 404"}, {SHA256: "again"},
		{SHA256: "x"}, {SHA256: "2", Size: 2}}
	got, err := Parse(e)
	if err != nil {
		t.Fatal(err)
	}
	want := []record.Attachment{{Name: "1a", SHA256: "1a", Size: 1, Day: "2026/11/28"},
		{Name: "1b", Gone: "status 404"},
		{Name: "2", SHA256: "2", Size: 2}, {Name: "2 not stored", Gone: "it was not stored"}}
	if diff := cmp.Diff(want, got.Attachments); diff != "" {
		t.Errorf("attachments (-want +got):\n%s", diff)
	}
	if got.Text != "one two" {
		t.Errorf("text %q", got.Text)
	}
}

// Pieces that are too large for one record name each other, and claim no gap.
func TestParsePartsThatAreApart(t *testing.T) {
	t.Parallel()
	for base, numbers := range map[string][]string{"1": {"1", "2", "3"}, "0": {"0", "1", "2"}} {
		var items []string
		for i, n := range numbers {
			items = append(items, pieceJSON(string(rune('a'+i)), "2026-11-22T09:30:01Z", n, "3", `"text"`))
		}
		first := int(base[0] - '0')
		e := entry(items[0], items[2])
		e.Total, e.Apart = 3, []int{first + 1}
		rest := entry(items[1])
		rest.Total, rest.Apart = 3, []int{first, first + 2}
		for text, e := range map[string]record.Entry{
			"text⟦part 2 of 3 is in another message⟧text":                                e,
			"⟦part 1 of 3 is in another message⟧text⟦part 3 of 3 is in another message⟧": rest,
		} {
			got, err := Parse(e)
			if err != nil || got.Text != text {
				t.Errorf("from %s: %q, %v; want %q", base, got.Text, err, text)
			}
			for _, p := range got.Pieces {
				if p.Lost || p.Apart != (p.ID == "") {
					t.Errorf("from %s: piece %+v", base, p)
				}
			}
		}
	}
}

func TestParsePartsOfHeartbeats(t *testing.T) {
	t.Parallel()
	beat := strings.Replace(pieceJSON("a", "2026-11-22T09:30:01Z", "1", "2", `"no traffic"`), "{",
		`{"messageType":"SYSTEM",`, 1)
	e := entry(beat, beat) // as the form before put them together
	e.Total = 2
	if got, err := Parse(e); err != nil || got.Kind != record.System {
		t.Errorf("%+v, %v", got, err)
	}
}
