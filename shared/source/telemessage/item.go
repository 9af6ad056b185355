package telemessage

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/jsonscan"
	"o2archiver/shared/record"
)

// MaxDepth is the number of levels of nesting of an item that are kept in a record. The contract has 4.
const MaxDepth = 1000

// Limits for one item, which bound the memory that it takes: three bytes of JSON can be a person or an attachment.
// What exceeds them is left out, and the record says so; the item is archived nevertheless.
const (
	maxAttachments = 10_000
	maxPeople      = 50_000
	maxEmails      = 50_000    // of all people together
	maxEmailText   = 256 << 10 // bytes of one email property
	maxLeftOut     = 100       // number of names that are listed; the stored item has all fields
	maxPieces      = 255       // 3GPP TS 23.040 section 9.2.3.24.1: one octet
)

// item is one item as parsed from its JSON, whatever is wrong with it.
type item struct {
	rec      record.Record // without attachments, ID, Text, and an interpreted Time
	id       string
	text     []byte // textContent in WTF-8
	segment  *Segment
	sources  []AttachmentSource
	contents [][]byte        // of each attachment: the JSON string of content, nil if it has none
	wrong    map[string]bool // messageId, messageTime, textContent: whether the value is not a string
	emails   int             // number of addresses of all people
	media    []record.Media  // of a part of a long SMS: the results for its attachments
}

var errNoObject = errors.New("the item is not a JSON object")

// readItem parses an item. Its only error is errNoObject.
func readItem(raw []byte) (*item, error) {
	if !json.Valid(raw) {
		return nil, errNoObject
	}
	start := jsonscan.SkipBlank(raw, 0)
	if raw = raw[start:]; !jsonscan.IsObject(raw) {
		return nil, errNoObject
	}
	it := &item{wrong: map[string]bool{}}
	seen := repeats{it: it}
	jsonscan.EachMember(raw, func(name string, v []byte) {
		seen.note("", name)
		it.member(name, v)
	})
	if !mayBePart(it.rec.Kind) {
		it.segment = nil
	}
	return it, nil
}

// mayBePart reports whether items of this kind may be parts of a long SMS. A heartbeat or a call cannot, whatever it
// claims.
func mayBePart(k record.Kind) bool {
	return k != record.System && k != record.CallLog && k != record.CallAudio
}

// repeats records the names of one object's members. If a name occurs twice, the last member counts, so what was left
// out of an earlier one is no longer missing.
type repeats struct {
	it    *item
	names []string
}

// note records a name. If the object had it before, the names in LeftOut that belong to the earlier member are
// removed.
func (r *repeats) note(place, name string) {
	const known = 32 // maximum number of names that are recorded for an object; the contract has fewer
	switch {
	case slices.Contains(r.names, name):
		if place != "" {
			name = place + "." + name
		}
		r.it.rec.LeftOut = slices.DeleteFunc(r.it.rec.LeftOut, func(left string) bool {
			rest, ok := strings.CutPrefix(left, name)
			return ok && (rest == "" || strings.ContainsRune(".[ ", rune(rest[0])))
		})
		if len(r.it.rec.LeftOut) == 0 {
			r.it.rec.LeftOut = nil
		}
	case len(r.names) < known:
		r.names = append(r.names, name)
	}
}

// member reads one member of the item. null means missing. If a name occurs twice, the last member counts.
func (it *item) member(name string, v []byte) {
	r := &it.rec
	switch name {
	case "messageId":
		it.id = it.identity(name, v)
	case "messageTime":
		r.TimeText = it.identity(name, v)
	case "textContent":
		it.identity(name, v)
		it.text = nil
		if jsonscan.IsString(v) {
			it.text = jsonscan.UnescapeString(v)
		}
	case "messageType":
		r.Kind = record.Kind(record.UpperASCII(strings.TrimSpace(it.string(name, v))))
	case "network":
		r.Network = it.string(name, v)
	case "msisdn":
		r.Owner = it.string(name, v)
	case "archivedTime":
		r.ArchivedText = it.string(name, v)
		if r.Archived, _ = parseTime(r.ArchivedText); r.Archived.Year() < 2000 {
			r.Archived = time.Time{} // impossible, but optional: it must not make a good messageTime look wrong
		}
	case "direction":
		r.Direction = it.string(name, v)
	case "status":
		r.Status = it.string(name, v)
	case "from":
		r.From = it.participant(name, v)
	case "to":
		it.to(name, v)
	case "groupMessage":
		r.GroupMessage = string(v) == "true"
		if !r.GroupMessage && string(v) != "false" && !jsonscan.IsNull(v) {
			it.leaveOut(name)
		}
	case "dialogGroupId":
		r.GroupID = it.string(name, v)
	case "dialogGroupName":
		r.GroupName = it.string(name, v)
	case "subject":
		r.Subject = it.string(name, v)
	case "contentType":
		r.ContentType = it.string(name, v)
	case "attachment":
		it.attachments(name, v)
	case "callInfo":
		it.call(name, v)
	case "segmentedData":
		it.segmented(name, v)
	}
}

