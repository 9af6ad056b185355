package archivetest

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// refusal is an error answer. Status and error codes: each has a status, a code and a message.
type refusal struct {
	status int
	code   string
	text   string
	header http.Header // in addition to the common ones
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.status, r.code, r.text) }

func refused(status int, code, text string) *refusal {
	return &refusal{status: status, code: code, text: text, header: http.Header{}}
}

// unimplemented returns the answer to what the stand-in does not implement: 501, which no client retries.
func unimplemented(format string, args ...any) *refusal {
	return refused(http.StatusNotImplemented, "NotImplemented", fmt.Sprintf(format, args...))
}

// The refusals that more than one operation returns. Common REST API error codes, Blob service error codes, Table
// service error codes.
var (
	errHeaderValue = refused(400, "InvalidHeaderValue",
		"The value for one of the HTTP headers is not in the correct format.")
	errMissingHeader = refused(400, "MissingRequiredHeader",
		"An HTTP header that's mandatory for this request is not specified.")
	errMissingLength = refused(411, "MissingContentLengthHeader", "The Content-Length header was not specified.")
	errQueryValue    = refused(400, "InvalidQueryParameterValue",
		"Value for one of the query parameters specified in the request URI is invalid.")
	errResourceName = refused(400, "InvalidResourceName",
		"The specified resource name contains invalid characters.")
	errNameLength = refused(400, "OutOfRangeInput",
		"The specified resource name length is not within the permissible limits.")
	errInput           = refused(400, "InvalidInput", "One of the request inputs is not valid.")
	errInvalidMetadata = refused(400, "InvalidMetadata",
		"The metadata specified is invalid. It has characters that are not permitted.")
	errContainerMissing = refused(404, "ContainerNotFound", "The specified container does not exist.")
	errBlobMissing      = refused(404, "BlobNotFound", "The specified blob does not exist.")
	errBlobExists       = refused(409, "BlobAlreadyExists", "The specified blob already exists.")
	errBlobType         = refused(409, "InvalidBlobType", "The blob type is invalid for this operation.")
	errConditionNotMet  = refused(412, "ConditionNotMet",
		"The condition specified using HTTP conditional header(s) is not met.")
	errTableMissing  = refused(404, "TableNotFound", "The table specified does not exist.")
	errEntityMissing = refused(404, "ResourceNotFound", "The specified resource does not exist.")
)

// refuse returns the answer for an error, and records what is not implemented.
func (s *Storage) refuse(q *request, err error, inTable bool) *answer {
	var r *refusal
	if !errors.As(err, &r) {
		r = unimplemented("%v", err)
	}
	if r.status == http.StatusNotImplemented {
		s.missing = append(s.missing, fmt.Sprintf("%s of %s", r.text, q.operation()))
	}
	a := newAnswer(r.status)
	for name := range r.header {
		a.set(name, r.header.Get(name))
	}
	text := fmt.Sprintf("%s\nRequestId:%s\nTime:%s", r.text, s.requestID(), q.at.Format(time.RFC3339Nano))
	switch {
	case inTable:
		// Table service error codes: JSON for a request in JSON. The code is in the body only: the header is specific
		// to the Blob service.
		a.set("Content-Type", "application/json;odata=minimalmetadata;streaming=true;charset=utf-8")
		a.body, _ = json.Marshal(map[string]any{ // of strings
			"odata.error": map[string]any{"code": r.code, "message": map[string]string{"lang": "en-US", "value": text}},
		})
	default:
		a.set("X-Ms-Error-Code", r.code)
		if q.method == http.MethodHead || r.status == http.StatusNotModified {
			break // HTTP: neither may have a body
		}
		a.set("Content-Type", "application/xml")
		var b strings.Builder
		b.WriteString(xml.Header + "<Error><Code>" + r.code + "</Code><Message>")
		_ = xml.EscapeText(&b, []byte(text)) // writing to a strings.Builder never fails
		b.WriteString("</Message></Error>")
		a.body = []byte(b.String())
	}
	return a
}

// operation returns the name of a request's operation, without its target.
func (q *request) operation() string {
	name := q.method
	if q.url.Hostname() == tableHost {
		name = "Table " + name
	}
	for _, parameter := range []string{"restype", "comp"} {
		if v := q.query.Get(parameter); v != "" {
			name += " " + parameter + "=" + v
		}
	}
	return name
}
