package deliveries

import (
	"context"
	"fmt"

	"o2archiver/shared/status"
)

// maxReported is the number of open ZIPs that a report of the progress lists.
const maxReported = 100

// report notes how far the open ZIPs are. It does not wait for storage.
func (r *run) report() {
	if r.Reporter == nil {
		return
	}
	s := status.State{Paused: r.res.Paused, Finished: r.res.finished(), Waiting: r.res.Listed.Waiting}
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
	for _, g := range r.state.Gaps {
		s.Gaps = append(s.Gaps, status.Gap{Day: g.Day, Missing: g.Missing})
	}
	r.Reporter.Report(r.form.name, s)
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
	d := status.Detail{Outcome: r.Outcome}
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

// readDetail returns the detail of a run of either intake from its report.
func (r *run) readDetail(ctx context.Context, folder, kind string) (status.Detail, error) {
	reports := Rules{}.form().reports
	if other := (Rules{Import: &Import{}}).form(); kind == other.manifest {
		reports = other.reports
	} else if kind != (Rules{}).form().manifest {
		return status.Detail{}, nil // a window of a site, from which this archive was fed before
	}
	var report Report
	if _, err := r.Reports.Get(ctx, reports+folder+".json", &report); err != nil {
		return status.Detail{}, fmt.Errorf("read the report of a delivery: %w", err)
	}
	return report.detail(), nil
}
