package progress

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/handlers/portal/internal/account"
	"o2archiver/shared/settings"
)

const (
	shownImports = 3                // runs; each costs a query
	stillAfter   = 15 * time.Minute // without an outcome, import is not called at work: one batch takes less
)

// Import is how far import is with a run.
type Import struct {
	Run          string
	From, To     time.Time // zero: fetch has not finished the run, or not said what it is
	Fetched      bool      // fetch has finished the run, so Of is all
	State, Class string
	Done, Of     int // records
	Percent      int
	Rate, Left   string // "" if not known
	Moved        time.Time
}

// loadImports reads how far import is with the latest runs of which records have no outcome.
func (k *known) loadImports(ctx context.Context, reader *account.Reader) error {
	all := k.importsOf()
	k.moreImports = max(0, len(all)-shownImports)
	k.imports = all[:min(len(all), shownImports)]
	group, ctx := errgroup.WithContext(ctx)
	for i := range k.imports {
		group.Go(func() error {
			pace, err := reader.Pace(ctx, k.imports[i].Run)
			k.describeImport(&k.imports[i], pace)
			return err
		})
	}
	return group.Wait()
}

// importsOf returns the runs of which records have no outcome, the latest first.
func (k *known) importsOf() (all []Import) {
	counted := map[string]bool{}
	for _, run := range k.recent {
		counted[run.Run] = true
		if run.Totals.Records.Pending == 0 {
			continue
		}
		i := Import{Run: run.Run, Of: run.Totals.Records.Collected, Fetched: run.Manifest != nil}
		if m := run.Manifest; m != nil {
			i.From, i.To = m.From, m.To
		}
		all = append(all, i)
	}
	for _, w := range k.progress.Windows {
		if w.Batches > 0 && !counted[w.Run] {
			all = append(all, Import{Run: w.Run, From: w.From, To: w.To})
		}
	}
	slices.SortStableFunc(all, func(a, b Import) int { return cmp.Compare(b.Run, a.Run) })
	return all
}

// describeImport sets what is shown of a run.
func (k *known) describeImport(i *Import, p account.Pace) {
	i.Done, i.Of, i.Moved = p.Done, max(i.Of, p.Records), p.Moved
	if i.Of > 0 {
		i.Percent = min(100, i.Done*100/i.Of)
	}
	still := k.now.Sub(p.Moved) > stillAfter
	switch {
	case k.connector.Paused[settings.Import]:
		i.State, i.Class = "paused", "wait"
	case i.Fetched && i.Done >= i.Of && i.Of > 0:
		i.State, i.Class = "imported; its totals follow", "ok"
	case p.Moved.IsZero():
		i.State, i.Class = "not begun", "wait"
	case still:
		i.State, i.Class = "does not move", "wait"
	default:
		i.State, i.Class = "at work", "ok"
		if p.Rate > 0 {
			left := 0
			if i.Fetched {
				left = i.Of - i.Done
			}
			i.Rate, i.Left = describePace(int64(p.Rate), int64(left), "record", "records")
		}
	}
}
