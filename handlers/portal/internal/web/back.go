package web

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// maxBack is the maximum length in bytes of a path to which the sign-in leads.
const maxBack = 1000

// signedOut returns the refusal of a request whose sender is signed out, and the path to which the sign-in leads. The
// platform leads there by GET: for a form that is the page that has it.
func (s *server) signedOut(r *http.Request) (e *Error, back string) {
	e = &Error{http.StatusUnauthorized, "You are not signed in.", "Sign in, and you come back to this page."}
	back = "/"
	if r.Method == http.MethodPost {
		if back = s.formPage(r); back != "/" {
			e.Do = "What you have sent was not used. Sign in, and you come back to the page with the form, " +
				"to enter it again."
			return e, back
		}
	} else if isOwnPage(r.URL) {
		return e, r.URL.RequestURI()
	}
	e.Do = "Sign in, and you come to the first page."
	return e, back
}

// formPage returns the page from which a form was sent, as far as it is known: that which the browser names, if it is
// one of this application, or else that of the form's own path, or of the nearest path above it that is a page.
func (s *server) formPage(r *http.Request) string {
	from, err := url.Parse(r.Referer())
	if err == nil && from.Host == r.Host && isOwnPage(from) && s.isPage(from.Path) {
		return from.RequestURI()
	}
	if !isOwnPage(r.URL) {
		return "/"
	}
	for p := r.URL.Path; p != "/"; p = path.Dir(p) {
		if s.isPage(p) {
			return p
		}
	}
	return "/"
}

// isPage reports whether a route answers GET of a path.
func (s *server) isPage(p string) bool {
	_, pattern := s.mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: p}})
	return strings.HasPrefix(pattern, http.MethodGet+" ")
}

// isOwnPage reports whether an address is that of a page of this application, and the sign-in may lead to its path and
// query: it is false for what a browser could take for another host (//host, /\\host), and for what is no page.
func isOwnPage(u *url.URL) bool {
	asked, decoded := u.RequestURI(), u.Path
	isLocal := strings.HasPrefix(asked, "/") && !strings.HasPrefix(asked, "//") &&
		!strings.ContainsFunc(asked, isUnsafe) && !strings.Contains(decoded, "//") &&
		!strings.ContainsFunc(decoded, isUnsafe)
	return isLocal && len(asked) <= maxBack && !strings.HasPrefix(decoded, "/.auth") &&
		!strings.HasPrefix(decoded, "/assets/") && !strings.HasSuffix(decoded, "/live") && decoded != "/alive"
}

// isUnsafe reports whether browsers read a character of an address in another way than this program.
func isUnsafe(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f }
