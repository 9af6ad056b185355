package commands

import (
	"context"
	"log/slog"
	"time"

	"o2archiver/handlers/fetch/internal/collector"
	"o2archiver/handlers/fetch/internal/schedule"
)

// Collector is the engine that pulls items from a site: a *collector.Collector.
type Collector interface {
	RunDue(ctx context.Context, command string, log *slog.Logger) (collector.Result, error)
	Backfill(ctx context.Context, command string, wanted schedule.Range, log *slog.Logger) (collector.Result, error)
	CountRange(ctx context.Context, wanted schedule.Range, window int, each func(items int64, known bool) error) error
}

// OfSite returns the Intake of a site.
func OfSite(c Collector) Intake { return site{c} }

type site struct{ engine Collector }

// setPassword is what helps against a refused password. A portal's page stores the secret that the script stores.
const setPassword = "set the password in the portal (Settings, Source), or with infra/password"

const siteRefused = "the site refuses the user name or the password: " + setPassword + "; " +
	"the next daily run then fetches what is due, and what this command planned"

// RunDue implements Intake.
func (s site) RunDue(ctx context.Context, command string, log *slog.Logger) (Progress, error) {
	res, err := s.engine.RunDue(ctx, command, log)
	p := siteProgress(res, "everything is fetched up to "+res.Watermark.UTC().Format(time.RFC3339))
	p.Done, p.Of = res.Slices, res.Slices+res.Open
	return p, err
}

// Backfill implements Intake.
func (s site) Backfill(ctx context.Context, command string, wanted schedule.Range, log *slog.Logger) (
	Progress, error) {
	res, err := s.engine.Backfill(ctx, command, wanted, log)
	p := siteProgress(res, "the range is fetched; import takes its batches up as they come")
	p.Of = wanted.Windows()
	p.Done = p.Of - res.Open
	if err != nil && res.Open == 0 { // its windows may not have been counted
		p.Done = -1
	}
	return p, err
}

func siteProgress(res collector.Result, says string) Progress {
	p := Progress{Left: res.Open > 0, Says: says, Paused: res.Paused}
	if res.Refused {
		p.Refused = siteRefused
	}
	return p
}
