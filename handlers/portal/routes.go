package main

import (
	"net/http"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
)

// routes returns the table of routes: what each needs, and what answers it. If broken, the error of the settings, is
// not nil, each page shows it.
func routes(_ *services, broken error) []web.Route {
	const reader, _ = identity.Reader, identity.Admin
	table := []web.Route{
		{Pattern: "GET /alive", Role: reader, Handle: func(*web.Request) (web.Answer, error) {
			return web.NoContent(), nil
		}},
		{Pattern: "GET /{$}", Role: reader, Handle: func(*web.Request) (web.Answer, error) {
			return web.Page(pages.Page{Name: "progress", Title: "Progress", Section: "progress"}), nil
		}},
	}
	if broken == nil {
		return table
	}
	for i := range table {
		table[i].Handle = func(*web.Request) (web.Answer, error) {
			return web.Answer{}, &web.Error{Status: http.StatusInternalServerError,
				Says: "The settings of the portal's function app can't be used.",
				Do:   "Mend what this says, in the function app's settings: " + broken.Error()}
		}
	}
	return table
}
