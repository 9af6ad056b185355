package message

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"o2archiver/shared/record"
)

// Address is one mailbox in a header. Name may be empty. Address is a plain SMTP address, see validEmail.
type Address struct {
	Name    string
	Address string
}

// addressOf returns the address that stands for the participant in From and To. It is, in this order: the address by
// which the participant's mailbox was found in the tenant (found, in the item's own spelling if the item has it); the
// first valid address of the item; or an address under senderDomain, derived from the number, value or name. The last
// is needed because Microsoft Graph accepts only valid SMTP addresses there. It cannot exist, and different
// participants have different ones.
func (p *person) addressOf(found string) string {
	first := ""
	for _, entry := range p.given.Emails {
		switch email := record.EmailAddress(entry); {
		case !validEmail(email):
		case record.LowerASCII(email) == record.LowerASCII(found):
			return email // in the item's own spelling
		case first == "":
			first = email
		}
	}
	switch {
	case validEmail(found):
		return found
	case first != "":
		return first
	}
	value, name, emails := p.value, p.full, p.given.Emails
	switch {
	case p.e164 != "":
		return p.e164[1:] + "@" + senderDomain
	case isWithheld(value):
		return "unknown@" + senderDomain
	case value == "" && p.given.Outside != "":
		return slugOf(p.given.Outside) + "." + shortName("email|"+p.given.Outside) + "@" + senderDomain
	case value == "" && name != "":
		return slugOf(name) + "." + shortName("name|"+name) + "@" + senderDomain
	case value == "" && len(emails) > 0:
		return slugOf(emails[0]) + "." + shortName("email|"+emails[0]) + "@" + senderDomain
	case value == "":
		return "unknown@" + senderDomain
	case selfEvident(value):
		return record.LowerASCII(value) + "@" + senderDomain
	}
	return slugOf(value) + "." + shortName("value|"+value) + "@" + senderDomain
}

// selfEvident reports whether a short code or a sender's name can be a local part without becoming ambiguous: it has
// so few digits that no E.164 number has them, or consists of capital letters and digits, so that lower case loses
// nothing.
func selfEvident(value string) bool {
	letters := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c >= 'A' && c <= 'Z':
			letters = true
		case c < '0' || c > '9':
			return false
		}
	}
	return len(value) <= 7 || letters && len(value) <= 20
}

// isWithheld reports whether the value stands for a withheld number: networks put one of these words in its place.
func isWithheld(value string) bool {
	switch record.LowerASCII(value) {
	case "unknown", "withheld", "number withheld", "private", "private number", "anonymous", "unavailable",
		"restricted", "no caller id", "unknown number", "unknown caller", "caller withheld", "blocked", "no number",
		"anonymous@anonymous.invalid", "insert-address-token":
		return true
	}
	return false
}

// slugOf returns the readable part of s for a local part: at most 40 lower-case ASCII letters, digits and hyphens. It
// is "x" if nothing is left. Different texts may have the same slug, so a hash follows it in an address.
func slugOf(s string) string {
	var b strings.Builder
	for _, c := range record.LowerASCII(s) {
		if b.Len() == 40 {
			break
		}
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	if b.Len() == 0 {
		return "x"
	}
	return strings.TrimSuffix(b.String(), "-")
}

// shortName returns the first 16 hex digits of the SHA-256 of s.
func shortName(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// validEmail reports whether s is a plain SMTP address: an unquoted local part and a domain name, both in ASCII (RFC
// 5321 section 4.1.2; the maximum lengths are in section 4.5.3.1). An address under the archiver's own domain is not
// valid, so that the source cannot impersonate a derived sender.
func validEmail(s string) bool {
	local, host, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || len(s) > 254 || !strings.Contains(host, ".") {
		return false
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || !isAtom(atom) {
			return false
		}
	}
	host = record.LowerASCII(host) // Unicode lower case would turn the Kelvin sign into an ASCII k
	last := ""
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
		last = label
	}
	return strings.Trim(last, "0123456789") != "" && host != domain && !strings.HasSuffix(host, "."+domain)
}

// isAtom reports whether s consists of atext only (RFC 5322 section 3.2.3).
func isAtom(s string) bool {
	for i := 0; i < len(s); i++ {
		if !atext[s[i]] {
			return false
		}
	}
	return true
}

var atext = func() (t [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~") {
		t[c] = true
	}
	return t
}()

// mail returns the address as it is written in a header: in ASCII, with single spaces.
func (a Address) mail() string {
	if a.Name == "" {
		return "<" + a.Address + ">"
	}
	name := encodeWords(a.Name)
	if name == a.Name && strings.ContainsFunc(name, func(c rune) bool { return c != ' ' && !atext[byte(c)] }) {
		// RFC 5322 section 3.2.4: a quoted string.
		if strings.ContainsAny(name, `"\`) {
			name = strings.ReplaceAll(name, `\`, `\\`)
			name = strings.ReplaceAll(name, `"`, `\"`)
		}
		return `"` + name + `" <` + a.Address + ">"
	}
	return name + " <" + a.Address + ">"
}
