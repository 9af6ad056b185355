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
	name    string // safe, and no two alike
	media   string // safe content type
	charset string // of a text, where it is one that programs know; "" if nothing is said
	absent  string // why it isn't attached, as given by whoever left it out; "" if it is

	shown bool   // the item shows it, and so the text does: as text, as a picture in the HTML, or by its name
	text  string // what a file of text says
	cid   string // the Content-ID of a picture that the HTML shows
}

// maxFiles bounds what a single item can make of itself: three bytes of JSON are an attachment without
// anything, and each takes a hundred here. Networks allow an MMS a few dozen. Further ones are counted, and neither named nor attached.
const maxFiles = 10_000

// attachmentsOf decides on order, names, types, who is shown in the text, and who stays out.
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
	shown := map[string]bool{normalizeText(r.Text): true} // texts
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
		f.name = distinctAddresses(f.name, taken)
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

// settle decides on the file's name and type.
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

// What is shown of files of text, in bytes: those of an MMS have a few hundred.
const (
	maxTextFile = 64 << 10
	maxTexts    = 256 << 10 // all together
)

// show decides how the message shows the file: a picture, a text of which at most room bytes are left, anything else by its name. What the
// sender wrote stands in a file of its own where the phone makes it one, and may be the item's text once more.
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
		if err != nil || int64(len(content)) < f.Size { // not all of it is known
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

// fields is the header of the file's part. inline says that the HTML beside it shows the file.
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

// contentDisposition is RFC 2183's field. QUIRK: mime.FormatMediaType writes a name without blanks as a token, and an apostrophe in one, which
// RFC 2231 gives a meaning, makes strict parsers drop the name: so it is always in quotation marks, or in RFC 2231's form.
func contentDisposition(disposition, name string, size int64) string {
	if isASCII(name) {
		name = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name)
		return disposition + `; filename="` + name + `"; size=` + strconv.FormatInt(size, 10) // section 2.7
	}
	return mime.FormatMediaType(disposition, map[string]string{"filename": name, "size": strconv.FormatInt(size, 10)})
}

// partHash is a part's header with the hex SHA-256 of its decoded bytes.
const partHash = "X-O2-Sha256"

func isHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}

const (
	maxName      = 120 // characters
	maxNameBytes = 200 // three times as many in RFC 2231's form, which is one word of a line of at most 998
	maxExtension = 16
)

// nameOf is a file's name: the given one, decoded; with the extension of its first bytes or of its type, if it has none.
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
	if hasExtension(name) { // of a name that was cut, or that is no name at all
		return name, nil
	}
	return fileName(name+extension, media, kind), nil
}

// maxEncodedName is up to how many bytes a name is decoded.
const maxEncodedName = 4000

var extValue = regexp.MustCompile(`^([A-Za-z0-9_-]+)'[A-Za-z0-9-]*'(.*%[0-9A-Fa-f]{2}.*)$`)

// decodedName is a name without the encodings that mail puts on one: encoded words (RFC 2047), in which programs write it although the parameter
// has a form of its own, and that form (RFC 2231 section 4). What can't be read stays as given.
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

// fileName makes a name that is safe to save under: no path, no device, nothing that can't be seen or turns
// the direction of writing (photo⟦U+202E⟧gpj.exe). It is never empty.
func fileName(given, media string, kind record.Kind) string {
	given = strings.ToValidUTF8(given, "_")
	if i := strings.LastIndexAny(given, `/\`); i >= 0 {
		given = given[i+1:]
	}
	if ext := path.Ext(given); len(given) > 10*maxName && len(ext) <= maxExtension { // what a name ends in says what opens it
		given = oneLine(strings.TrimSuffix(given, ext), 5*maxName) + ext
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
	if deviceName(name) {
		name = "_" + name
	}
	return shortenName(name, "")
}

// shortenName cuts the stem of a name so that the name with addition behind the stem is not too long.
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

// deviceName says whether Windows takes the name for a device, whatever its extension.
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

func defaultName(media string, kind record.Kind) string {
	if kind == record.CallAudio {
		return "recording" + extensionOf(media)
	}
	return "attachment" + extensionOf(media)
}

// distinctAddresses numbers a name that is taken, compared without case as file systems do. taken counts how often
// a name was asked for, so that thousands of attachments with one name don't take a search each.
func distinctAddresses(name string, taken map[string]int) string {
	key := strings.ToLower(name)
	result := name
	for taken[strings.ToLower(result)] > 0 {
		taken[key]++
		result = shortenName(name, fmt.Sprintf(" (%d)", taken[key]))
	}
	taken[strings.ToLower(result)]++
	return result
}
