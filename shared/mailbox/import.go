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

// Import creates one message in the target folder, with all its attachments, and returns Graph's id of it. It makes
// one attempt: the message is created by one POST, which is never repeated, with everything in it if the request stays
// below 3.5 MB. Larger attachments are added to the message one by one; until the last one is there, the message is
// marked partial.
//
// renew renews the caller's claim and may be nil. It is called at least every 20 seconds, from another goroutine but
// never concurrently with itself. If it fails, the import ends with an *Error of kind Lost.
//
// After an *Error that is not Ambiguous, nothing of the message is in the mailbox. If an id is returned with the
// error, part of the message is there, and Delete removes it.
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

// importKept is Import while k renews the claim.
func (s *Session) importKept(k *claimRenewer, m *Message) (string, error) {
	folder, err := s.Folder(k.ctx)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.Ambiguous = false // only the folder may have been created, nothing of the message
		}
		return "", err
	}
	held := &holding{memory: s.c.admission.bodies}
	defer func() { held.releaseTo(small) }()
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
		model.SetSingleValueExtendedProperties(
			append(model.GetSingleValueExtendedProperties(), stringProperty(importState, partial)))
	}
	if err := k.renewIfOld(); err != nil {
		return "", err
	}
	id, err := s.create(k.ctx, folder, model, g.size)
	if err != nil || g.pending == nil {
		return id, err
	}
	g.inline = nil // releases the memory of their bytes
	held.releaseTo(small)
	if err := s.finish(k, id, g); err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.Ambiguous = true // part of the message is in the mailbox
		}
		return id, err
	}
	return id, nil
}

// importWritten returns the create request with the message encoded as JSON. Encoding takes a while and permits are
// scarce, so it is done before the request waits for a permit.
func (s *Session) importWritten(
	ctx context.Context, folder string, model models.Messageable,
) (request *kiota.RequestInformation, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the SDK panicked on the message")
		}
	}()
	return s.c.userRequest(s.user).MailFolders().ByMailFolderId(folder).Messages().
		ToPostRequestInformation(ctx, model, nil)
}

// create sends the one POST that creates the message and returns the message's id. The answer repeats the whole
// message. Only the fields that matter are decoded: the SDK's model of it would cost more than the rest of the request
// together.
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
		return made.ID, &Error{
			Kind: Refused, Status: x.status, Code: "CreatedAsDraft", RequestID: x.id, Ambiguous: true}
	}
	return made.ID, nil
}

// finish adds the attachments that were not in the create and then marks the message complete. Its requests wait while
// the mailbox is paused or its quota is used up, because a failure would lose what is uploaded so far.
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
			change.SetSingleValueExtendedProperties(
				[]models.SingleValueLegacyExtendedPropertyable{stringProperty(importState, complete)})
			changed, err = s.c.userRequest(s.user).Messages().ByMessageId(id).Patch(ctx, change, nil)
			return err
		})
		if err == nil &&
			(x.status != http.StatusOK || changed == nil || changed.GetId() == nil || *changed.GetId() == "") {
			err = unreadableAnswer(x, true)
		}
		return x, err
	})
}

// gathering iterates over a message's attachments, once.
type gathering struct {
	c      *Client
	next   func() (*Attachment, error)
	queue  []*Attachment // returned before those of next
	held   *holding      // the memory of the import
	number int           // of the current attachment, from 1, for error texts
	size   int64         // upper bound of the create's JSON in bytes

	inline  []models.Attachmentable
	pending *Attachment // the next attachment, not in the create if gather has returned; nil: none is left
}

// gather reads attachments into inline while the create stays below maxInline, and reserves memory for them.
func (g *gathering) gather(ctx context.Context) error {
	if err := g.held.acquire(ctx, levelOf(g.size)); err != nil {
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
		if err := g.held.acquire(ctx, levelOf(size)); err != nil {
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

// advance makes the next attachment the pending one; nil if there is none left.
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

// textFiles returns a whole text as one attachment, or as several if the cloud has no upload sessions and the text is
// too large for one POST.
func textFiles(text string, sessions bool) []*Attachment {
	if sessions || len(text) <= maxSinglePost {
		return []*Attachment{textFile("message.txt", text)}
	}
	var files []*Attachment
	for len(text) > 0 {
		end := len(text)
		if end > maxSinglePost {
			// Cut at the start of a character.
			end = strings.LastIndexFunc(text[:maxSinglePost-3], func(rune) bool { return true })
		}
		files = append(files, textFile(fmt.Sprintf("message-%d.txt", len(files)+1), text[:end]))
		text = text[end:]
	}
	return files
}

// textFile returns a text as one attachment.
func textFile(name, text string) *Attachment {
	return &Attachment{Name: name, Type: "text/plain; charset=utf-8",
		Size: int64(len(text)), Body: strings.NewReader(text)}
}

// read returns all bytes of the attachment. It is an error of kind Content if Body does not have exactly Size bytes.
func (a *Attachment) read() ([]byte, error) {
	content := make([]byte, a.Size)
	if err := fillBuffer(a.Body, content); err != nil {
		return nil, err
	}
	return content, atEnd(a.Body)
}

// fillBuffer reads exactly len(p) bytes.
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

// atEnd returns nil if r has no more bytes.
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
