package client

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"

	"o2archiver/shared/jsonscan"
	"o2archiver/shared/source/telemessage"
)

const (
	maxItem      = 16 << 20  // bytes of an item that can become a record
	maxBig       = 2 << 30   // bytes of an item that is only stored
	maxOther     = 1 << 20   // bytes of a member of the page other than items, and of white space in one place
	maxMembers   = 100       // members of the page; the contract has 2
	maxPageItems = 10 * 1000 // items of a page, in case the site ignores the limit
)

// Item is one item of a page.
type Item struct {
	Raw    []byte // the item's JSON without white space between tokens; the receiver may keep it
	SHA256 string // hex, of the bytes as received

	// Whole is not nil for an item that is nested so deeply that Raw is incomplete. It returns all of the item's
	// bytes, once.
	Whole io.Reader

	// Big is not nil for an item that cannot be a record. Then Raw is nil and SHA256 is empty. Big returns all of the
	// item's bytes, once, as received, and MUST be read before the call returns.
	Big io.Reader
	Why string        // with Big: the reason, in plain words
	ID  func() string // with Big: its messageId, as far as Big was read; "" if none could be read
}

// readPage parses {"items":[…],"next":"…"} and calls each for every item as soon as it is read. A page is accepted
// only if it is complete. A missing items member, a wrong type, or data after the end is an error, because a page
// that is mistaken for the last one loses messages forever.
func readPage(r *bufio.Reader, each func(Item) error) (next string, err error) {
	p := &pageReader{r: r}
	var items, cursor bool
	if err := p.expect('{'); err != nil {
		return "", err
	}
	err = p.list('}', maxMembers, func() error {
		name, err := p.text()
		if err != nil {
			return err
		}
		if err := p.expect(':'); err != nil {
			return err
		}
		switch {
		case name == "items" && !items:
			items = true
			return p.items(each)
		case name == "next" && !cursor:
			cursor = true
			next, err = p.cursor()
			return err
		case name == "items", name == "next":
			return notAPage("a member twice")
		}
		_, err = p.value(maxOther)
		return err
	})
	if err != nil {
		return "", err
	}
	if !items {
		return "", notAPage("no items")
	}
	return next, p.end()
}

// notAPage returns the error for an answer that is not a page of the contract.
func notAPage(why string) error {
	return unavailableError("its page is not in the form that was agreed: " + why)
}

// startsObject returns an error if the answer does not begin like a page. The answer of a proxy, or of a site under
// maintenance, with status 200 does not.
func startsObject(r *bufio.Reader) error {
	if bom, _ := r.Peek(3); string(bom) == "\ufeff" {
		_, _ = r.Discard(3) // RFC 8259 section 8.1: a parser may ignore a byte order mark
	}
	p := &pageReader{r: r}
	if c, err := p.peek(); err != nil {
		return err
	} else if c != '{' {
		return notAPage("no JSON object")
	}
	return nil
}

// pageReader splits the values of a page out of the stream. It only finds where a value ends; encoding/json checks
// whether the value is valid, one value at a time.
type pageReader struct {
	r   *bufio.Reader
	buf []byte // the value that is being read
}

// list calls one for each entry up to the closing bracket. The opening bracket has been read. More than limit entries
// are an error.
func (p *pageReader) list(closing byte, limit int, one func() error) error {
	for n := 0; ; n++ {
		c, err := p.peek()
		switch {
		case err != nil:
			return err
		case c == closing:
			return p.expect(closing)
		case n == limit:
			return notAPage("too many entries")
		case n > 0:
			if err := p.expect(','); err != nil {
				return err
			}
			if _, err := p.peek(); err != nil {
				return err
			}
		}
		if err := one(); err != nil {
			return err
		}
	}
}

// items reads the array of items.
func (p *pageReader) items(each func(Item) error) error {
	if err := p.expect('['); err != nil {
		return err
	}
	return p.list(']', maxPageItems, func() error { return p.item(each) })
}

// item reads one item and calls each for it. An item that is invalid in itself, but ends where it should, is stored
// and does not end the page.
func (p *pageReader) item(each func(Item) error) error {
	if err := p.begin(); err != nil {
		return err
	}
	var s jsonscan.Span
	for {
		chunk, err := p.more(&s)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if p.buf = append(p.buf, chunk...); len(p.buf) > maxItem {
			return p.big(&s, each)
		}
	}
	value, it := p.buf, Item{}
	if s.Deepest > telemessage.MaxDepth {
		value, it.Whole = pruneDepth(p.buf, telemessage.MaxDepth), bytes.NewReader(p.buf)
	}
	raw := bytes.NewBuffer(make([]byte, 0, len(value)))
	if json.Compact(raw, value) != nil {
		return each(bigItem(bytes.NewReader(p.buf), "it is not valid JSON"))
	}
	sum := sha256.Sum256(p.buf)
	it.Raw, it.SHA256 = raw.Bytes(), hex.EncodeToString(sum[:])
	return each(it)
}

