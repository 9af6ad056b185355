package delivery

import (
	"mime"

	"o2archiver/shared/source/delivery/mimeread"
)

// fileName returns the name of a part's file, from the disposition or else from the type; "" if it has none.
func fileName(p *mimeread.Part) string {
	return cutText(validText(decodeWords(p.FileName(decodeBytes))), maxFile)
}

// decodeBytes returns a text in a charset as UTF-8, or its bytes as they are if that is not possible.
func decodeBytes(charset string, text []byte) string {
	if known, err := charsetOf(charset); err == nil && known != nil {
		if decoded, err := known.NewDecoder().Bytes(text); err == nil {
			return string(decoded)
		}
	}
	return string(text)
}

// typeOf returns the content type of a part, with a charset if it has one.
func typeOf(p *mimeread.Part) string {
	kind := p.Type
	if charset := p.Params["charset"]; charset != "" {
		if full := mime.FormatMediaType(kind, map[string]string{"charset": charset}); full != "" {
			kind = full
		}
	}
	return cutText(validText(kind), maxFile)
}
