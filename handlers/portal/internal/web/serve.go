package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/shared/retry"
)

// Options holds what the application is made of.
type Options struct {
	Who    identity.Func
	Routes []Route
	Pages  *pages.Pages
	Log    *slog.Logger
	Now    func() time.Time

	restTime time.Duration // of a test; 0: restTime
}

// handlerTime bounds one answer. The platform ends one after 230 s without a byte.
const handlerTime = 60 * time.Second

type server struct {
	opts  Options
	mux   *http.ServeMux
	forms forms
}

// policy is the Content-Security-Policy of every answer: own files only, no script or style within a page, and no
// string that becomes markup by script.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// New returns the application. It panics if the table of routes is not usable: the first test that builds it finds
// that.
func New(o Options) http.Handler {
	o.restTime = cmp.Or(o.restTime, restTime)
	s := &server{opts: o, mux: http.NewServeMux(), forms: forms{under: map[formHash]*formWork{}}}
	for _, route := range o.Routes {
		method, _, _ := strings.Cut(route.Pattern, " ")
		if route.Role == identity.None || route.Handle == nil || method != http.MethodGet && method != http.MethodPost {
			panic("route without a method, a role or a handler: " + route.Pattern)
		}
		s.mux.Handle(route.Pattern, s.serveRoute(route))
	}
	s.mux.Handle("GET /assets/{name}", s.known(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hasBodyWithGet(r) {
			s.fail(w, r, identity.Person{}, errTooLarge)
			return
		}
		o.Pages.ServeAsset(w, r)
	})))
	s.mux.Handle("/", s.known(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, identity.Person{}, ErrNotFound)
	})))
	guarded := http.NewCrossOriginProtection()
	guarded.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, identity.Person{}, &Error{http.StatusForbidden,
			"The request came from another site, so it was not carried out.",
			"Open the page here, and use its form."})
	}))
	return s.outermost(guarded.Handler(s.mux))
}

// outermost sets what every answer has, and answers a panic with 500. An answer that has begun is cut off instead: it
// must not end as if it were whole. Before its first byte it is never cut off, because the host repeats such a request.
func (s *server) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w := &restReader{ResponseWriter: out, body: r.Body, wait: s.opts.restTime}
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p != http.ErrAbortHandler { // its value may hold anything; the stack has addresses in place of values
				s.opts.Log.Error("panic", "event", "portal.panic", "type", fmt.Sprintf("%T", p),
					"stack", string(debug.Stack()))
			}
			if w.began {
				_ = http.NewResponseController(out).Flush() // with the status, or the host repeats the request
				panic(http.ErrAbortHandler)                 // net/http cuts the connection
			}
			w.WriteHeader(http.StatusInternalServerError)
		}()
		// The host sends its own name in Host, and the browser's in this header, which it overwrites. Without the
		// browser's, CrossOriginProtection refuses browsers that send no Sec-Fetch-Site.
		if host := r.Header.Get("X-Forwarded-Host"); host != "" {
			r.Host = host
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		ctx, cancel := context.WithTimeout(r.Context(), handlerTime)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// known refuses everything if sign-in is not set up. What it guards holds nothing of the archive: the page of those who
// are signed out needs it.
func (s *server) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.opts.Who(r); err != nil && !errors.Is(err, identity.ErrSignedOut) {
			s.fail(w, r, identity.Person{}, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) serveRoute(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := s.opts.Now()
		defer func() { // the server knows the files of the request that it has made, and not those of this copy
			if r.MultipartForm != nil {
				_ = r.MultipartForm.RemoveAll()
			}
		}()
		person, err := s.opts.Who(r)
		var answer Answer
		if err == nil && person.Role < route.Role {
			err = errRole(person.Role, route.Role)
		}
		request := &Request{Request: r, Person: person}
		if err == nil && hasBodyWithGet(r) {
			err = errTooLarge
		}
		if err == nil && r.Method == http.MethodPost {
			// A ResponseWriter of a test has no deadline.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.opts.restTime))
			request.FormID, err = readForm(w, r, route.Body)
		}
		if err == nil {
			answer, err = s.handle(route, request)
		}
		status := http.StatusOK
		if err == nil {
			status, err = s.write(w, request, answer)
		}
		if err != nil {
			status = s.fail(w, r, person, err)
		}
		// The pattern, not the path, and nothing of the person: who changed what is in the audit log.
		s.opts.Log.Info("request", "event", "portal.request", "route", route.Pattern, "status", status,
			"ms", s.opts.Now().Sub(began).Milliseconds())
	})
}

