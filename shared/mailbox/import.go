package mailbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	kiota "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
)

// Import writes one message into the target folder, with all its attachments, and gives Graph's
// id of it. It makes one try: the message is created by one POST that is never repeated, with everything
// in it while that stays under 3.5 MB. Larger attachments follow one by one; until the last is there
// the message is marked partial.
//
// Renew, which may be nil, is called at least every 20 seconds, from another goroutine but never twice at
// a time; its error ends the import with kind Lost. On an Error that is not Ambiguous nothing of
// the message is in the mailbox. On one with an id, the message is there in part: Delete takes
// it away.
func (s *Session) Import(ctx context.Context, m *Message, renew func(context.Context) error) (id string, err error) {
	k := startRenewer(ctx, renew, s.c.renewEvery)
	defer k.stop()
	id, err = s.importKept(k, m)
	if lost := k.lost(); lost != nil && err != nil {
		e := &Error{Kind: Lost, cause: lost}
		if was, ok := errors.AsType[*Error](err); ok {
			e.Ambiguous, e.RequestID = was.Ambiguous, was.RequestID
		}
		err = e
	}
	return id, err
}

func (s *Session) importKept(k *claimRenewer, m *Message) (string, error) {
	folder, err := s.Folder(k.ctx)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.Ambiguous = false // about the folder, not about the message
		}
		return "", err
	}
	held := &holding{memory: s.c.memory}
	defer func() { held.put(small) }()
	g := &gathering{c: s.c, next: m.Next, held: held}
	body, cut := shortenValue(m.Text)
	if cut {
		g.queue = textFiles(cmp.Or(m.Whole, m.Text), s.c.uploadSessions)
	}
	g.size = m.jsonSize(body)
	if err := g.gather(k.ctx); err != nil {
		return "", err
	}
	model := m.model(s.c.class, body)
	if len(g.inline) > 0 {
		model.SetAttachments(g.inline)
	}
	if g.pending != nil {
		model.SetSingleValueExtendedProperties(append(model.GetSingleValueExtendedProperties(), stringProperty(importState, partial)))
	}
	if err := k.renewIfOld(); err != nil {
		return "", err
	}
	id, err := s.create(k.ctx, folder, model, g.size)
	if err != nil || g.pending == nil {
		return id, err
	}
	g.inline = nil // frees their bytes
	held.put(small)
	if err := s.finish(k, id, g); err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.Ambiguous = true // the message is there, in part
		}
		return id, err
	}
	return id, nil
}

// importWritten writes the message out as JSON. That takes a while and permits are few, so it is done before the request is let in.
func (s *Session) importWritten(ctx context.Context, folder string, model models.Messageable) (request *kiota.RequestInformation, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the SDK panicked on the message")
		}
	}()
	return s.c.userRequest(s.user).MailFolders().ByMailFolderId(folder).Messages().ToPostRequestInformation(ctx, model, nil)
}

// create sends the one POST. Of the answer, which repeats the whole message, only what matters is read: to make the SDK's
// model of it costs more than all else about the request.
func (s *Session) create(ctx context.Context, folder string, model models.Messageable, size int64) (string, error) {
	var made struct {
		ID      string `json:"id"`
		IsDraft *bool  `json:"isDraft"`
	}
	request, err := s.importWritten(ctx, folder, model)
	if err != nil {
		return "", &Error{Kind: Refused, Code: "NotWritten", cause: err}
	}
	x, err := s.sendWithToken(ctx, opCreate, size, func(ctx context.Context) error {
		answer, err := s.c.adapter.SendPrimitive(ctx, request, "[]byte", graphErrors)
		if content, ok := answer.([]byte); err == nil && ok {
			err = json.Unmarshal(content, &made)
		}
		return err
	})
	switch {
	case err != nil:
		return "", s.folderGone(err, folder)
	case x.status != http.StatusCreated || made.ID == "" || made.IsDraft == nil:
		return "", unreadableAnswer(x, true)
	case *made.IsDraft:
		return made.ID, &Error{Kind: Refused, Status: x.status, Code: "CreatedAsDraft", RequestID: x.id, Ambiguous: true}
	}
	return made.ID, nil
}

