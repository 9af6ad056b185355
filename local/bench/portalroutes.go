package main

// portalRoute is a route of the portal with a path that is asked for. The path has {day} for the latest day, {first}
// for the first one, {month} and {run} for those of the latest day, and {version} and {command} for what year wrote.
type portalRoute struct {
	pattern string // as in handlers/portal/routes.go
	path    string
	note    string // what the path shows, if a pattern has several
	isFile  bool   // a download, which is as large as what it lists
	leads   bool   // it leads to another page
}

// portalRoutes are all routes of the portal that answer GET: TestPortalRoutes holds them against its table.
func portalRoutes() []portalRoute {
	return []portalRoute{
		{pattern: "/alive", path: "/alive"},
		{pattern: "/{$}", path: "/"},
		{pattern: "/progress/live", path: "/progress/live"},
		{pattern: "/runs/{year}/{month}/{day}/{run}", path: "/runs/{run}"},
		{pattern: "/days", path: "/days"},
		{pattern: "/days/{day}", path: "/days/{day}"},
		{pattern: "/days/{day}", path: "/days/{first}", note: "a year ago"},
		{pattern: "/days/{day}/csv", path: "/days/{day}/csv", isFile: true},
		{pattern: "/days/{day}/json", path: "/days/{day}/json", isFile: true},
		{pattern: "/months/{month}", path: "/months/{month}"},
		{pattern: "/months/{month}/csv", path: "/months/{month}/csv", isFile: true},
		{pattern: "/months/{month}/json", path: "/months/{month}/json", isFile: true},
		{pattern: "/items", path: "/items", note: "the reasons of 30 days"},
		{pattern: "/items", path: "/items?day={day}", note: "a day"},
		{pattern: "/items", path: "/items?page=40&reason=noMailbox&day={day}", note: "a day, the last of a reason"},
		{pattern: "/items/csv", path: "/items/csv?day={day}", isFile: true},
		{pattern: "/items/json", path: "/items/json?day={day}", isFile: true},
		{pattern: "/users", path: "/users"},
		{pattern: "/users", path: "/users?day={day}", note: "a day"},
		{pattern: "/users/csv", path: "/users/csv?day={day}", isFile: true},
		{pattern: "/users/json", path: "/users/json?day={day}", isFile: true},
		{pattern: "/silent", path: "/silent"},
		{pattern: "/silent", path: "/silent?day={day}", note: "a day"},
		{pattern: "/silent/csv", path: "/silent/csv?day={day}", isFile: true},
		{pattern: "/silent/json", path: "/silent/json?day={day}", isFile: true},
		{pattern: "/unmapped", path: "/unmapped"},
		{pattern: "/unmapped", path: "/unmapped?day={day}", note: "a day"},
		{pattern: "/unmapped/csv", path: "/unmapped/csv?day={day}", isFile: true},
		{pattern: "/unmapped/json", path: "/unmapped/json?day={day}", isFile: true},
		{pattern: "/duplicates", path: "/duplicates"},
		{pattern: "/duplicates", path: "/duplicates?day={day}", note: "a day"},
		{pattern: "/duplicates", path: "/duplicates?what=gone&day={day}", note: "attachments that are gone"},
		{pattern: "/duplicates/csv", path: "/duplicates/csv?day={day}", isFile: true},
		{pattern: "/duplicates/json", path: "/duplicates/json?day={day}", isFile: true},
		{pattern: "/commands", path: "/commands"},
		{pattern: "/commands/{app}/{id}", path: "/commands/{command}"},
		{pattern: "/commands/{app}/{id}/live", path: "/commands/{command}/live"},
		{pattern: "/check", path: "/check"},
		{pattern: "/check/live", path: "/check/live"},
		{pattern: "/audit", path: "/audit"},
		{pattern: "/setup", path: "/setup", leads: true},
		{pattern: "/setup/{step}", path: "/setup/terms", note: "terms"},
		{pattern: "/setup/{step}", path: "/setup/source", note: "source"},
		{pattern: "/setup/{step}", path: "/setup/mapping", note: "mapping"},
		{pattern: "/setup/{step}", path: "/setup/domains", note: "domains"},
		{pattern: "/setup/{step}", path: "/setup/review", note: "review"},
		{pattern: "/settings", path: "/settings"},
		{pattern: "/settings/{name}", path: "/settings/domains"},
		{pattern: "/settings/source", path: "/settings/source"},
		{pattern: "/settings/mapping", path: "/settings/mapping"},
		{pattern: "/settings/mapping/template", path: "/settings/mapping/template", isFile: true},
		{pattern: "/settings/mapping/versions", path: "/settings/mapping/versions"},
		{pattern: "/settings/mapping/versions/{version}", path: "/settings/mapping/versions/{version}", isFile: true},
	}
}
