package mailboxtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
)

// The sizes of a file for an upload session: Graph's 3 MB and 150 MB. Whether its 3 MB are 3,000,000 bytes or 3 MiB is
// not documented, so a file between the two is accepted either way. What one POST can hold is limited by the 4 MB of
// the whole request: in base64 a file of 3 MiB exceeds them.
const (
	minSession = 3_000_000
	maxSession = 150 << 20
)

// newAttachment returns the fileAttachment in a body that has been checked. keep is whether its content is kept.
func newAttachment(in map[string]any, keep bool) (Attachment, *reply) {
	if in["@odata.type"] != "#microsoft.graph.fileAttachment" {
		return Attachment{}, notImplemented("attachments other than files")
	}
	inline, _ := in["isInline"].(bool)
	a := Attachment{Name: textValue(in, "name"), Type: textValue(in, "contentType"),
		ContentID: textValue(in, "contentId"), Inline: inline}
	encoded, given := in["contentBytes"].(string)
	if a.Name == "" || !given {
		return a, refuseWith(http.StatusBadRequest, "ErrorInvalidArgument",
			"An attachment needs a name and contentBytes.")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return a, refuseWith(http.StatusBadRequest, "RequestBodyRead",
			"Cannot convert the literal to the expected type 'Edm.Binary'.")
	}
	a.Size = int64(len(raw))
	a.ID = newID("AAkALgA")
	sum := sha256.Sum256(raw)
	a.SHA256 = hex.EncodeToString(sum[:])
	if keep {
		a.Content = raw
	}
	return a, nil
}

// render returns the attachment as Graph's JSON object.
func (a *Attachment) render() map[string]any {
	v := map[string]any{
		"@odata.type":             "#microsoft.graph.fileAttachment",
		"@odata.mediaContentType": orElseText(a.Type, "application/octet-stream"),
		"id":                      a.ID, "name": a.Name, "contentType": a.Type, "size": a.Size, "isInline": a.Inline,
		"contentId": nil, "contentLocation": nil, "contentBytes": nil,
	}
	if a.ContentID != "" {
		v["contentId"] = a.ContentID
	}
	if a.Content != nil {
		v["contentBytes"] = a.Content // encoding/json writes it as base64
	}
	return v
}

// files returns the attachments of the message as Graph's JSON objects.
func (m *Message) files() []map[string]any {
	list := make([]map[string]any, len(m.Attachments))
	for i := range m.Attachments {
		list[i] = m.Attachments[i].render()
	}
	return list
}

// attach adds a file to a message, or returns the refusal if the message would become too large. The mailbox's lock
// must be held.
func (g *Graph) attach(b *mailbox, m *Message, a Attachment) *reply {
	if m.Size+a.Size > g.o.MessageLimit {
		return messageTooLarge()
	}
	if err := g.disk.content(a); err != nil {
		return refuseWith(http.StatusInternalServerError, "ErrorInternalServerError", "%v", err)
	}
	m.Attachments = append(m.Attachments[:len(m.Attachments):len(m.Attachments)], a)
	m.Size += a.Size
	m.Changed = g.o.Now()
	g.disk.message(b, m)
	return nil
}

// addAttachment answers POST attachments. The answer repeats the content, as Graph's does.
func (g *Graph) addAttachment(q *request, rt route, b *mailbox) *reply {
	if rep := q.only(); rep != nil {
		return rep
	}
	in, rep := g.object(q, "attachment")
	if rep != nil {
		return rep
	}
	a, rep := newAttachment(in, g.o.KeepContent)
	if rep != nil {
		return rep
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m, rep := b.message(rt)
	if rep != nil {
		return rep
	}
	if rep := g.attach(b, m, a); rep != nil {
		return rep
	}
	v := a.render()
	v["contentBytes"] = in["contentBytes"]
	return okReply(http.StatusCreated, v)
}

// listAttachments answers GET attachments: 10 a page.
func (g *Graph) listAttachments(q *request, rt route, b *mailbox) *reply {
	if rep := q.only("$select", "$top", "$skip"); rep != nil {
		return rep
	}
	names, rep := g.selected(q, "fileAttachment")
	if rep != nil {
		return rep
	}
	p, rep := q.page(10, 1000)
	if rep != nil {
		return rep
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m, rep := b.message(rt)
	if rep != nil {
		return rep
	}
	files := m.files()
	return q.list(p, len(files), "users('"+b.id+"')/messages/attachments",
		func(i int) map[string]any { return pickProperties(files[i], names) })
}

// file returns the attachment of a route. The mailbox's lock must be held.
func (b *mailbox) file(rt route) (*Attachment, *reply) {
	m, rep := b.message(rt)
	if rep != nil {
		return nil, rep
	}
	for i := range m.Attachments {
		if m.Attachments[i].ID == rt.attachment {
			return &m.Attachments[i], nil
		}
	}
	return nil, notFound()
}

// getAttachment answers GET attachments/{id}.
func (g *Graph) getAttachment(q *request, rt route, b *mailbox) *reply {
	if rep := q.only("$select"); rep != nil {
		return rep
	}
	names, rep := g.selected(q, "fileAttachment")
	if rep != nil {
		return rep
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a, rep := b.file(rt)
	if rep != nil {
		return rep
	}
	return okReply(http.StatusOK, pickProperties(a.render(), names))
}

// getContent answers GET attachments/{id}/$value.
func (g *Graph) getContent(q *request, rt route, b *mailbox) *reply {
	if rep := q.only(); rep != nil {
		return rep
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a, rep := b.file(rt)
	if rep != nil {
		return rep
	}
	if a.Content == nil && a.Size > 0 {
		return notImplemented("the content of an attachment without Options.KeepContent")
	}
	return &reply{status: http.StatusOK,
		header: http.Header{"Content-Type": {orElseText(a.Type, "application/octet-stream")}}, raw: a.Content}
}
