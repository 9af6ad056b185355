package message

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"strconv"
	"strings"
	"time"

	gomessage "github.com/emersion/go-message"
	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-message/textproto"
)

// Parsed is a message that was read back. Header and text are available at once; Next returns the attachments one by
// one, as they are read.
type Parsed struct {
	ID         string // Message-ID without the angle brackets
	InReplyTo  string // with the angle brackets, as the MAPI property in Graph has it
	References string
	Subject    string
	From       Address
	To         []Address
	Date       time.Time // UTC, in whole seconds
	Text       string    // as Build made it, byte for byte
	HTML       string    // Text as HTML; "" if it was too long for a mailbox
	Headers    []Header  // the private headers, the most important first

	ThreadTopic string // value for PidTagConversationTopic
	ThreadIndex string // value for PidTagConversationIndex, base64

	src    *source
	levels []*textproto.MultipartReader // multiparts that are not read to their end, the innermost last
}

// Header is one private header, e.g. X-O2-Type.
type Header struct{ Name, Value string }

// Part is one attachment. Body returns its decoded bytes, once, and is valid until the next call of Next.
type Part struct {
	Name   string
	Type   string // with its charset, if it has one
	SHA256 string // hex SHA-256 of the decoded bytes, as the record has it; it is not verified here
	Size   int64  // size of the decoded bytes; -1 if the message does not state it

	// ContentID is the ID by which the HTML refers to a picture that it shows, without the angle brackets. Inline is
	// true for such a picture.
	ContentID string
	Inline    bool
	Body      io.Reader
}

// maxHeader is the maximum size of the header in bytes. 500 recipients with the longest names that Build writes take
// 1.5 MB.
const maxHeader = 4 << 20

// maxText is the maximum size of the text in bytes. A record's text is at most as long as an item, and what Build
// adds is less than another item.
const maxText = 64 << 20

// Parse reads a message that Write wrote: the header and the text at once, each attachment when Next is called. It
// reads r only as far as needed, and never closes it.
func Parse(r io.Reader) (*Parsed, error) {
	p := &Parsed{src: &source{r: r}}
	limited := &io.LimitedReader{R: p.src, N: maxHeader}
	br := bufio.NewReader(limited)
	h, err := textproto.ReadHeader(br)
	if err != nil {
		return nil, fmt.Errorf("parse header: %w", p.src.why())
	}
	limited.N = math.MaxInt64
	head := gomessage.Header{Header: h}
	if err := p.header(mail.Header{Header: head}); err != nil {
		return nil, err
	}
	if err := p.body(head, br); err != nil {
		return nil, err
	}
	return p, nil
}

// body reads a part that contains the text, down to the first attachment.
func (p *Parsed) body(h gomessage.Header, r io.Reader) error {
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return errors.New("parse header: Content-Type can't be read")
	}
	switch media {
	case "text/plain":
		p.Text, err = p.text(h, r)
		return err
	case "text/html":
		p.HTML, err = p.text(h, r)
		return err
	case "multipart/mixed", "multipart/related", "multipart/alternative":
	default:
		return errBroken
	}
	if len(p.levels) == maxLevels {
		return errBroken
	}
	if media != "multipart/alternative" {
		p.large()
	}
	parts := textproto.NewMultipartReader(r, params["boundary"])
	p.levels = append(p.levels, parts)
	if err := p.first(parts); err != nil {
		return err
	}
	if media == "multipart/alternative" { // the second part is the same text as HTML
		return p.first(parts)
	}
	return nil
}

// maxLevels is the maximum nesting of multiparts: mixed, alternative, related.
const maxLevels = 3

// first reads the next part of a multipart, which contains the text.
func (p *Parsed) first(parts *textproto.MultipartReader) error {
	part, err := parts.NextPart()
	if err != nil {
		return fmt.Errorf("parse text part: %w", p.src.why())
	}
	return p.body(gomessage.Header{Header: part.Header}, part)
}

// large buffers the reader for attachments. go-message reads 4 KiB at a time; if r is a pipe, each of these reads
// would switch goroutines.
func (p *Parsed) large() {
	if _, done := p.src.r.(*bufio.Reader); !done {
		p.src.r = bufio.NewReaderSize(p.src.r, 96<<10)
	}
}

