package telemessage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/record"
)

// Parse makes the record of a batch's entry. Each of its errors is a *record.Fault: this entry is to
// be quarantined, and nothing else with it.
//
// The texts in the record are valid UTF-8: half of a surrogate pair becomes ⟦U+D83D⟧, bytes that are no
// character ⟦byte FF⟧; control characters and NUL stay. The pieces of a long SMS are one record, with the identity and time of
// the first piece that is there with a time that can be true, and ⟦part 2 of 3 is missing⟧ in place of one that is not.
func Parse(e record.Entry) (*record.Record, error) {
	switch {
	case e.Fault != "":
		return nil, &record.Fault{Field: "item", Reason: e.Fault}
	case e.Version != 1:
		return nil, &record.Fault{Field: "v", Reason: "is not the version that this program knows"}
	case len(e.Items) == 0:
		return nil, &record.Fault{Field: "items", Reason: "is empty"}
	case e.Total > 1 || len(e.Items) > 1:
		return parsePieces(e)
	}
	it, err := readWhole(e.Items[0])
	if err != nil {
		return nil, err
	}
	return finish(it, e, it.text)
}

// readWhole reads an item and refuses what no record can be made of.
func readWhole(i record.Item) (*item, error) {
	it, err := read(i.Raw)
	if err != nil {
		return nil, &record.Fault{Field: "item", Reason: "is not a JSON object"}
	}
	if it.over != nil {
		return nil, it.over
	}
	for _, name := range []string{"messageId", "textContent"} {
		if it.wrong[name] {
			return nil, &record.Fault{Field: name, Reason: "is not a text"}
		}
	}
	it.rec.SHA256 = i.SHA256
	if it.rec.ID = it.messageID(); it.rec.ID == "" {
		it.rec.ID, it.rec.Derived = "sha256:"+i.SHA256, true
	}
	return it, nil
}

// finish makes the record of its (first) item, the whole text and what became of the attachments.
func finish(it *item, e record.Entry, text []byte) (*record.Record, error) {
	r := &it.rec
	r.Text = mark(text)
	for i, src := range it.sources {
		a := record.Attachment{Name: src.Name, Type: src.Type, Size: src.Size, SHA256: src.SHA256(), Digest: src.unusable()}
		switch {
		case i >= len(e.Media):
			a.Gone = "it was not stored"
		case e.Media[i].Gone != "":
			a.Gone = e.Media[i].Gone
		default:
			a.Size, a.SHA256, a.Day = e.Media[i].Size, e.Media[i].SHA256, e.Media[i].Day
		}
		r.Attachments = append(r.Attachments, a)
	}
	if r.Kind == record.System {
		// A heartbeat is counted and never imported: nothing can be wrong with its time.
		r.Time, _ = parseTime(r.TimeText)
		return r, nil
	}
	if err := it.date(e.Until); err != nil {
		return nil, err
	}
	return r, nil
}

// date reads the item's time and refuses one that can't be true.
func (it *item) date(until time.Time) error {
	if it.wrong["messageTime"] {
		return &record.Fault{Field: "messageTime", Reason: "is not a text"}
	}
	it.rec.Time, _ = parseTime(it.rec.TimeText)
	if err := record.Check(&it.rec); err != nil {
		return err
	}
	if !until.IsZero() && it.rec.Time.After(until.Add(24*time.Hour)) {
		return &record.Fault{Field: "messageTime", Reason: "lies more than 24 hours after the time in which the item was collected"}
	}
	return nil
}

// parsePieces puts a long SMS together. A piece that is there twice was archived twice; its text counts once.
func parsePieces(e record.Entry) (*record.Record, error) {
	total := e.Total
	pieces := make([]*item, len(e.Items))
	for i, raw := range e.Items {
		it, err := readWhole(raw)
		if err != nil {
			return nil, err
		}
		if it.segment == nil {
			return nil, &record.Fault{Field: "segmentedData", Reason: "does not say which piece this is"}
		}
		total = max(total, it.segment.Total)
		pieces[i] = it
	}
	if total > maxPieces {
		return nil, &record.Fault{Field: "segmentedData", Reason: fmt.Sprintf("has more than %d pieces", maxPieces)}
	}
	slices.SortStableFunc(pieces, func(a, b *item) int { return cmp.Compare(a.segment.Number, b.segment.Number) })

	// A piece whose own time can't be true is part of the text, but the message gets neither its time nor its identity.
	first := pieces[max(0, slices.IndexFunc(pieces, func(p *item) bool { return p.date(e.Until) == nil }))]
	var (
		text []byte
		list []record.Piece
	)
	for n, rest := 1, pieces; n <= total; n++ {
		if len(rest) == 0 || rest[0].segment.Number > n {
			text = fmt.Appendf(text, "⟦part %d of %d is missing⟧", n, total)
			list = append(list, record.Piece{Number: n, Lost: true})
			continue
		}
		text = append(text, rest[0].text...)
		for len(rest) > 0 && rest[0].segment.Number == n {
			list = append(list, record.Piece{Number: n, ID: rest[0].rec.ID, SHA256: rest[0].rec.SHA256})
			rest = rest[1:]
		}
	}
	for _, other := range pieces {
		for _, name := range other.rec.LeftOut {
			if other == first {
				break
			}
			if !strings.HasSuffix(name, ")") { // the message may well show the first one's field
				name = fmt.Sprintf("%s (in part %d)", name, other.segment.Number)
			}
			if !slices.Contains(first.rec.LeftOut, name) {
				first.leaveOut(name)
			}
		}
	}
	first.rec.Pieces, first.rec.Total = list, total
	return finish(first, e, text)
}
