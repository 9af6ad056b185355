package record

import (
	"net/url"
	"strings"
	"unicode"
)

// SplitEmails returns the entries of a property User's Email address, as given but trimmed. They are separated by semicolons, commas
// or white space; a display name before an address in angle brackets, and what stands in its quotation marks, belongs to the
// entry: "Baker, Bob" <bob@contoso.com>.
func SplitEmails(property string) []string {
	var all []string
	for rest := property; ; {
		rest = strings.TrimLeftFunc(rest, emailSeparator)
		if rest == "" {
			return all
		}
		n := lenNamed(rest)
		if n == 0 {
			if n = strings.IndexFunc(rest, emailSeparator); n < 0 {
				n = len(rest)
			}
		}
		all = append(all, strings.TrimFunc(rest[:n], emailSeparator))
		rest = rest[n:]
	}
}

func emailSeparator(c rune) bool {
	return c == ';' || c == ',' || c == '；' || c == '，' || unicode.IsSpace(c)
}

// lenNamed is the length of a display name and the address in angle brackets behind it, with which s begins; 0 if it does not.
func lenNamed(s string) int {
	quoted := false
	s = s[:min(len(s), maxEmail)] // a longer name is taken word by word, and the time does not grow with its square
	for i, c := range s {
		switch {
		case c == '"':
			// Only a mark that has its pair, and a bracket behind that, protects a separator: a stray one must not hide addresses.
			if !quoted && !quotedName(s[i+1:]) {
				return 0
			}
			quoted = !quoted
		case quoted:
		case c == '<':
			if end := strings.IndexByte(s[i:], '>'); end > 0 && !strings.ContainsAny(s[i:i+end], ",; \t\r\n") {
				return i + end + 1
			}
			return 0
		case c == ';', c == ',', c == '@', c == '；', c == '，', c == '\n', c == '\r':
			return 0 // no name that is not quoted has one
		}
	}
	return 0
}

// quotedName reports whether s, which follows a quotation mark, goes on to another one and then to an angle bracket.
func quotedName(s string) bool {
	end := strings.IndexByte(s, '"')
	return end >= 0 && strings.HasPrefix(strings.TrimSpace(s[end+1:]), "<")
}

const maxEmail = 1000 // bytes of an entry that holds an address of at most 254

// EmailAddress returns the address in an entry of the property: without a display name, angle brackets, quotation marks
// around it, mailto: or SMTP:, a trailing dot, or characters that can't be seen; full-width letters become ASCII. It does not
// check the address. "" means that the entry holds none, or more than one.
func EmailAddress(entry string) string {
	if len(entry) > maxEmail {
		return ""
	}
	s := strings.TrimSpace(visibleASCII(entry))
	for range 4 { // <mailto:…>, '<…>': no known program nests them deeper
		before := s
		if from := strings.LastIndexByte(s, '<'); from >= 0 {
			if strings.ContainsAny(withoutQuoted(s[:from]), "@>") {
				return ""
			}
			s, _, _ = strings.Cut(s[from+1:], ">")
		}
		s = strings.TrimRight(strings.TrimFunc(s, isAround), ".")
		s = withoutScheme(s)
		if s == before {
			break
		}
	}
	if strings.Count(s, "@") != 1 || strings.ContainsFunc(s, unicode.IsSpace) {
		return ""
	}
	return s
}

// withoutQuoted is s without what stands in pairs of quotation marks.
func withoutQuoted(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, `"`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if _, s, ok = strings.Cut(rest, `"`); !ok {
			b.WriteString(rest)
			return b.String()
		}
	}
}

// withoutScheme cuts the scheme of a mail URI (RFC 6068) or of a proxy address, and undoes the URI's percent-encoding.
func withoutScheme(s string) string {
	for _, scheme := range []string{"mailto:", "smtp:", "email:", "e-mail:", "mail:", "sip:"} {
		if len(s) < len(scheme) || !EqualFoldASCII(s[:len(scheme)], scheme) {
			continue
		}
		s = s[len(scheme):]
		if scheme != "mailto:" {
			return strings.TrimSpace(s)
		}
		s, _, _ = strings.Cut(strings.TrimPrefix(s, "//"), "?")
		if plain, err := url.PathUnescape(s); err == nil {
			s = plain
		}
		return strings.TrimSpace(s)
	}
	return s
}

// isAround reports whether c stands around an address and is no part of one.
func isAround(c rune) bool {
	return unicode.IsSpace(c) || strings.ContainsRune("\"'`()[]<>,;:‘’“”«»", c)
}

// visibleASCII turns full-width forms into ASCII, takes out what can't be seen, and makes blanks of all white space. Letters that only look like
// ASCII stay: they are another address.
func visibleASCII(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= '\uff01' && c <= '\uff5e':
			return c - '\uff01' + '!'
		case c == '\u3002', c == '\uff61': // ideographic full stops: RFC 3490 section 3.1
			return '.'
		case c == '\ufe6b':
			return '@'
		case c == '\u00ad', unicode.Is(unicode.Cf, c):
			return -1
		case c > unicode.MaxASCII && unicode.IsSpace(c):
			return ' '
		}
		return c
	}, s)
}
