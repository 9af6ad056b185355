package collector

import (
	"cmp"
	"errors"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/source/telemessage/client"
	"o2archiver/shared/status"
)

// workLimits holds the limits of one unit of work, so that none blocks the others. A zero field stands for its default.
type workLimits struct {
	turn       time.Duration // of a window while others wait; checked after each page
	attachment time.Duration // of one attachment, in addition to its size at leastRate
	longest    time.Duration // of one attachment, whatever its size
	window     time.Duration // of all attachments of one window
	invocation time.Duration // of all attachments of one invocation
	leastRate  int64         // minimum transfer rate of an attachment, bytes per second
	held       int           // bytes of a page's items that are held until the page has been read to its end
	judged     time.Duration // how long the transfer rate is measured before it is checked
}

// withDefaults returns the limits with zero fields replaced by their defaults. An invocation has 24 minutes, less than
// half of which is for attachments.
func (l workLimits) withDefaults() workLimits {
	return workLimits{
		turn:       cmp.Or(l.turn, 4*time.Minute),
		attachment: cmp.Or(l.attachment, time.Minute),
		longest:    cmp.Or(l.longest, 5*time.Minute),
		window:     cmp.Or(l.window, 5*time.Minute),
		invocation: cmp.Or(l.invocation, 10*time.Minute),
		leastRate:  cmp.Or(l.leastRate, 16<<10),
		held:       cmp.Or(l.held, 16<<20),
		judged:     cmp.Or(l.judged, 20*time.Second),
	}
}

// invocation is the state of one invocation of fetch. It outlives the loss of the checkpoint's lease.
type invocation struct {
	limits   workLimits
	command  string // only the windows of this command are worked on; "": all
	signedIn bool   // the credentials at the site were read
	failures []error
	failed   map[string]bool // folders of windows that failed in this invocation
	turns    map[string]int  // by folder: turns that a window has had
	last     string          // kind of the window that had the last turn
	away     int             // consecutive windows that could not be read because the site is unavailable
	began    time.Time       // when the current turn began

	mediaTime     map[string]time.Duration // by folder: time spent on attachments
	mediaAll      time.Duration            // time spent on attachments of all windows
	deferredItems *deferredItems           // nil: not listed yet by this holder of the lease
	asked         map[string]bool          // keys of deferred items whose attachments were requested in vain
	archived      map[string]bool          // keys of deferred items that can't be read for now; see errInArchiveTier

	reporter *status.Reporter
	active   *activeWindow     // that has the turn; nil: none
	closed   int               // windows closed
	paused   bool              // by the administrator
	totals   map[string]*int64 // by folder: the site's count; nil if the site does not answer
}

func newInvocation(l workLimits) *invocation {
	return &invocation{limits: l.withDefaults(), failed: map[string]bool{}, turns: map[string]int{},
		totals: map[string]*int64{}, mediaTime: map[string]time.Duration{}, asked: map[string]bool{},
		archived: map[string]bool{}}
}

// nextWindow returns the index of the window that has the next turn, or -1 if there is none. A window that failed has
// no further turn in this invocation. Among windows of one kind, the one with the fewest turns comes first, then the
// one with the fewest slow tries, then the oldest. A window that takes a whole invocation has one slow try more than
// the others, so the next invocation begins with those. If the site seems to be unavailable, the number of tries is
// compared before the number of slow tries.
//
// Daily windows come before backfills, but a daily window that needs more than one turn alternates with the backfills.
func (inv *invocation) nextWindow(open []schedule.Window) int {
	day, fill := inv.firstOf(schedule.Daily, open), inv.firstOf(schedule.Backfill, open)
	switch {
	case day < 0:
		return fill
	case fill < 0 || inv.turns[open[day].Folder] == 0 || inv.last == schedule.Backfill:
		return day
	}
	return fill
}

// firstOf returns the index of the window of that kind that has the next turn, or -1 if there is none.
func (inv *invocation) firstOf(kind string, open []schedule.Window) int {
	found := -1
	for i := range open {
		if open[i].Kind == kind && inv.isWanted(&open[i]) && (found < 0 || inv.isBefore(&open[i], &open[found])) {
			found = i
		}
	}
	return found
}

// isBefore reports whether window a has its turn before window b of the same kind.
func (inv *invocation) isBefore(a, b *schedule.Window) bool {
	tries := 0
	if inv.away >= awayTries {
		tries = cmp.Compare(a.Tries, b.Tries)
	}
	return cmp.Or(cmp.Compare(inv.turns[a.Folder], inv.turns[b.Folder]), tries, cmp.Compare(a.Slow, b.Slow)) < 0
}

// isTurnOver reports whether the window has used up its time and another window waits.
func (inv *invocation) isTurnOver(win *schedule.Window, open []schedule.Window) bool {
	if time.Since(inv.began) < inv.limits.turn {
		return false
	}
	for i := range open {
		if other := &open[i]; other.Folder != win.Folder && inv.isWanted(other) {
			return true
		}
	}
	return false
}

// isWanted reports whether the window may have a turn in this invocation.
func (inv *invocation) isWanted(w *schedule.Window) bool {
	return !inv.failed[w.Folder] && (inv.command == "" || inv.command == w.Command)
}

// noteFailure records a window that failed. After awayTries consecutive windows for which the site was unavailable, one
// more is tried, the one with the fewest tries. If that fails too, no further window is tried in this invocation: the
// cause is the site, not the windows.
func (inv *invocation) noteFailure(win *schedule.Window, err error) {
	inv.failures = append(inv.failures, err)
	inv.failed[win.Folder] = true
	if inv.turns[win.Folder] == 1 && time.Since(inv.began) < inv.limits.turn {
		win.Slow--
	}
	if inv.away++; win.Progress.Read || !errors.Is(err, client.ErrUnavailable) {
		inv.away = 0
	}
}
