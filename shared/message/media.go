package message

import (
	"bytes"
	"path"
	"strings"
)

const unknownType = "application/octet-stream"

// mediaType returns a content type without parameters, or application/octet-stream if s is not a valid one (RFC 6838
// section 4.2). The same holds for multipart and message types, because they must not be in base64 (RFC 2046 sections
// 5.1 and 5.2), and mail programs would take them apart.
func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	s = strings.ToLower(strings.TrimSpace(s))
	top, sub, ok := strings.Cut(s, "/")
	switch {
	case !ok || !isRestrictedName(top) || !isRestrictedName(sub) || top == "multipart" || top == "message":
		return unknownType
	case s == "image/jpg" || s == "image/pjpeg": // QUIRK: many phones use these names
		return "image/jpeg"
	}
	return s
}

// isRestrictedName reports whether s is a restricted-name of RFC 6838.
func isRestrictedName(s string) bool {
	const alnum = "abcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && len(s) <= 127 && strings.IndexByte(alnum, s[0]) >= 0 && strings.Trim(s, alnum+"!#$&-^_.+") == ""
}

// safeMediaType returns the content type under which a file is attached. A file that a mail program might execute, or
// render with scripts, becomes application/octet-stream. Its name is not changed, because programs block files by
// their names. The text of the message names the type that the source gave.
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
			strings.HasPrefix(sub, "vnd.openxmlformats-officedocument.") ||
			strings.HasPrefix(sub, "vnd.oasis.opendocument.")
	}
	if !known || isExecutable(name) {
		return unknownType
	}
	return media
}

// isExecutable reports whether a name has an extension with which an operating system, office program or browser
// executes the file, or a system mounts it.
func isExecutable(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".exe", ".com", ".bat", ".cmd", ".ps1", ".msi", ".msp", ".mst", ".msc", ".scr", ".scf", ".pif", ".cpl",
		".dll", ".xll", ".inf", ".jar", ".lnk", ".reg", ".url", ".hta", ".chm", ".application", ".gadget", ".js",
		".jse", ".mjs", ".vb", ".vbs", ".vbe", ".ws", ".wsc", ".wsf", ".wsh", ".sh", ".py", ".docm", ".xlsm", ".pptm",
		".app", ".apk", ".ipa", ".dmg", ".iso", ".img", ".html", ".htm", ".xhtml", ".shtml", ".mht", ".mhtml", ".svg",
		".svgz", ".xml", ".xsl", ".xslt", ".swf":
		return true
	}
	return false
}

// maxPicture is the maximum size of a picture that is shown in the text, in bytes. Networks allow an MMS a fraction
// of it. A larger picture is attached as a file.
const maxPicture = 2_000_000

// mayShow reports whether a file may be a picture that mail programs can show, by its type and size. isPicture then
// checks its first bytes.
func mayShow(media string, size int64) bool {
	return size > 0 && size <= maxPicture && (media == "image/png" || media == "image/jpeg" || media == "image/gif")
}

// isPicture reports whether the first bytes of a file are those of the picture type media.
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
