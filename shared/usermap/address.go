package usermap

import (
	"regexp"
	"strings"

	"o2archiver/shared/record"
)

// addressForm is the form of RFC 5321 section 4.1.2, without quoted local parts and address literals. No mailbox of
// Exchange Online has those, and without them no quotes or blanks get into a query of the directory.
var addressForm = regexp.MustCompile(
	`^[A-Za-z0-9!#$%&'*+/=?^_{|}~` + "`" + `-]+(\.[A-Za-z0-9!#$%&'*+/=?^_{|}~` + "`" + `-]+)*` +
		`@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

// plainAddress returns the e-mail address in a text (see record.EmailAddress) in the form in which addresses are
// compared: in lower case. ok is false if there is none, or more than one.
func plainAddress(text string) (address string, ok bool) {
	text = record.EmailAddress(text)
	at := strings.LastIndexByte(text, '@')
	// RFC 5321 section 4.5.3.1: 64 octets before the @, 254 in total.
	if len(text) > 254 || at > 64 || !addressForm.MatchString(text) {
		return "", false
	}
	return record.LowerASCII(text), true
}
