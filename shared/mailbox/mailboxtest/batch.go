package mailboxtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	maxBatch       = 20 // Microsoft Graph: up to 20 requests in a batch
	outlookInBatch = 4  // Microsoft Graph: at most 4 of them are sent to the Outlook service at a time
)

// innerRequest is one request of a batch.
type innerRequest struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

// innerReply is the answer to one request of a batch.
type innerReply struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body,omitempty"`
}

// batch answers POST $batch. The answers are in another order than the requests, since Graph guarantees none.
func (g *Graph) batch(q *request, _ route, _ *mailbox) *reply {
	if rep := needJSON(q); rep != nil {
		return rep
	}
	var in struct {
		Requests []innerRequest `json:"requests"`
	}
	d := json.NewDecoder(bytes.NewReader(q.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return badRequest("Invalid batch payload format.")
	}
	if reason := checkBatch(in.Requests); reason != "" {
		return badRequest("Invalid batch payload format: %s.", reason)
	}
	replies := make([]innerReply, len(in.Requests))
	outlook := batchSemaphore(outlookInBatch)
	if slices.ContainsFunc(in.Requests, func(r innerRequest) bool { return len(r.DependsOn) > 0 }) {
		failed := map[string]bool{}
		for i, r := range in.Requests {
			if slices.ContainsFunc(r.DependsOn, func(id string) bool { return failed[id] }) {
				rep := refuseWith(http.StatusFailedDependency, "FailedDependency",
					"A request that this one depends on has failed.")
				replies[i] = g.innerReply(&request{id: newUUID(), header: http.Header{}}, r.ID, rep)
			} else {
				replies[i] = g.inner(q, r, outlook)
			}
			failed[r.ID] = replies[i].Status >= 400
		}
	} else {
		inParallel(len(in.Requests), func(i int) { replies[i] = g.inner(q, in.Requests[i], outlook) })
	}
	slices.Reverse(replies)
	return okReply(http.StatusOK, map[string]any{"responses": replies})
}

// checkBatch returns what is wrong with the requests of a batch, "" if nothing is.
func checkBatch(rs []innerRequest) string {
	if len(rs) == 0 {
		return "there are no requests"
	}
	if len(rs) > maxBatch {
		return fmt.Sprintf("the number of requests exceeds the limit of %d", maxBatch)
	}
	seen := map[string]bool{}
	for _, r := range rs {
		switch {
		case r.ID == "" || seen[r.ID]:
			return "each request needs an id of its own"
		case r.Method == "" || r.Method != strings.ToUpper(r.Method):
			return "a method is missing or not in upper case"
		case !strings.HasPrefix(r.URL, "/"):
			return "a URL is not relative to the version"
		case strings.ContainsFunc(r.URL,
			func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\"<>#", c) }):
			return "a URL is not percent-encoded"
		case len(r.Body) > 0 && !hasHeader(r.Headers, "Content-Type"):
			return "a request with a body has no Content-Type"
		}
		for _, id := range r.DependsOn {
			if !seen[id] {
				return "dependsOn names a request that does not come before"
			}
		}
		seen[r.ID] = true
	}
	return ""
}

func hasHeader(h map[string]string, name string) bool {
	for k := range h {
		if strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

// inner carries out one request of a batch. It has only its own headers: the Prefer header of the batch is not
// inherited.
func (g *Graph) inner(outer *request, r innerRequest, outlook chan struct{}) innerReply {
	h := http.Header{}
	for k, v := range r.Headers {
		h.Set(k, v)
	}
	q := &request{ctx: outer.ctx, id: newUUID(), method: r.Method, header: h, base: outer.base,
		outlook: outlook, inner: true}
	q.read = func() ([]byte, *reply) { return r.Body, nil }
	u, err := url.Parse(r.URL)
	if err != nil {
		return g.innerReply(q, r.ID, badRequest("Invalid URL."))
	}
	q.path, q.query = "/v1.0"+u.EscapedPath(), u.RawQuery
	return g.innerReply(q, r.ID, g.answer(q))
}

// innerReply returns a reply in the form that it has inside a batch.
func (g *Graph) innerReply(q *request, id string, rep *reply) innerReply {
	if rep.reset || rep.cut { // an inner request has no connection that could break
		rep = refuseWith(http.StatusBadGateway, "UnknownError", "")
	}
	rep.finish(q, g.o.Now())
	out := innerReply{ID: id, Status: rep.status, Headers: map[string]string{}}
	for k := range rep.header {
		out.Headers[k] = rep.header.Get(k)
	}
	switch {
	case len(rep.raw) == 0:
	case json.Valid(rep.raw):
		out.Body = json.RawMessage(rep.raw)
	default:
		out.Body = string(rep.raw)
	}
	return out
}
