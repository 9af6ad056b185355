package message

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/textproto"

	"o2archiver/shared/record"
)

// file is an attachment as the message shows it.
type file struct {
	record.Attachment
	name    string // safe to save under, and unique in the message
	media   string // content type, safe to attach under
	charset string // of a text, if mail programs know it; "" if none is declared
	absent  string // why the file is not attached, in plain words; "" if it is attached

	shown bool   // the text shows the file: as text, as a picture in the HTML, or by its name
	text  string // content of a text file that is shown
	cid   string // Content-ID of a picture that is shown in the HTML
}

// maxFiles limits how far a single item can be amplified: three bytes of JSON are an empty attachment, and each takes
// about a hundred bytes in the message. Networks allow an MMS a few dozen. Attachments beyond the limit are counted,
// but neither named nor attached.
const maxFiles = 10_000

// attachmentsOf returns the record's attachments in the order of the message, at most maxFiles of them. It decides on
// each one's name and content type, whether the text shows it, and whether it is attached. Its errors are those of
// Options.Peek.
func attachmentsOf(r *record.Record, key string, c *participants, o Options) ([]file, error) {
	if len(r.Attachments) == 0 {
		return nil, nil
	}
	order, err := arrangeBySMIL(r, o)
	if err != nil {
		return nil, fmt.Errorf("read the presentation of the attachments: %w", err)
	}
	c.filesBeyond = max(0, len(order)-maxFiles)
	order = order[:len(order)-c.filesBeyond]
	files := make([]file, len(order))
	taken := make(map[string]int, len(files))
	shown := map[string]bool{normalizeText(r.Text): true} // normalized texts
	texts := maxTexts
	for i, a := range order {
		f := &files[i]
		f.Attachment, f.absent = a, a.Gone
		switch {
		case f.absent != "":
		case !isHash(a.SHA256) || a.Size < 0:
			f.absent = "its bytes were not stored"
		case o.Omit != nil:
			f.absent = o.Omit(a)
		}
		peek := func(n int) ([]byte, error) {
			if o.Peek == nil || f.absent != "" || a.Size == 0 {
				return nil, nil
			}
			return o.Peek(a, n)
		}
		if err := f.settle(r, c, peek); err != nil {
			return nil, fmt.Errorf("look at attachment %d: %w", i+1, err)
		}
		f.name = distinctName(f.name, taken)
		if f.absent != "" {
			continue
		}
		if err := f.show(r, fmt.Sprintf("%d.%s@%s", i+1, key, domain), texts, peek); err != nil {
			return nil, fmt.Errorf("look at attachment %d: %w", i+1, err)
		}
		if like := normalizeText(f.text); shown[like] {
			f.text = ""
		} else if f.text != "" {
			shown[like] = true
		}
		texts -= len(f.text)
	}
	return files, nil
}

// settle decides on the file's name, content type and charset.
func (f *file) settle(r *record.Record, c *participants, peek func(n int) ([]byte, error)) (err error) {
	if isCall(r) {
		f.name, f.media, err = recordingFile(f.Attachment, r, c, peek)
	} else {
		f.media = mediaType(f.Type)
		f.name, err = nameOf(f.Attachment, f.media, r.Kind, peek)
	}
	if err != nil {
		return err
	}
	f.media = safeMediaType(f.media, f.name)
	f.charset = charsetOf(f.media, f.Type)
	return nil
}

// Limits for text files whose content is shown, in bytes. Those of an MMS have a few hundred.
const (
	maxTextFile = 64 << 10
	maxTexts    = 256 << 10 // all files together
)

// show decides how the message shows the file: as a picture, as text if it has at most room bytes, or by its name.
// Phones put what the sender wrote into a text file of its own, and the item's text may repeat it.
func (f *file) show(r *record.Record, cid string, room int, peek func(n int) ([]byte, error)) error {
	f.shown = !isCall(r) && !isPresentation(f.Attachment)
	switch {
	case mayShow(f.media, f.Size):
		head, err := peek(8)
		if err != nil {
			return err
		}
		if isPicture(f.media, head) {
			f.cid = cid
		}
	case f.shown && f.media == "text/plain" && f.Size <= int64(min(room, maxTextFile)):
		content, err := peek(maxTextFile)
		if err != nil || int64(len(content)) < f.Size { // Peek returned only a part of the file
			return err
		}
		if text, charset, ok := readText(content, f.Type); ok && len(text) <= room {
			f.text = text
			if f.charset == "" || charset == "utf-8" {
				f.charset = charset
			}
		}
	}
	return nil
}

// fields returns the header of the file's part. inline means that the HTML beside it shows the file.
func (f *file) fields(inline bool) (textproto.Header, error) {
	var h fields
	disposition := "attachment"
	if f.charset == "" {
		h.add("Content-Type", f.media)
	} else {
		h.add("Content-Type", f.media+"; charset="+f.charset)
	}
	h.add("Content-Transfer-Encoding", "base64")
	if inline {
		disposition = "inline"
		h.add("Content-Id", "<"+f.cid+">") // RFC 2392
	}
	h.add("Content-Disposition", contentDisposition(disposition, f.name, f.Size))
	h.add(partHash, f.SHA256)
	return h.header()
}

