// Package auditlog writes what people do in the portal into the audit log, and shows it.
package auditlog

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/orders"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/audit"
)

// Log is the audit log: *audit.Log. A form that comes twice is written once.
type Log interface {
	Append(ctx context.Context, e audit.Entry) error
	Days(ctx context.Context, prefix string) ([]string, error)
	Read(ctx context.Context, day string, limit int) (lines []audit.Line, all int, err error)
}

// Pages writes and shows the audit log. It holds no state and is safe for concurrent use.
type Pages struct {
	log Log
	now func() time.Time
}

// New returns the Pages of a log.
func New(log Log, now func() time.Time) *Pages { return &Pages{log, now} }

// maxLines is the number of lines on a page.
const maxLines = 300

// RecordOrder writes that a person gives a command.
func (p *Pages) RecordOrder(ctx context.Context, c orders.Change) error {
	return p.append(ctx, c.Person, audit.Entry{Action: audit.Action(c.Action), Object: c.Object, Count: c.Count,
		Form: c.Form})
}

func (p *Pages) append(ctx context.Context, person identity.Person, e audit.Entry) error {
	e.By, e.Name, e.Role = person.ID, person.Name, person.Role.String()
	return web.ExplainAudit(p.log.Append(ctx, e))
}

// auditPage is the data of the page.
type auditPage struct {
	Day          string
	Former, Next string // neighbouring days that have lines
	Lines        []audit.Line
	First, All   int    // of the lines, the latest being 1
	Newer, Older int    // numbers of the neighbouring pages, 0 for none
	Tampered     string // why the log can't be trusted; "" if each line is linked to the one before it
}

// Page answers GET /audit: the lines of one day, the latest first, and whether they are linked to each other.
func (p *Pages) Page(q *web.Request) (web.Answer, error) {
	day := p.now().UTC()
	if text := q.FormValue("day"); text != "" {
		var err error
		if day, err = time.Parse(time.DateOnly, text); err != nil {
			return web.Answer{}, &web.Error{Status: http.StatusNotFound, Says: "That is not a day.",
				Do: "A day has the form 2026-11-22."}
		}
	}
	days, err := p.log.Days(q.Context(), "")
	if err != nil {
		return web.Answer{}, err
	}
	a := auditPage{Day: day.Format(time.DateOnly)}
	name := layout.Day(day)
	at, there := slices.BinarySearch(days, name)
	if at > 0 && !audit.IsGenesis(days[at-1]) {
		a.Former = layout.ISODay(days[at-1])
	}
	if there {
		at++
	}
	if at < len(days) {
		a.Next = layout.ISODay(days[at])
	}
	a.Lines, a.All, err = p.log.Read(q.Context(), name, math.MaxInt) // all are read to compare the hashes, anyway
	if errors.Is(err, audit.ErrTampered) {
		a.Tampered, err = err.Error(), nil
	}
	if err != nil {
		return web.Answer{}, err
	}
	slices.Reverse(a.Lines)
	cut := web.CutPage(q.FormValue("page"), len(a.Lines), maxLines)
	a.First, a.Lines, a.Newer, a.Older = cut.Begin+1, a.Lines[cut.Begin:cut.End], cut.Former, cut.Next
	return web.Page(pages.Page{Name: "audit", Title: "Audit, " + a.Day, Section: "audit", Data: a}), nil
}
