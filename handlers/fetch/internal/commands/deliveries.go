package commands

import (
	"context"
	"fmt"
	"log/slog"

	"o2archiver/handlers/fetch/internal/deliveries"
	"o2archiver/handlers/fetch/internal/schedule"
)

// Deliveries is the engine that reads what is delivered. Result.Refused is set if the server refuses the credentials.
type Deliveries interface {
	Run(ctx context.Context, log *slog.Logger) (deliveries.Result, error)
	ReadDays(ctx context.Context, days deliveries.Days, log *slog.Logger) (deliveries.Result, error)
	// CountDays returns the number and the size of the vendor's ZIPs that are named for the days and are there now.
	CountDays(ctx context.Context, days deliveries.Days, log *slog.Logger) (zips, bytes int64, err error)
}

// OfDeliveries returns the Intake of what is delivered.
func OfDeliveries(d Deliveries) Intake { return delivered{d} }

type delivered struct{ engine Deliveries }

const serverRefused = "the SFTP server refuses the user name, the key or the password: infra/command " +
	"check says more; the next daily run then reads what was delivered"

// RunDue implements Intake.
func (d delivered) RunDue(ctx context.Context, _ string, log *slog.Logger) (Progress, error) {
	res, err := d.engine.Run(ctx, log)
	return deliveryProgress(res), err
}

// Backfill implements Intake.
func (d delivered) Backfill(ctx context.Context, _ string, wanted schedule.Range, log *slog.Logger) (Progress, error) {
	res, err := d.engine.ReadDays(ctx, deliveries.Days{From: wanted.From, To: wanted.To}, log)
	return deliveryProgress(res), err
}

func deliveryProgress(res deliveries.Result) Progress {
	var imports deliveries.Result
	if res.Imports != nil {
		imports = *res.Imports
	}
	done := res.Read + res.Same + res.Others + imports.Read + imports.Same + imports.Others
	open := res.Open + imports.Open
	left := open + res.Listed.Later + imports.Listed.Later + res.Listed.Waiting + imports.Listed.Waiting
	p := Progress{Done: done, Of: done + open, Left: left > 0, Paused: res.Paused || imports.Paused,
		Says: fmt.Sprintf("what was delivered is read: %d ZIPs now, with %d messages and calls; those that were read "+
			"before are not read again", res.Read, res.Received)}
	if imports.Read > 0 {
		p.Says += fmt.Sprintf("; from the folder imports %d ZIPs, with %d messages", imports.Read, imports.Received)
	}
	if n := res.Listed.NotFiles + imports.Listed.NotFiles; n > 0 {
		p.Says += fmt.Sprintf("; %d folders or links are not read", n)
	}
	if p.Left {
		p.Says = fmt.Sprintf("at work: %d ZIPs are left", left)
	}
	if res.Refused || imports.Refused {
		p.Refused = serverRefused
	}
	return p
}
