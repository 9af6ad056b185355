package mailboxtest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxRequest is the largest body of a request in bytes. Microsoft Graph: a whole request has at most 4 MB.
const maxRequest = 4 << 20

// request is one request, the client's own or one inside a batch.
type request struct {
	ctx     context.Context
	id      string // request-id
	method  string
	path    string // escaped, from /v1.0 on
	query   string // raw
	header  http.Header
	base    string // scheme and host, for the links in answers
	read    func() ([]byte, *reply)
	outlook chan struct{} // in a batch: the semaphore of the Outlook service
	inner   bool          // it is inside a batch

	body    []byte            // from carryOut on
	options map[string]string // the query's options, decoded
}

// immutable reports whether the client asked for ids that a move does not change.
func (q *request) immutable() bool {
	return strings.Contains(strings.ToLower(strings.Join(q.header.Values("Prefer"), ",")), `idtype="immutableid"`)
}

// ServeHTTP answers the requests under /v1.0, and uploads if SetUploadURL was not called.
func (g *Graph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	elsewhere := g.uploadURL != ""
	g.mu.Unlock()
	if !elsewhere && strings.HasPrefix(r.URL.Path, uploadPath) {
		g.serveUpload(w, r)
		return
	}
	q := &request{
		ctx: r.Context(), id: newUUID(), method: r.Method, path: r.URL.EscapedPath(), query: r.URL.RawQuery,
		header: r.Header, base: baseURL(r), read: func() ([]byte, *reply) { return readBody(r, maxRequest) },
	}
	rep := g.outer(q)
	rep.finish(q, g.o.Now())
	rep.write(w)
}

// baseURL returns the scheme and host of a request.
func baseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// outer does what is done once for each request of the client, however many requests are in its batch.
func (g *Graph) outer(q *request) *reply {
	g.count.kind(Token)
	if q.header.Get("client-request-id") == "" {
		g.count.change(func(c *Counters) { c.NoClientID++ })
	}
	if f := g.faults.take(Token); f != nil {
		if *f == (Fault{Times: f.Times}) { // the token has expired
			f = &Fault{Status: http.StatusUnauthorized}
			g.count.change(func(c *Counters) { c.Unauthorized++ })
		}
		return f.reply(q.ctx, nil)
	}
	if rep := g.authorize(q); rep != nil {
		g.count.change(func(c *Counters) { c.Unauthorized++ })
		return rep
	}
	return g.answer(q)
}

// authorize returns the 401 if the request does not have the valid token.
func (g *Graph) authorize(q *request) *reply {
	token, bearer := strings.CutPrefix(q.header.Get("Authorization"), "Bearer ")
	message := ""
	switch {
	case !bearer || token == "":
		message = "Access token is empty."
	case token != g.o.Token:
		message = "Access token validation failure. Invalid audience."
	default:
		return nil
	}
	rep := refuseWith(http.StatusUnauthorized, "InvalidAuthenticationToken", "%s", message)
	rep.header.Set("WWW-Authenticate",
		`Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", `+
			`client_id="00000003-0000-0000-c000-000000000000"`)
	return rep
}

// answer carries out one request, the client's own or one of a batch, and returns the reply.
func (g *Graph) answer(q *request) *reply {
	rt, rep := parseRoute(q)
	if rep == nil {
		g.count.kind(rt.kind)
		rep = g.application()
	}
	if rep == nil && rt.user != "" && rt.kind != LookUp {
		rep = g.inMailbox(q, rt)
	} else if rep == nil {
		rep = g.faulty(q, rt, nil)
	}
	if !rep.fault && rt.kind != Batch {
		g.count.answered(rep.status)
	}
	return rep
}

// inMailbox carries out a request to a mailbox, within its limits. The limit on concurrent requests is released before
// the answer is written. Otherwise a client that uses all its permits without a pause would be refused.
func (g *Graph) inMailbox(q *request, rt route) *reply {
	if !q.immutable() {
		g.count.change(func(c *Counters) { c.NoImmutableID++ })
	}
	if q.outlook != nil {
		q.outlook <- struct{}{}
		defer func() { <-q.outlook }()
	}
	b, u := g.find(rt.user)
	if b == nil {
		return refuseWith(http.StatusNotFound, "ErrorInvalidUser", "The requested user '%s' is invalid.", rt.user)
	}
	if rep := g.enter(b); rep != nil {
		return rep
	}
	defer g.leave(b)
	if u.MailboxCode != "" {
		return noMailbox(u.MailboxCode)
	}
	return g.faulty(q, rt, b)
}

