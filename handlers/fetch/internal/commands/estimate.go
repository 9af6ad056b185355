package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"o2archiver/handlers/fetch/internal/deliveries"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/control"
	"o2archiver/shared/funchost"
	"o2archiver/shared/source/delivery/sftpstore"
	"o2archiver/shared/source/telemessage/client"
)

// estimate counts what there is in a range of time, step by step. A turn continues behind the steps that are saved.
func (w turnWork) estimate(ctx context.Context, q *control.Queue, t *control.Task, log *slog.Logger) answer {
	if w.Intake == nil {
		return answer{says: "fetch is not set up yet, and the command waits: " + w.NotSetUp}
	}
	wanted := schedule.Range{From: t.From, To: t.To}
	of := w.Intake.Steps(wanted)
	p, err := w.Intake.Estimate(ctx, wanted, t.Answer.Done, func(counts map[string]int64) error {
		return q.Step(ctx, t, of, counts)
	}, log)
	if errors.Is(err, funchost.ErrInput) {
		return answer{state: control.Refused, says: err.Error()}
	}
	p.Done, p.Of, p.Says = t.Answer.Done, of, describeEstimate(t.Answer.Counts, of)
	a := finishTurn(ctx, t, p, err)
	if a.state == control.Failed && p.Refused == "" { // there is nothing that a daily run would continue
		a.says = fmt.Sprintf("given up after many turns; the last one: %v", err)
	}
	return a
}

// describeEstimate returns what the counts of an estimate with so many steps mean.
func describeEstimate(counts map[string]int64, of int) string {
	if zips, ok := counts[control.CountZIPs]; ok {
		return fmt.Sprintf("%d ZIPs are named for these days and are there now, with %d bytes; those that were read "+
			"before are not read again", zips, counts[control.CountBytes])
	}
	says := fmt.Sprintf("the site counts %d items in %d windows", counts[control.CountItems], of)
	if n := counts[control.CountUnknown]; n > 0 {
		says += fmt.Sprintf("; it states no count for %d of them", n)
	}
	return says
}

// Steps implements Intake.
func (s site) Steps(wanted schedule.Range) int { return wanted.Windows() }

// Estimate implements Intake.
func (s site) Estimate(ctx context.Context, wanted schedule.Range, step int, each func(map[string]int64) error,
	_ *slog.Logger) (p Progress, err error) {
	err = s.engine.CountRange(ctx, wanted, step, func(items int64, known bool) error {
		if !known {
			return each(map[string]int64{control.CountUnknown: 1})
		}
		return each(map[string]int64{control.CountItems: items})
	})
	if errors.Is(err, client.ErrCredentials) {
		p.Refused = "the site refuses the user name or the password: " + setPassword + ", and ask again"
	}
	return p, err
}

// Steps implements Intake.
func (d delivered) Steps(schedule.Range) int { return 1 }

// Estimate implements Intake.
func (d delivered) Estimate(ctx context.Context, wanted schedule.Range, step int, each func(map[string]int64) error,
	log *slog.Logger) (p Progress, err error) {
	if !wanted.From.Before(wanted.To) {
		return p, fmt.Errorf("%w: from does not lie before to", funchost.ErrInput)
	}
	if step > 0 {
		return p, nil
	}
	zips, bytes, err := d.engine.CountDays(ctx, deliveries.Days{From: wanted.From, To: wanted.To}, log)
	if errors.Is(err, sftpstore.ErrCredentials) {
		p.Refused = "the SFTP server refuses the user name, the key or the password: infra/command check says more"
	}
	if err != nil {
		return p, err
	}
	return p, each(map[string]int64{control.CountZIPs: zips, control.CountBytes: bytes})
}
