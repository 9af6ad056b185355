package mailboxtest

import (
	"net/http"
	"net/url"
	"strings"
)

// route is the parsed path of a request and the method that answers it.
type route struct {
	kind       string // one of the kinds of Counters
	user       string // object id or user principal name
	folder     string // id or well-known name; "" for the whole mailbox
	message    string // id
	attachment string // id
	handle     func(g *Graph, q *request, rt route, b *mailbox) *reply
}

// parseRoute returns the route of a request's method and path. OData's names must be spelled as in the schema.
func parseRoute(q *request) (route, *reply) {
	segs, bad := pathSegments(q.path)
	if bad != nil {
		return route{}, bad
	}
	if len(segs) == 0 || segs[0] != "v1.0" {
		return route{}, badRequest("Invalid version: the stand-in knows v1.0 only.")
	}
	segs = segs[1:]
	switch {
	case len(segs) == 1 && segs[0] == "$batch" && !q.inner:
		return q.methods(route{}, methods{"POST": {Batch, (*Graph).batch}})
	case len(segs) == 1 && segs[0] == "users":
		return q.methods(route{}, methods{"GET": {LookUp, (*Graph).listUsers}})
	case len(segs) >= 2 && segs[0] == "users":
		return q.userRoute(route{user: segs[1]}, segs[2:])
	}
	return route{}, noSegment(segs)
}

// pathSegments returns the decoded segments of a path.
func pathSegments(path string) ([]string, *reply) {
	segs := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, s := range segs {
		u, err := url.PathUnescape(s)
		if err != nil || u == "" {
			return nil, badRequest("The path is malformed.")
		}
		segs[i] = u
	}
	return segs, nil
}

// noSegment returns the refusal of a path that does not exist.
func noSegment(segs []string) *reply {
	last := ""
	if len(segs) > 0 {
		last = segs[len(segs)-1]
	}
	return badRequest("Resource not found for the segment '%s'.", last)
}

// action is the kind of a request and the method that answers it.
type action struct {
	kind   string
	handle func(g *Graph, q *request, rt route, b *mailbox) *reply
}

// methods are the actions of one path, by HTTP method.
type methods map[string]action

// methods returns the route with the action for the request's method.
func (q *request) methods(rt route, m methods) (route, *reply) {
	a, ok := m[q.method]
	if !ok {
		return route{}, refuseWith(http.StatusMethodNotAllowed, "Request_BadRequest",
			"The method '%s' is not allowed here.", q.method)
	}
	rt.kind, rt.handle = a.kind, a.handle
	return rt, nil
}

// userRoute returns the route of a path below users/{id}.
func (q *request) userRoute(rt route, segs []string) (route, *reply) {
	switch {
	case len(segs) == 0:
		return q.methods(rt, methods{"GET": {LookUp, (*Graph).getUser}})
	case segs[0] == "messages":
		return q.messageRoute(rt, segs[1:])
	case segs[0] == "mailFolders" && len(segs) == 1:
		return q.methods(rt, methods{
			"GET": {FindFolder, (*Graph).listFolders}, "POST": {Folder, (*Graph).createFolder}})
	case segs[0] == "mailFolders" && len(segs) == 2:
		rt.folder = segs[1]
		return q.methods(rt, methods{
			"GET": {FindFolder, (*Graph).getFolder}, "DELETE": {FindFolder, (*Graph).removeFolder}})
	case segs[0] == "mailFolders" && segs[2] == "messages":
		rt.folder = segs[1]
		return q.messageRoute(rt, segs[3:])
	}
	return route{}, noSegment(segs)
}

// messageRoute returns the route of a path below messages.
func (q *request) messageRoute(rt route, segs []string) (route, *reply) {
	if len(segs) > 0 {
		rt.message = segs[0]
	}
	switch {
	case len(segs) == 0:
		return q.methods(rt, methods{"GET": {Find, (*Graph).listMessages}, "POST": {Create, (*Graph).createMessage}})
	case len(segs) == 1:
		return q.methods(rt, methods{"GET": {Get, (*Graph).getMessage},
			"PATCH": {Patch, (*Graph).patchMessage}, "DELETE": {Delete, (*Graph).deleteMessage}})
	case len(segs) == 2 && segs[1] == "move":
		return q.methods(rt, methods{"POST": {Move, (*Graph).moveMessage}})
	case len(segs) == 2 && segs[1] == "attachments":
		return q.methods(rt, methods{"GET": {Get, (*Graph).listAttachments}, "POST": {AddFile, (*Graph).addAttachment}})
	case len(segs) == 3 && segs[1] == "attachments" &&
		(segs[2] == "createUploadSession" || segs[2] == "microsoft.graph.createUploadSession"):
		return q.methods(rt, methods{"POST": {Session, (*Graph).createSession}})
	case len(segs) == 3 && segs[1] == "attachments":
		rt.attachment = segs[2]
		return q.methods(rt, methods{"GET": {Get, (*Graph).getAttachment}})
	case len(segs) == 4 && segs[1] == "attachments" && segs[3] == "$value":
		rt.attachment = segs[2]
		return q.methods(rt, methods{"GET": {Get, (*Graph).getContent}})
	}
	return route{}, noSegment(segs)
}
