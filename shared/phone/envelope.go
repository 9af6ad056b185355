package phone

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// maxEnvelope is the maximum length in bytes of a number with everything that networks write around it.
const maxEnvelope = 512

// Bare returns the address without the envelope that a network or device has put around it, such as 65000 from
// "65000/TYPE=PLMN" (OMA MMS Encapsulation section 8), "tel:65000;phone-context=+44" (RFC 3966) or
// "<sip:65000@ims.example;user=phone>" (RFC 3261 section 19.1). A text without an envelope is returned unchanged.
func Bare(raw string) string {
	core, _ := openEnvelope(raw)
	return core
}

// schemes matches the URI schemes that can precede a number.
var schemes = regexp.MustCompile(
	`(?i)^(tel|sips?|sms|smsto|mms|mmsto|callto|fax|modem|msisdn|e\.?164|urn:tel)\s*:\s*(//)?`)

var (
	typed     = regexp.MustCompile(`(?i)\s*/\s*TYPE\s*=`)
	parameter = regexp.MustCompile(`(?i)\s*;\s*[a-z][a-z0-9.-]*\s*(=|;|$)`)
	context   = regexp.MustCompile(`(?i);\s*phone-context\s*=\s*"?([^;@>"?]*)`)
)

// openEnvelope removes the envelope. country is the phone-context of a local number, "" if there is none.
func openEnvelope(raw string) (core, country string) {
	if len(raw) > maxEnvelope || !utf8.ValidString(raw) || !strings.ContainsFunc(raw, isEnvelope) {
		return raw, ""
	}
	core = raw
	for range 4 { // e.g. a URI in angle brackets in quotes; no known envelope has more levels
		inner, within := openOnce(core)
		if within != "" {
			country = within
		}
		if inner == core {
			break
		}
		core = inner
	}
	if strings.TrimSpace(core) == "" {
		return raw, ""
	}
	return core, country
}

// isEnvelope reports whether c can be part of an envelope.
func isEnvelope(c rune) bool {
	return strings.ContainsRune(`<>:/;@"'%`, c) || c >= '\uff01' && c <= '\uff5e'
}

// openOnce removes one level of an envelope.
func openOnce(s string) (core, country string) {
	s = strings.TrimSpace(foldDigits(s))
	if inner, rest, ok := cutBrackets(s); ok {
		s = inner + rest
	}
	if n := len(s) - 1; n > 0 && (s[0] == '"' || s[0] == '\'') && s[n] == s[0] {
		s = strings.TrimSpace(s[1:n])
	}
	uri := schemes.FindString(s)
	s = s[len(uri):]
	if m := context.FindStringSubmatch(s); m != nil {
		country = strings.TrimSpace(m[1])
	}
	sip := strings.HasPrefix(strings.ToLower(uri), "sip")
	if at := typed.FindStringIndex(s); at != nil {
		s = s[:at[0]]
	} else if at := strings.IndexByte(s, '@'); at >= 0 && (sip || strings.Contains(strings.ToLower(s), "user=phone")) {
		s, _, _ = strings.Cut(s[:at], ":") // the user part may have a password
	}
	if uri != "" {
		s, _, _ = strings.Cut(s, "?")
		if plain, err := url.PathUnescape(s); err == nil {
			s = plain
		}
	}
	if at := parameter.FindStringIndex(s); at != nil {
		s = s[:at[0]]
	}
	return strings.TrimSpace(s), country
}

// cutBrackets returns what is inside the only pair of angle brackets, which may follow a display name, and the
// parameters after it. ok is false if s does not have this form.
func cutBrackets(s string) (inner, rest string, ok bool) {
	name, inner, found := strings.Cut(s, "<")
	inner, rest, closed := strings.Cut(strings.TrimLeft(inner, "<"), ">")
	rest = strings.TrimLeft(rest, "> ")
	if !found || !closed || strings.Contains(name, ">") || rest != "" && rest[0] != ';' {
		return "", "", false
	}
	return strings.TrimSpace(inner), rest, true
}

// foldDigits converts full-width forms and the digits of other scripts to ASCII, as libphonenumber does.
func foldDigits(s string) string {
	if !strings.ContainsFunc(s, func(c rune) bool { return c > unicode.MaxLatin1 }) {
		return s
	}
	return strings.Map(func(c rune) rune {
		switch {
		case c >= '\uff01' && c <= '\uff5e':
			return c - '\uff01' + '!'
		case c > unicode.MaxLatin1 && unicode.Is(unicode.Nd, c):
			return asciiDigit(c)
		}
		return c
	}, s)
}

// asciiDigit returns the ASCII digit for a decimal digit. Unicode assigns the digits of a script consecutively, from
// zero to nine.
func asciiDigit(c rune) rune {
	for _, r := range unicode.Nd.R16 {
		if c >= rune(r.Lo) && c <= rune(r.Hi) {
			return '0' + (c-rune(r.Lo))%10
		}
	}
	for _, r := range unicode.Nd.R32 {
		if c >= rune(r.Lo) && c <= rune(r.Hi) {
			return '0' + (c-rune(r.Lo))%10
		}
	}
	return c
}

const labels = `tel(?:ephone)?|phone|ph|mob(?:ile)?|cell(?:phone)?|fax|home|work|office|main|direct|business|` +
	`msisdn|number|num|no`

