// Package phone parses telephone numbers in the spellings that people and networks use, and returns each in its
// canonical form, E.164. It is the only package that uses libphonenumber.
package phone

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

const (
	maxLength = 40 // characters of a spelling, separators included
	minDigits = 7  // national digits; fewer are a short code or an extension
	// Digits without a plus or leading zero may be a long short code. If they are fewer than this, they count as a
	// number only if it is in a range that is in use.
	minBareDigits = 9
)

// E164 returns the number in its canonical form, such as "+447700900123", and true. It returns "" and false if raw is
// not a telephone number: a short code, an alphanumeric sender, a withheld or empty number, two numbers in one field,
// or a number of more than 40 characters.
//
// It accepts "+44 7700 900123", "00447700900123", "447700900123" (as the source writes it), "07700 900123",
// "7700900123" (a spreadsheet has removed the zero) and "+44 (0)7700 900123". It also accepts what networks, devices
// and people put around a number: an envelope (see Bare), "*31#", "141", "ext 5", pauses with tones. region is the
// two-letter ISO 3166 code of the country of national forms. Digits that could be national or international are read
// as national first.
func E164(raw, region string) (string, bool) {
	if e164, ok := readSpelled(raw, region); ok {
		return e164, true
	}
	if len(raw) > maxEnvelope || !manyDigits(raw) {
		return "", false
	}
	e164, _, ok := readUnwrapped(raw, region)
	return e164, ok
}

// manyDigits reports whether raw has at least as many digits as a number.
func manyDigits(raw string) bool {
	digits := 0
	for _, c := range raw {
		if c >= '0' && c <= '9' || c > unicode.MaxLatin1 && unicode.Is(unicode.Nd, c) {
			digits++
		}
	}
	return digits >= minDigits
}

// readSpelled parses a number that has only separators around its digits.
func readSpelled(raw, region string) (string, bool) {
	digits, plus, ok := stripSeparators(raw)
	if !ok {
		return "", false
	}
	if rest, cut := strings.CutPrefix(digits, "00"); cut && !plus {
		digits, plus = rest, true // ITU-T E.123: in most countries the plus is dialled as 00
	}
	for _, c := range readingsOf(digits, plus, region) {
		if n, err := phonenumbers.Parse(c.text, c.region); err == nil && c.fits(n) {
			return formatE164(n)
		}
	}
	return "", false
}

// reading is one way to interpret the digits, with the condition under which it is accepted.
type reading struct {
	text, region string
	valid        bool // the number must be in a range that is in use; otherwise a possible length is enough
}

// readingsOf returns the possible interpretations of the digits, the most certain first. Not all of them require a
// range that is in use: the metadata lags behind newly opened ranges, and does not have Ofcom's numbers for drama
// use.
func readingsOf(digits string, plus bool, region string) []reading {
	abroad := "+" + digits
	switch {
	case plus:
		return []reading{{abroad, "", false}}
	case digits[0] == '0':
		return []reading{{digits, region, false}}
	case len(digits) < minBareDigits:
		return []reading{{digits, region, true}}
	}
	return []reading{
		{digits, region, true},
		{abroad, "", true},
		{digits, region, false},
		{abroad, "", false},
	}
}

// fits reports whether a parsed number satisfies the condition of the reading.
func (c reading) fits(n *phonenumbers.PhoneNumber) bool {
	if len(phonenumbers.GetNationalSignificantNumber(n)) < minDigits {
		return false
	}
	if c.valid {
		return phonenumbers.IsValidNumber(n)
	}
	// IsPossibleNumber would also accept a local number without its area code.
	return phonenumbers.IsPossibleNumberWithReason(n) == phonenumbers.IS_POSSIBLE
}

// formatE164 returns the E.164 form. It refuses a number whose E.164 form is parsed as a different number, because
// such a form cannot be a key.
func formatE164(n *phonenumbers.PhoneNumber) (string, bool) {
	e := phonenumbers.Format(n, phonenumbers.E164)
	again, err := phonenumbers.Parse(e, "")
	if err != nil || phonenumbers.Format(again, phonenumbers.E164) != e || len(e) > 1+15 {
		return "", false
	}
	return e, true
}

// stripSeparators returns the digits of raw. ok is false if raw has anything but digits, separators and one leading
// plus, or too few digits.
func stripSeparators(raw string) (digits string, plus, ok bool) {
	if utf8.RuneCountInString(raw) > maxLength {
		return "", false, false
	}
	// "7700900123.0" was written by a spreadsheet as a decimal; the zero is not a digit of the number.
	if i := strings.LastIndexByte(raw, '.'); i >= 0 && len(strings.TrimSpace(raw[i+1:])) < 2 {
		return "", false, false
	}
	var b strings.Builder
	for _, c := range raw {
		switch {
		case c >= '0' && c <= '9':
			b.WriteRune(c)
		case c == '+' && b.Len() == 0 && !plus:
			plus = true
		case isSeparator(c):
		default:
			return "", false, false
		}
	}
	return b.String(), plus, b.Len() >= minDigits
}

// isSeparator reports whether c may separate or surround groups of digits. Contacts apps wrap numbers in invisible
// direction marks, and word processors turn hyphens into dashes.
func isSeparator(c rune) bool {
	switch c {
	case '(', ')', '.', '-', '\u2212', '\u2060', '\ufeff', '\u00ad':
		return true
	}
	return unicode.Is(unicode.Zs, c) || c == '\t' || c >= '\u2010' && c <= '\u2015' ||
		unicode.Is(unicode.Bidi_Control, c) || c >= '\u200b' && c <= '\u200d'
}

// National returns the number as it is written in its own country, such as "07700 900123". A text that is not in
// E.164 form is returned unchanged.
func National(e164 string) string { return formatDisplay(e164, phonenumbers.NATIONAL) }

// International returns the number as it is written abroad, such as "+44 7700 900123". A text that is not in E.164
// form is returned unchanged.
func International(e164 string) string { return formatDisplay(e164, phonenumbers.INTERNATIONAL) }

// formatDisplay returns the number in a form for people, or e164 unchanged if it is not in E.164 form.
func formatDisplay(e164 string, form phonenumbers.PhoneNumberFormat) string {
	if len(e164) > maxLength || !strings.HasPrefix(e164, "+") {
		return e164
	}
	n, err := phonenumbers.Parse(e164, "")
	if err != nil || phonenumbers.Format(n, phonenumbers.E164) != e164 {
		return e164
	}
	return phonenumbers.Format(n, form)
}
