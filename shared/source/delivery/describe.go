package delivery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"o2archiver/shared/record"
	"o2archiver/shared/source/delivery/mimeread"
)

// Limits for one message.
const (
	maxText = 4 << 20  // bytes of the text in a batch's line; all of a longer text is an attachment too
	maxLine = 15 << 20 // bytes of a Mail as JSON
	maxFile = 1_000    // bytes of a file's name
)

// Options are the inputs to Describe, besides the message.
type Options struct {
	Source string // record.TeleMessage or "", or record.GenericEML

	// Domains are the organization's e-mail domains in lower case, as record.Mail has them. They are for items of the
	// vendor only: in messages of other archives all addresses are real.
	Domains []string

	// Settings of an import, as record.Mail has them.
	Kind        record.Kind
	Network     string
	NumberField string

	// Store stores the decoded bytes of a part and returns where. It MUST read all of r before it returns, and is
	// called in the order of the parts, but for a text in HTML, which comes later if it turns out not to be the text.
	// nil stores nothing: the results have hash and size, as Store may need them in a second pass. Describe returns
	// its error.
	Store func(p Part, r io.Reader) (record.Media, error)
}

// Part is a part of a message that is to be stored.
type Part struct {
	Ordinal int // counted over all parts of the message, the same whenever the message is read
	record.MailPart
}

// Describe reads a message (EML) to its end and returns the entry of a batch from which Parse makes its record, without
// Until and RawBlob. A message of which no record can be made, such as one that is no message at all, has an entry with
// Fault, and RawHash all the same. An error is one of eml or of Store, and never says anything about the message.
//
// Its memory is bounded: at most the header, the text and, once more, both as JSON.
func Describe(eml io.Reader, o Options) (record.Entry, error) {
	sum := sha256.New()
	in := &countingReader{r: io.TeeReader(eml, sum)}
	d := &description{o: o, mail: &record.Mail{
		Kind: o.Kind, Network: o.Network, NumberField: o.NumberField}}
	if o.Source != record.GenericEML {
		d.mail.Domains = o.Domains
	}
	d.scanner = mimeread.NewScanner(in, d.isItem)
	header := d.scanner.Header
	err := d.readParts()
	if err == nil {
		_, err = io.Copy(io.Discard, in) // what the scanner has not read is part of the hash
	}
	if err != nil {
		return record.Entry{}, err
	}
	e := record.Entry{Version: 1, RawHash: hex.EncodeToString(sum.Sum(nil))}
	if o.Source != record.TeleMessage {
		e.Source = o.Source
	}
	d.finish(header)
	e.ID = messageID(o.Source, d.mail.Header)
	switch {
	case in.n == 0:
		e.Fault = "the file is empty"
	case header.Malformed == len(header.Fields):
		e.Fault = "the file is not an e-mail message"
	case header.Cut:
		e.Fault = fmt.Sprintf("the header of the message is longer than %d MiB or has too many fields",
			mimeread.MaxHeader>>20)
	case lineSize(d.mail) > maxLine:
		e.Fault = fmt.Sprintf("header and text of the message take more than %d MiB of a batch", maxLine>>20)
	default:
		e.Mail, e.Media = d.mail, d.media
	}
	return e, nil
}

// countingReader counts the bytes that are read.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// lineSize returns the size of a Mail in a batch, without what separates its texts.
func lineSize(m *record.Mail) (size int) {
	for _, f := range append(m.Header, m.Wrapper...) {
		size += textSize(f[0]) + textSize(f[1])
	}
	for _, p := range m.Parts {
		size += textSize(p.Name) + textSize(p.Type)
	}
	for _, domain := range m.Domains {
		size += textSize(domain)
	}
	return size + textSize(m.Text) + textSize(m.TextType)
}

// textSize returns the size of a text as JSON, written without escapes for HTML. A text that needs many escapes is six
// times as long.
func textSize(s string) (size int) {
	const around = 16 // quotation marks, separators, the name of a member
	for _, c := range []byte(s) {
		switch {
		case c < ' ':
			size += 6
		case c == '"', c == '\\':
			size += 2
		default:
			size++
		}
	}
	return size + around
}

// description is a message that is being described.
type description struct {
	o       Options
	scanner *mimeread.Scanner
	mail    *record.Mail
	media   []record.Media

	leaves  []leaf
	plain   bool   // the text is a part of type text/plain
	html    []byte // content of the first part of type text/html, while it may still be the text; nil if there is none
	htmlAt  int    // its place in leaves
	wrapped bool
	buf     []byte // of a pass that stores nothing
}

