package web

import (
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"o2archiver/handlers/portal/internal/identity"
)

// TestSignInLeadsBack: the link of the page for those who are signed out leads back to the page that was asked for, or
// to that of the form that was sent, and never to another host. The page says which.
func TestSignInLeadsBack(t *testing.T) {
	const (
		same  = "you come back to this page"
		form  = "to the page with the form, to enter it again"
		first = "you come to the first page"
	)
	const at = "http://archive.example"
	for _, test := range []struct{ method, asked, referer, want, says string }{
		{"GET", "/read", "", "/read", same},
		{"GET", "/read?day=2026-11-23&reason=a%26b", "", "/read?day=2026-11-23&reason=a%26b", same},
		{"GET", "/read?to=//evil.example", "", "/read?to=//evil.example", same},
		{"GET", "/admin-only/1", "", "/admin-only/1", same},
		{"GET", "/admin-only/%2f%2fevil.example", "", "/", first},
		{"GET", "/admin-only/%5cevil.example", "", "/", first},
		{"GET", "/read?x=" + strings.Repeat("x", maxBack), "", "/", first},
		{"GET", "/live", "", "/", first},
		{"POST", "/form/size", "", "/form/size", form},
		{"POST", "/form/size?x=1", at + "/nothing", "/form/size", form},
		{"POST", "/form/size", at + "/read?day=2026-11-23", "/read?day=2026-11-23", form},
		{"POST", "/form/size", "https://evil.example/read", "/form/size", form},
		{"POST", "/form/size", at + "//evil.example/read", "/form/size", form},
		{"POST", "/form/size", at + "/live", "/form/size", form},
		{"POST", "/form/size", "%", "/form/size", form},
		{"POST", "/read/change", "", "/read", form},
		{"POST", "/read/change", at + "/form/size", "/form/size", form},
		{"POST", "/change", "", "/", first},
	} {
		w := newWorld(t)
		w.err = identity.ErrSignedOut
		r := httptest.NewRequest(test.method, test.asked, nil)
		r.Header.Set("X-Forwarded-Host", "archive.example")
		r.Header.Set("Referer", test.referer)
		answer := w.ask(t, r)
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		_, link, _ := strings.Cut(string(body), `href="/.auth/login/aad?post_login_redirect_uri=`)
		link, _, _ = strings.Cut(link, `"`)
		to, err := url.QueryUnescape(link)
		if answer.StatusCode != 401 || err != nil || to != test.want || !strings.Contains(string(body), test.says) {
			t.Errorf("%s %s from %q: %d, to %s, want %s and %q:\n%s", test.method, test.asked, test.referer,
				answer.StatusCode, to, test.want, test.says, body)
		}
	}
	for _, hostile := range []string{"//evil.example/", "///evil.example", "/%2fevil.example", `/\evil.example`,
		"/%5cevil.example", "/%09/evil.example", "/.//evil.example", "http://evil.example//x", "*", "/.auth/logout",
		"/progress/live", "/alive", "/assets/portal.css"} {
		u, err := url.ParseRequestURI(hostile)
		if err != nil {
			t.Fatal(err)
		}
		if isOwnPage(u) {
			t.Errorf("%s is a page", hostile)
		}
	}
}