// identity reads one of the three strings without which an item cannot be trusted. If the value is not a string, that
// is noted in wrong.
func (it *item) identity(name string, v []byte) string {
	it.wrong[name] = !jsonscan.IsString(v) && !jsonscan.IsNull(v)
	if !jsonscan.IsString(v) || name == "textContent" {
		return ""
	}
	return jsonscan.MarkInvalid(jsonscan.UnescapeString(v))
}

// string reads a string. A value of another type is left out.
func (it *item) string(name string, v []byte) string {
	switch {
	case jsonscan.IsString(v):
		return jsonscan.MarkInvalid(jsonscan.UnescapeString(v))
	case !jsonscan.IsNull(v):
		it.leaveOut(name)
	}
	return ""
}

// leaveOut records that the record lacks a field, up to maxLeftOut names.
func (it *item) leaveOut(name string) {
	if len(it.rec.LeftOut) < maxLeftOut {
		it.rec.LeftOut = append(it.rec.LeftOut, name)
	}
}

// object reports whether the value is an object. A value of another type, except null, is left out.
func (it *item) object(name string, v []byte) bool {
	if !jsonscan.IsObject(v) && !jsonscan.IsNull(v) {
		it.leaveOut(name)
	}
	return jsonscan.IsObject(v)
}

// array calls each for the objects in an array, up to limit. Everything else in it is left out.
func (it *item) array(name string, v []byte, limit int, each func(name string, v []byte)) {
	if !jsonscan.IsArray(v) {
		if !jsonscan.IsNull(v) {
			it.leaveOut(name)
		}
		return
	}
	n := 0
	jsonscan.EachElement(v, func(v []byte) bool {
		if n == limit {
			it.leaveOut(fmt.Sprintf("%s (all after the first %d entries)", name, limit))
			return false
		}
		if place := fmt.Sprintf("%s[%d]", name, n); it.object(place, v) {
			each(place, v)
		}
		n++
		return true
	})
}

func (it *item) to(name string, v []byte) {
	it.rec.To = nil
	it.array(name, v, maxPeople, func(name string, v []byte) { it.rec.To = append(it.rec.To, it.participant(name, v)) })
}

// participant reads a sender or recipient. place is its position in the item, for LeftOut.
func (it *item) participant(place string, v []byte) (p record.Participant) {
	if !it.object(place, v) {
		return p
	}
	seen := repeats{it: it}
	jsonscan.EachMember(v, func(name string, v []byte) {
		seen.note(place, name)
		inner := place + "." + name
		switch name {
		case "value":
			p.Value = it.string(inner, v)
		case "email":
			it.emails -= len(p.Emails)
			p.Emails = it.addresses(inner, it.string(inner, v))
			it.emails += len(p.Emails)
		case "fullName":
			if !it.object(inner, v) {
				return
			}
			p.FirstName, p.LastName = "", ""
			names := repeats{it: it}
			jsonscan.EachMember(v, func(name string, v []byte) {
				names.note(inner, name)
				switch name {
				case "firstName":
					p.FirstName = it.string(inner+"."+name, v)
				case "lastName":
					p.LastName = it.string(inner+"."+name, v)
				}
			})
		}
	})
	return p
}

// addresses splits the property User's Email address. What exceeds a limit is left out. An address is never cut in
// half, because the rest may be another person's address.
func (it *item) addresses(place, property string) []string {
	if len(property) > maxEmailText {
		property = property[:maxEmailText]
		property = property[:strings.LastIndexAny(property, ";, ")+1]
		it.leaveOut(fmt.Sprintf("%s (all after the first %d KiB)", place, maxEmailText>>10))
	}
	all := record.SplitEmails(property)
	if room := maxEmails - it.emails; len(all) > room {
		all = all[:room]
		it.leaveOut(fmt.Sprintf("%s (all after the item's first %d addresses)", place, maxEmails))
	}
	return all
}

