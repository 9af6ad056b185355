// Package telemessage is the format of TeleMessage's items: it reads what fetch needs to know of an item to store it,
// and converts what is stored into records. It sends no request; package client does.
package telemessage

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/jsonscan"
	"o2archiver/shared/record"
)

// Parse converts a batch's entry into its record. All of its errors are a *record.Fault: this entry, and nothing
// else, is quarantined.
//
// The texts in the record are valid UTF-8: a lone surrogate becomes ⟦U+D83D⟧, invalid bytes become ⟦byte FF⟧; control
// characters and NUL are kept. The parts of a long SMS become one record. It has the identity and time of the first
// part whose time is plausible, and ⟦part 2 of 3 is missing⟧ in place of a part that is missing.
func Parse(e record.Entry) (*record.Record, error) {
	switch {
	case e.Fault != "":
		return nil, &record.Fault{
			Field: "item", Reason: e.Fault, ID: cmp.Or(e.ID, derivedID(e.RawHash)), SHA256: e.RawHash,
		}
	case e.Version != 1:
		return nil, &record.Fault{Field: "v", Reason: "is not the version that this program knows"}
	case len(e.Items) == 0:
		return nil, &record.Fault{Field: "items", Reason: "is empty", ID: derivedID(e.RawHash), SHA256: e.RawHash}
	case e.Total > 1 || len(e.Items) > 1:
		return parsePieces(e)
	}
	it, err := readWhole(e.Items[0])
	if err != nil {
		return nil, err
	}
	return finishRecord(it, e, it.text)
}

// readWhole parses an item and refuses one from which no record can be made. It returns the item with a fault too,
// unless it is not an object.
func readWhole(i record.Item) (*item, error) {
	it, err := readItem(i.Raw)
	if err != nil {
		return nil, &record.Fault{
			Field: "item", Reason: "is not a JSON object", ID: derivedID(i.SHA256), SHA256: i.SHA256,
		}
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

// derivedID returns the ID of an item that has none of its own; "" if its hash is unknown.
func derivedID(sha string) string {
	if sha == "" {
		return ""
	}
	return "sha256:" + sha
}

// fault returns a fault with the item's identity.
func (it *item) fault(field, reason string) *record.Fault {
	return &record.Fault{Field: field, Reason: reason, ID: it.rec.ID, SHA256: it.rec.SHA256}
}

// finishRecord returns the record of its (first) item, with the complete text and the results for the attachments.
func finishRecord(it *item, e record.Entry, text []byte) (*record.Record, error) {
	r := &it.rec
	r.Text = jsonscan.MarkInvalid(text)
	if e.RawBlob != "" {
		it.leaveOut(fmt.Sprintf("item (what is nested deeper than %d levels)", MaxDepth))
	}
	for i, src := range it.sources {
		a := record.Attachment{
			Name: src.Name, Type: src.Type, Size: src.Size, SHA256: src.SHA256(), Digest: src.unusable(),
		}
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
		// A heartbeat is counted and never imported, so its time is not checked.
		r.Time, _ = parseTime(r.TimeText)
		return r, nil
	}
	if err := it.date(e.Until); err != nil {
		return nil, err
	}
	return r, nil
}

// date parses the item's time and refuses an impossible one.
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

// parsePieces joins the parts of a long SMS. If a part is there twice, it was archived twice, and its text counts
// once. A part that cannot be read, or is not a part, counts as missing, and the others are the message.
func parsePieces(e record.Entry) (*record.Record, error) {
	var (
		pieces []*item
		whole  = joined{total: e.Total}
		first  error // the first fault
		beat   *item
	)
	for _, raw := range e.Items {
		it, err := readWhole(raw)
		if it != nil { // an item that is not an object has no attachments
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

// joined is a long SMS that is being composed.
type joined struct {
	total int
	base  int // added to the numbers of the parts: 1 if they count from 0
	text  []byte
	list  []record.Piece
	left  []string // for record.Record.LeftOut, besides what the first part lacks
}

// lacks records what the message lacks, once.
func (j *joined) lacks(name string) {
	if !slices.Contains(j.left, name) {
		j.left = append(j.left, name)
	}
}

// join composes the record of the parts, in the order of their numbers, with a mark for each missing one.
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
	// The text of a part with an impossible time is part of the message, but the message does not take its time or
	// identity.
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

// gap adds a mark for a part that is not there. apart means that it is in another record.
func (j *joined) gap(n int, apart bool) {
	if apart {
		j.text = fmt.Appendf(j.text, "⟦part %d of %d is in another message⟧", n, j.total)
	} else {
		j.text = fmt.Appendf(j.text, "⟦part %d of %d is missing⟧", n, j.total)
	}
	j.list = append(j.list, record.Piece{Number: n, Lost: !apart, Apart: apart})
}

// add adds a part, as often as it was archived. The first text counts; if another one differs, that is noted.
func (j *joined) add(n int, same []*item) {
	j.text = append(j.text, same[0].text...)
	for _, p := range same {
		if !bytes.Equal(p.text, same[0].text) {
			j.lacks(fmt.Sprintf("textContent (another text of part %d)", n))
		}
		j.list = append(j.list, record.Piece{Number: n, ID: p.rec.ID, SHA256: p.rec.SHA256})
	}
}

// leftOutBeside returns what the other parts lack, with the number of the part, because the message may well have
// this field from the first part.
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

// padMedia returns the results for all n attachments of a part; those without one count as not stored.
func padMedia(media []record.Media, n int) []record.Media {
	for len(media) < n {
		media = append(slices.Clip(media), record.Media{Gone: "it was not stored"})
	}
	return media
}
