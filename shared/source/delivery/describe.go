package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

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
	// called in the order of the parts, but for a possible text, which comes later if it turns out not to be the text.
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
	case d.scanner.Found.UTF16:
		e.Fault = "the file is text in UTF-16, which no e-mail message is; it has to be converted to UTF-8"
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

	leaves    []leaf
	isChosen  bool       // the text is settled
	held      *candidate // may still be the text; nil if there is none
	textFlaws flaws
	unwrapped int    // journal reports around the parts that are read
	read      int    // parts of the item so far
	buf       []byte // of a pass that stores nothing
}

// leaf is a part that is an attachment of the record, unless it is absent.
type leaf struct {
	part   Part
	media  record.Media
	flaws  flaws
	absent bool
}

// flaws are what is wrong with the content of a part.
type flaws struct{ undecoded, damaged bool }

func flawsOf(p *mimeread.Part) flaws { return flaws{p.Undecoded(), p.Damaged()} }

// readParts reads all parts.
func (d *description) readParts() error {
	for {
		p, err := d.scanner.Next()
		if errors.Is(err, io.EOF) {
			return d.chooseHeld()
		}
		if err != nil {
			return err
		}
		if n := len(d.scanner.Wrapped()); n > d.unwrapped {
			d.unwrapped = n
			d.dropText()
		}
		if err := d.readPart(p); err != nil {
			return err
		}
		d.read++
	}
}

// store stores a part as an attachment.
func (d *description) store(p *mimeread.Part, part Part, r io.Reader) error {
	media, err := d.storeBytes(part, r)
	if err != nil {
		return err
	}
	d.leaves = append(d.leaves, leaf{part: part, media: media, flaws: flawsOf(p)})
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
	for _, inner := range d.scanner.Wrapped() {
		d.mail.Wrapper, header = append(d.mail.Wrapper, fieldsOf(header)...), inner
	}
	d.mail.Header = fieldsOf(header)
	var files flaws // of any attachment
	for _, l := range d.leaves {
		if !l.absent {
			d.mail.Parts = append(d.mail.Parts, l.part.MailPart)
			d.media = append(d.media, l.media)
			files.undecoded, files.damaged = files.undecoded || l.flaws.undecoded, files.damaged || l.flaws.damaged
		}
	}
	found := d.scanner.Found
	for _, one := range []struct {
		is   bool
		name string
	}{
		{isReport(header), "item (it is a journal report in which no item was found)"},
		{header.Malformed > 0, "item (lines of its header that are no fields)"},
		{found.Damaged, "item (its Base64 in the journal report is damaged; what can be decoded is here)"},
		{d.textFlaws.undecoded, "text (its transfer encoding is unknown; it is as it came)"},
		{d.textFlaws.damaged, "text (its Base64 is damaged; what can be decoded is here)"},
		{files.undecoded, "attachment (a part has an unknown transfer encoding and is attached as it came)"},
		{files.damaged, "attachment (the Base64 of a part is damaged; what can be decoded is attached)"},
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