// attachments reads what the item states about its attachments, and the position of their inline content.
func (it *item) attachments(name string, v []byte) {
	it.sources, it.contents = nil, nil
	it.array(name, v, maxAttachments, func(place string, v []byte) {
		var (
			src     AttachmentSource
			content []byte
			sized   bool
		)
		seen := repeats{it: it}
		jsonscan.EachMember(v, func(name string, v []byte) {
			seen.note(place, name)
			inner := place + "." + name
			switch name {
			case "name":
				src.Name = it.string(inner, v)
			case "contentType":
				src.Type = it.string(inner, v)
			case "digest":
				src.Digest = it.string(inner, v)
			case "contentUrl":
				src.ContentURL = it.string(inner, v)
			case "attachSize":
				if src.Size, sized = jsonscan.WholeNumber(v); !sized && !jsonscan.IsNull(v) {
					it.leaveOut(inner)
				}
			case "content":
				content = nil
				if jsonscan.IsString(v) {
					content = v
				} else if !jsonscan.IsNull(v) {
					it.leaveOut(inner)
				}
			}
		})
		if content != nil {
			// Sites write an empty string for content that is elsewhere, unless the file itself is declared to be
			// empty.
			src.Inline = len(content) > len(`""`) || sized && src.Size == 0 && src.ContentURL == ""
		}
		it.sources = append(it.sources, src)
		it.contents = append(it.contents, content)
	})
}

func (it *item) call(place string, v []byte) {
	it.rec.Call = nil
	if !it.object(place, v) {
		return
	}
	c := &record.Call{}
	it.rec.Call = c
	seen := repeats{it: it}
	jsonscan.EachMember(v, func(name string, v []byte) {
		seen.note(place, name)
		inner := place + "." + name
		switch name {
		case "callID":
			c.ID = it.string(inner, v)
		case "callStatus":
			c.Status = it.string(inner, v)
		case "startTime":
			c.Start = it.callTime(inner, v)
		case "answerTime":
			c.Answer = it.callTime(inner, v)
		case "endTime":
			c.End = it.callTime(inner, v)
		case "callDurationInMillis":
			const longest = int64(1<<63-1) / int64(time.Millisecond)
			millis, ok := jsonscan.WholeNumber(v)
			if !ok || millis > longest {
				millis = 0
				if !jsonscan.IsNull(v) {
					it.leaveOut(inner)
				}
			}
			c.Duration = time.Duration(millis) * time.Millisecond
		}
	})
}

// callTime reads a time of a call, which is shown as given and not judged. It accepts a number of milliseconds in
// place of a string.
func (it *item) callTime(name string, v []byte) string {
	if jsonscan.IsNumber(v) && len(v) <= 40 {
		return string(v)
	}
	return it.string(name, v)
}

// segmented reads which part of which long SMS the item is. If that is not plausible, the item is a message of its
// own.
func (it *item) segmented(place string, v []byte) {
	it.segment = nil
	if !it.object(place, v) {
		return
	}
	var (
		s             Segment
		number, total int64
		seen          = repeats{it: it}
	)
	number = -1
	jsonscan.EachMember(v, func(name string, v []byte) {
		seen.note(place, name)
		inner, ok := place+"."+name, true
		switch name {
		case "segmentedId":
			s.ID = it.string(inner, v)
		case "pieceNumber":
			if number, ok = jsonscan.WholeNumber(v); !ok {
				number = -1
			}
		case "totalPieces":
			total, ok = jsonscan.WholeNumber(v)
		}
		if !ok && !jsonscan.IsNull(v) {
			it.leaveOut(inner)
		}
	})
	switch {
	case s.ID == "" || total < 2 || number < 0: // a message of its own
	case total > maxPieces:
		it.leaveOut(fmt.Sprintf("%s (more than %d pieces)", place, maxPieces))
	case number > total:
		it.leaveOut(place + " (a piece beyond the last one)")
	default:
		s.Number, s.Total = int(number), int(total)
		it.segment = &s
	}
}
