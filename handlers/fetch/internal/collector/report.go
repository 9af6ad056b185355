package collector

import (
	"context"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/status"
)

const (
	maxReported = 100             // open windows that a report lists
	totalTime   = 5 * time.Second // for the site's count while a window is read
)

// report notes how far the open windows are. It does not wait for storage.
func (s *savedState) report() {
	inv := s.inv
	if inv == nil || inv.reporter == nil {
		return
	}
	r := status.State{Watermark: s.Watermark(), Paused: inv.paused, Finished: inv.closed}
	active := ""
	if inv.active != nil {
		active = inv.active.Folder
	}
	for i := range s.Open {
		if w := &s.Open[i]; w.Folder == active {
			p := w.Progress
			if inv.active.reading != nil {
				p = *inv.active.reading
			}
			r.Windows = append(r.Windows, inv.describeWindow(w, p, true))
		}
	}
	for i := range s.Open {
		switch w := &s.Open[i]; {
		case w.Folder == active:
		case len(r.Windows) < maxReported:
			r.Windows = append(r.Windows, inv.describeWindow(w, w.Progress, false))
		default:
			r.More++
		}
	}
	inv.reporter.Report("", r)
}

// describeWindow returns what is shown of an open window.
func (inv *invocation) describeWindow(w *schedule.Window, p schedule.Progress, active bool) status.Window {
	return status.Window{
		Run: w.Folder, Kind: w.Kind, From: w.From, To: w.To, Active: active, Received: int64(p.Received),
		Of: inv.totals[w.Folder], Deferred: int64(p.Deferred), Batches: int64(p.Batches), Tries: int64(w.Tries),
		Read: p.Read, Failed: w.Failed,
	}
}

// isOpen reports whether the run is that of an open window.
func (s *savedState) isOpen(folder string) bool {
	for i := range s.Open {
		if s.Open[i].Folder == folder {
			return true
		}
	}
	return false
}

// noteTotal asks the site once for its count of a window that has further pages, to be shown. The count of the manifest
// is asked for when the window has been read. An error has no consequence.
func (c *Collector) noteTotal(ctx context.Context, win *activeWindow) {
	inv := win.inv
	if _, asked := inv.totals[win.Folder]; asked || inv.reporter == nil || win.Progress.Received == 0 {
		return
	}
	inv.totals[win.Folder] = nil
	ctx, cancel := context.WithTimeout(ctx, totalTime)
	defer cancel()
	if total, known, err := c.site.Count(ctx, win.From, win.To); err == nil && known {
		inv.totals[win.Folder] = &total
		win.state.report()
	}
}
