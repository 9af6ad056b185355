package telemessage

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A JSON string can hold half of a surrogate pair, which no UTF-8 text can. encoding/json puts U+FFFD in its
// place, and then nobody can tell any more that something else stood there. So a string is read in two steps:
// unescape keeps each half in the three bytes that UTF-8 would give it (WTF-8), and mark joins the halves that meet, even
// across two pieces of a long SMS (UCS-2 messages are cut without regard to pairs), and makes the others visible.

// unescapeString reads a valid JSON string, quotes included.
func unescapeString(value []byte) []byte {
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

// appendUnit appends a UTF-16 code unit, half a pair like any other.
func appendUnit(out []byte, unit rune) []byte {
	if unit < 0xD800 || unit > 0xDFFF {
		return utf8.AppendRune(out, unit)
	}
	return append(out, 0xE0|byte(unit>>12), 0x80|byte(unit>>6)&0xBF, 0x80|byte(unit)&0xBF)
}

// markInvalid makes valid UTF-8 of it. What is none becomes visible: ⟦U+D83D⟧ for half a pair, ⟦byte FF⟧ for other bytes.
func markInvalid(text []byte) string {
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

// readSurrogate reads half of a surrogate pair.
func readSurrogate(text []byte) (rune, bool) {
	if len(text) < 3 || text[0] != 0xED || text[1] < 0xA0 || text[1] > 0xBF || text[2] < 0x80 || text[2] > 0xBF {
		return 0, false
	}
	return 0xD000 | rune(text[1]&0x3F)<<6 | rune(text[2]&0x3F), true
}

func startsCharacter(text []byte) bool {
	if r, size := utf8.DecodeRune(text); r != utf8.RuneError || size > 1 {
		return true
	}
	_, ok := readSurrogate(text)
	return ok
}
