package delivery

import (
	"net/url"
	"strings"

	"o2archiver/shared/record"
)

// readEntry returns the name and the address of an entry that has any form. The address in angle brackets begins at
// angle, if that is not negative. Without numbered, the name has no number.
func readEntry(text string, angle int, numbered bool) (a address) {
	decoded := angle < 0
	if decoded {
		text = decodeWords(text)
		angle = strings.LastIndexByte(text, '<')
	}
	if angle >= 0 {
		inside, after, _ := strings.Cut(text[angle+1:], ">")
		a.address = strings.TrimSpace(inside)
		a.name = strings.TrimSpace(text[:angle]) + " " + strings.TrimSpace(after)
		if strings.ContainsAny(a.address, " \t\r\n") && len(a.address) <= maxNumbered {
			var more string // QUIRK: an angle bracket that is not closed
			more, a.address = cutAddress(a.address)
			a.name += " " + more
		}
	} else {
		a.name = text
		if len(text) <= maxNumbered {
			a.name, a.address = cutAddress(text)
		}
	}
	a.name = strings.TrimSpace(whiteSpace.Replace(a.name))
	if strings.HasPrefix(a.name, "(") && strings.HasSuffix(a.name, ")") { // RFC 5322 section 3.4: the older form
		a.name = a.name[1 : len(a.name)-1]
	}
	name := unquoteName(a.name)
	isQuoted := name != a.name
	a.name = name
	if !decoded {
		a.name = decodeWords(a.name)
	}
	if numbered && !isQuoted {
		a.name = cleanWords(a.name)
	}
	a.name, a.address = validText(a.name), validText(withoutScheme(a.address))
	return a
}

// cutAddress takes the first word that is an address, or has an @, for the address, and the others for the name.
func cutAddress(text string) (name, address string) {
	words, at := strings.Fields(text), -1
	for i, word := range words {
		if addressOf(word) != "" {
			at = i
			break
		} else if at < 0 && strings.Contains(word, "@") {
			at = i
		}
	}
	if at >= 0 {
		address = strings.Trim(words[at], "\"'()[]")
		words = append(words[:at:at], words[at+1:]...)
	}
	return strings.Join(words, " "), address
}

// addressOf returns the e-mail address that a word is, or "".
func addressOf(word string) string {
	if !strings.Contains(word, "@") {
		return ""
	}
	return record.EmailAddress(word)
}

// whiteSpace replaces tabs and line ends by blanks.
var whiteSpace = strings.NewReplacer("\t", " ", "\r", " ", "\n", " ")

// unquoted removes the backslashes of a quoted string (RFC 5322 section 3.2.4).
var unquoted = strings.NewReplacer(`\\`, `\`, `\"`, `"`)

// unquoteName returns a display name without the quotation marks around it.
func unquoteName(name string) string {
	if len(name) > 1 && name[0] == '"' && name[len(name)-1] == '"' {
		return unquoted.Replace(name[1 : len(name)-1])
	}
	return name
}

// schemes are those of URIs with a number.
var schemes = []string{"tel:", "sms:", "smsto:", "mms:", "mmsto:", "callto:", "sip:", "sips:"}

// mailSchemes are those of addresses that record.EmailAddress reads.
var mailSchemes = []string{"mailto:", "smtp:", "email:", "e-mail:", "mail:"}

// hasScheme reports whether a text begins with the scheme of a number or an address.
func hasScheme(s string) bool {
	s = strings.TrimSpace(s)
	return schemeOf(s, schemes) != "" || schemeOf(s, mailSchemes) != ""
}

func schemeOf(s string, of []string) string {
	for _, scheme := range of {
		if len(s) >= len(scheme) && record.EqualFoldASCII(s[:len(scheme)], scheme) {
			return scheme
		}
	}
	return ""
}

// withoutScheme returns a number or an address without the scheme and the parameters of a URI (RFC 3966, RFC 5724, RFC
// 6068), and any other text as it is.
func withoutScheme(s string) string {
	if scheme := schemeOf(s, schemes); scheme != "" {
		s = strings.TrimPrefix(s[len(scheme):], "//")
		if end := strings.IndexAny(s, ";?"); end >= 0 {
			s = s[:end]
		}
		if plain, err := url.PathUnescape(s); err == nil {
			s = plain
		}
		return strings.TrimSpace(s)
	}
	if address := record.EmailAddress(s); address != "" && schemeOf(s, mailSchemes) != "" {
		return address
	}
	return s
}

// cleanWords returns a name in which a number has neither a scheme nor, if it is a telephone number, angle brackets.
func cleanWords(name string) string {
	if len(name) > maxNumbered || !strings.ContainsAny(name, ":<") {
		return name
	}
	var all []string
	words := strings.Fields(name)
	for i, word := range words {
		if inside := strings.Trim(word, "<>"); word != inside && countDigits(inside) >= phoneDigits {
			word = inside
		}
		if scheme := schemeOf(word, schemes); scheme == "" {
		} else if rest := withoutScheme(word); countDigits(rest) >= minDigits {
			word = rest
		} else if rest == "" && i+1 < len(words) && isNumberWord(words[i+1]) {
			continue
		}
		if word != "" {
			all = append(all, word)
		}
	}
	return strings.Join(all, " ")
}
