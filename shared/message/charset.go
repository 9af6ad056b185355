package message

import (
	"bytes"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// givenCharset is the character set that a content type names, in lower case. WAP's numbers for the usual ones (IANA's
// MIBenum) are among what MMS parts have.
func givenCharset(contentType string) string {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	charset := strings.ToLower(strings.TrimSpace(params["charset"]))
	switch charset {
	case "3":
		return "us-ascii"
	case "4":
		return "iso-8859-1"
	case "106", "utf8":
		return "utf-8"
	case "1000", "1015":
		return "utf-16"
	}
	return charset
}

// charsetOf is the character set that the source says a text is in, if mail programs know it: without it they would guess.
func charsetOf(media, given string) string {
	if !strings.HasPrefix(media, "text/") {
		return ""
	}
	switch charset := givenCharset(given); charset {
	case "utf-8", "us-ascii", "utf-16", "utf-16be", "utf-16le", "iso-8859-1", "iso-8859-2", "iso-8859-5", "iso-8859-6", "iso-8859-7", "iso-8859-8",
		"iso-8859-9", "iso-8859-15", "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255",
		"windows-1256", "gb2312", "gb18030", "gbk", "big5", "shift_jis", "iso-2022-jp", "euc-jp", "euc-kr", "koi8-r":
		return charset
	}
	return ""
}

// readText is a text in UTF-8, read by the character set that its content type names, and the set that the bytes are in. Without
// one, or with us-ascii, which phones write for anything, bytes that are UTF-8 are UTF-8. ok is false if it can't be read so: then
// nothing is shown, for wrong letters would pass for the sender's.
func readText(content []byte, contentType string) (text, charset string, ok bool) {
	charset = givenCharset(contentType)
	switch charset {
	case "", "us-ascii", "ascii", "utf-8":
		if charset != "utf-8" && (bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff"))) {
			charset = "utf-16"
			break
		}
		return strings.TrimPrefix(string(content), "\ufeff"), "utf-8", utf8.Valid(content)
	}
	decoded, ok := decodeCharset(content, charset)
	return strings.TrimPrefix(decoded, "\ufeff"), charset, ok
}

// decodeCharset reads bytes in a character set. ok is false if it is not known, or has no characters for some of them.
func decodeCharset(content []byte, charset string) (text string, ok bool) {
	decoder := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder() // RFC 2781 section 4.3
	if charset != "utf-16" {
		known, err := htmlindex.Get(charset)
		if err != nil {
			return "", false
		}
		decoder = known.NewDecoder()
	}
	decoded, _, err := transform.Bytes(decoder, content)
	if err != nil || !utf8.Valid(decoded) || bytes.ContainsRune(decoded, utf8.RuneError) {
		return "", false
	}
	return string(decoded), true
}

// normalizeText is what of a text two copies of it have in common, whichever program wrote them: not the line ends, nor a byte order mark, NULs
// or what is blank at the end.
func normalizeText(text string) string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "", "\ufeff", "").Replace(text)
	return strings.TrimSpace(text)
}
