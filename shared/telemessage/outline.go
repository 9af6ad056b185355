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

// Outline is what has to be known of an item to stage it.
type Outline struct {
	MessageID   string // "" if it has none, or one of a wrong type
	Kind        record.Kind
	Owner       string             // msisdn, as given
	Segment     *Segment           // nil unless the item says that it is a piece of a long SMS, and which
	Attachments []AttachmentSource // in the order of record.Entry.Media

	// Of a piece of a long SMS, to tell apart two messages whose pieces carry one id.
	Time    time.Time // messageTime; zero if it is missing or cannot be read
	Parties string    // a hash over owner, sender and recipients, however their numbers are spelt; "" if there are none
	Sides   [3]string // a hash each of owner, sender and recipients; "" for one that is missing
	Faulty  bool      // Parse will quarantine it: others can't be joined with it
}

// Segment tells which piece of which long SMS an item is. 0 <= Number <= Total, 2 <= Total <= 255. Some sources count from
// 0: whether this one does shows when the pieces are together.
type Segment struct {
	ID            string
	Number, Total int
}

// AttachmentSource is what an item says of one attachment. Everything in it is the site's claim, as given.
type AttachmentSource struct {
	Name, Type, Digest, ContentURL string
	Size                           int64 // 0 if missing
	Inline                         bool  // the bytes are in the item: see InlineContent
}

// Peek reads what is needed to stage an item. A field of a wrong type is as good as missing; an item that is no
// JSON object is an error, and Parse tells what is wrong with it.
func Peek(raw []byte) (Outline, error) {
	it, err := readItem(raw)
	if err != nil {
		return Outline{}, err
	}
	o := Outline{MessageID: it.messageID(), Kind: it.rec.Kind, Owner: it.rec.Owner, Segment: it.segment, Attachments: it.sources}
	if o.Segment != nil {
		o.Time, _ = parseTime(it.rec.TimeText)
		o.Parties, o.Sides = it.parties()
		o.Faulty = it.wrong["messageId"] || it.wrong["textContent"]
	}
	return o, nil
}

// parties tells who wrote to whom, on whose phone. The recipients are a set: their order says nothing.
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

// lastDigits reduces a number to its last nine digits, which are the same in 07700 900123 and +447700900123. A
// sender with a letter in it stays what it is.
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

// messageID is the item's own identity, or "": one of nothing but white space is none.
func (it *item) messageID() string {
	if strings.TrimSpace(it.id) == "" {
		return ""
	}
	return it.id
}
