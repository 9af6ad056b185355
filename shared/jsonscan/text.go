package jsonscan

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A JSON string can contain a lone surrogate, half of a UTF-16 pair, which valid UTF-8 cannot. encoding/json replaces
// it by U+FFFD, and the original value is lost. Therefore strings are read in two steps. UnescapeString keeps each
// surrogate in the three bytes that UTF-8 would use for it (WTF-8). MarkInvalid then joins pairs, also across two
// parts of a long SMS (UCS-2 messages are split without regard to pairs), and replaces lone surrogates by visible
// marks.

// UnescapeString returns the content of a valid JSON string in WTF-8. value includes the quotes.
func UnescapeString(value []byte) []byte {
	value = value[1 : len(value)-1]
	out := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		if value[i] != '\\' {
			out = append(out, value[i])
			continue
		}
		i++
		switch c := value[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			unit, _ := strconv.ParseUint(string(value[i+1:i+5]), 16, 16)
			out = appendUnit(out, rune(unit))
			i += 4
		default:
			out = append(out, c)
		}
	}
	return out
}

// appendUnit appends a UTF-16 code unit. A surrogate is encoded like any other.
func appendUnit(out []byte, unit rune) []byte {
	if unit < 0xD800 || unit > 0xDFFF {
		return utf8.AppendRune(out, unit)
	}
	return append(out, 0xE0|byte(unit>>12), 0x80|byte(unit>>6)&0xBF, 0x80|byte(unit)&0xBF)
}

// MarkInvalid returns the text as valid UTF-8. Invalid parts become visible: ⟦U+D83D⟧ for a lone surrogate, ⟦byte FF⟧
// for other bytes.
func MarkInvalid(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	var out strings.Builder
	out.Grow(len(text) + 16)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r != utf8.RuneError || size > 1 {
			out.Write(text[i : i+size])
			i += size
			continue
		}
		high, ok := readSurrogate(text[i:])
		if !ok {
			end := i + 1
			for end < len(text) && !startsCharacter(text[end:]) {
				end++
			}
			fmt.Fprintf(&out, "⟦byte %s⟧", strings.ToUpper(hex.EncodeToString(text[i:end])))
			i = end
			continue
		}
		i += 3
		if low, ok := readSurrogate(text[i:]); ok && high < 0xDC00 && low >= 0xDC00 {
			out.WriteRune(0x10000 + (high-0xD800)<<10 + (low - 0xDC00))
			i += 3
			continue
		}
		fmt.Fprintf(&out, "⟦U+%04X⟧", high)
	}
	return out.String()
}

// readSurrogate decodes a surrogate from WTF-8.
func readSurrogate(text []byte) (rune, bool) {
	if len(text) < 3 || text[0] != 0xED || text[1] < 0xA0 || text[1] > 0xBF || text[2] < 0x80 || text[2] > 0xBF {
		return 0, false
	}
	return 0xD000 | rune(text[1]&0x3F)<<6 | rune(text[2]&0x3F), true
}

// startsCharacter reports whether text begins with a valid character or a surrogate.
func startsCharacter(text []byte) bool {
	if r, size := utf8.DecodeRune(text); r != utf8.RuneError || size > 1 {
		return true
	}
	_, ok := readSurrogate(text)
	return ok
}
