package message

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"strconv"
	"strings"
	"time"

	gomessage "github.com/emersion/go-message"
	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-message/textproto"
)

// Parsed is a message that was read back. The header and the text are there at once; the attachments come
// one by one, as the reader gives them.
type Parsed struct {
	ID         string // Message-ID without the angle brackets
	InReplyTo  string // with the angle brackets, as Graph's MAPI property has it
	References string
	Subject    string
	From       Address
	To         []Address
	Date       time.Time // UTC, whole seconds
	Text       string    // as Build made it, byte for byte
	Headers    []Header  // the private ones, the most important first

	src   *source
	parts *textproto.MultipartReader // nil without attachments
}

// Header is one private header, e.g. X-O2-Type.
type Header struct{ Name, Value string }

// Part is one attachment. Body gives its decoded bytes once, and only until the next call of Next.
type Part struct {
	Name   string
	Type   string
	SHA256 string // hex, of the decoded bytes: what the record said, not computed here
	Size   int64  // of the decoded bytes; -1 if the message doesn't say
	Inline bool
	Body   io.Reader
}

// maxHeader bounds the header: 500 recipients with the longest names that Build gives make 1.5 MB.
const maxHeader = 4 << 20

// maxText bounds the text: a record's is at most as long as an item, and what is added is less than another item.
const maxText = 64 << 20

// Parse reads a message that Write wrote: the header and the text now, each attachment when Next is called. r is read no
// further than that, and never closed.
func Parse(r io.Reader) (*Parsed, error) {
	p := &Parsed{src: &source{r: r}}
	e, err := gomessage.ReadWithOptions(p.src, &gomessage.ReadOptions{MaxHeaderBytes: maxHeader})
	if err != nil {
		return nil, fmt.Errorf("parse header: %w", p.src.why())
	}
	if err := p.header(mail.Header{Header: e.Header}); err != nil {
		return nil, err
	}
	text := e
	media, params, err := mime.ParseMediaType(e.Header.Get("Content-Type"))
	if err != nil {
		return nil, errors.New("parse header: Content-Type can't be read")
	}
	if media == "multipart/mixed" {
		// The library reads 4 KiB at a time: out of a pipe each would be a change of goroutines.
		p.src.r = bufio.NewReaderSize(p.src.r, 96<<10)
		p.parts = textproto.NewMultipartReader(e.Body, params["boundary"])
		first, err := p.parts.NextPart()
		if err != nil {
			return nil, fmt.Errorf("parse text part: %w", p.src.why())
		}
		if text, err = gomessage.New(gomessage.Header{Header: first.Header}, first); err != nil {
			return nil, fmt.Errorf("parse text part: %w", errBroken)
		}
	}
	body, err := io.ReadAll(io.LimitReader(text.Body, maxText+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read text: %w", p.src.why())
	case len(body) > maxText:
		return nil, fmt.Errorf("read text: over %d bytes", maxText)
	}
	p.Text = string(body)
	return p, nil
}

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

// Next gives the next attachment; io.EOF says that there is none. What is left of the one before is skipped.
func (p *Parsed) Next() (*Part, error) {
	if p.parts == nil {
		return nil, io.EOF
	}
	raw, err := p.parts.NextPart()
	if err == io.EOF {
		return nil, io.EOF
	}
	if err != nil {
		return nil, fmt.Errorf("parse attachment: %w", p.src.why())
	}
	part := &Part{SHA256: raw.Header.Get(partHash), Size: -1}
	if part.Type, _, err = mime.ParseMediaType(raw.Header.Get("Content-Type")); err != nil {
		return nil, errors.New("parse attachment: Content-Type can't be read")
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

// source remembers why reading failed: the library puts that into a text of its own, and lines of the message with it.
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

// why is the reason of a failed read: the reader's own error, or that the message is broken.
func (s *source) why() error {
	if s.err != nil {
		return s.err
	}
	return errBroken
}

var errBroken = errors.New("the message is cut off or broken")
