package mimeread

import (
	"mime"
	"strconv"
	"strings"
)

// defaultType is the type of a part that states none (RFC 2045 section 5.2).
const defaultType = "text/plain"

// maxPieces is the maximum number of pieces of a parameter (RFC 2231 section 3).
const maxPieces = 1_000

// Token returns the first word of a field such as Content-Transfer-Encoding, in lower case. QUIRK: programs write
// parameters, comments and quotation marks, too.
func Token(value string) string {
	for value = strings.TrimSpace(value); strings.HasPrefix(value, "("); {
		_, rest, _ := strings.Cut(value, ")")
		value = strings.TrimSpace(rest)
	}
	value = strings.TrimLeft(value, "\"' \t")
	if end := strings.IndexAny(value, "\"';,( \t"); end >= 0 {
		value = value[:end]
	}
	return strings.ToLower(value)
}

// parseType returns the media type and parameters of a content type, defaultType without a usable one.
func parseType(value string) (media string, params map[string]string) {
	media, params, err := mime.ParseMediaType(value)
	if err == nil && strings.Contains(media, "/") {
		return media, params
	}
	// QUIRK: parameters with blanks, without quotes, or twice are refused as a whole.
	media, rest, _ := strings.Cut(value, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	if top, sub, ok := strings.Cut(media, "/"); !ok || top == "" || sub == "" || strings.ContainsAny(media, " \t\"") {
		media = defaultType
	}
	params = ParseParams(rest)
	for _, name := range []string{"boundary", "charset"} {
		if _, text, ok := extendedParam(params, name); ok && params[name] == "" {
			params[name] = string(text)
		}
	}
	return media, params
}

// FileName returns the name of a part's file, from the disposition or else from the type; "" if it has none. Names of
// RFC 2231 are converted by decode, or left as bytes if it is nil. Encoded words are not decoded.
func (p *Part) FileName(decode func(charset string, text []byte) string) string {
	name := paramOf(p.Header.Get("Content-Disposition"), "filename", decode)
	if name == "" && !p.loose {
		name = paramOf(p.Header.Get("Content-Type"), "name", decode)
	}
	return name
}

// paramOf returns a parameter of a field, "" if it has none of the name.
func paramOf(field, name string, decode func(charset string, text []byte) string) string {
	_, params, err := mime.ParseMediaType(field)
	if err == nil && !strings.Contains(field, "*") {
		return params[name]
	}
	first, rest, _ := strings.Cut(field, ";")
	if strings.Contains(first, "=") { // QUIRK: there is nothing in front of the parameters
		rest = field
	}
	own := ParseParams(rest)
	charset, text, ok := extendedParam(own, name) // package mime drops what is in another charset than UTF-8
	switch {
	case ok && decode != nil:
		return decode(charset, text)
	case ok:
		return string(text)
	case err == nil:
		return params[name]
	}
	return own[name]
}

// extendedParam returns a parameter that has a charset, or is in pieces (RFC 2231 sections 3 and 4), as bytes in the
// charset. ok is false if there is no such parameter, or it is empty.
func extendedParam(params map[string]string, name string) (charset string, text []byte, ok bool) {
	if value, isWhole := params[name+"*"]; isWhole {
		charset, value = cutCharset(value)
		text = decodePercent(value)
		return charset, text, len(text) > 0
	}
	for n := range maxPieces {
		key := name + "*" + strconv.Itoa(n)
		piece, isEncoded := params[key+"*"]
		switch literal, isLiteral := params[key]; {
		case isEncoded && len(text) == 0:
			charset, piece = cutCharset(piece)
			fallthrough
		case isEncoded:
			text = append(text, decodePercent(piece)...)
		case isLiteral:
			text = append(text, literal...)
		case n > 0: // QUIRK: some programs count from 1
			return charset, text, len(text) > 0
		}
	}
	return charset, text, len(text) > 0
}

// cutCharset returns the charset of a parameter and the text after it and after the language.
func cutCharset(value string) (charset, text string) {
	if all := strings.SplitN(value, "'", 3); len(all) == 3 {
		return all[0], all[2]
	}
	return "", value
}

// decodePercent decodes a parameter. A percent sign that begins no valid code is content.
func decodePercent(text string) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if high, low := hexValue(text[i+1]), hexValue(text[i+2]); high >= 0 && low >= 0 {
				out = append(out, byte(high<<4|low))
				i += 2
				continue
			}
		}
		out = append(out, text[i])
	}
	return out
}

// unquoted removes the backslashes of a quoted string (RFC 5322 section 3.2.4).
var unquoted = strings.NewReplacer(`\\`, `\`, `\"`, `"`)

// ParseParams returns the parameters of a header field, names in lower case, for a field that does not have the form of
// RFC 2045. Of two parameters with one name the first counts.
func ParseParams(text string) map[string]string {
	params := map[string]string{}
	for quotes := true; text != ""; {
		var one string
		one, text, quotes = cutParam(text, quotes)
		name, value, ok := strings.Cut(one, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := params[name]; !ok || twice || name == "" {
			continue
		}
		value = strings.TrimSpace(value)
		if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = unquoted.Replace(value[1 : len(value)-1])
		}
		params[name] = strings.Trim(value, `"`)
	}
	return params
}

// cutParam returns the text before the first semicolon that is not between quotation marks, and the text after it.
// After a quotation mark without a second one, quotes is false: no further one has a meaning, so that the time for a
// field does not grow with the square of its length.
func cutParam(text string, quotes bool) (one, rest string, _ bool) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quoted:
			i++
		case text[i] == '"':
			quoted = quotes && !quoted
		case text[i] == ';' && !quoted:
			return text[:i], text[i+1:], quotes
		}
	}
	if quoted {
		return cutParam(text, false)
	}
	return text, "", quotes
}