// leaf is a part that is an attachment of the record, unless it is absent.
type leaf struct {
	part   Part
	media  record.Media
	params map[string]string // of a text in HTML that is held
	absent bool
}

// isItem reports whether a message in a message is the item, because the outer one is the journal report about it. A
// message of another archive may have an item of the vendor as an attachment, and is no report then.
func (d *description) isItem(inner mimeread.Header) bool {
	outer := d.scanner.Header
	return !outer.Has(vendorPrefix) &&
		(outer.Has("X-MS-Journal-Report") || inner.Has(vendorPrefix) && d.o.Source != record.GenericEML)
}

// readParts reads all parts.
func (d *description) readParts() error {
	for {
		p, err := d.scanner.Next()
		if errors.Is(err, io.EOF) {
			return d.chooseHTML()
		}
		if err != nil {
			return err
		}
		if !d.wrapped && d.scanner.Wrapped != nil {
			// The text before the item was that of the report. The report is in the stored message.
			d.wrapped, d.plain, d.html = true, false, nil
			d.mail.Text, d.mail.TextType, d.mail.LeftOut = "", "", nil
		}
		if err := d.readPart(p); err != nil {
			return err
		}
	}
}

// readPart takes a part as the text, or stores it.
func (d *description) readPart(p *mimeread.Part) error {
	part := Part{Ordinal: p.Ordinal, MailPart: record.MailPart{Name: fileName(p), Type: typeOf(p)}}
	isText := !d.plain && !d.encrypted()
	switch {
	case isText && p.Type == "text/plain":
		d.plain = true
		if err := d.releaseHTML(); err != nil {
			return err
		}
		return d.takeText(part, p.Params, p.Body)
	case isText && p.Type == "text/html" && d.html == nil:
		// It is the text only if no part of type text/plain follows. A long one is an attachment in any case.
		head, err := io.ReadAll(io.LimitReader(p.Body, maxText))
		if err != nil {
			return err
		}
		d.html, d.htmlAt = head, len(d.leaves)
		rest := make([]byte, 1)
		if n, _ := io.ReadFull(p.Body, rest); n == 0 {
			d.leaves = append(d.leaves, leaf{part: part, params: p.Params, absent: true})
			return nil
		}
		if err := d.store(part, io.MultiReader(bytes.NewReader(head), bytes.NewReader(rest), p.Body)); err != nil {
			return err
		}
		d.leaves[d.htmlAt].params = p.Params
		return nil
	}
	return d.store(part, p.Body)
}

// encrypted reports whether the item is encrypted with a key of the customer. Then no part of it is a text.
func (d *description) encrypted() bool {
	h := d.scanner.Header
	if d.scanner.Wrapped != nil {
		h = *d.scanner.Wrapped
	}
	return h.Get(encryptedHeader) != ""
}

// takeText makes a part the text of the item. It stores the part too if the text cannot stand for all of it.
func (d *description) takeText(part Part, params map[string]string, body io.Reader) error {
	content, err := io.ReadAll(io.LimitReader(body, maxText+1))
	if err != nil {
		return err
	}
	text, reason := decodeText(content[:min(len(content), maxText)], params["charset"])
	if len(content) > maxText {
		reason = fmt.Sprintf("all after the first %d MiB; all of it is attached", maxText>>20)
	}
	d.mail.Text, d.mail.TextType = text, part.Type
	if reason == "" {
		return nil
	}
	d.leaveOut("text (" + reason + ")")
	return d.store(part, io.MultiReader(bytes.NewReader(content), body))
}

// decodeText returns a text as UTF-8. reason is not empty if the text is not all of the content, in plain words.
func decodeText(content []byte, charset string) (text, reason string) {
	known, err := charsetOf(charset)
	if err != nil {
		return validText(string(content)), "its charset is unknown; its bytes are attached"
	}
	if known == nil {
		if n := len(content) - 1; n >= 0 && len(content) == maxText { // it may be cut inside of a character
			for i := 0; i < utf8.UTFMax-1 && n-i >= 0 && !utf8.Valid(content[n-i:]); i++ {
				if utf8.RuneStart(content[n-i]) {
					content = content[:n-i]
					break
				}
			}
		}
		return validText(string(content)), ""
	}
	decoded, err := known.NewDecoder().Bytes(content)
	if text = validText(string(decoded)); err != nil || strings.ContainsRune(text, utf8.RuneError) {
		return text, "its charset does not have all of its bytes; they are attached"
	}
	return text, ""
}

