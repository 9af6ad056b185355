package record

import (
	"net/url"
	"strings"
	"unicode"
)

// SplitEmails returns the entries of a property User's Email address, as given but trimmed. They are separated by
// semicolons, commas or white space. A display name before an address in angle brackets, with everything in its
// quotation marks, is part of the entry: "Baker, Bob" <bob@contoso.com>.
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

// emailSeparator reports whether c separates entries of the property.
func emailSeparator(c rune) bool {
	return c == ';' || c == ',' || c == '；' || c == '，' || unicode.IsSpace(c)
}

// lenNamed returns the length of the display name and address in angle brackets at the beginning of s; 0 if s does
// not begin with them.
func lenNamed(s string) int {
	quoted := false
	s = s[:min(len(s), maxEmail)] // bounds the time, which would be quadratic; a longer name is split into words
	for i, c := range s {
		switch {
		case c == '"':
			// Only a quotation mark that is closed, and followed by an angle bracket, protects separators. A stray
			// one must not hide addresses.
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
			return 0 // an unquoted name has none of these
		}
	}
	return 0
}

// quotedName reports whether s, which follows a quotation mark, has a closing one that is followed by an angle
// bracket.
func quotedName(s string) bool {
	end := strings.IndexByte(s, '"')
	return end >= 0 && strings.HasPrefix(strings.TrimSpace(s[end+1:]), "<")
}

const maxEmail = 1000 // bytes of an entry; an address has at most 254

// EmailAddress returns the address in an entry of the property, without a display name, angle brackets, surrounding
// quotation marks, mailto: or SMTP:, a trailing dot, and invisible characters. Full-width letters become ASCII. It
// does not check the address. It returns "" if the entry has no address or more than one.
func EmailAddress(entry string) string {
	if len(entry) > maxEmail {
		return ""
	}
	s := strings.TrimSpace(visibleASCII(entry))
	for range 4 { // e.g. <mailto:…>, '<…>'; no known program nests them deeper
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

// withoutQuoted returns s without the texts in pairs of quotation marks.
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

// withoutScheme returns s without the scheme of a mail URI (RFC 6068) or of a proxy address, and decodes the
// percent-encoding of a URI.
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

// isAround reports whether c may surround an address and cannot be part of one.
func isAround(c rune) bool {
	return unicode.IsSpace(c) || strings.ContainsRune("\"'`()[]<>,;:‘’“”«»", c)
}

// visibleASCII converts full-width forms to ASCII and all white space to blanks, and removes invisible characters.
// Letters that only look like ASCII are kept, because they make a different address.
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
