package mailboxtest

import (
	"bytes"
	"encoding/base64"
	"mime"
	"net/http"
	"net/mail"
	"strconv"
	"strings"
	"time"
)

// createMessage answers POST messages: 201, with a message that is a draft unless PidTagMessageFlags states otherwise.
func (g *Graph) createMessage(q *request, rt route, b *mailbox) *reply {
	if rep := q.only(); rep != nil {
		return rep
	}
	now := g.o.Now()
	var m *Message
	var rep *reply
	if t, _, _ := mime.ParseMediaType(q.header.Get("Content-Type")); t == "text/plain" {
		m, rep = fromMIME(q.body, now)
	} else {
		m, rep = g.fromJSON(q, now)
	}
	if rep == nil && m.Size > g.o.MessageLimit {
		rep = messageTooLarge()
	}
	if rep != nil {
		return rep
	}
	if m.InternetMessageID == "" {
		m.InternetMessageID = "<" + newUUID() + "@contoso.example>"
	}
	for i := range m.Attachments {
		if err := g.disk.content(m.Attachments[i]); err != nil {
			return refuseWith(http.StatusInternalServerError, "ErrorInternalServerError", "%v", err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.folder(orElseText(rt.folder, drafts))
	if f == nil {
		return notFound()
	}
	if rep := g.claimNames(b, m); rep != nil {
		return rep
	}
	m.ID, m.OtherID, m.Number = newID("AAkALgI"), newID("AAMkADm"), b.made+1
	b.put(m, f)
	g.disk.message(b, m)
	created := okReply(http.StatusCreated, m.render(q))
	created.header.Set("Location", q.base+"/v1.0/users('"+b.id+"')/messages('"+m.id(q)+"')")
	return created
}

// orElseText returns s, or byDefault if s is "".
func orElseText(s, byDefault string) string {
	if s == "" {
		return byDefault
	}
	return s
}

// messageTooLarge returns the refusal of a message that exceeds the tenant's limit.
func messageTooLarge() *reply {
	return refuseWith(http.StatusRequestEntityTooLarge, "ErrorMessageSizeExceeded",
		"The message exceeds the maximum supported size.")
}

// fromJSON returns the message in a JSON body, or the refusal of an invalid one.
func (g *Graph) fromJSON(q *request, now time.Time) (*Message, *reply) {
	in, rep := g.object(q, "message")
	if rep != nil {
		return nil, rep
	}
	for _, name := range []string{"extensions", "multiValueExtendedProperties"} {
		if list, _ := in[name].([]any); len(list) > 0 {
			return nil, notImplemented("'" + name + "' of a message")
		}
	}
	m := &Message{Draft: true, Class: "IPM.Note", Created: now, Changed: now, Sent: now, Received: now}
	if rep := applyContent(in, m); rep != nil {
		return nil, rep
	}
	if m.Headers, rep = headersOf(in); rep != nil {
		return nil, rep
	}
	if m.InternetMessageID = textValue(in, "internetMessageId"); strings.ContainsAny(m.InternetMessageID, "\r\n") {
		return nil, refuseWith(http.StatusBadRequest, "ErrorInvalidRequest", "The internetMessageId is not valid.")
	}
	if m.Properties, rep = extendedProperty(in); rep != nil {
		return nil, rep
	}
	m.birthProperties()
	applyState(in, m)
	list, _ := in["attachments"].([]any)
	for _, e := range list {
		a, rep := newAttachment(e.(map[string]any), g.o.KeepContent)
		if rep != nil {
			return nil, rep
		}
		m.Attachments = append(m.Attachments, a)
		m.Size += a.Size
	}
	m.measure()
	return m, nil
}

// birthProperties applies the properties that a message can get only at its first save (MS-OXCMSG section 2.2.1.6).
// They alone determine the dates: sentDateTime and receivedDateTime of the JSON are accepted and ignored.
func (m *Message) birthProperties() {
	if v, given := m.Properties[flagsProperty]; given {
		flags, _ := strconv.Atoi(v) // checkProperty has checked it
		m.Draft = flags&8 != 0      // MSGFLAG_UNSENT
		m.Read = flags&1 != 0       // MSGFLAG_READ
	}
	if v, given := m.Properties[submittedProperty]; given {
		m.Sent, _ = time.Parse(time.RFC3339Nano, v)
	}
	if v, given := m.Properties[deliveredProperty]; given {
		m.Received, _ = time.Parse(time.RFC3339Nano, v)
	}
	if v, given := m.Properties[classProperty]; given {
		m.Class = v
	}
}

// applyContent applies the properties whose later change needs Mail-Advanced.ReadWrite: subject, body and participants.
func applyContent(in map[string]any, m *Message) *reply {
	if _, given := in["subject"]; given {
		m.Subject = textValue(in, "subject")
	}
	if body, _ := in["body"].(map[string]any); body != nil {
		m.Text = textValue(body, "content")
		m.TextType = strings.ToLower(orElseText(textValue(body, "contentType"), "text"))
	}
	m.TextType = orElseText(m.TextType, "text")
	return recipientsOf(in, m)
}

// applyState applies the properties that may be changed at any time. isDraft is accepted and ignored.
func applyState(in map[string]any, m *Message) {
	if read, given := in["isRead"].(bool); given {
		m.Read = read
	}
	if s := textValue(in, "importance"); s != "" {
		m.Importance = strings.ToLower(s)
	}
	if list, given := in["categories"].([]any); given {
		m.Categories = nil
		for _, c := range list {
			m.Categories = append(m.Categories, c.(string))
		}
	}
}

// measure adds the bytes of text and headers to the size, which has those of the attachments.
func (m *Message) measure() {
	m.Size += int64(len(m.Subject) + len(m.Text))
	for _, h := range m.Headers {
		m.Size += int64(len(h.Name) + len(h.Value) + 4)
	}
}

// fromMIME returns the message in a MIME body. It is always a draft, whatever the MIME says: that is why messages
// cannot be imported as MIME.
func fromMIME(body []byte, now time.Time) (*Message, *reply) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(body)))
	if err != nil {
		return nil, refuseWith(http.StatusBadRequest, "ErrorMimeContentInvalidBase64String",
			"The MIME content is not base64.")
	}
	p, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, refuseWith(http.StatusBadRequest, "ErrorMimeContentInvalid", "The MIME content is not a message.")
	}
	return &Message{
		Draft: true, Class: "IPM.Note", Created: now, Changed: now, Sent: now, Received: now, TextType: "text",
		Subject: p.Header.Get("Subject"), InternetMessageID: p.Header.Get("Message-Id"),
		Properties: map[string]string{}, Size: int64(len(raw)),
	}, nil
}
