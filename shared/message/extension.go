package message

import (
	"bytes"
	"cmp"
	"path"
	"strings"
)

// extensionOf returns the usual file extension of a content type, .bin if it is unknown.
func extensionOf(media string) string { return cmp.Or(knownExtension(media), ".bin") }

// knownExtension returns the usual file extension of a content type, "" if it is unknown.
func knownExtension(media string) string {
	switch media {
	case "image/jpeg":
		return ".jpg"
	case "image/png", "image/gif", "image/heic", "image/heif", "image/webp", "image/bmp", "image/avif", "video/mp4",
		"video/mpeg", "audio/amr", "audio/ogg", "application/pdf", "application/zip", "application/rtf", "text/csv":
		return "." + media[strings.IndexByte(media, '/')+1:]
	case "image/tiff":
		return ".tif"
	case "image/vnd.wap.wbmp":
		return ".wbmp"
	case "video/3gpp", "audio/3gpp":
		return ".3gp"
	case "video/3gpp2", "audio/3gpp2":
		return ".3g2"
	case "audio/amr-wb":
		return ".awb"
	case "audio/mpeg", "audio/mp3":
		return ".mp3"
	case "audio/mp4", "audio/x-m4a", "audio/m4a":
		return ".m4a"
	case "audio/aac", "audio/aacp", "audio/x-aac":
		return ".aac"
	case "audio/webm", "video/webm":
		return ".webm"
	case "audio/flac", "audio/x-flac":
		return ".flac"
	case "audio/opus":
		return ".opus"
	case "audio/midi", "audio/mid", "audio/x-midi", "audio/sp-midi":
		return ".mid"
	case "video/quicktime":
		return ".mov"
	case "audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave":
		return ".wav"
	case "text/plain":
		return ".txt"
	case "text/vcard", "text/x-vcard", "text/directory":
		return ".vcf"
	case "text/calendar":
		return ".ics"
	case "text/x-vcalendar":
		return ".vcs"
	case "application/smil", "application/smil+xml":
		return ".smil"
	case "application/msword":
		return ".doc"
	case "application/vnd.ms-excel":
		return ".xls"
	case "application/vnd.ms-powerpoint":
		return ".ppt"
	case "application/vnd.openxmlformats-officedocument.wordprocessingml.document":
		return ".docx"
	case "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":
		return ".xlsx"
	case "application/vnd.openxmlformats-officedocument.presentationml.presentation":
		return ".pptx"
	case "application/vnd.oasis.opendocument.text":
		return ".odt"
	}
	return ""
}

// hasExtension reports whether a name ends in a file extension, known here or not: a dot and a few letters or digits,
// but not digits only. "Statement 31.12" has none, and neither has "Mr. Smith".
func hasExtension(name string) bool {
	ext := path.Ext(name)
	if len(ext) < 2 || len(ext) > maxExtension || len(ext) == len(name) {
		return false
	}
	letters := false
	for _, c := range ext[1:] {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letters = true
		case (c < '0' || c > '9') && c != '_' && c != '-' && c != '~':
			return false
		}
	}
	return letters
}

// headLength is the number of first bytes from which the type of a file is recognized.
const headLength = 64

// extensionOfBytes returns the extension of a file by its first bytes, "" if they are not recognized.
func extensionOfBytes(head []byte) string {
	at := func(i int, s string) bool { return len(head) >= i && bytes.HasPrefix(head[i:], []byte(s)) }
	word := strings.ToUpper(string(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")))
	switch {
	case isPicture("image/jpeg", head):
		return ".jpg"
	case isPicture("image/png", head):
		return ".png"
	case isPicture("image/gif", head):
		return ".gif"
	case at(0, "RIFF") && at(8, "WEBP"):
		return ".webp"
	case at(0, "BM") && len(head) > 14 && head[14] < 128 && head[15] == 0:
		return ".bmp"
	case at(0, "II*\x00"), at(0, "MM\x00*"):
		return ".tif"
	case at(4, "ftyphei"), at(4, "ftyphev"), at(4, "ftypmif1"), at(4, "ftypmsf1"):
		return ".heic"
	case at(4, "ftypavif"):
		return ".avif"
	case at(4, "ftypqt"):
		return ".mov"
	case at(4, "ftyp3g"):
		return ".3gp"
	case at(4, "ftypM4A"):
		return ".m4a"
	case at(4, "ftyp"):
		return ".mp4"
	case at(0, "%PDF-"):
		return ".pdf"
	case at(0, "{\\rtf"):
		return ".rtf"
	case at(0, "MThd"):
		return ".mid"
	case strings.HasPrefix(word, "BEGIN:VCARD"):
		return ".vcf"
	case strings.HasPrefix(word, "BEGIN:VCALENDAR"):
		return ".ics"
	case strings.HasPrefix(word, "<SMIL"):
		return ".smil"
	case at(0, "PK\x03\x04"):
		return "" // a ZIP archive or an office document: the content type decides
	case at(0, "ID3"), at(0, "#!AMR"), at(0, "OggS"), at(0, "fLaC"), at(0, "RIFF") && at(8, "WAVE"):
		return extensionOf(audioType(head))
	}
	return ""
}