// finish adds the attachments that were not in the create, and then marks the message complete. It waits where the mailbox
// lets nothing in for a while: what was uploaded so far would be lost.
func (s *Session) finish(k *claimRenewer, id string, g *gathering) error {
	s.patient = true
	defer func() { s.patient = false }()
	for g.pending != nil {
		if err := s.addAttachments(k, id, g.pending, g.held); err != nil {
			return err
		}
		if err := g.advance(); err != nil {
			return err
		}
	}
	if err := k.renewIfOld(); err != nil {
		return err
	}
	return s.retryStep(k, true, func(ctx context.Context) (*exchange, error) {
		var changed models.Messageable
		x, err := s.sendWithToken(ctx, opComplete, smallRequest.Bytes, func(ctx context.Context) (err error) {
			change := models.NewMessage()
			change.SetSingleValueExtendedProperties([]models.SingleValueLegacyExtendedPropertyable{stringProperty(importState, complete)})
			changed, err = s.c.userRequest(s.user).Messages().ByMessageId(id).Patch(ctx, change, nil)
			return err
		})
		if err == nil && (x.status != http.StatusOK || changed == nil || changed.GetId() == nil || *changed.GetId() == "") {
			err = unreadableAnswer(x, true)
		}
		return x, err
	})
}

// gathering goes through a message's attachments once.
type gathering struct {
	c      *Client
	next   func() (*Attachment, error)
	queue  []*Attachment // come before those of next
	held   *holding
	number int
	size   int64 // of the create, in JSON; at least

	inline  []models.Attachmentable
	pending *Attachment // the first that doesn't go into the create; nil: none
}

// gather reads attachments into inline while the create stays below the limit.
func (g *gathering) gather(ctx context.Context) error {
	if err := g.held.take(ctx, levelOf(g.size)); err != nil {
		return err
	}
	for {
		if err := g.advance(); err != nil || g.pending == nil {
			return err
		}
		size := g.size + g.pending.jsonSize()
		if size > maxInline {
			return nil
		}
		if err := g.held.take(ctx, levelOf(size)); err != nil {
			return err
		}
		g.size = size
		content, err := g.pending.read()
		if err != nil {
			return err
		}
		g.inline = append(g.inline, fileAttachment(g.pending, content))
	}
}

// advance makes the next attachment the pending one, and nil if there is none.
func (g *gathering) advance() error {
	g.pending = nil
	g.number++
	switch {
	case len(g.queue) > 0:
		g.pending, g.queue = g.queue[0], g.queue[1:]
	case g.next != nil:
		a, err := g.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &Error{Kind: Content, cause: fmt.Errorf("get attachment %d: %w", g.number, err)}
		}
		g.pending = a
	}
	if g.pending == nil {
		return nil
	}
	switch {
	case g.pending.Size < 0 || g.pending.Body == nil:
		return &Error{Kind: Content, cause: fmt.Errorf("attachment %d has no size or no body", g.number)}
	case g.pending.Size > maxUpload:
		return &Error{Kind: TooLarge, Code: "OverUploadLimit"}
	case !g.c.uploadSessions && g.pending.Size > maxSinglePost:
		return &Error{Kind: TooLarge, Code: "NoUploadSessions"}
	}
	return nil
}

// textFiles is the whole of a text as an attachment; as several where one may not be large.
func textFiles(text string, sessions bool) []*Attachment {
	if sessions || len(text) <= maxSinglePost {
		return []*Attachment{textFile("message.txt", text)}
	}
	var files []*Attachment
	for len(text) > 0 {
		end := len(text)
		if end > maxSinglePost {
			end = strings.LastIndexFunc(text[:maxSinglePost-3], func(rune) bool { return true }) // the start of a character
		}
		files = append(files, textFile(fmt.Sprintf("message-%d.txt", len(files)+1), text[:end]))
		text = text[end:]
	}
	return files
}

func textFile(name, text string) *Attachment {
	return &Attachment{Name: name, Type: "text/plain; charset=utf-8", Size: int64(len(text)), Body: strings.NewReader(text)}
}

// read is all of the attachment's bytes.
func (a *Attachment) read() ([]byte, error) {
	content := make([]byte, a.Size)
	if err := fillBuffer(a.Body, content); err != nil {
		return nil, err
	}
	return content, atEnd(a.Body)
}

// fillBuffer reads len(p) bytes.
func fillBuffer(r io.Reader, p []byte) error {
	n, err := io.ReadFull(r, p)
	switch {
	case err == io.EOF && len(p) == 0:
		return nil
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return &Error{Kind: Content, cause: fmt.Errorf("attachment ended %d bytes early", len(p)-n)}
	case err != nil:
		return &Error{Kind: Content, cause: fmt.Errorf("read attachment: %w", err)}
	}
	return nil
}

// atEnd is nil if r gives nothing more.
func atEnd(r io.Reader) error {
	var one [1]byte
	n, err := io.ReadFull(r, one[:])
	switch {
	case n > 0:
		return &Error{Kind: Content, cause: errors.New("attachment is longer than promised")}
	case err != io.EOF:
		return &Error{Kind: Content, cause: fmt.Errorf("read attachment: %w", err)}
	}
	return nil
}
