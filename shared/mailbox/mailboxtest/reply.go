package mailboxtest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// jsonType is the Content-Type of Graph's JSON answers.
const jsonType = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

// reply is an answer before it is written; a batch combines several into one.
type reply struct {
	status int
	header http.Header
	value  any         // marshalled as JSON
	err    *graphError // an OData error body
	raw    []byte      // a body whose Content-Type is in header
	reset  bool        // break the connection
	cut    bool        // break it after half of the body
	fault  bool        // the answer of a planned Fault
}

// graphError is an error in Graph's form.
type graphError struct{ code, message string }

// okReply returns a success with a JSON body.
func okReply(status int, value any) *reply {
	return &reply{status: status, header: http.Header{}, value: value}
}

// refuseWith returns a refusal with an error in Graph's form.
func refuseWith(status int, code, format string, args ...any) *reply {
	return &reply{status: status, header: http.Header{}, err: &graphError{code, fmt.Sprintf(format, args...)}}
}

// badRequest returns a 400 with the code BadRequest.
func badRequest(format string, args ...any) *reply {
	return refuseWith(http.StatusBadRequest, "BadRequest", format, args...)
}

// notImplemented returns the 501 for what the stand-in does not implement.
func notImplemented(what string) *reply {
	return refuseWith(http.StatusNotImplemented, "NotImplemented", "The stand-in does not know %s.", what)
}

// notFound returns the 404 for an item that does not exist.
func notFound() *reply {
	return refuseWith(http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
}

// finish adds the headers and the body that every answer of Graph has.
func (r *reply) finish(q *request, now time.Time) {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set("request-id", q.id)
	client := q.header.Get("client-request-id")
	if client == "" {
		client = q.id
	}
	r.header.Set("client-request-id", client)
	if q.immutable() && r.err == nil && !r.fault {
		r.header.Set("Preference-Applied", `IdType="ImmutableId"`)
	}
	if r.err != nil {
		r.value = map[string]any{"error": map[string]any{
			"code": r.err.code, "message": r.err.message,
			"innerError": map[string]string{
				"date":       now.UTC().Format("2006-01-02T15:04:05"),
				"request-id": q.id, "client-request-id": client,
			},
		}}
	}
	if r.value == nil {
		return
	}
	b, err := json.Marshal(r.value)
	if err != nil { // every value is built here from strings, numbers, maps and slices
		panic(err)
	}
	r.raw = b
	r.header.Set("Content-Type", jsonType)
}

// write sends a finished reply, or breaks the connection.
func (r *reply) write(w http.ResponseWriter) {
	if r.reset {
		panic(http.ErrAbortHandler)
	}
	for k, v := range r.header {
		w.Header()[k] = v
	}
	if r.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(r.raw)))
	}
	w.WriteHeader(r.status)
	if r.cut {
		w.Write(r.raw[:len(r.raw)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(r.raw) // an error means that the client has disconnected; there is nothing left to do
}

// newUUID returns a random UUID, for ids of requests and sessions.
func newUUID() string {
	a, b := rand.Uint64(), rand.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x",
		uint32(a>>32), uint16(a>>16), a&0xfff, 0x8000|(b>>48)&0x3fff, b&0xffffffffffff)
}
