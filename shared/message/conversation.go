package message

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"
)

// threadTopic returns the topic of the conversation, which is the same in all of its messages. Outlook takes messages
// with the same PidTagConversationTopic (MS-OXOMSG section 2.2.1.5) for one conversation, so the topic ends in a part
// of the conversation's ID.
func (c *participants) threadTopic() string {
	b := append(make([]byte, 0, 96), "O2 conversation of "...)
	for i, k := range c.keys {
		if i == 3 {
			b = append(append(append(b, " and "...), formatThousands(int64(len(c.keys)-i))...), " more"...)
			break
		}
		switch before, after, _ := strings.Cut(k, "|"); before {
		case "value", "email", "name":
			k = after
		case "message":
			k = "somebody unknown"
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, oneLine(k, 40)...)
	}
	return string(append(append(append(b, " ["...), c.conversation[:8]...), ']'))
}

// threadIndex returns the header block of a PidTagConversationIndex (MS-OXOMSG section 2.2.1.3) in base64: a reserved
// byte that is 1, the five highest bytes of the message's FILETIME, and 16 bytes that identify the conversation. With
// PidTagConversationIndexTracking (section 2.2.1.4) these are its PidTagConversationId (section 2.2.1.2).
func (c *participants) threadIndex(at time.Time) string {
	const epoch = 11_644_473_600 // seconds from 1601, the epoch of FILETIME, to 1970
	ticks := uint64(at.Unix()+epoch)*10_000_000 + uint64(at.Nanosecond()/100)
	var b [22]byte
	b[0] = 1
	for i := range 5 {
		b[1+i] = byte(ticks >> (56 - 8*i))
	}
	if _, err := hex.Decode(b[6:], []byte(c.conversation[:32])); err != nil {
		return "" // cannot happen: it consists of hex digits
	}
	return base64.StdEncoding.EncodeToString(b[:])
}
