package delivery

import (
	"cmp"
	"strings"
	"unicode"

	"o2archiver/shared/record"
)

// maxWord is the maximum number of characters of a kind or a network. A longer text is none.
const maxWord = 40

// setGenericKind sets kind and network of a message of another archive: those of the import's settings, else what the
// message states. A kind is never record.System, whatever a message states, because items of that kind are heartbeats
// of the vendor's and are not imported.
func setGenericKind(r *record.Record, m *record.Mail) {
	r.Network = cmp.Or(m.Network, shortWord(vendorField(m.Header, "Network")))
	stated := cmp.Or(statedKind(vendorField(m.Header, "MessageType")),
		statedKind(decodedField(m.Header, "X-GlobalRelay-MsgType")))
	if r.Kind = cmp.Or(m.Kind, stated); r.Kind == "" || r.Kind == record.System {
		r.Kind = record.Message
	}
}

// statedKind returns the kind that a message states, "" if that is none.
func statedKind(given string) record.Kind {
	return cmp.Or(record.KnownKind(given), record.Kind(record.UpperASCII(shortWord(given))))
}

// shortWord returns a text without blanks around it, "" if it is too long or has control characters.
func shortWord(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 4*maxWord || len([]rune(s)) > maxWord || strings.ContainsFunc(s, unicode.IsControl) {
		return ""
	}
	return s
}

// setOwner sets the number of the archived phone, as given, from the field that the import's settings name. What is no
// number is shown in the message, and no mailbox is found by it.
func setOwner(r *record.Record, m *record.Mail) {
	if m.NumberField != "" {
		r.Owner = strings.TrimSpace(decodedField(m.Header, m.NumberField))
	}
}
