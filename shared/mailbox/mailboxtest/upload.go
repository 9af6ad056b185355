package mailboxtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// uploadPath is the path of upload URLs, which is another than Graph's; after SetUploadURL they have another host too.
const uploadPath = "/api/gv1.0/"

const (
	maxPart     = 4 << 20       // Microsoft Graph: at most 4 MB in each PUT
	sessionLife = 2 * time.Hour // after the session's creation or its last part
)

// session is an upload session.
type session struct {
	id, token string
	box       *mailbox
	message   string // immutable id

	mu      sync.Mutex
	file    Attachment
	next    int64 // offset of the next byte
	hash    hash.Hash
	expires time.Time
}

// createSession answers POST createUploadSession.
func (g *Graph) createSession(q *request, rt route, b *mailbox) *reply {
	if g.o.NoUploadSessions { // GCC High and DoD: the published v1.0 schema has no such action for attachments
		return noSegment([]string{"createUploadSession"})
	}
	in, rep := g.object(q, "createUploadSession")
	if rep != nil {
		return rep
	}
	item, _ := in["AttachmentItem"].(map[string]any)
	number, _ := item["size"].(json.Number)
	size, err := number.Int64()
	inline, _ := item["isInline"].(bool)
	file := Attachment{Name: textValue(item, "name"), Type: textValue(item, "contentType"),
		ContentID: textValue(item, "contentId"), Inline: inline, Size: size}
	switch {
	case file.Name == "" || err != nil || !strings.EqualFold(textValue(item, "attachmentType"), "file"):
		return refuseWith(400, "ErrorInvalidArgument",
			"AttachmentItem needs the attachmentType 'file', a name and a size.")
	case size < minSession:
		return refuseWith(400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
			"Attachment size should not be less than the minimum size.")
	case size > maxSession:
		return refuseWith(400, "ErrorAttachmentSizeLimitExceeded", "The attachment is larger than 150 MB.")
	case size > g.o.MessageLimit: // one that is too large only with the rest of the message is refused at its last part
		return messageTooLarge()
	}
	b.mu.Lock()
	m, rep := b.message(rt)
	b.mu.Unlock()
	if rep != nil {
		return rep
	}
	s := &session{
		id: newID("AAMkADs"), token: "eyJ" + newUUID(), box: b, message: m.ID, file: file,
		hash: sha256.New(), expires: g.o.Now().Add(sessionLife),
	}
	g.mu.Lock()
	base := orElseText(g.uploadURL, q.base)
	g.sessions[s.id] = s
	g.mu.Unlock()
	v := s.render()
	v["@odata.context"] = q.base + "/v1.0/$metadata#microsoft.graph.uploadSession"
	v["uploadUrl"] = fmt.Sprintf("%s%susers('%s')/messages('%s')/AttachmentSessions('%s')?authtoken=%s",
		base, uploadPath, b.id, m.ID, s.id, s.token)
	return okReply(http.StatusCreated, v)
}

// render returns the session's state as Graph's JSON object. In Outlook's sessions nextExpectedRanges is only the
// offset at which to continue.
func (s *session) render() map[string]any {
	next := strconv.FormatInt(s.next, 10)
	if s.next == 0 {
		next = "0-"
	}
	return map[string]any{
		"expirationDateTime": s.expires.UTC().Format(time.RFC3339), "nextExpectedRanges": []string{next}}
}

// UploadHandler returns the handler of uploads, for a second listener whose URL is passed to SetUploadURL.
func (g *Graph) UploadHandler() http.Handler { return http.HandlerFunc(g.serveUpload) }

// serveUpload answers a request to an upload URL.
func (g *Graph) serveUpload(w http.ResponseWriter, r *http.Request) {
	q := &request{ctx: r.Context(), id: newUUID(), method: r.Method, header: r.Header, base: baseURL(r)}
	q.read = func() ([]byte, *reply) { return readBody(r, maxPart) }
	g.count.kind(Part)
	s, rep := g.session(r)
	if rep == nil {
		rep = g.application()
	}
	if rep == nil {
		rep = g.inSession(q, s, r.ContentLength)
	}
	if !rep.fault {
		g.count.answered(rep.status)
	}
	rep.finish(q, g.o.Now())
	rep.write(w)
}

