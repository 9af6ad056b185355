package deliveries

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"sync/atomic"
	"time"

	"o2archiver/handlers/fetch/internal/firsts"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/retry"
	"o2archiver/shared/source/delivery/zipread"
)

// reading is a ZIP that is read during one turn.
type reading struct {
	*run
	z   *ZIP
	zip *zipread.Archive
	day string // folder of the media: the day on which the ZIP was planned

	after Progress     // with the entries that are in no batch yet
	next  firsts.Batch // the current batch
	total int64        // bytes that were read of the messages before and in the current batch, and then of other files
	over  atomic.Bool  // total exceeds its limit: no further message is read
}

// readZIP reads a copied ZIP from where its progress is to its end.
func (r *run) readZIP(ctx context.Context, z *ZIP, log *slog.Logger) (ending, error) {
	file, err := r.Deliveries.Open(ctx, z.CopyName())
	if err != nil {
		return ending{}, err
	}
	// The limit of all contents together is judged by writeBatches, message by message and over all turns: what is read
	// ahead must not count before what comes before it.
	limits := r.contents
	limits.Total = math.MaxInt64
	opened, err := zipread.Open(file, file.Size(), limits)
	switch {
	case errors.Is(err, zipread.ErrTooMany):
		return r.giveUp(z, "its directory is larger than any that is read", err, log), nil
	case errors.Is(err, zipread.ErrFormat):
		if z.Broken.IsZero() {
			z.Broken = r.Now().UTC()
			log.Warn("the ZIP does not open; it may not be whole yet", "event", "fetch.deliveryUnopened")
		}
		if r.files == nil || r.Now().Sub(z.Broken) < settled {
			return ending{}, errLater // without a listing it is not known whether another file came in its place
		}
		return r.giveUp(z, "it is no whole ZIP", err, log), nil
	case err != nil:
		return ending{}, err
	}
	z.Broken = time.Time{}
	in := &reading{run: r, z: z, zip: opened, day: layout.Day(z.Planned)}
	r.counted[z.Key] = 0
	for _, e := range opened.Entries {
		if e.Kind == zipread.Message {
			r.counted[z.Key]++
		}
	}
	if err := in.writeBatches(ctx); err != nil {
		return ending{}, err
	}
	return in.finish(ctx, log)
}

// giveUp reports a ZIP that cannot be opened, for good, and returns its end.
func (r *run) giveUp(z *ZIP, why string, err error, log *slog.Logger) ending {
	log.Error("a ZIP can't be opened: it is kept as it is and not read; "+r.form.again, "event", "fetch.deliveryBroken",
		"bytes", z.Size, "error", err.Error())
	return ending{outcome: Broken, why: why}
}

// readFirsts reads which messages the batches have that an earlier turn has written.
func (r *reading) readFirsts(ctx context.Context) error {
	r.next.Firsts = firsts.New()
	if r.z.Progress.Batches == 0 {
		return nil
	}
	run := firsts.Run{Batches: r.Batches, Folder: r.z.Folder, Patience: r.limits.storage}
	// What is beyond the progress is written once more, as it was.
	return run.Each(ctx, func(number int) bool { return number <= r.z.Progress.Batches },
		func(_ int, name string, data []byte) { r.next.Firsts.AddBatch(name, data) })
}

// writeBatches writes the batches that are not written yet.
func (r *reading) writeBatches(ctx context.Context) error {
	if err := r.readFirsts(ctx); err != nil {
		return err
	}
	r.after = r.z.Progress
	r.after.Problems = maps.Clone(r.after.Problems)
	r.total = r.countedBefore(r.after)
	r.over.Store(r.total > r.contents.Total)
	for it := range r.describeAll(ctx, r.after.Next) {
		if it.err != nil {
			return it.err
		}
		if r.total+it.size > r.contents.Total {
			r.over.Store(true)
			it = r.unreadable(it, zipread.OverTotal)
		}
		if err := r.add(ctx, it); err != nil {
			return err
		}
	}
	return r.flush(ctx, len(r.zip.Entries))
}

// countedBefore returns how many bytes were read of the messages before a progress. For the progress of a former
// version it is calculated as that version did, from the sizes that the directory states.
func (r *reading) countedBefore(p Progress) (total int64) {
	if p.Counted > 0 {
		return p.Counted - 1
	}
	for _, e := range r.zip.Entries[:min(p.Next, len(r.zip.Entries))] {
		if e.Kind == zipread.Message {
			total += min(e.Size, r.contents.Entry+1)
		}
	}
	return total
}

// add appends a message to the current batch. If it does not fit, the current batch is written first; only then the
// turn may end, because the next one begins at a batch's beginning.
func (r *reading) add(ctx context.Context, it item) error {
	fits, err := r.next.Append(it.entry, it.id)
	if err != nil {
		return err
	}
	if !fits {
		if err := r.flush(ctx, it.at); err != nil {
			return err
		}
		if time.Since(r.began) >= r.limits.turn && r.othersWait(r.z) {
			return errTurnOver
		}
		if err := r.checkPause(ctx); err != nil {
			return err
		}
		if _, err := r.next.Append(it.entry, it.id); err != nil {
			return err
		}
	}
	r.total += it.size
	r.after.Received++
	if it.problem != "" {
		if r.after.Problems == nil {
			r.after.Problems = map[string]int{}
		}
		r.after.Problems[string(it.problem)]++
	}
	if it.entry.Fault != "" {
		r.after.Quarantined++
	} else if it.entry.ID == "" {
		r.after.Derived++
	}
	return nil
}

// flush writes the current batch, unless it is empty, and saves the progress. next is the index of the entry with which
// the next batch begins.
func (r *reading) flush(ctx context.Context, next int) error {
	if r.next.Records() > 0 {
		seq, name := r.after.Batches+1, ""
		err := retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) (err error) {
			name, err = r.Batches.Write(ctx, r.z.Folder, seq, r.next.Lines(), r.next.Records())
			return err
		})
		if err != nil {
			return fmt.Errorf("write batch %05d: %w", seq, err)
		}
		r.after.Batches = seq
		r.after.Records += r.next.Records()
		r.next.Written(name)
	} else if r.z.Progress.Next == next {
		return nil
	}
	r.after.Next, r.after.Counted = next, r.total+1
	r.z.Progress = r.after
	r.z.Progress.Problems = maps.Clone(r.after.Problems)
	return r.saveProgress(ctx, r.z)
}
