package deliveries

import (
	"context"
	"fmt"
	"time"

	"o2archiver/shared/arrival"
)

// plan lists the store and plans what is new. A listing that fails is a failure of the run, which still works on the
// ZIPs that are in the archive: of the others nothing is known then.
func (r *run) plan(ctx context.Context) error {
	r.showClosed(ctx)
	if err := r.passDone(ctx); err != nil {
		return err
	}
	now, log := r.Now(), r.log
	if r.Server != "" {
		log = log.With("server", r.Server)
	}
	r.state.Begin(now)
	files, notFiles, err := r.list(ctx)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		r.failed = append(r.failed, err)
		log.Warn("the deliveries could not be listed: nothing is planned, and nothing is called missing",
			"event", "fetch.deliveriesUnlisted", "error", err.Error())
	default:
		rest, past := r.past.split(files)
		r.res.Listed = r.state.Plan(rest, r.Rules, now)
		r.res.Listed.Deliveries += past
		r.res.Listed.NotFiles = notFiles
		log.Info("deliveries listed", "event", "fetch.deliveriesListed", "deliveries", r.res.Listed.Deliveries,
			"others", r.res.Listed.Others, "notFiles", notFiles, "ignored", r.res.Listed.Ignored,
			"waiting", r.res.Listed.Waiting, "planned", r.res.Listed.Planned, "later", r.res.Listed.Later)
		if err := r.noteAbsent(ctx, now); err != nil {
			return err
		}
		if n := r.res.Listed.Misplaced; n > 0 {
			r.log.Error("ZIPs of the vendor's are in the folder imports and are not read: move them to the folder of "+
				"the vendor's deliveries", "event", "fetch.deliveryMisplaced", "zips", n)
		}
		if r.Rules.Import != nil {
			break
		}
		for _, gap := range r.state.NoteGaps(now) {
			r.log.Error("file numbers of a day are missing: ask the vendor to send them again",
				"event", "fetch.deliveryGap", "day", gap.Day.Format(time.DateOnly), "missing", gap.Missing)
		}
	}
	if r.Rules.Import == nil && r.state.IsQuiet(now) {
		r.log.Error("no new delivery has been seen for 26 hours: look at the server and its log, and ask the vendor",
			"event", "fetch.noDelivery", "last", r.state.Newest, "listed", err == nil)
	}
	if err := r.save(ctx); err != nil {
		return err
	}
	r.showClosed(ctx)
	if r.Rules.Import == nil {
		r.Reporter.NoteMissing(ctx, now.Add(-gapDays*24*time.Hour), r.state.toldGaps())
	}
	return nil
}

// list lists the store and remembers the files by their keys. It also returns how many things there are no files.
func (r *run) list(ctx context.Context) (files []keyed, notFiles int, err error) {
	r.files, r.places = nil, nil
	r.lists++
	own, cancel := context.WithTimeoutCause(ctx, r.limits.listing, errListing)
	defer cancel()
	listed, err := r.Store.List(own)
	if err != nil {
		if own.Err() != nil && ctx.Err() == nil {
			return nil, 0, errListing
		}
		return nil, 0, fmt.Errorf("list the deliveries: %w", err)
	}
	files = r.Rules.withKeys(listed.Files)
	r.files, r.places = make(map[string]arrival.File, len(files)), make(map[string]bool, len(files))
	for _, f := range files {
		r.places[shortHash(f.Path)] = true
		r.files[f.key] = f.File
	}
	return files, r.Rules.CountNotFiles(listed), nil
}

// noteAbsent finishes the open ZIPs of which the archive has no whole copy and the listing no file any more. One that
// is only absent may come again: an hour has to pass.
func (r *run) noteAbsent(ctx context.Context, now time.Time) error {
	for i := 0; i < len(r.state.Open); i++ {
		z := &r.state.Open[i]
		_, there := r.files[z.Key]
		log := r.log.With("run", z.Folder)
		switch {
		case z.Agreed && z.Broken.IsZero():
		case there:
			z.Gone, z.Agreed = time.Time{}, z.SHA256 != ""
		case z.SHA256 != "" && z.Broken.IsZero():
			z.Agreed = true // it was copied to its end, and then taken away or replaced
		case r.places[z.Place]:
			log.Warn("another file came in the place of a ZIP, which is read instead",
				"event", "fetch.deliveryReplaced")
			r.closeZIP(i, ending{outcome: Replaced})
			r.res.Others++
			i--
		case !z.Gone.IsZero() && now.Sub(z.Gone) < settled:
			r.passed[z.Key] = true
		default:
			// The process may have died between the end of the copy and the write of the state.
			found, err := r.findCopy(ctx, z)
			switch {
			case err != nil:
				return err
			case found:
				z.Agreed = true
				continue
			case z.Gone.IsZero():
				z.Gone, r.passed[z.Key] = now.UTC(), true
				continue
			}
			log.Error("a ZIP was taken away before it was copied: "+r.form.again, "event", "fetch.deliveryGone")
			r.closeZIP(i, ending{outcome: Gone})
			r.res.Others++
			i--
		}
	}
	return nil
}