// releaseHTML stores the part that was held as a possible text.
func (d *description) releaseHTML() error {
	if d.html == nil {
		return nil
	}
	content := d.html
	d.html = nil
	if !d.leaves[d.htmlAt].absent {
		return nil
	}
	media, err := d.storeBytes(d.leaves[d.htmlAt].part, bytes.NewReader(content))
	d.leaves[d.htmlAt].media, d.leaves[d.htmlAt].absent = media, false
	return err
}

// chooseHTML makes the part in HTML the text, literally, if no part of type text/plain has come.
func (d *description) chooseHTML() error {
	if d.html == nil || d.plain {
		return nil
	}
	l := &d.leaves[d.htmlAt]
	var reason string
	d.mail.Text, reason = decodeText(d.html, l.params["charset"])
	d.mail.TextType = l.part.Type
	if !l.absent {
		reason = fmt.Sprintf("all after the first %d MiB; all of it is attached", maxText>>20)
	}
	if reason == "" {
		return nil
	}
	d.leaveOut("text (" + reason + ")")
	return d.releaseHTML()
}

// store stores a part as an attachment.
func (d *description) store(part Part, r io.Reader) error {
	media, err := d.storeBytes(part, r)
	if err != nil {
		return err
	}
	d.leaves = append(d.leaves, leaf{part: part, media: media})
	return nil
}

// storeBytes calls Options.Store, or computes hash and size.
func (d *description) storeBytes(part Part, r io.Reader) (record.Media, error) {
	if d.o.Store != nil {
		return d.o.Store(part, r)
	}
	sum := sha256.New()
	if d.buf == nil {
		d.buf = make([]byte, 32<<10)
	}
	size, err := io.CopyBuffer(sum, struct{ io.Reader }{r}, d.buf)
	return record.Media{SHA256: hex.EncodeToString(sum.Sum(nil)), Size: size}, err
}

func (d *description) leaveOut(name string) { d.mail.LeftOut = append(d.mail.LeftOut, name) }

// finish completes the Mail.
func (d *description) finish(header mimeread.Header) {
	if inner := d.scanner.Wrapped; inner != nil {
		d.mail.Wrapper, header = fieldsOf(header), *inner
	}
	d.mail.Header = fieldsOf(header)
	for _, l := range d.leaves {
		if !l.absent {
			d.mail.Parts = append(d.mail.Parts, l.part.MailPart)
			d.media = append(d.media, l.media)
		}
	}
	found := d.scanner.Found
	for _, one := range []struct {
		is   bool
		name string
	}{
		{header.Malformed > 0, "item (lines of its header that are no fields)"},
		{found.HeaderCut, "attachment (a header of a part, after the first 64 KiB)"},
		{found.TooDeep, fmt.Sprintf("attachment (parts below %d levels are one attachment)", mimeread.MaxDepth)},
		{found.TooMany, fmt.Sprintf("attachment (all after the first %d parts)", mimeread.MaxParts)},
		{found.NoParts, "attachment (the message names parts and has none; all of it is the text)"},
		{found.Cut, "text (all after the first 4 MiB)"},
		{found.Unclosed, "item (it ends before its last part does; it may be cut short)"},
	} {
		if one.is {
			d.leaveOut(one.name)
		}
	}
}

// fieldsOf returns the fields of a header as a batch has them.
func fieldsOf(h mimeread.Header) []record.HeaderField {
	all := make([]record.HeaderField, 0, len(h.Fields))
	for _, f := range h.Fields {
		all = append(all, record.HeaderField{f.Name, validText(f.Value)})
	}
	return all
}

// fileName returns the name of a part's file, from the disposition or else from the type; "" if it has none.
func fileName(p *mimeread.Part) string {
	disposition := p.Header.Get("Content-Disposition")
	_, params, err := mime.ParseMediaType(disposition)
	if err != nil {
		_, rest, _ := strings.Cut(disposition, ";")
		params = mimeread.ParseParams(rest)
	}
	for _, name := range []string{params["filename"], p.Params["name"]} {
		if name != "" {
			return cutText(validText(decodeWords(name)), maxFile)
		}
	}
	return ""
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
