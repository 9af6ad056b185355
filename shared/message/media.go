package message

import (
	"bytes"
	"path"
	"strings"
)

const unknownType = "application/octet-stream"

// mediaType is a content type without parameters, or application/octet-stream if the source's isn't one: RFC 6838
// section 4.2. A multipart or message may not be in base64 (RFC 2046 sections 5.1 and 5.2), and would be taken apart.
func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	s = strings.ToLower(strings.TrimSpace(s))
	top, sub, ok := strings.Cut(s, "/")
	switch {
	case !ok || !isRestrictedName(top) || !isRestrictedName(sub) || top == "multipart" || top == "message":
		return unknownType
	case s == "image/jpg" || s == "image/pjpeg": // QUIRK: many phones' name for it
		return "image/jpeg"
	}
	return s
}

// isRestrictedName is RFC 6838's restricted-name.
func isRestrictedName(s string) bool {
	const alnum = "abcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && len(s) <= 127 && strings.IndexByte(alnum, s[0]) >= 0 && strings.Trim(s, alnum+"!#$&-^_.+") == ""
}

// safeMediaType is the type under which a file is attached: what a mail program might run or render with scripts in it is nothing but bytes.
// Its name stays, for programs refuse to open files by their names; and the text says what was given.
func safeMediaType(media, name string) string {
	top, sub, _ := strings.Cut(media, "/")
	known := false
	switch top {
	case "image":
		known = !strings.HasSuffix(sub, "+xml")
	case "audio", "video":
		known = true
	case "text":
		switch sub {
		case "plain", "csv", "calendar", "directory", "vcard", "x-vcard", "x-vcalendar":
			known = true
		}
	case "application":
		known = sub == "pdf" || sub == "zip" || sub == "rtf" || sub == "msword" || sub == "smil" || sub == "smil+xml" ||
			sub == "vnd.ms-excel" || sub == "vnd.ms-powerpoint" || strings.HasPrefix(sub, "vnd.oma.") ||
			strings.HasPrefix(sub, "vnd.openxmlformats-officedocument.") || strings.HasPrefix(sub, "vnd.oasis.opendocument.")
	}
	if !known || isExecutable(name) {
		return unknownType
	}
	return media
}

// isExecutable says whether a name's extension makes a system, an office program or a browser run the file, or a system mount it.
func isExecutable(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".exe", ".com", ".bat", ".cmd", ".ps1", ".msi", ".msp", ".mst", ".msc", ".scr", ".scf", ".pif", ".cpl", ".dll", ".xll", ".inf", ".jar",
		".lnk", ".reg", ".url", ".hta", ".chm", ".application", ".gadget", ".js", ".jse", ".mjs", ".vb", ".vbs", ".vbe", ".ws", ".wsc", ".wsf", ".wsh",
		".sh", ".py", ".docm", ".xlsm", ".pptm", ".app", ".apk", ".ipa", ".dmg", ".iso", ".img", ".html", ".htm", ".xhtml", ".shtml", ".mht", ".mhtml",
		".svg", ".svgz", ".xml", ".xsl", ".xslt", ".swf":
		return true
	}
	return false
}

// maxPicture is up to what size a picture is shown in the text: networks allow an MMS a fraction of it. A larger one is a file.
const maxPicture = 2_000_000

// mayShow says whether a file could be a picture that mail programs show; its first bytes decide.
func mayShow(media string, size int64) bool {
	return size > 0 && size <= maxPicture && (media == "image/png" || media == "image/jpeg" || media == "image/gif")
}

// isPicture says whether a file that begins so is of the type that it claims.
func isPicture(media string, head []byte) bool {
	switch media {
	case "image/png": // RFC 2083 section 3.1
		return bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n"))
	case "image/jpeg":
		return bytes.HasPrefix(head, []byte("\xff\xd8\xff"))
	case "image/gif":
		return bytes.HasPrefix(head, []byte("GIF87a")) || bytes.HasPrefix(head, []byte("GIF89a"))
	}
	return false
}
