package vendorday

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"mime"
	"strings"
	"time"
)

// unknownDomain is that of the addresses which the vendor invents for numbers without a known one.
const unknownDomain = "unknown.contoso.example"

// choice holds what varies between messages: different programs of the vendor write a name and its number in both
// orders, and what stands for an unknown address is not known. It is a function of the item's bytes.
type choice struct {
	hash   [sha256.Size]byte
	bits   uint64
	number int // of participants so far
}

func newChoice(seed uint64, raw []byte) *choice {
	h := sha256.New()
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], seed)
	h.Write(b[:])
	h.Write(raw)
	c := &choice{}
	h.Sum(c.hash[:0])
	c.bits = binary.BigEndian.Uint64(c.hash[:8])
	return c
}

// numberFirst reports whether numbers come before names in this message.
func (c *choice) numberFirst() bool { return c.bits%2 == 0 }

// labelled reports whether the message has the vendor's subject. About a fifth of messages have none.
func (c *choice) labelled() bool { return c.bits/2%5 != 0 }

// unknown returns what stands for the unknown address of the next participant: 0 an invented address, 1 nothing but the
// name, 2 an empty address.
func (c *choice) unknown() int {
	c.number++
	return int((c.bits/16 + uint64(c.number)) % 3)
}

// eml returns the message for an item.
func (it *item) eml(c *choice) []byte {
	var b bytes.Buffer
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	if !it.time.IsZero() && it.time.Year() > 0 && it.time.Year() < 10000 {
		field("Date", it.time.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	}
	if it.from != nil {
		field("From", it.from.mail(c))
	}
	if len(it.to) > 0 {
		var all []string
		for i := range it.to {
			all = append(all, it.to[i].mail(c))
		}
		field("To", strings.Join(all, ",\r\n "))
	}
	if subject := it.subjectOf(c); subject != "" {
		field("Subject", encodeText(subject))
	}
	for _, f := range [][2]string{
		{"ArchiveMessageID", it.id}, {"MessageType", it.word()}, {"Network", it.network}, {"ArchiveSource", "Network"},
		{"ArchiveInitiator", digitsOf(it.owner)}, {"Status", it.status}, {"SID", "900101"}, {"GroupID", it.groupID},
		{"GROUP_NAME", it.groupName}, {"OriginalMesageIntegrity", hex.EncodeToString(c.hash[:])},
	} {
		if f[0] == "ArchiveMessageID" {
			if f[1] = oneLine(f[1]); f[1] == "" {
				continue
			}
		} else {
			f[1] = encodeText(f[1])
		}
		field("X-TELEMESSAGE-"+f[0], f[1])
	}
	boundary := "=_tm_" + hex.EncodeToString(c.hash[:4])
	field("MIME-Version", "1.0")
	field("Content-Type", `multipart/mixed; boundary="`+boundary+`"`)
	b.WriteString("\r\n")
	part := func(kind, disposition string, data []byte) {
		fmt.Fprintf(&b, "--%s\r\nContent-Type: %s\r\n", boundary, kind)
		if disposition != "" {
			field("Content-Disposition", disposition)
		}
		b.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
		writeBase64(&b, data)
	}
	kind := "text/plain"
	if it.html {
		kind = "text/html"
	}
	part(kind+"; charset=UTF-8", "", []byte(it.body()))
	for _, f := range it.files {
		params := map[string]string{}
		if f.name != "" {
			params["filename"] = f.name
		}
		part(partType(f.kind), mime.FormatMediaType("attachment", params), f.data)
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes()
}

// word returns the vendor's word for the type.
func (it *item) word() string {
	switch it.kind {
	case "CALL_LOG":
		return "CallLog"
	case "CALL_AUDIO":
		return "CallAudio"
	}
	return it.kind
}

// isCall reports whether the item is a call.
func (it *item) isCall() bool { return it.kind == "CALL_LOG" || it.kind == "CALL_AUDIO" }

// subjectOf returns the item's own subject, or the vendor's label: <type> from <number> to <number>, or to chat group
// <title>. A label names one recipient or a group, and numbers without their plus signs.
func (it *item) subjectOf(c *choice) string {
	if it.subject != "" {
		return it.subject
	}
	if !c.labelled() || it.word() == "" || it.from == nil || it.from.value == "" {
		return ""
	}
	label := it.word() + " from " + labelNumber(it.from.value) + " to "
	switch {
	case it.group && it.groupName != "":
		return label + "chat group " + strings.ReplaceAll(it.groupName, "+", "")
	case !it.group && len(it.to) == 1 && it.to[0].value != "":
		return label + labelNumber(it.to[0].value)
	}
	return ""
}

// labelNumber returns a number as a label has it. A sender that is no number stays as it is.
func labelNumber(value string) string {
	digits := digitsOf(value)
	if isNumber(value) {
		return digits
	}
	return value
}

// isNumber reports whether a value is a number in any spelling.
func isNumber(value string) bool {
	return digitsOf(value) != "" && strings.Trim(value, "+-(). 0123456789") == ""
}

func digitsOf(s string) string {
	return strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, s)
}

// body returns the text of the message: that of the item, or what the vendor states about a call.
func (it *item) body() string {
	if !it.isCall() || it.text != "" {
		return it.text
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Call %s\r\n", strings.ToLower(it.status))
	if it.from != nil {
		fmt.Fprintf(&b, "From: %s\r\n", labelNumber(it.from.value))
	}
	for i := range it.to {
		fmt.Fprintf(&b, "To: %s\r\n", labelNumber(it.to[i].value))
	}
	if start, err := time.Parse(time.RFC3339, it.call.start); err == nil {
		fmt.Fprintf(&b, "Start: %s UTC\r\n", start.UTC().Format(time.DateTime))
	}
	fmt.Fprintf(&b, "Duration: %d s\r\n", int(it.call.duration().Seconds()))
	return b.String()
}

// mail returns the participant as an entry of an address field. The display name has the number, before or behind the
// name.
func (p *party) mail(c *choice) string {
	words := []string{p.name, p.value}
	if c.numberFirst() {
		words[0], words[1] = words[1], words[0]
	}
	name := displayName(strings.TrimSpace(strings.Join(words, " ")))
	if p.email != "" {
		return strings.TrimSpace(name + " <" + p.email + ">")
	}
	switch form := c.unknown(); {
	case form == 0 && isNumber(p.value):
		return strings.TrimSpace(name + " <" + digitsOf(p.value) + "@" + unknownDomain + ">")
	case form == 1:
		return name
	}
	return name + " <>"
}

// displayName returns a name as RFC 5322 has it: words, a quoted string, or encoded words.
func displayName(name string) string {
	switch {
	case strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c > '~' }):
		return mime.BEncoding.Encode("utf-8", name)
	case isPlain(name, "!#$%&'*+-/=?^_`{|}~ "):
		return name
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// encodeText returns a text as the value of a header field.
func encodeText(text string) string { return mime.BEncoding.Encode("utf-8", text) }

// oneLine returns an identity as a header field can have it.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if c < ' ' {
			return ' '
		}
		return c
	}, s))
}

// partType returns a content type that a part can have. What is none, or the type of a structure, is not that of a
// file.
func partType(given string) string {
	const unknown = "application/octet-stream"
	kind, _, err := mime.ParseMediaType(given)
	main, sub, ok := strings.Cut(kind, "/")
	if err != nil || !ok || sub == "" || main == "multipart" || main == "message" {
		return unknown
	}
	return kind
}

// writeBase64 writes the bytes in lines of 76 characters.
func writeBase64(b *bytes.Buffer, data []byte) {
	const perLine = 57
	for len(data) > 0 {
		n := min(perLine, len(data))
		b.WriteString(base64.StdEncoding.EncodeToString(data[:n]))
		b.WriteString("\r\n")
		data = data[n:]
	}
}
