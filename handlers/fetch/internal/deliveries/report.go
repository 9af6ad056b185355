package deliveries

import (
	"context"
	"fmt"
	"time"

	"o2archiver/shared/archive/layout"
	"o2archiver/shared/status"
)

// maxReported is the number of open ZIPs that a report of the progress lists.
const maxReported = 100

// Bounds of writing documents of ZIPs that were finished: 200 within 30 seconds, at each listing and after each ZIP.
const (
	maxShown = 200
	showTime = 30 * time.Second
)

// report notes how far the open ZIPs are. It does not wait for storage.
func (r *run) report() {
	if r.Reporter == nil {
		return
	}
	s := status.State{Paused: r.res.Paused, Finished: r.res.finished(), Waiting: r.res.Listed.Waiting,
		Misplaced: r.res.Listed.Misplaced}
	for i := range r.state.Open {
		if z := &r.state.Open[i]; z.Key == r.active {
			s.Windows = append(s.Windows, r.describeZIP(z))
		}
	}
	for i := range r.state.Open {
		switch z := &r.state.Open[i]; {
		case z.Key == r.active:
		case len(s.Windows) < maxReported:
			s.Windows = append(s.Windows, r.describeZIP(z))
		default:
			s.More++
		}
	}
	s.Gaps = r.state.toldGaps()
	r.Reporter.Report(r.form.name, s)
}

// toldGaps returns the gaps that have lasted: ZIPs may arrive in any order.
func (s *State) toldGaps() (told []status.Gap) {
	for _, g := range s.Gaps {
		if n := g.lasting(); n > 0 {
			told = append(told, status.Gap{Day: g.Day, Missing: n})
		}
	}
	return told
}

// describeZIP returns what is shown of an open ZIP.
func (r *run) describeZIP(z *ZIP) status.Window {
	from, to := z.window()
	w := status.Window{Run: z.Folder, Kind: r.form.manifest, From: from, To: to, Active: z.Key == r.active,
		Received: int64(z.Progress.Received), Batches: int64(z.Progress.Batches), Tries: int64(z.Tries),
		Copied: z.partSize(), Size: z.Size, Failed: z.Failed}
	if z.SHA256 != "" {
		w.Read, w.Copied = true, z.Size
	}
	if n, known := r.counted[z.Key]; known {
		w.Of = &n
	}
	return w
}

// isOpen reports whether the run is that of an open ZIP.
func (s *State) isOpen(folder string) bool {
	for i := range s.Open {
		if s.Open[i].Folder == folder {
			return true
		}
	}
	return false
}

// detail returns what the document of the run has of the report.
func (r Report) detail() status.Detail {
	d := status.Detail{Outcome: r.Outcome, Reasons: r.Reasons}
	for _, issue := range []status.Issue{
		{Code: status.Rejected, Count: int64(r.Quarantined)}, {Code: status.Missing, Count: int64(r.Missing)},
		{Code: status.Empty, Count: int64(r.Empty)}, {Code: status.Unlisted, Count: int64(r.Unlisted)},
		{Code: status.Twice, Count: int64(r.Twice)},
	} {
		if issue.Count > 0 {
			d.Issues = append(d.Issues, issue)
		}
	}
	return d
}

// unread returns the documents of the ZIPs that were finished of late without being read. Each is a pure function of
// the saved State.
func (r *run) unread() (all []status.Run) {
	for i := range r.state.Done {
		if run, ok := r.form.unread(&r.state.Done[i]); ok {
			all = append(all, run)
		}
	}
	return all
}

// closeZIP moves the i-th open ZIP to those that are done.
func (r *run) closeZIP(i int, end ending) {
	folder := r.state.Open[i].Folder
	r.state.Finish(i, end, r.Now())
	if status.IsUnread(end.outcome) {
		r.fresh[folder] = true
	} else {
		delete(r.fresh, folder) // it came again, and has a manifest now
	}
}

// isUnshown reports whether the document of a finished ZIP is still to be written.
func (d *Done) isUnshown() bool { return d.Late != "" || d.Unread != nil && !d.Unread.Shown }

// showClosed writes the documents of the finished ZIPs that have none, whenever they were planned, at most maxShown of
// them, and notes it in the State. What is not saved is written again. The State MUST have been saved: a ZIP of an
// unsaved one may be read after all.
func (r *run) showClosed(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, showTime)
	defer cancel()
	left := maxShown
	for i := range r.state.Done {
		d := &r.state.Done[i]
		if !d.isUnshown() {
			continue
		}
		left--
		if left < 0 || !r.showDone(ctx, d) {
			return
		}
		r.shown, d.Late = true, ""
		if d.Unread != nil {
			d.Unread.Shown = true
		}
	}
}

// showDone writes the document of a finished ZIP, and reports whether nothing is left to write.
func (r *run) showDone(ctx context.Context, d *Done) bool {
	run, unread := r.form.unread(d)
	switch {
	case !unread:
		return r.Reporter.RepairRun(ctx, d.Late, r.repairs())
	case r.state.isOpen(run.Run):
		return true // its file came again on the same day, and its document comes when it is closed
	case r.fresh[run.Run]:
		return r.Reporter.CloseUnread(ctx, run)
	}
	return r.Reporter.RepairUnread(ctx, run)
}

// repairs returns what a repair needs to know. The runs of a site, from which this archive was fed before, are those of
// the vendor's deliveries.
func (r *run) repairs() status.Source {
	imports := (Rules{Import: &Import{}}).form()
	return status.Source{Name: r.form.name, IsOpen: r.state.isOpen, Detail: r.readDetail, Unread: r.unread(),
		Owns: func(folder string) bool {
			return layout.IsImport(folder) == (r.form.manifest == imports.manifest)
		}}
}

// unread returns the document of a ZIP that was not read; ok is false if it was.
func (f form) unread(d *Done) (run status.Run, ok bool) {
	if d.Unread == nil {
		return status.Run{}, false
	}
	u := *d.Unread
	from, to := (&ZIP{Day: d.Day, Planned: u.Planned}).window()
	run = status.Run{Version: 1, Run: u.Folder, Kind: f.manifest, From: from, To: to, Started: u.Planned, Closed: u.At,
		Outcome: d.Outcome, Size: u.Size}
	if u.Why != "" {
		run.Reasons = []string{u.Why}
	}
	return run, true
}

// readDetail returns the detail of a run of either intake from its report.
func (r *run) readDetail(ctx context.Context, folder, kind string) (status.Detail, error) {
	name := Rules{}.form().report(folder)
	if other := (Rules{Import: &Import{}}).form(); kind == other.manifest {
		name = other.report(folder)
	} else if kind != (Rules{}).form().manifest {
		return status.Detail{}, nil // a window of a site, from which this archive was fed before
	}
	var report Report
	if _, err := r.Reports.Get(ctx, name, &report); err != nil {
		return status.Detail{}, fmt.Errorf("read the report of a delivery: %w", err)
	}
	return report.detail(), nil
}
