package message

import (
	"encoding/hex"
	"fmt"
	"mime"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/textproto"

	"o2archiver/shared/record"
)

// file is an attachment as the message shows it.
type file struct {
	record.Attachment
	name   string // safe, and no two alike
	media  string // safe content type
	absent string // why it isn't attached, as given by whoever left it out; "" if it is
	header textproto.Header
}

// part is an attachment that goes into the message.
type part struct {
	header textproto.Header
	sha256 string
	size   int64
}

// maxFiles bounds what a single item can make of itself: three bytes of JSON are an attachment without
// anything, and each takes a hundred here. Networks allow an MMS a few dozen.
const maxFiles = 1000

// attachments decides on names, types and who stays out.
func attachments(r *record.Record, omit func(record.Attachment) string) ([]file, error) {
	if len(r.Attachments) == 0 {
		return nil, nil
	}
	if len(r.Attachments) > maxFiles {
		return nil, &record.Fault{Field: "attachment", Reason: fmt.Sprintf("has more than %d entries", maxFiles)}
	}
	files := make([]file, len(r.Attachments))
	taken := make(map[string]int, len(files))
	for i, a := range r.Attachments {
		f := file{Attachment: a, media: mediaType(a.Type), absent: a.Gone}
		f.name = distinct(fileName(a.Name, f.media, r.Kind), taken)
		switch {
		case f.absent != "":
		case !isHash(a.SHA256) || a.Size < 0:
			f.absent = "its bytes were not stored"
		case omit != nil:
			f.absent = omit(a)
		}
		if f.absent == "" {
			var h fields
			h.add("Content-Type", f.media)
			h.add("Content-Transfer-Encoding", "base64")
			h.add("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{
				"filename": f.name, "size": strconv.FormatInt(a.Size, 10), // RFC 2183 section 2.7
			}))
			h.add(partHash, a.SHA256)
			var err error
			if f.header, err = h.header(); err != nil {
				return nil, fmt.Errorf("build attachment %d: %w", i+1, err)
			}
		}
		files[i] = f
	}
	return files, nil
}

// partHash is a part's header with the hex SHA-256 of its decoded bytes.
const partHash = "X-O2-Sha256"

func kept(files []file) []part {
	var parts []part
	for _, f := range files {
		if f.absent == "" {
			parts = append(parts, part{f.header, f.SHA256, f.Size})
		}
	}
	return parts
}

func isHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}

// mediaType is a content type without parameters, or application/octet-stream if the source's isn't one: RFC 6838
// section 4.2. A multipart or message may not be in base64 (RFC 2046 sections 5.1 and 5.2), and would be taken apart.
func mediaType(s string) string {
	const unknown = "application/octet-stream"
	s, _, _ = strings.Cut(s, ";")
	s = strings.ToLower(strings.TrimSpace(s))
	top, sub, ok := strings.Cut(s, "/")
	if !ok || !restricted(top) || !restricted(sub) || top == "multipart" || top == "message" {
		return unknown
	}
	return s
}

// restricted is RFC 6838's restricted-name.
func restricted(s string) bool {
	const alnum = "abcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && len(s) <= 127 && strings.IndexByte(alnum, s[0]) >= 0 && strings.Trim(s, alnum+"!#$&-^_.+") == ""
}

const (
	maxName      = 120 // characters
	maxNameBytes = 200 // three times as many in RFC 2231's form, which is one word of a line of at most 998
	maxExtension = 16
)

// fileName makes a name that is safe to save under: no path, no device, nothing that can't be seen or turns
// the direction of writing (photo⟦U+202E⟧gpj.exe). It is never empty.
func fileName(given, media string, kind record.Kind) string {
	given = strings.ToValidUTF8(given, "_")
	if i := strings.LastIndexAny(given, `/\`); i >= 0 {
		given = given[i+1:]
	}
	name := strings.Map(func(c rune) rune {
		if strings.ContainsRune(`<>:"|?*`, c) {
			return '_'
		}
		return c
	}, oneLine(given, 10*maxName))
	name = strings.Trim(name, ". ") // Windows drops them at the end; at the beginning they hide a file
	if strings.Trim(name, "_") == "" {
		name = defaultName(media, kind)
	}
	if device(name) {
		name = "_" + name
	}
	return shorten(name, "")
}

// shorten cuts the stem of a name so that the name with addition behind the stem is not too long.
func shorten(name, addition string) string {
	extension := path.Ext(name)
	if len(extension) > maxExtension || extension == name {
		extension = ""
	}
	stem := strings.TrimSuffix(name, extension)
	for utf8.RuneCountInString(stem)+len(addition)+utf8.RuneCountInString(extension) > maxName ||
		len(stem)+len(addition)+len(extension) > maxNameBytes {
		_, n := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-n]
	}
	return strings.TrimRight(stem, ". ") + addition + extension
}

// device says whether Windows takes the name for a device, whatever its extension.
func device(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch stem = strings.TrimRight(stem, " "); stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	port, ok := strings.CutPrefix(stem, "COM")
	if !ok {
		port, ok = strings.CutPrefix(stem, "LPT")
	}
	return ok && utf8.RuneCountInString(port) == 1 && strings.Contains("0123456789¹²³", port)
}

func defaultName(media string, kind record.Kind) string {
	name := "attachment"
	if kind == record.CallAudio {
		name = "recording"
	}
	switch media {
	case "image/jpeg":
		return name + ".jpg"
	case "image/png", "image/gif", "image/heic", "video/mp4", "video/3gpp", "audio/amr", "audio/ogg", "application/pdf":
		return name + "." + media[strings.IndexByte(media, '/')+1:]
	case "audio/mpeg":
		return name + ".mp3"
	case "audio/wav", "audio/x-wav", "audio/wave":
		return name + ".wav"
	case "text/plain":
		return name + ".txt"
	case "text/vcard", "text/x-vcard":
		return name + ".vcf"
	}
	return name + ".bin"
}

// distinct numbers a name that is taken, compared without case as file systems do. taken counts how often
// a name was asked for, so that thousands of attachments with one name don't take a search each.
func distinct(name string, taken map[string]int) string {
	key := strings.ToLower(name)
	result := name
	for taken[strings.ToLower(result)] > 0 {
		taken[key]++
		result = shorten(name, fmt.Sprintf(" (%d)", taken[key]))
	}
	taken[strings.ToLower(result)]++
	return result
}
