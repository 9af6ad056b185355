package main

import (
	"net/http"
	"time"

	"o2archiver/handlers/portal/internal/account"
	"o2archiver/handlers/portal/internal/auditlog"
	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/orders"
	"o2archiver/handlers/portal/internal/progress"
	"o2archiver/handlers/portal/internal/setup"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// services are what answers the requests.
type services struct {
	account  *account.Reader
	progress *progress.Watch
	orders   *orders.Office
	audit    *auditlog.Pages
	setup    *setup.Setup
}

// newServices builds the services over the archive's storage.
func newServices(store *archive.Store, totals *tally.Table, log *auditlog.Pages, setUp *setup.Setup,
	now func() time.Time) *services {
	said := status.NewReader(store.Status())
	reader := account.New(account.Options{Totals: totals, Status: said, Reports: store.Reports(), Now: now})
	watch := progress.New(progress.Options{Account: reader, Status: said, Settings: store.Settings(), Now: now})
	office := orders.New(orders.Options{Commands: store.Commands(), Status: store.Status(), Reports: store.Reports(),
		Settings: store.Settings(), Record: log.RecordOrder, Now: now})
	return &services{account: reader, progress: watch, orders: office, audit: log, setup: setUp}
}

// routes returns the table of routes: what each needs, and what answers it. If broken, the error of the settings, is
// not nil, each page shows it.
func routes(s *services, broken error) []web.Route {
	const reader, admin = identity.Reader, identity.Admin
	if s == nil {
		s = &services{} // no handler of it is called
	}
	table := []web.Route{
		{Pattern: "GET /alive", Role: reader, Handle: func(*web.Request) (web.Answer, error) {
			return web.NoContent(), nil
		}},
		{Pattern: "GET /{$}", Role: reader, Handle: s.progress.ProgressPage},
		{Pattern: "GET /progress/live", Role: reader, Handle: s.progress.Live},

		{Pattern: "GET /runs/{year}/{month}/{day}/{run}", Role: reader, Handle: s.account.RunPage},
		{Pattern: "GET /days", Role: reader, Handle: s.account.DaysPage},
		{Pattern: "GET /days/{day}", Role: reader, Handle: s.account.DayPage},
		{Pattern: "GET /days/{day}/csv", Role: reader, Handle: s.account.DayCSV},
		{Pattern: "GET /days/{day}/json", Role: reader, Handle: s.account.DayJSON},
		{Pattern: "GET /months/{month}", Role: reader, Handle: s.account.MonthPage},
		{Pattern: "GET /months/{month}/csv", Role: reader, Handle: s.account.MonthCSV},
		{Pattern: "GET /months/{month}/json", Role: reader, Handle: s.account.MonthJSON},
		{Pattern: "POST /items/replay", Role: admin, Handle: s.orders.Replay},
		{Pattern: "GET /items", Role: reader, Handle: s.account.ItemsPage},
		{Pattern: "GET /items/csv", Role: reader, Handle: s.account.ItemsCSV},
		{Pattern: "GET /items/json", Role: reader, Handle: s.account.ItemsJSON},
		{Pattern: "GET /users", Role: reader, Handle: s.account.UsersPage},
		{Pattern: "GET /users/csv", Role: reader, Handle: s.account.UsersCSV},
		{Pattern: "GET /users/json", Role: reader, Handle: s.account.UsersJSON},
		{Pattern: "GET /silent", Role: reader, Handle: s.account.SilentPage},
		{Pattern: "GET /silent/csv", Role: reader, Handle: s.account.SilentCSV},
		{Pattern: "GET /silent/json", Role: reader, Handle: s.account.SilentJSON},
		{Pattern: "GET /unmapped", Role: reader, Handle: s.account.UnmappedPage},
		{Pattern: "GET /unmapped/csv", Role: reader, Handle: s.account.UnmappedCSV},
		{Pattern: "GET /unmapped/json", Role: reader, Handle: s.account.UnmappedJSON},
		{Pattern: "GET /duplicates", Role: reader, Handle: s.account.DuplicatesPage},
		{Pattern: "GET /duplicates/csv", Role: reader, Handle: s.account.DuplicatesCSV},
		{Pattern: "GET /duplicates/json", Role: reader, Handle: s.account.DuplicatesJSON},

		{Pattern: "GET /commands", Role: reader, Handle: s.orders.CommandsPage},
		{Pattern: "POST /commands/{kind}", Role: admin, Handle: s.orders.GiveCommand},
		{Pattern: "GET /commands/{app}/{id}", Role: reader, Handle: s.orders.CommandPage},
		{Pattern: "GET /commands/{app}/{id}/live", Role: reader, Handle: s.orders.CommandLive},
		{Pattern: "GET /check", Role: reader, Handle: s.orders.CheckPage},
		{Pattern: "GET /check/live", Role: reader, Handle: s.orders.CheckLive},
		{Pattern: "POST /check", Role: admin, Handle: s.orders.GiveCheck},

		{Pattern: "GET /audit", Role: reader, Handle: s.audit.Page},

		{Pattern: "GET /setup", Role: admin, Handle: s.setup.Begin},
		{Pattern: "GET /setup/{step}", Role: admin, Handle: s.setup.Step},
		{Pattern: "POST /setup/{step}", Role: admin, Handle: s.setup.Send, Body: setup.MaxUpload},
		{Pattern: "GET /settings", Role: admin, Handle: s.setup.ShowSettings},
		{Pattern: "GET /settings/{name}", Role: admin, Handle: s.setup.ShowPart},
		{Pattern: "POST /settings/{name}", Role: admin, Handle: s.setup.SendPart},
		{Pattern: "GET /settings/source", Role: admin, Handle: s.setup.ShowSource},
		{Pattern: "POST /settings/source", Role: admin, Handle: s.setup.SendSource},
		{Pattern: "GET /settings/mapping", Role: admin, Handle: s.setup.ShowMapping},
		{Pattern: "POST /settings/mapping", Role: admin, Handle: s.setup.SendMapping, Body: setup.MaxUpload},
		{Pattern: "GET /settings/mapping/template", Role: admin, Handle: s.setup.Template},
		{Pattern: "GET /settings/mapping/versions", Role: admin, Handle: s.setup.ShowVersions},
		{Pattern: "GET /settings/mapping/versions/{version}", Role: admin, Handle: s.setup.Version},
		{Pattern: "POST /settings/mapping/rollback", Role: admin, Handle: s.setup.RollBack},
		{Pattern: "POST /settings/mapping/add", Role: admin, Handle: s.setup.AddNumber},
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