// sessionForm is the form of the end of an upload URL's path.
var sessionForm = regexp.MustCompile(`/AttachmentSessions\('([A-Za-z0-9_=-]+)'\)$`)

// session returns the session of an upload URL, which has its own token. Microsoft Graph: a PUT must not have an
// Authorization header.
func (g *Graph) session(r *http.Request) (*session, *reply) {
	if r.Header.Get("Authorization") != "" {
		return nil, refuseWith(http.StatusUnauthorized, "InvalidAuthenticationToken",
			"An upload must not carry an Authorization header.")
	}
	found := sessionForm.FindStringSubmatch(r.URL.Path)
	if found == nil || !strings.HasPrefix(r.URL.Path, uploadPath) {
		return nil, notFound()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[found[1]]
	if s == nil {
		return nil, notFound()
	}
	if r.URL.Query().Get("authtoken") != s.token {
		return nil, refuseWith(http.StatusUnauthorized, "ErrorAccessDenied",
			"The token of the upload URL is not valid.")
	}
	return s, nil
}

// endSession removes a session.
func (g *Graph) endSession(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, s.id)
}

// inSession carries out one request of an upload, within the mailbox's limits: uploads count towards those of the
// Outlook service.
func (g *Graph) inSession(q *request, s *session, length int64) *reply {
	if rep := g.enter(s.box); rep != nil {
		return rep
	}
	defer g.leave(s.box)
	return g.faulty(q, route{kind: Part, handle: func(g *Graph, q *request, _ route, b *mailbox) *reply {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !g.o.Now().Before(s.expires) {
			g.endSession(s)
			return notFound()
		}
		switch q.method {
		case http.MethodGet:
			return okReply(http.StatusOK, s.render())
		case http.MethodDelete:
			g.endSession(s)
			return &reply{status: http.StatusNoContent}
		case http.MethodPut:
			return g.part(q, s, b, length)
		}
		return refuseWith(http.StatusMethodNotAllowed, "ErrorInvalidRequest", "The method is not allowed here.")
	}}, s.box)
}

// rangeForm is the form of a Content-Range header.
var rangeForm = regexp.MustCompile(`^bytes ([0-9]{1,12})-([0-9]{1,12})/([0-9]{1,12})$`)

// part receives the next bytes of a file; the last ones create the attachment.
func (g *Graph) part(q *request, s *session, b *mailbox, length int64) *reply {
	if length < 0 {
		return refuseWith(http.StatusLengthRequired, "ErrorInvalidRequest", "A Content-Length is needed.")
	}
	found := rangeForm.FindStringSubmatch(q.header.Get("Content-Range"))
	if found == nil {
		return refuseWith(http.StatusBadRequest, "InvalidContentRangeHeader",
			"A Content-Range of the form 'bytes first-last/total' is needed.")
	}
	first, _ := strconv.ParseInt(found[1], 10, 64)
	last, _ := strconv.ParseInt(found[2], 10, 64)
	total, _ := strconv.ParseInt(found[3], 10, 64)
	switch n := int64(len(q.body)); {
	case total != s.file.Size || last-first+1 != n || n != length || n == 0 || last >= total:
		return refuseWith(http.StatusBadRequest, "InvalidContentRangeHeader",
			"The Content-Range doesn't fit the file or the body.")
	case first != s.next:
		return refuseWith(http.StatusRequestedRangeNotSatisfiable, "InvalidContentRange",
			"The next byte that is expected is %d.", s.next)
	}
	s.hash.Write(q.body)
	if g.o.KeepContent {
		s.file.Content = append(s.file.Content, q.body...)
	}
	s.next += int64(len(q.body))
	if s.next < s.file.Size {
		s.expires = g.o.Now().Add(sessionLife)
		return okReply(http.StatusOK, s.render())
	}
	g.endSession(s)
	s.file.ID, s.file.SHA256 = newID("AAkALgA"), hex.EncodeToString(s.hash.Sum(nil))
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.messages[s.message]
	if m == nil { // deleted since the session was created
		return notFound()
	}
	if rep := g.attach(b, m, s.file); rep != nil {
		return rep
	}
	done := &reply{status: http.StatusCreated, header: http.Header{}}
	done.header.Set("Location", fmt.Sprintf("%s%susers('%s')/messages('%s')/attachments('%s')",
		q.base, uploadPath, b.id, m.ID, s.file.ID))
	return done
}
