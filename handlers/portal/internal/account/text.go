package account

import (
	"strings"
	"unicode"

	"o2archiver/handlers/portal/internal/pages"
)

// cleanText returns a text from outside with a mark in place of each character that changes how others are shown:
// control characters, and those that turn the direction of writing.
func cleanText(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == '\u2028' || c == '\u2029' {
			return unicode.ReplacementChar
		}
		return c
	}, s)
}

// showName returns a number or an address as it is shown: clean, and masked for who is no administrator.
func showName(s string, admin bool) string { return pages.Mask(cleanText(s), admin) }

// kindNames are the kinds of the sources in words.
var kindNames = map[string]string{
	"SMS": "SMS", "MMS": "MMS", "CALL_LOG": "Call", "CALL_AUDIO": "Call recording", "SYSTEM": "Heartbeat",
	"MESSAGE": "E-mail message", "OTHER": "Other", "": "Not known yet",
}

// NameKind returns a kind in words.
func NameKind(kind string) string {
	if name, ok := kindNames[kind]; ok {
		return name
	}
	return cleanText(kind)
}