// text reads one form of the text.
func (p *Parsed) text(h gomessage.Header, r io.Reader) (string, error) {
	e, err := gomessage.New(h, r)
	if err != nil {
		return "", fmt.Errorf("parse text part: %w", errBroken)
	}
	// A bytes.Buffer has ReadFrom: io.Copy allocates 32 kB for any other writer, even for a short text.
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(e.Body, maxText+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read text: %w", p.src.why())
	case n > maxText:
		return "", fmt.Errorf("read text: over %d bytes", maxText)
	}
	return b.String(), nil
}

// header reads the fields of the message from its header.
func (p *Parsed) header(h mail.Header) (err error) {
	if p.ID, err = h.MessageID(); err != nil || p.ID == "" {
		return errors.New("parse header: Message-ID is missing or can't be read")
	}
	if p.Subject, err = h.Subject(); err != nil {
		return errors.New("parse header: Subject can't be read")
	}
	if p.Date, err = h.Date(); err != nil || p.Date.IsZero() {
		return errors.New("parse header: Date is missing or can't be read")
	}
	p.Date = p.Date.UTC()
	from, err := h.AddressList("From")
	if err != nil || len(from) != 1 {
		return errors.New("parse header: From is missing or can't be read")
	}
	p.From = Address{from[0].Name, from[0].Address}
	to, err := h.AddressList("To")
	if err != nil {
		return errors.New("parse header: To can't be read")
	}
	for _, a := range to {
		p.To = append(p.To, Address{a.Name, a.Address})
	}
	p.InReplyTo, p.References = h.Get("In-Reply-To"), h.Get("References")
	if p.ThreadTopic, err = h.Text("Thread-Topic"); err != nil {
		return errors.New("parse header: Thread-Topic can't be read")
	}
	p.ThreadIndex = h.Get("Thread-Index")
	for f := h.Fields(); f.Next(); {
		if !strings.HasPrefix(f.Key(), "X-O2-") {
			continue
		}
		value, err := f.Text()
		if err != nil {
			return fmt.Errorf("parse header: %s can't be read", f.Key())
		}
		p.Headers = append(p.Headers, Header{f.Key(), value})
	}
	return nil
}

// Next returns the next attachment, or io.EOF if there is none. The unread rest of the previous attachment is
// skipped.
func (p *Parsed) Next() (*Part, error) {
	var raw *textproto.Part
	for raw == nil {
		if len(p.levels) == 0 {
			return nil, io.EOF
		}
		last := len(p.levels) - 1
		next, err := p.levels[last].NextPart()
		switch {
		case err == io.EOF:
			p.levels = p.levels[:last]
		case err != nil:
			return nil, fmt.Errorf("parse attachment: %w", p.src.why())
		default:
			raw = next
		}
	}
	part := &Part{
		ContentID: strings.Trim(raw.Header.Get("Content-Id"), "<>"),
		SHA256:    raw.Header.Get(partHash),
		Size:      -1,
	}
	media, params, err := mime.ParseMediaType(raw.Header.Get("Content-Type"))
	if err != nil {
		return nil, errors.New("parse attachment: Content-Type can't be read")
	}
	part.Type = media
	if charset := params["charset"]; charset != "" {
		part.Type = mime.FormatMediaType(media, map[string]string{"charset": charset})
	}
	disposition, params, err := mime.ParseMediaType(raw.Header.Get("Content-Disposition"))
	if err != nil {
		return nil, errors.New("parse attachment: Content-Disposition can't be read")
	}
	part.Name, part.Inline = params["filename"], disposition == "inline"
	if size, err := strconv.ParseInt(params["size"], 10, 64); err == nil && size >= 0 {
		part.Size = size
	}
	if encoding := raw.Header.Get("Content-Transfer-Encoding"); !strings.EqualFold(encoding, "base64") {
		return nil, errors.New("parse attachment: its encoding isn't base64")
	}
	part.Body = newBase64Reader(raw)
	return part, nil
}

// source keeps the error of a failed read. go-message wraps it in a text of its own, together with lines of the
// message, which must not reach a log.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// why returns the cause of a failed read: the reader's own error, or errBroken.
func (s *source) why() error {
	if s.err != nil {
		return s.err
	}
	return errBroken
}

var errBroken = errors.New("the message is cut off or broken")
