package collector

import (
	"cmp"
	"errors"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/telemessage"
)

// workLimits are the times that one unit of work may take, so that none stands in the way of the others. The zero value of each
// stands for its default.
type workLimits struct {
	turn       time.Duration // of a window while others wait; it ends with a page
	attachment time.Duration // of one attachment, on top of its size at leastRate
	longest    time.Duration // of one attachment, whatever its size
	window     time.Duration // of all attachments of one window
	invocation time.Duration // of all attachments of one invocation
	leastRate  int64         // bytes per second that an attachment must come with
	held       int           // bytes of a page that are held until it has been read to its end
	judged     time.Duration // how long the rate is measured before it counts
}

// withDefaults returns the limits with the defaults in place of zeros. An invocation has 24 minutes: attachments get less
// than half of it.
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

// invocation is what one run of fetch remembers of its work, also after it has lost the checkpoint's lease and taken it again.
type invocation struct {
	limits   workLimits
	failures []error
	failed   map[string]bool // folders of windows that were tried in vain
	turns    map[string]int  // by folder: turns that a window has had
	last     string          // kind of the window that had the last turn
	away     int             // windows in a row that could not be read because the site is away
	began    time.Time       // of the turn

	mediaTime map[string]time.Duration // by folder: spent on attachments
	mediaAll  time.Duration
	room      *deferredItems  // nil: not listed yet by this holder of the lease
	asked     map[string]bool // keys of the waiting room: attachments that this invocation has asked for in vain
}

func newInvocation(l workLimits) *invocation {
	return &invocation{limits: l.withDefaults(), failed: map[string]bool{}, turns: map[string]int{}, mediaTime: map[string]time.Duration{},
		asked: map[string]bool{}}
}

// nextWindow returns the index of the window whose turn it is, -1 if there is none. A window that failed has no other turn in this
// invocation. Of one kind the window with the fewest turns comes first, then the one with the fewest slow tries, then the
// oldest: a window that takes a whole invocation has one slow try more than the others, so that the next invocation begins
// with those. If the site seems to be away, it is the one with the fewest tries of all.
//
// Daily windows come before backfills, but one that has had its turn and needs more of them shares its time with the backfills.
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

func (inv *invocation) firstOf(kind string, open []schedule.Window) int {
	found := -1
	for i := range open {
		if open[i].Kind == kind && !inv.failed[open[i].Folder] && (found < 0 || inv.isBefore(&open[i], &open[found])) {
			found = i
		}
	}
	return found
}

func (inv *invocation) isBefore(a, b *schedule.Window) bool {
	tries := 0
	if inv.away >= awayTries {
		tries = cmp.Compare(a.Tries, b.Tries)
	}
	return cmp.Or(cmp.Compare(inv.turns[a.Folder], inv.turns[b.Folder]), tries, cmp.Compare(a.Slow, b.Slow)) < 0
}

// isTurnOver reports whether the window has had its time and another one waits.
func (inv *invocation) isTurnOver(s *schedule.Window, open []schedule.Window) bool {
	if time.Since(inv.began) < inv.limits.turn {
		return false
	}
	for i := range open {
		if other := &open[i]; other.Folder != s.Folder && !inv.failed[other.Folder] {
			return true
		}
	}
	return false
}

// noteFailure notes a window that was tried in vain. After awayTries windows in a row for which the site is away one more is tried, the
// least tried of all; if that fails too, the site is left alone until the next run: it is down, not the day.
func (inv *invocation) noteFailure(s *schedule.Window, err error) {
	inv.failures = append(inv.failures, err)
	inv.failed[s.Folder] = true
	if inv.turns[s.Folder] == 1 && time.Since(inv.began) < inv.limits.turn {
		s.Slow--
	}
	if inv.away++; s.Progress.Read || !errors.Is(err, telemessage.ErrUnavailable) {
		inv.away = 0
	}
}
