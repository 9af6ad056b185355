package telemessage

import (
	"bytes"
	"cmp"
	"errors"
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
		return nil, &record.Fault{Field: "item", Reason: e.Fault, ID: cmp.Or(e.ID, derivedID(e.RawHash)), SHA256: e.RawHash}
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
	return finishRecord(it, e, it.text)
}

// readWhole reads an item and refuses what no record can be made of. The item is there with a fault too, unless it is no object.
func readWhole(i record.Item) (*item, error) {
	it, err := readItem(i.Raw)
	if err != nil {
		return nil, &record.Fault{Field: "item", Reason: "is not a JSON object", ID: derivedID(i.SHA256), SHA256: i.SHA256}
	}
	it.rec.SHA256 = i.SHA256
	if it.rec.ID = it.messageID(); it.rec.ID == "" {
		it.rec.ID, it.rec.Derived = derivedID(i.SHA256), true
	}
	for _, name := range []string{"messageId", "textContent"} {
		if it.wrong[name] {
			return it, it.fault(name, "is not a text")
		}
	}
	return it, nil
}

// derivedID is the identity of an item that has none of its own; "" if its hash is not known.
func derivedID(sha string) string {
	if sha == "" {
		return ""
	}
	return "sha256:" + sha
}

func (it *item) fault(field, reason string) *record.Fault {
	return &record.Fault{Field: field, Reason: reason, ID: it.rec.ID, SHA256: it.rec.SHA256}
}

// finishRecord makes the record of its (first) item, the whole text and what became of the attachments.
func finishRecord(it *item, e record.Entry, text []byte) (*record.Record, error) {
	r := &it.rec
	r.Text = markInvalid(text)
	if e.RawBlob != "" {
		it.leaveOut(fmt.Sprintf("item (what is nested deeper than %d levels)", maxDepth))
	}
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
		return it.fault("messageTime", "is not a text")
	}
	it.rec.Time, _ = parseTime(it.rec.TimeText)
	if err := record.Check(&it.rec); err != nil {
		return err
	}
	if !until.IsZero() && it.rec.Time.After(until.Add(24*time.Hour)) {
		return it.fault("messageTime", "lies more than 24 hours after the time in which the item was collected")
	}
	return nil
}

// parsePieces puts a long SMS together. A piece that is there twice was archived twice; its text counts once. One that can't be
// read, or is no piece, is missing, and the others are the message.
func parsePieces(e record.Entry) (*record.Record, error) {
	var (
		pieces []*item
		whole  = joined{total: e.Total}
		first  error // fault
		beat   *item
	)
	for _, raw := range e.Items {
		it, err := readWhole(raw)
		if it != nil { // an item that is no object never had any
			it.media = e.Media[:min(len(e.Media), len(it.sources))]
			e.Media = e.Media[len(it.media):]
		}
		switch {
		case err != nil:
		case it.segment != nil:
			pieces = append(pieces, it)
			continue
		case it.rec.Kind == record.System:
			beat = it
			whole.lacks("item (a heartbeat among the pieces)")
			continue
		default:
			err = it.fault("segmentedData", "does not say which piece this is")
		}
		first = cmp.Or(first, err)
		var fault *record.Fault
		if errors.As(err, &fault) {
			whole.lacks(fault.Field + " of a piece (" + fault.Reason + ")")
		}
	}
	switch {
	case len(pieces) > 0:
		return whole.join(pieces, e)
	case first != nil:
		return nil, first
	}
	return finishRecord(beat, record.Entry{}, beat.text)
}

// joined is a long SMS while it is put together.
type joined struct {
	total int
	base  int // what is added to the pieces' numbers: 1 where they count from 0
	text  []byte
	list  []record.Piece
	left  []string // record.Record.LeftOut beside what the first piece lacks
}

func (j *joined) lacks(name string) {
	if !slices.Contains(j.left, name) {
		j.left = append(j.left, name)
	}
}

func (j *joined) join(pieces []*item, e record.Entry) (*record.Record, error) {
	slices.SortStableFunc(pieces, func(a, b *item) int { return cmp.Compare(a.segment.Number, b.segment.Number) })
	if pieces[0].segment.Number == 0 || slices.Contains(e.Apart, 0) {
		j.base = 1
	}
	for _, p := range pieces {
		j.total = max(j.total, p.segment.Total, p.segment.Number+j.base)
	}
	if j.total > maxPieces {
		return nil, pieces[0].fault("segmentedData", fmt.Sprintf("has more than %d pieces", maxPieces))
	}
	// A piece whose own time can't be true is part of the text, but the message gets neither its time nor its identity.
	first := pieces[max(0, slices.IndexFunc(pieces, func(p *item) bool { return p.date(e.Until) == nil }))]
	var (
		sources []AttachmentSource
		media   []record.Media
	)
	rest := pieces
	for n := 1; n <= j.total; n++ {
		at := slices.IndexFunc(rest, func(p *item) bool { return p.segment.Number+j.base != n })
		if at < 0 {
			at = len(rest)
		}
		same := rest[:at]
		rest = rest[at:]
		if len(same) == 0 {
			j.gap(n, slices.Contains(e.Apart, n-j.base))
			continue
		}
		j.add(n, same)
		sources = append(sources, same[0].sources...)
		media = append(media, padMedia(same[0].media, len(same[0].sources))...)
	}
	for _, name := range slices.Concat(j.leftOutBeside(first, pieces), j.left) {
		if !slices.Contains(first.rec.LeftOut, name) {
			first.leaveOut(name)
		}
	}
	first.sources, e.Media = sources, media
	first.rec.Pieces, first.rec.Total = j.list, j.total
	return finishRecord(first, e, j.text)
}

// gap marks a piece that is not there. apart: it is in another record.
func (j *joined) gap(n int, apart bool) {
	if apart {
		j.text = fmt.Appendf(j.text, "⟦part %d of %d is in another message⟧", n, j.total)
	} else {
		j.text = fmt.Appendf(j.text, "⟦part %d of %d is missing⟧", n, j.total)
	}
	j.list = append(j.list, record.Piece{Number: n, Lost: !apart, Apart: apart})
}

// add adds a piece as often as it was archived; the first text counts, and another one is told.
func (j *joined) add(n int, same []*item) {
	j.text = append(j.text, same[0].text...)
	for _, p := range same {
		if !bytes.Equal(p.text, same[0].text) {
			j.lacks(fmt.Sprintf("textContent (another text of part %d)", n))
		}
		j.list = append(j.list, record.Piece{Number: n, ID: p.rec.ID, SHA256: p.rec.SHA256})
	}
}

// leftOutBeside returns what the other pieces lack: the message may well show the first one's field.
func (j *joined) leftOutBeside(first *item, pieces []*item) (names []string) {
	for _, p := range pieces {
		for _, name := range p.rec.LeftOut {
			if p == first {
				break
			}
			if !strings.HasSuffix(name, ")") {
				name = fmt.Sprintf("%s (in part %d)", name, p.segment.Number+j.base)
			}
			names = append(names, name)
		}
	}
	return names
}

// padMedia returns what became of a piece's attachments, of each of them.
func padMedia(media []record.Media, n int) []record.Media {
	for len(media) < n {
		media = append(slices.Clip(media), record.Media{Gone: "it was not stored"})
	}
	return media
}
