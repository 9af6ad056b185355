package delivery

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"o2archiver/shared/record"
	"o2archiver/shared/source/delivery/mimeread"
)

// rank is how likely a part is the text of an item. Of the parts with the lowest rank the first is the text.
type rank int

const (
	plainBody rank = iota
	htmlBody
	plainFile
	htmlFile
	noText
)

// candidate is a part that is the text of the item unless a part of a lower rank follows.
type candidate struct {
	rank    rank
	content []byte // of maxText bytes at most
	isCut   bool   // the part is longer
	charset string
	at      int // its place in leaves
	flaws   flaws
}

// rankOf returns the rank of a part.
func (d *description) rankOf(p *mimeread.Part, name string) rank {
	of := noText
	switch {
	case d.encrypted():
	case p.Type == "text/plain":
		of = plainBody
	case p.Type == "text/html":
		of = htmlBody
	}
	if of != noText && (isAttachment(p) || d.isFile(p, name)) {
		of += plainFile
	}
	return of
}

// isAttachment reports whether a part is stated to be an attachment.
func isAttachment(p *mimeread.Part) bool { return dispositionOf(p) == "attachment" }

// dispositionOf returns the disposition of a part, in lower case.
func dispositionOf(p *mimeread.Part) string {
	return mimeread.Token(p.Header.Get("Content-Disposition"))
}

// isFile reports whether a part is rather a file than a text, because it has a name. The vendor's text is the first
// part, and may have a name, as may those of multipart/alternative.
func (d *description) isFile(p *mimeread.Part, name string) bool {
	isFirst := d.read == 0 && d.o.Source != record.GenericEML
	return name != "" && dispositionOf(p) != "inline" && !isFirst && p.Within != "multipart/alternative"
}

// readPart takes a part as the text, holds it as a possible one, or stores it.
func (d *description) readPart(p *mimeread.Part) error {
	part := Part{Ordinal: p.Ordinal, MailPart: record.MailPart{Name: fileName(p), Type: typeOf(p)}}
	of := d.rankOf(p, part.Name)
	if of == noText || d.isChosen || d.held != nil && d.held.rank <= of {
		return d.store(p, part, p.Body)
	}
	if err := d.releaseHeld(); err != nil {
		return err
	}
	if of == plainBody {
		d.isChosen = true
		return d.takeText(p, part)
	}
	return d.hold(p, part, of)
}

// encrypted reports whether the item is encrypted with a key of the customer. Then no part of it is a text.
func (d *description) encrypted() bool {
	h := d.scanner.Header
	if all := d.scanner.Wrapped(); len(all) > 0 {
		h = all[len(all)-1]
	}
	return h.Get(encryptedHeader) != ""
}

// takeText makes a part the text of the item. It stores the part too if the text cannot stand for all of it.
func (d *description) takeText(p *mimeread.Part, part Part) error {
	content, err := io.ReadAll(io.LimitReader(p.Body, maxText+1))
	if err != nil {
		return err
	}
	d.textFlaws = flawsOf(p)
	text, reason := decodeText(content[:min(len(content), maxText)], p.Params["charset"])
	if len(content) > maxText {
		reason = fmt.Sprintf("all after the first %d MiB; all of it is attached", maxText>>20)
	}
	d.mail.Text, d.mail.TextType = text, part.Type
	if reason == "" {
		return nil
	}
	d.leaveOut("text (" + reason + ")")
	return d.store(p, part, io.MultiReader(bytes.NewReader(content), p.Body))
}

// hold makes a part the one that is the text unless a part of a lower rank follows. A long part and one that is stated
// to be an attachment are stored in any case.
func (d *description) hold(p *mimeread.Part, part Part, of rank) error {
	head, err := io.ReadAll(io.LimitReader(p.Body, maxText))
	if err != nil {
		return err
	}
	rest := make([]byte, 1)
	n, _ := io.ReadFull(p.Body, rest)
	d.held = &candidate{rank: of, content: head, isCut: n > 0, charset: p.Params["charset"], at: len(d.leaves)}
	if n == 0 && !isAttachment(p) {
		d.leaves = append(d.leaves, leaf{part: part, flaws: flawsOf(p), absent: true})
	} else {
		all := io.MultiReader(bytes.NewReader(head), bytes.NewReader(rest[:n]), p.Body)
		if err := d.store(p, part, all); err != nil {
			return err
		}
	}
	d.held.flaws = flawsOf(p)
	return nil
}

// releaseHeld stores the part that was held as a possible text, unless it is stored.
func (d *description) releaseHeld() error {
	if d.held == nil {
		return nil
	}
	held := d.held
	d.held = nil
	if !d.leaves[held.at].absent {
		return nil
	}
	media, err := d.storeBytes(d.leaves[held.at].part, bytes.NewReader(held.content))
	d.leaves[held.at].media, d.leaves[held.at].absent = media, false
	return err
}

// chooseHeld makes the part that is held the text, literally.
func (d *description) chooseHeld() error {
	if d.held == nil {
		return nil
	}
	held := d.held
	var reason string
	d.mail.Text, reason = decodeText(held.content, held.charset)
	d.mail.TextType, d.textFlaws = d.leaves[held.at].part.Type, held.flaws
	if held.isCut {
		reason = fmt.Sprintf("all after the first %d MiB; all of it is attached", maxText>>20)
	}
	if reason == "" {
		return nil
	}
	d.leaveOut("text (" + reason + ")")
	return d.releaseHeld()
}

// dropText forgets the text so far: it was that of a journal report around the item. The report is in the stored
// message.
func (d *description) dropText() {
	if d.held != nil {
		d.leaves[d.held.at].absent = true
	}
	d.held, d.isChosen, d.textFlaws, d.read = nil, false, flaws{}, 0
	d.mail.Text, d.mail.TextType, d.mail.LeftOut = "", "", nil
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
