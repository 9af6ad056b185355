// Package phone reads telephone numbers in the spellings that people and networks use, and
// gives each its one form, E.164. It is the only package that knows libphonenumber.
package phone

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

const (
	maxLength = 40 // characters of a spelling, separators included
	minDigits = 7  // national digits: fewer are a short code or an extension
	// Digits with neither plus nor leading zero may be a long short code: below this many they
	// have to be a number that is in use.
	minBareDigits = 9
)

// E164 returns the number's one form, such as "+447700900123", and true; or "" and false if raw is
// no telephone number: a short code, an alphanumeric sender, a withheld or empty one, more than
// 40 characters, two numbers in one field.
//
// It reads "+44 7700 900123", "00447700900123", "447700900123" (what the source writes),
// "07700 900123", "7700900123" (a spreadsheet took the zero) and "+44 (0)7700 900123", and the number in what networks,
// devices and people put around one: an envelope (see Bare), "*31#", "141", "ext 5", pauses with tones. region
// is the two-letter ISO 3166 country of national forms; digits that could be either are read as that country's first.
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

// manyDigits reports whether raw has as many digits as a number.
func manyDigits(raw string) bool {
	digits := 0
	for _, c := range raw {
		if c >= '0' && c <= '9' || c > unicode.MaxLatin1 && unicode.Is(unicode.Nd, c) {
			digits++
		}
	}
	return digits >= minDigits
}

// readSpelled reads a number that has only separators around its digits.
func readSpelled(raw, region string) (string, bool) {
	digits, plus, ok := stripSeparators(raw)
	if !ok {
		return "", false
	}
	if rest, cut := strings.CutPrefix(digits, "00"); cut && !plus {
		digits, plus = rest, true // ITU-T E.123: 00 is how most of the world dials the plus
	}
	for _, c := range readingsOf(digits, plus, region) {
		if n, err := phonenumbers.Parse(c.text, c.region); err == nil && c.fits(n) {
			return formatE164(n)
		}
	}
	return "", false
}

// reading is one way to take the digits, and what must hold for it to be right.
type reading struct {
	text, region string
	valid        bool // has to be in a range that is in use; otherwise its length is enough
}

// readingsOf gives the ways to take the digits, the surest first. Being valid is not asked of all of them: the
// metadata lags behind newly opened ranges, and Ofcom's drama numbers are in none.
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

func (c reading) fits(n *phonenumbers.PhoneNumber) bool {
	if len(phonenumbers.GetNationalSignificantNumber(n)) < minDigits {
		return false
	}
	if c.valid {
		return phonenumbers.IsValidNumber(n)
	}
	// IsPossibleNumber would take a local number without its area code too.
	return phonenumbers.IsPossibleNumberWithReason(n) == phonenumbers.IS_POSSIBLE
}

// formatE164 refuses a number whose E.164 form reads back as another number: it could not serve as a key.
func formatE164(n *phonenumbers.PhoneNumber) (string, bool) {
	e := phonenumbers.Format(n, phonenumbers.E164)
	again, err := phonenumbers.Parse(e, "")
	if err != nil || phonenumbers.Format(again, phonenumbers.E164) != e || len(e) > 1+15 {
		return "", false
	}
	return e, true
}

// stripSeparators takes the separators out. ok is false for anything that holds more than digits,
// separators and one leading plus.
func stripSeparators(raw string) (digits string, plus, ok bool) {
	if utf8.RuneCountInString(raw) > maxLength {
		return "", false, false
	}
	// "7700900123.0" is a spreadsheet's decimal, not a digit more.
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

// isSeparator says whether c only parts or surrounds groups of digits. Contacts apps wrap numbers in invisible
// marks of direction, and word processors turn the hyphen into a dash.
func isSeparator(c rune) bool {
	switch c {
	case '(', ')', '.', '-', '\u2212', '\u2060', '\ufeff', '\u00ad':
		return true
	}
	return unicode.Is(unicode.Zs, c) || c == '\t' || c >= '\u2010' && c <= '\u2015' ||
		unicode.Is(unicode.Bidi_Control, c) || c >= '\u200b' && c <= '\u200d'
}

// National is the number as people of its own country write it, such as "07700 900123". What is
// not in the form of E.164 comes back as it is.
func National(e164 string) string { return formatDisplay(e164, phonenumbers.NATIONAL) }

// International is the number as it is written abroad, such as "+44 7700 900123". What is not
// in the form of E.164 comes back as it is.
func International(e164 string) string { return formatDisplay(e164, phonenumbers.INTERNATIONAL) }

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
