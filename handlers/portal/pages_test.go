package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"o2archiver/local/browser"
)

// files are the routes of the table that answer GET with something else than a page, and the ends of the others.
var (
	files    = []string{"GET /alive", "GET /settings/mapping/template", "GET /settings/mapping/versions/{version}"}
	fileEnds = []string{"/csv", "/json", "/live"} // a live part is seen in its page
)

// TestEveryPageIsTriedInABrowser: each page of the table of routes is one of those that local/browser knows, which a
// test there shows to a browser and to axe-core.
func TestEveryPageIsTriedInABrowser(t *testing.T) {
	mux, missing := http.NewServeMux(), map[string]bool{}
	for _, route := range routes(nil, nil) {
		mux.Handle(route.Pattern, http.NotFoundHandler())
		missing[route.Pattern] = strings.HasPrefix(route.Pattern, "GET ")
		for _, end := range fileEnds {
			missing[route.Pattern] = missing[route.Pattern] && !strings.HasSuffix(route.Pattern, end)
		}
	}
	for _, pattern := range files {
		if !missing[pattern] {
			t.Errorf("%s is no route", pattern)
		}
		delete(missing, pattern)
	}
	for name, path := range browser.PortalPages(browser.Subjects{Day: time.Now(), Run: "/runs/2026/11/23/run",
		Command: "/commands/fetch/command"}) {
		_, pattern := mux.Handler(httptest.NewRequest(http.MethodGet, path, nil))
		if _, ok := missing[pattern]; !ok {
			t.Errorf("the page %s, %s, has no route of a page: %q", name, path, pattern)
		}
		missing[pattern] = false
	}
	for pattern, is := range missing {
		if is {
			t.Errorf("%s is tried in no browser: add it to PortalPages of local/browser, or to the files here", pattern)
		}
	}
}