// hasBodyWithGet reports whether a request that is no POST has a body, of a stated length or a chunked one. No browser
// sends that.
func hasBodyWithGet(r *http.Request) bool { return r.Method != http.MethodPost && r.ContentLength != 0 }

func errRole(has, needs identity.Role) error {
	says := "This needs the role " + needs.String() + "; you have " + has.String() + "."
	if has == identity.None {
		says = "You are signed in, but have no role of this application."
	}
	return &Error{http.StatusForbidden, says,
		"Ask the person who manages enterprise applications in your organization to assign the role to you, " +
			"and sign in again."}
}

// write writes an answer. A page is rendered whole before its first byte is sent.
func (s *server) write(w http.ResponseWriter, r *Request, a Answer) (status int, err error) {
	switch {
	case a.page != nil:
		p := *a.page
		p.FormID = NewFormID()
		if a.live {
			p.FormID = ""
		}
		return s.writePage(w, r.Request, r.Person, cmp.Or(a.status, http.StatusOK), p, a.live)
	case a.location != "":
		http.Redirect(w, r.Request, a.location, http.StatusSeeOther)
		return http.StatusSeeOther, nil
	case a.file != nil:
		to := &fileWriter{to: w, file: a.file}
		err := a.file.write(to)
		switch {
		case err == nil:
			_, _ = to.Write(nil) // the headers of an empty file
		case !to.began:
			return 0, err
		default:
			s.opts.Log.Error("a file was broken off", "event", "portal.fileBrokenOff", "error", err.Error())
			_, _ = io.WriteString(w, brokenOff)
			panic(http.ErrAbortHandler)
		}
		return http.StatusOK, nil
	default:
		w.WriteHeader(http.StatusNoContent)
		return http.StatusNoContent, nil
	}
}

func (s *server) writePage(w http.ResponseWriter, r *http.Request, person identity.Person, status int, p pages.Page,
	live bool) (int, error) {
	p.Person, p.Now = person, s.opts.Now()
	if live {
		p.Now = time.Time{}
	}
	var body bytes.Buffer
	if err := s.opts.Pages.Render(&body, p); err != nil {
		return 0, fmt.Errorf("render the page %s: %w", p.Name, err)
	}
	if live {
		sum := sha256.Sum256(body.Bytes())
		tag := `"` + hex.EncodeToString(sum[:16]) + `"`
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return http.StatusNotModified, nil
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", fmt.Sprint(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // fails if the browser is gone
	return status, nil
}

// fail answers with an error's status and page.
func (s *server) fail(w http.ResponseWriter, r *http.Request, person identity.Person, err error) int {
	var e *Error
	back := ""
	switch transient, _ := retry.IsTransient(err); {
	case errors.As(err, &e):
	case errors.Is(err, identity.ErrSignedOut):
		e, back = s.signedOut(r)
	case errors.Is(err, identity.ErrRefused):
		e = &Error{http.StatusForbidden, "Sign-in is not set up on this address, so every request is refused.",
			"Look at the settings PORTAL_SIGN_IN and PORTAL_TENANT of the portal's function app."}
	case errors.Is(r.Context().Err(), context.Canceled): // the browser is gone
		e = &Error{http.StatusServiceUnavailable, "The request was given up.", "Load the page again."}
	case transient || errors.Is(err, context.DeadlineExceeded):
		s.opts.Log.Warn("a page could not be made for now", "event", "portal.unavailable", "error", err.Error())
		e = &Error{http.StatusServiceUnavailable, "The archive's storage does not answer for now.",
			"Load the page again in a minute; nothing was lost."}
	default:
		s.opts.Log.Error("a page could not be made", "event", "portal.failed", "error", err.Error())
		e = &Error{http.StatusInternalServerError,
			"This page could not be made because of a mistake in this program or its set-up.",
			"The portal's log has the reason under the event portal.failed."}
	}
	p := pages.Page{Name: "error", Title: http.StatusText(e.Status), Data: e}
	if e.Status == http.StatusUnauthorized {
		p.Name = "signedout"
		p.Data = struct {
			*Error
			Back string
		}{e, back}
	}
	if _, err := s.writePage(w, r, person, e.Status, p, false); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
	return e.Status
}