// bigItem returns an item that is only stored.
func bigItem(all io.Reader, why string) Item {
	id := &idFinder{}
	return Item{Big: io.TeeReader(all, id), Why: why, ID: id.found}
}

// big calls each for an item of more than 16 MiB. Its beginning is in buf, and the rest has not been read yet.
func (p *pageReader) big(s *jsonscan.Span, each func(Item) error) error {
	rest := &spanReader{page: p, span: s, left: maxBig}
	if err := each(bigItem(io.MultiReader(bytes.NewReader(p.buf), rest), "it has more than 16 MiB")); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, rest) // the part that each did not read
	return err
}

// cursor reads a string, or null, which means none.
func (p *pageReader) cursor() (string, error) {
	raw, err := p.value(6 * maxCursor) // every character may be an escape sequence
	if err != nil {
		return "", err
	}
	if string(raw) == "null" {
		return "", nil
	}
	var text *string
	if json.Unmarshal(raw, &text) != nil || text == nil {
		return "", notAPage("a cursor that is no text")
	}
	switch {
	case len(*text) > maxCursor:
		return "", notAPage("a cursor of more than 2 KiB")
	case strings.ContainsFunc(*text, unicode.IsControl):
		return "", notAPage("a cursor with control characters")
	}
	return *text, nil
}

// text reads a string: the name of a member.
func (p *pageReader) text() (string, error) {
	raw, err := p.value(maxURL)
	if err != nil {
		return "", err
	}
	var text string
	if raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return "", notAPage("a name that is no text")
	}
	return text, nil
}

// value reads a value of at most limit bytes. It is valid until the next value is read.
func (p *pageReader) value(limit int) ([]byte, error) {
	if err := p.begin(); err != nil {
		return nil, err
	}
	var s jsonscan.Span
	for {
		chunk, err := p.more(&s)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(p.buf)+len(chunk) > limit {
			return nil, notAPage("a member that is too large")
		}
		p.buf = append(p.buf, chunk...)
	}
	if !json.Valid(p.buf) {
		return nil, notAPage("no valid JSON")
	}
	return p.buf, nil
}

// begin skips to the first byte of a value.
func (p *pageReader) begin() error {
	p.buf = p.buf[:0]
	c, err := p.peek()
	if err != nil {
		return err
	}
	if jsonscan.IsDelimiter(c) {
		return notAPage("a value is missing")
	}
	return nil
}

// more returns the next bytes of the value that s scans, valid until the next call. It returns io.EOF at the end of
// the value.
func (p *pageReader) more(s *jsonscan.Span) ([]byte, error) {
	if s.Done {
		return nil, io.EOF
	}
	if _, err := p.r.Peek(1); err != nil {
		return nil, cutOff(err)
	}
	chunk, _ := p.r.Peek(p.r.Buffered())
	n := s.Scan(chunk)
	_, _ = p.r.Discard(n)
	if n == 0 {
		return nil, io.EOF
	}
	return chunk[:n], nil
}

// peek skips white space and returns the next byte without consuming it.
func (p *pageReader) peek() (byte, error) {
	for range maxOther {
		next, err := p.r.Peek(1)
		if err != nil {
			return 0, cutOff(err)
		}
		if !jsonscan.IsBlank(next[0]) {
			return next[0], nil
		}
		_, _ = p.r.Discard(1)
	}
	return 0, notAPage("nothing but white space")
}

// expect reads one byte, after white space, and returns an error if it is another one.
func (p *pageReader) expect(want byte) error {
	c, err := p.peek()
	if err != nil {
		return err
	}
	if c != want {
		return notAPage("no valid JSON")
	}
	_, _ = p.r.Discard(1)
	return nil
}

// end reads to the end of the stream, which shows whether the answer was cut off.
func (p *pageReader) end() error {
	_, err := p.peek()
	switch {
	case err == nil:
		return notAPage("something after its end")
	case errors.Is(err, errCutOff):
		return nil
	}
	return err
}

// errCutOff is the end of the stream before the end of the page.
var errCutOff = errors.New("the page is cut off")

// cutOff replaces io.EOF by an error that matches ErrUnavailable and errCutOff.
func cutOff(err error) error {
	if err == io.EOF {
		return &failure{kind: ErrUnavailable, text: errCutOff.Error(), again: true, cause: errCutOff}
	}
	return err
}

// spanReader is a reader of the rest of a value.
type spanReader struct {
	page  *pageReader
	span  *jsonscan.Span
	chunk []byte
	left  int64
	err   error
}

func (r *spanReader) Read(b []byte) (int, error) {
	for len(r.chunk) == 0 && r.err == nil {
		r.chunk, r.err = r.page.more(r.span)
		if r.left -= int64(len(r.chunk)); r.left < 0 {
			r.chunk, r.err = nil, notAPage("an item of more than 2 GiB")
		}
	}
	if len(r.chunk) == 0 {
		return 0, r.err
	}
	n := copy(b, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}
