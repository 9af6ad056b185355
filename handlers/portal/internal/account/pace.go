package account

import (
	"context"
	"fmt"
	"o2archiver/shared/tally"
	"time"
)

// Pace is how far import is with a run, as the rows of the run's batches have it, which import writes at the end of
// each batch.
type Pace struct {
	Done    int       // records that have an outcome
	Records int       // of batches that have a row
	Moved   time.Time // when a row was last written; zero: none was
	Rate    int       // records a minute of late; 0: not known
}

const (
	paceTime  = 15 * time.Minute // of which the rate is
	leastPace = 10 * time.Second
)

// Pace reads how far import is with a run. It costs a query of the run's batches.
func (r *Reader) Pace(ctx context.Context, run string) (p Pace, err error) {
	since := r.opts.Now().Add(-paceTime)
	var first time.Time // of late
	late, atFirst := 0, 0
	for row, err := range r.opts.Totals.Listed(ctx, run, tally.PropertyMoves) {
		if err != nil {
			return Pace{}, fmt.Errorf("read how far import is: %w", err)
		}
		done := row.Totals.Records.Collected - row.Totals.Records.Pending
		p.Done += done
		p.Records += row.Totals.Records.Collected
		if row.Written.After(p.Moved) {
			p.Moved = row.Written
		}
		if row.Written.Before(since) {
			continue
		}
		late += done
		if first.IsZero() || row.Written.Before(first) {
			first, atFirst = row.Written, done
		}
	}
	// What the first row has was imported before it was written.
	if span := p.Moved.Sub(first); !first.IsZero() && span >= leastPace {
		p.Rate = int(int64(late-atFirst) * int64(time.Minute) / int64(span))
	}
	return p, nil
}
