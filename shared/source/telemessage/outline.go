package telemessage

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode"

	"o2archiver/shared/record"
)

// Outline is what fetch has to know about an item to store it.
type Outline struct {
	MessageID   string // "" if it has none, or one that is not a string
	Kind        record.Kind
	Owner       string             // msisdn, as given
	Segment     *Segment           // nil unless the item states that it is a part of a long SMS, and which
	Attachments []AttachmentSource // in the order of record.Entry.Media

	// For a part of a long SMS, to distinguish two messages whose parts have the same ID.
	Time    time.Time // messageTime; zero if it is missing or cannot be read
	Parties string    // hash of owner, sender and recipients, however their numbers are spelt; "" if there are none
	Sides   [3]string // hashes of owner, sender and recipients; "" for one that is missing
	Faulty  bool      // Parse will quarantine the item, so others must not be joined with it
}

// Segment identifies a part of a long SMS. 0 <= Number <= Total, 2 <= Total <= 255. Some sources count from 0, which
// shows only when all parts are together.
type Segment struct {
	ID            string
	Number, Total int
}

// AttachmentSource is what an item states about one attachment. All of it is the site's claim, as given.
type AttachmentSource struct {
	Name, Type, Digest, ContentURL string
	Size                           int64 // 0 if missing
	Inline                         bool  // the bytes are in the item, see InlineContent
}

// Peek returns the outline of an item. A field of a wrong type counts as missing. An item that is not a JSON object
// is an error; Parse reports what is wrong with it.
func Peek(raw []byte) (Outline, error) {
	it, err := readItem(raw)
	if err != nil {
		return Outline{}, err
	}
	o := Outline{
		MessageID: it.messageID(), Kind: it.rec.Kind, Owner: it.rec.Owner,
		Segment: it.segment, Attachments: it.sources,
	}
	if o.Segment != nil {
		o.Time, _ = parseTime(it.rec.TimeText)
		o.Parties, o.Sides = it.parties()
		o.Faulty = it.wrong["messageId"] || it.wrong["textContent"]
	}
	return o, nil
}

// parties returns a hash of all parties, and of each of owner, sender and recipients. The recipients are a set: their
// order does not matter.
func (it *item) parties() (all string, sides [3]string) {
	var to []string
	for _, p := range it.rec.To {
		to = append(to, lastDigits(p.Value))
	}
	slices.Sort(to)
	to = slices.Compact(to)
	names := append([]string{lastDigits(it.rec.Owner), lastDigits(it.rec.From.Value)}, to...)
	for i, side := range []string{names[0], names[1], strings.Join(to, "|")} {
		if side != "" {
			sum := sha256.Sum256([]byte(side))
			sides[i] = hex.EncodeToString(sum[:8])
		}
	}
	if strings.Join(names, "") == "" {
		return "", sides
	}
	sum := sha256.Sum256([]byte(strings.Join(names, "|")))
	return hex.EncodeToString(sum[:16]), sides
}

// lastDigits returns the last nine digits of a number, which are the same in 07700 900123 and +447700900123. A sender
// with a letter is returned unchanged, in lower case.
func lastDigits(value string) string {
	value = strings.ToLower(strings.TrimSpace(value))
	if strings.ContainsFunc(value, unicode.IsLetter) {
		return value
	}
	digits := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, value)
	return digits[max(0, len(digits)-9):]
}

// messageID returns the item's own ID, or "" if it is missing or consists of white space.
func (it *item) messageID() string {
	if strings.TrimSpace(it.id) == "" {
		return ""
	}
	return it.id
}