var (
	// 3GPP TS 22.030 section 6.5.2: *31# and #31# before a number, and the forms that control a service,
	// **21*number*11#.
	service    = regexp.MustCompile(`^(?:[*#]{1,2}\d{2,3}[*#])+`)
	serviceEnd = regexp.MustCompile(`(?:\*\d{0,4})*#+$`)
	star       = regexp.MustCompile(`^\*\d{2}`) // prefixes in North America: *67, *82
	outside    = regexp.MustCompile(`^\d{0,2}[,pPwW]+`)
	label      = regexp.MustCompile(`(?i)^(?:(?:` + labels + `)\s*[.:]*|[tmphwo]\s*[.:])\s*`)
	labelEnd   = regexp.MustCompile(`(?i)\s*(?:\(\s*[\pL ]{1,20}\s*\)|(?:` + labels + `))$`)
	// RFC 3966 section 5.3 writes an extension as a parameter; people and directories write it in these ways.
	extension = regexp.MustCompile(`(?i)\s*[,;]?\s*(?:\(\s*)?(?:ext(?:ension|n)?|x|int|#)\s*[.:#=]*\s*\d{1,8}\s*\)?$`)
	// What a device dials after the call is answered: pauses, waits and tones (3GPP TS 31.102 section 4.4.2.3).
	tones  = regexp.MustCompile(`\s*[,;pPwW][\s,;pPwW0-9*#]*$`)
	filler = regexp.MustCompile(`\d[fF]{1,2}$`) // pads a number in half octets: 3GPP TS 24.008 section 10.5.4.7
)

// withheldPrefixes maps a country to the prefixes that are dialled before a national number, to withhold or show the
// caller's own number (141, 1470) or to choose a carrier.
var withheldPrefixes = map[string][]string{
	"GB": {"1470", "141", "1280", "1899", "18185", "18866"},
	"IE": {"141", "142"},
	"US": {"1167", "1182"},
	"CA": {"1167", "1182"},
}

// dialledNumber returns the number without the prefixes and suffixes of dial plans. extended reports whether an
// extension or tones followed it; then the number is that of a switchboard.
func dialledNumber(s, region string) (number string, extended bool) {
	// A spreadsheet marks a cell as text with an apostrophe.
	s = strings.TrimRight(strings.TrimSpace(strings.TrimLeft(s, "'")), ".")
	s = s[len(label.FindString(s)):]
	s = s[:len(s)-len(labelEnd.FindString(s))]
	if code := service.FindString(s); code != "" {
		s = s[len(code):]
		s = s[:len(s)-len(serviceEnd.FindString(s))]
	} else {
		s = s[len(star.FindString(s)):]
	}
	s = strings.TrimSpace(s)
	s = s[len(outside.FindString(s)):]
	if filler.MatchString(s) {
		s = strings.TrimRight(s, "fF")
	}
	if rest := extension.FindString(s); rest != "" {
		return s[:len(s)-len(rest)], true
	}
	if rest := tones.FindString(s); rest != "" {
		next := strings.TrimLeft(rest, " ,;pPwW")
		_, second := readSpelled(next, region)
		if separators := strings.TrimSpace(rest[:len(rest)-len(next)]); second &&
			len(separators) == 1 && !strings.ContainsAny(separators, "pPwW") {
			return "", false // two numbers in one field
		}
		return s[:len(s)-len(rest)], strings.ContainsAny(rest, "0123456789")
	}
	return s, false
}

// readUnwrapped parses a number that has more around it than separators. It returns its E.164 form.
func readUnwrapped(raw, region string) (e164 string, extended, ok bool) {
	core, country := openEnvelope(raw)
	core = strings.TrimSpace(foldDigits(core))
	if strings.Contains(core, "@") {
		return "", false, false // an e-mail address, even if it has enough digits
	}
	number, extended := dialledNumber(core, region)
	if strings.HasPrefix(country, "+") && !strings.HasPrefix(strings.TrimSpace(number), "+") {
		if e164, ok = inContext(number, country); ok {
			return e164, extended, true
		}
	}
	if e164, ok = readSpelled(number, region); ok {
		return e164, extended, true
	}
	for _, prefix := range withheldPrefixes[region] {
		if rest, cut := strings.CutPrefix(number, prefix); cut {
			if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "0") || strings.HasPrefix(rest, "+") ||
				region == "US" || region == "CA" {
				if e164, ok = readSpelled(rest, region); ok {
					return e164, extended, true
				}
			}
		}
	}
	// Other ways to dial the plus: 011 in North America, 0011 in Australia, and +00, which some gateways write.
	for _, prefix := range []string{"+00", "0011", "011"} {
		if rest, cut := strings.CutPrefix(number, prefix); cut {
			if e164, ok = readSpelled("+"+strings.TrimSpace(rest), ""); ok {
				return e164, extended, true
			}
		}
	}
	return "", false, false
}

// inContext parses a local number in the country or area of its phone-context (RFC 3966 section 5.1.5).
func inContext(number, country string) (string, bool) {
	digits, _, _ := stripSeparators(country + "0000000")
	digits = strings.TrimSuffix(digits, "0000000")
	for n := 1; n <= 3 && n <= len(digits); n++ {
		code := 0
		for _, c := range digits[:n] {
			code = 10*code + int(c-'0')
		}
		region := phonenumbers.GetRegionCodeForCountryCode(code)
		if region == "" || region == "ZZ" || region == "001" {
			continue
		}
		if n == len(digits) {
			return readSpelled(number, region)
		}
		return readSpelled("+"+digits+" "+number, region)
	}
	return "", false
}

// Extended reports whether an extension, or tones to be dialled, follow the number in raw. Then E164 returns the
// number of a switchboard, which does not belong to one person.
func Extended(raw, region string) bool {
	if _, ok := readSpelled(raw, region); ok {
		return false
	}
	if strings.Contains(strings.ToLower(raw), ";ext=") {
		return true
	}
	_, extended, ok := readUnwrapped(raw, region)
	return ok && extended
}