// contentDisposition returns the value of the Content-Disposition field (RFC 2183). QUIRK: mime.FormatMediaType
// writes a name without blanks as a token. An apostrophe in a token makes strict parsers drop the name, because RFC
// 2231 assigns a meaning to it. Therefore the name is always quoted, or in RFC 2231's form.
func contentDisposition(disposition, name string, size int64) string {
	if isASCII(name) {
		name = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name)
		return disposition + `; filename="` + name + `"; size=` + strconv.FormatInt(size, 10) // section 2.7
	}
	return mime.FormatMediaType(disposition, map[string]string{"filename": name, "size": strconv.FormatInt(size, 10)})
}

// partHash is the header field of a part that holds the SHA-256 of its decoded bytes in hex.
const partHash = "X-O2-Sha256"

// isHash reports whether s is a SHA-256 in hex.
func isHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}

const (
	maxName      = 120 // characters
	maxNameBytes = 200 // RFC 2231's form is three times as long, and one word of a line of at most 998 characters
	maxExtension = 16
)

// nameOf returns the file's name: the given one, decoded. If it has no extension, it gets that of the file's first
// bytes or of its type.
func nameOf(a record.Attachment, media string, kind record.Kind, peek func(n int) ([]byte, error)) (string, error) {
	given := decodedName(a.Name)
	if hasExtension(strings.TrimRight(given, ". ")) {
		return fileName(given, media, kind), nil
	}
	head, err := peek(headLength)
	if err != nil {
		return "", err
	}
	extension := cmp.Or(extensionOfBytes(head), knownExtension(media))
	name := fileName(given, media, kind)
	if bare := defaultName(media, kind); name == bare {
		return strings.TrimSuffix(bare, path.Ext(bare)) + cmp.Or(extension, ".bin"), nil
	}
	if hasExtension(name) { // the name was cut, or was not usable and replaced
		return name, nil
	}
	return fileName(name+extension, media, kind), nil
}

// maxEncodedName is the length in bytes up to which a name is decoded.
const maxEncodedName = 4000

var extValue = regexp.MustCompile(`^([A-Za-z0-9_-]+)'[A-Za-z0-9-]*'(.*%[0-9A-Fa-f]{2}.*)$`)

// decodedName returns a name without the encodings that mail programs apply to names: encoded words (RFC 2047), which
// are used although they are not allowed in a parameter, and RFC 2231's form (section 4). A name that cannot be
// decoded is returned unchanged.
func decodedName(given string) string {
	if len(given) > maxEncodedName {
		return given
	}
	name := strings.TrimSpace(given)
	if n := len(name) - 1; n > 1 && name[0] == '"' && name[n] == '"' {
		name = name[1:n]
	}
	if m := extValue.FindStringSubmatch(name); m != nil {
		if octets, err := url.PathUnescape(m[2]); err == nil {
			if text, ok := decodeCharset([]byte(octets), strings.ToLower(m[1])); ok {
				return text
			}
		}
		return given
	}
	if !strings.Contains(name, "=?") {
		return name
	}
	words := mime.WordDecoder{CharsetReader: func(charset string, in io.Reader) (io.Reader, error) {
		octets, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		text, ok := decodeCharset(octets, strings.ToLower(charset))
		if !ok {
			return nil, errCharset
		}
		return strings.NewReader(text), nil
	}}
	if text, err := words.DecodeHeader(name); err == nil && utf8.ValidString(text) {
		return text
	}
	return given
}

var errCharset = errors.New("the character set is not known, or has no such characters")

// fileName returns a name that is safe to save under: it has no path, is no device name, and has no characters that
// are invisible or change the direction of the text (photo⟦U+202E⟧gpj.exe). It is never empty.
func fileName(given, media string, kind record.Kind) string {
	given = strings.ToValidUTF8(given, "_")
	if i := strings.LastIndexAny(given, `/\`); i >= 0 {
		given = given[i+1:]
	}
	// The extension decides which program opens the file, so it is kept.
	if ext := path.Ext(given); len(given) > 10*maxName && len(ext) <= maxExtension {
		given = oneLine(strings.TrimSuffix(given, ext), 5*maxName) + ext
	}
	name := strings.Map(func(c rune) rune {
		if strings.ContainsRune(`<>:"|?*`, c) {
			return '_'
		}
		return c
	}, oneLine(given, 10*maxName))
	name = strings.Trim(name, ". ") // Windows removes them at the end; at the beginning a dot hides the file
	if strings.Trim(name, "_") == "" {
		name = defaultName(media, kind)
	}
	if deviceName(name) {
		name = "_" + name
	}
	return shortenName(name, "")
}

// shortenName cuts the stem of a name, so that the name with addition after the stem stays within maxName and
// maxNameBytes.
func shortenName(name, addition string) string {
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

// deviceName reports whether Windows treats the name as a device, whatever its extension.
func deviceName(name string) bool {
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

// defaultName returns the name of a file that has no usable name.
func defaultName(media string, kind record.Kind) string {
	if kind == record.CallAudio {
		return "recording" + extensionOf(media)
	}
	return "attachment" + extensionOf(media)
}

// distinctName returns the name, with a number added if it is already taken. Names are compared without case, as
// file systems do. taken counts how often each name was requested, so that thousands of attachments with the same
// name do not need a search each.
func distinctName(name string, taken map[string]int) string {
	key := strings.ToLower(name)
	result := name
	for taken[strings.ToLower(result)] > 0 {
		taken[key]++
		result = shortenName(name, fmt.Sprintf(" (%d)", taken[key]))
	}
	taken[strings.ToLower(result)]++
	return result
}
