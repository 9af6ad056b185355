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

// givenCharset returns the charset that a content type names, in lower case. MMS parts may name the usual ones by
// WAP's numbers (IANA MIBenum).
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

// charsetOf returns the charset that the source declares for a text, if mail programs know it, and "" otherwise. A
// mail program would guess the charset of a part that declares none.
func charsetOf(media, given string) string {
	if !strings.HasPrefix(media, "text/") {
		return ""
	}
	switch charset := givenCharset(given); charset {
	case "utf-8", "us-ascii", "utf-16", "utf-16be", "utf-16le", "iso-8859-1", "iso-8859-2", "iso-8859-5",
		"iso-8859-6", "iso-8859-7", "iso-8859-8", "iso-8859-9", "iso-8859-15", "windows-1250", "windows-1251",
		"windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256", "gb2312", "gb18030", "gbk",
		"big5", "shift_jis", "iso-2022-jp", "euc-jp", "euc-kr", "koi8-r":
		return charset
	}
	return ""
}

// readText returns the content of a text file in UTF-8, and the charset that the bytes are in. It decodes by the
// charset that the content type names. Without one, or with us-ascii, which phones declare for any text, bytes that
// are valid UTF-8 are read as UTF-8. ok is false if the text cannot be decoded. Then nothing is shown, because wrong
// letters would appear to be the sender's.
func readText(content []byte, contentType string) (text, charset string, ok bool) {
	charset = givenCharset(contentType)
	switch charset {
	case "", "us-ascii", "ascii", "utf-8":
		if charset != "utf-8" &&
			(bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff"))) {
			charset = "utf-16"
			break
		}
		return strings.TrimPrefix(string(content), "\ufeff"), "utf-8", utf8.Valid(content)
	}
	decoded, ok := decodeCharset(content, charset)
	return strings.TrimPrefix(decoded, "\ufeff"), charset, ok
}

// decodeCharset decodes content. ok is false if the charset is unknown or has no character for some of the bytes.
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

// normalizeText returns a text in a form in which two copies of it compare as equal, whichever programs wrote them:
// without byte order marks, NULs and surrounding white space, and with LF as line end.
func normalizeText(text string) string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "", "\ufeff", "").Replace(text)
	return strings.TrimSpace(text)
}
