// Package web is the way of a request through the portal: who sends it, whether it may, how much of it is read, and how
// the answer is written. The routes, each with the least role that it needs, are one table, which New is given.
package web

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net/http"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/shared/audit"
)

// Request is a request that may be answered: its sender has the role that the route needs, and it comes from this
// application's own pages.
type Request struct {
	*http.Request
	Person identity.Person

	// FormID is the id of the form that a POST sends: 32 hex digits, made anew for each page with a form. What a
	// POST does MUST be harmless if it comes again with the same id: browsers, people and the host repeat requests.
	FormID string
}

// Handler answers a request. An error that is not an *Error is answered with 500, or 503 if it is transient. Its text
// is logged, so it MUST NOT hold content, addresses or secrets.
type Handler func(*Request) (Answer, error)

// Route is a row of the table of routes.
type Route struct {
	Pattern string        // of http.ServeMux, with its method: GET or POST
	Role    identity.Role // the least role; never None
	Body    int64         // the largest body of a POST, bytes; 0: maxForm
	Handle  Handler
}

const (
	maxForm   = 64 << 10 // bytes of the body of a POST, unless the route says more
	maxMemory = 1 << 20  // bytes of a form that are held in memory for a start

	// FormField is the name of the field with the form's id.
	FormField = "form"
	formIDLen = 32
)

// Answer is the answer to a request. It is made by one of the functions below.
type Answer struct {
	page     *pages.Page
	live     bool // has an ETag
	status   int  // of the page; 0: OK
	location string
	file     *file
}

type file struct {
	mediaType, name string
	write           func(io.Writer) error
}

// Page returns an answer that shows a page.
func Page(p pages.Page) Answer { return Answer{page: &p} }

// Refused returns the answer with the reason why a form was refused. The page of the answer MUST be that of the form,
// with what was entered.
func (a Answer) Refused(e *Error) Answer {
	p := *a.page
	p.Refused = &pages.Refusal{Says: e.Says, Do: e.Do}
	a.page, a.status = &p, e.Status
	return a
}

// Live returns an answer that shows a page which the browser asks for again and again: if nothing has changed, the
// answer is 304. The page MUST have no form.
func Live(p pages.Page) Answer { return Answer{page: &p, live: true} }

// SeeOther returns an answer that sends the browser to a path of this application, by GET.
func SeeOther(path string) Answer { return Answer{location: path} }

// Download returns an answer that is a file. name is a fixed name with its ending, without anything of a person. An
// error of write before its first byte is answered like that of a Handler. A later one breaks the file off: it ends in
// a line that says so, and the connection is cut, by which the browser knows that the file is not whole.
func Download(mediaType, name string, write func(io.Writer) error) Answer {
	return Answer{file: &file{mediaType, name, write}}
}

// brokenOff is the end of a file that was broken off. In JSON it is no value, and in a mapping file no row, so that
// neither is read as a whole one.
const brokenOff = "\r\n*** BROKEN OFF: this file is not whole; download it again ***\r\n"

// fileWriter sends the headers of a file with its first byte.
type fileWriter struct {
	to    http.ResponseWriter
	file  *file
	began bool
}

func (w *fileWriter) Write(p []byte) (int, error) {
	if !w.began {
		w.began = true
		w.to.Header().Set("Content-Type", w.file.mediaType)
		w.to.Header().Set("Content-Disposition", `attachment; filename="`+w.file.name+`"`)
	}
	return w.to.Write(p)
}

// NoContent returns an answer without a body.
func NoContent() Answer { return Answer{} }

// Error is a refusal with what the person can do about it.
type Error struct {
	Status int
	Says   string // what is wrong, in one sentence
	Do     string // what helps
}

func (e *Error) Error() string { return e.Says }

// Errors that handlers return often.
var (
	ErrNotFound = &Error{http.StatusNotFound, "There is no such page.", "Choose one of the pages above."}
	ErrChanged  = &Error{http.StatusConflict,
		"The settings were changed meanwhile, by someone else or in another window.",
		"Nothing of this form was saved. Look at what they are now, and send it again if it is still wanted."}
)

var errTooLarge = &Error{http.StatusRequestEntityTooLarge, "What was sent is too large.",
	"Send a smaller file; nothing was changed."}

// ExplainAudit returns an error of the audit log's Append for a page: what the log can't hold is not done.
func ExplainAudit(err error) error {
	if errors.Is(err, audit.ErrFull) || errors.Is(err, audit.ErrTampered) {
		return &Error{http.StatusConflict, "Nothing was changed: " + err.Error() + ".",
			"A change is made only when it is in the audit log. Look at the page Audit, and ask support."}
	}
	return err
}

// NewFormID returns an id for the form of a page.
func NewFormID() string {
	var id [formIDLen / 2]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

func isFormID(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == formIDLen/2
}

// readForm reads the form of a POST within the limit of its route.
func readForm(w http.ResponseWriter, r *http.Request, limit int64) (id string, err error) {
	if limit == 0 {
		limit = maxForm
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if err = r.ParseForm(); err == nil { // by itself: ParseMultipartForm would lose its error
		err = r.ParseMultipartForm(maxMemory)
	}
	if errors.Is(err, http.ErrNotMultipart) {
		err = nil
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return "", errTooLarge
	case err != nil:
		return "", &Error{http.StatusBadRequest, "The form could not be read.", "Go back, and send it again."}
	}
	if id = r.PostFormValue(FormField); !isFormID(id) {
		return "", &Error{http.StatusBadRequest, "The form has no id, so it was not used.",
			"Load the page again, and send its form."}
	}
	return id, nil
}
