package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
)

const (
	repairDays  = 8         // folders of so many days are looked at, the latest first
	repairEvery = time.Hour // by one process
	maxRepaired = 50        // documents written by one Repair
	maxPerDay   = 20_000    // documents listed of one day
	repairTime  = 30 * time.Second
)

// Source is what a repair needs to know of the runs of one intake.
type Source struct {
	Name   string                                                         // of the intake
	Owns   func(folder string) bool                                       // the run is the intake's; nil: all are
	IsOpen func(folder string) bool                                       // its manifest is not written yet
	Detail func(ctx context.Context, folder, kind string) (Detail, error) // beside the manifest; nil: there is none
	Unread []Run                                                          // ZIPs that were not read, of late
}

// Repair writes the documents that are missing of the runs of late, after a process died between a manifest and its
// document, or the document could not be written. It works once an hour for each intake, for at most repairTime; a
// failure is logged as any other. Without a missing document it costs a listing for each of the days, and two for a day
// with runs.
func (r *Reporter) Repair(ctx context.Context, s Source) {
	if r == nil || !r.w.beginRepair(s.Name) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, repairTime)
	defer cancel()
	left := maxRepaired
	today := r.w.Now().UTC()
	for back := range repairDays {
		if r.pauses() || left <= 0 || ctx.Err() != nil {
			return
		}
		r.repairDay(ctx, layout.Day(today.AddDate(0, 0, -back)), s, &left)
	}
}

// beginRepair reports whether a repair of the intake is due, and notes it.
func (w *Writer) beginRepair(intake string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, last := w.Now(), w.repaired[intake]
	if age := now.Sub(last); !last.IsZero() && age >= 0 && age < repairEvery {
		return false
	}
	if w.repaired == nil {
		w.repaired = map[string]time.Time{}
	}
	w.repaired[intake] = now
	return true
}

// RepairRun writes the document of a run that was closed earlier, of whatever day, and reports whether nothing is left
// to write.
func (r *Reporter) RepairRun(ctx context.Context, folder string, s Source) bool {
	if r == nil {
		return true
	}
	return !r.pauses() && r.write(ctx, func(ctx context.Context) error { return r.w.repairRun(ctx, folder, s) })
}

// RepairUnread writes the document of a ZIP that was not read and was closed earlier, on whatever day, unless its run
// was read when the file came again. It reports whether nothing is left to write.
func (r *Reporter) RepairUnread(ctx context.Context, run Run) bool {
	if r == nil {
		return true
	}
	return !r.pauses() && r.write(ctx, func(ctx context.Context) error {
		_, err := r.w.Batches.ReadManifest(ctx, run.Run, nil)
		if errors.Is(err, archive.ErrNotFound) {
			return r.w.putRun(ctx, run)
		}
		return err
	})
}

// repairRun writes the document of a run, if it has a manifest.
func (w *Writer) repairRun(ctx context.Context, folder string, s Source) error {
	m, err := w.Batches.ReadManifest(ctx, folder, nil)
	if errors.Is(err, archive.ErrNotFound) {
		return nil // it was left without one
	}
	if err != nil {
		return err
	}
	var d Detail
	if s.Detail != nil {
		if d, err = s.Detail(ctx, folder, m.Kind); err != nil {
			return err
		}
	}
	return w.writeRun(ctx, folder, d)
}

// repairDay writes the missing documents of one day's runs, at most *left of them.
func (r *Reporter) repairDay(ctx context.Context, day string, s Source, left *int) {
	var missing []string
	var unread []Run
	r.write(ctx, func(ctx context.Context) (err error) {
		missing, unread, err = r.w.missingRuns(ctx, day, s)
		return err
	})
	for _, folder := range missing[:min(len(missing), *left)] {
		*left--
		r.write(ctx, func(ctx context.Context) error { return r.w.repairRun(ctx, folder, s) })
	}
	for _, run := range unread[:min(len(unread), *left)] {
		*left--
		r.write(ctx, func(ctx context.Context) error { return r.w.putRun(ctx, run) })
	}
}

// missingRuns returns the runs of a day that are not open and have no document, and the ZIPs of the day that were not
// read and have none. One that came again on the same day, and was read then, is a run: its document from before that
// counts as none.
func (w *Writer) missingRuns(ctx context.Context, day string, s Source) (missing []string, unread []Run, err error) {
	runs, err := w.Batches.Runs(ctx, day)
	if err != nil {
		return nil, nil, err
	}
	known := map[string]bool{}
	for _, folder := range runs {
		known[folder] = true
	}
	for _, run := range s.Unread {
		if layout.DayOf(run.Run) == day && !known[run.Run] && !s.IsOpen(run.Run) {
			unread = append(unread, run)
		}
	}
	if len(runs)+len(unread) == 0 {
		return nil, nil, nil
	}
	documents, more, err := w.Documents.List(ctx, runsFolder+layout.DayFolder(day), maxPerDay)
	if err != nil {
		return nil, nil, err
	}
	if more {
		return nil, nil, fmt.Errorf("a day has more than %d documents of runs", maxPerDay)
	}
	there := make(map[string]bool, len(documents))
	for _, d := range documents {
		if folder, ok := runIn(d.Name); ok {
			there[folder] = !known[folder] || !isFromBefore(d.Facts)
		}
	}
	for _, folder := range runs {
		if !there[folder] && !s.IsOpen(folder) && (s.Owns == nil || s.Owns(folder)) {
			missing = append(missing, folder)
		}
	}
	return missing, slices.DeleteFunc(unread, func(run Run) bool { return there[run.Run] }), nil
}

// isFromBefore reports whether the document of a run with batches, which has these facts, is from before its file came
// again.
func isFromBefore(facts string) bool {
	var run Run
	return json.Unmarshal([]byte(facts), &run) == nil && MayComeAgain(run.Outcome)
}