// noMailbox returns the answer for a user without a mailbox. Microsoft Graph: one condition with several, unstable
// codes.
func noMailbox(code string) *reply {
	switch code {
	case "MailboxNotEnabledForRESTAPI":
		return refuseWith(404, code, "The mailbox is either inactive, soft-deleted, or is hosted on-premise.")
	case "ResourceNotFound":
		return refuseWith(404, code, "Resource could not be discovered.")
	case "ErrorInvalidUser":
		return refuseWith(404, code, "The requested user is invalid.")
	case "ErrorItemNotFound":
		return notFound()
	case "AuthenticationError":
		return refuseWith(401, code, "Error authenticating with resource")
	case "ErrorAccessDenied": // outside of the scope of RBAC for Applications
		return refuseWith(403, code, "Access is denied. Check credentials and try again.")
	}
	return refuseWith(404, code, "The mailbox can't be used.")
}

// faulty carries out a request, unless a planned fault hits it. The body is always read first, because a server
// notices only then that a client has disconnected.
func (g *Graph) faulty(q *request, rt route, b *mailbox) *reply {
	f := g.faults.take(rt.kind)
	var refused *reply
	q.body, refused = q.read()
	if f != nil && f.Late > 0 && refused == nil { // a gateway times out before the mailbox answers
		q.ctx = context.WithoutCancel(q.ctx)
		time.AfterFunc(f.Late, func() { g.carryOut(q, rt, b) })
	}
	if f != nil && !f.After {
		return f.reply(q.ctx, nil)
	}
	rep := refused
	if rep == nil {
		rep = g.carryOut(q, rt, b)
	}
	if f != nil {
		rep.finish(q, g.o.Now())
		rep = f.reply(q.ctx, rep)
	}
	return rep
}

// carryOut carries out a request. It continues if the client disconnects, as Graph does: this is what makes a lost
// answer ambiguous.
func (g *Graph) carryOut(q *request, rt route, b *mailbox) *reply {
	if b != nil {
		if rep := g.upload(b, int64(len(q.body))); rep != nil {
			return rep
		}
	}
	// Half of the latency is before the request, half after it; the time of the request itself is included.
	if g.o.Latency > 0 && rt.kind != Batch {
		began := time.Now()
		time.Sleep(g.o.Latency / 2)
		defer func() { time.Sleep(g.o.Latency - time.Since(began)) }()
	}
	var rep *reply
	if q.options, rep = parseOptions(q.query); rep != nil {
		return rep
	}
	rep = rt.handle(g, q, rt, b)
	// What is answered with success must be there at the next start.
	if err := g.disk.failed(); err != nil {
		return refuseWith(http.StatusInternalServerError, "ErrorInternalServerError",
			"The stand-in can't write its file: %v.", err)
	}
	return rep
}

// readBody reads the whole body of a request, at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, *reply) {
	// Some of Graph's services may accept compressed bodies, but it is not documented that all do. So a client must
	// not send any.
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		io.Copy(io.Discard, io.LimitReader(r.Body, limit))
		return nil, refuseWith(http.StatusUnsupportedMediaType, "UnsupportedMediaType",
			"The content encoding '%s' is not supported.", e)
	}
	tooLarge := refuseWith(http.StatusRequestEntityTooLarge, "BadRequest",
		"The maximum request length supported is 4MB.")
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	body := make([]byte, 0, max(512, r.ContentLength+1))
	for {
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if int64(len(body)) > limit {
			return nil, tooLarge
		}
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return nil, badRequest("The body could not be read.")
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}

// batchSemaphore returns the semaphore of a batch, with n permits.
func batchSemaphore(n int) chan struct{} { return make(chan struct{}, n) }

// inParallel runs f(0) … f(n-1) concurrently and waits for all of them.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
