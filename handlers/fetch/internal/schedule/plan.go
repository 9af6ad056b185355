package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/archive/layout"
	"o2archiver/shared/funchost"
)

const (
	// Margin separates every window from the present. An item can become visible up to 5 minutes after its
	// archivedTime: a window read before then would miss the item for ever.
	Margin = 10 * time.Minute

	// WindowLength is the maximum length of a window, so that a catch-up after weeks proceeds day by day.
	WindowLength = 24 * time.Hour

	// MaxOpen is the maximum number of windows that one invocation plans, and of open windows with which a backfill is
	// accepted. The checkpoint holds all open windows and is written after every page: it has room for the days since
	// 2000 and MaxOpen windows of backfills.
	MaxOpen = 4000

	// maxBackfill is the maximum range of one backfill: the longest retention that the lifecycle rules allow is 7
	// years.
	maxBackfill = 8 * 366 * 24 * time.Hour

	// maxCommands is the number of commands that the checkpoint remembers besides those with open windows. A command
	// that is older than a week is refused.
	maxCommands = 200
)

// PlanDaily appends the windows from the end of the last planned one to now − Margin, and sorts daily windows before
// backfills. from is the start of the first run ever; zero: one window before now.
func (c *Checkpoint) PlanDaily(now, from time.Time) {
	end := now.Add(-Margin).UTC().Truncate(time.Second)
	if c.Planned.IsZero() {
		c.Planned = end.Add(-WindowLength)
		if !from.IsZero() {
			c.Planned = from.UTC().Truncate(time.Second)
		}
	}
	for n := 0; c.Planned.Before(end) && n < MaxOpen; n++ {
		to := c.Planned.Add(WindowLength)
		if to.After(end) {
			to = end
		}
		c.Open = append(c.Open, NewWindow(Daily, c.Planned, to, now))
		c.Planned = to
	}
	// A backfill of years must not delay the new day.
	slices.SortStableFunc(c.Open, func(a, b Window) int { return kindRank(a) - kindRank(b) })
}

// kindRank returns the rank by which windows are sorted: daily ones before backfills.
func kindRank(w Window) int {
	if w.Kind == Backfill {
		return 1
	}
	return 0
}

// ResetPlanned sets Planned to fetched (zero: nothing is planned) and removes the daily windows that end after now and
// of which nothing was read: PlanDaily plans them again.
func (c *Checkpoint) ResetPlanned(fetched, now time.Time) {
	c.Planned = fetched
	c.Open = slices.DeleteFunc(c.Open, func(w Window) bool {
		return w.Kind == Daily && w.To.After(now) && w.isUntouched()
	})
	for _, w := range c.Open {
		if w.Kind == Daily && w.To.After(c.Planned) && !w.To.After(now) {
			c.Planned = w.To
		}
	}
}

// BeginsElsewhere reports whether the daily windows begin at another time than from, and nothing of them was read. It
// is true, too, of an archive that has fetched all that was planned before.
func (c *Checkpoint) BeginsElsewhere(from time.Time) bool {
	for _, w := range c.Open {
		if w.Kind == Daily && !w.isUntouched() {
			return false
		}
	}
	return !c.Planned.IsZero() && !c.Watermark().Equal(from.UTC().Truncate(time.Second))
}

// Restart removes all daily windows: PlanDaily plans as at the very first run. Nothing may have been fetched yet.
func (c *Checkpoint) Restart() {
	c.Planned = time.Time{}
	c.Open = slices.DeleteFunc(c.Open, func(w Window) bool { return w.Kind == Daily })
}

// Range is a range of time; To is exclusive.
type Range struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// ParseRange reads the input of a manual run. Its errors wrap funchost.ErrInput.
func ParseRange(input string) (r Range, err error) {
	d := json.NewDecoder(strings.NewReader(input))
	d.DisallowUnknownFields()
	err = d.Decode(&r)
	if _, more := d.Token(); err != nil || !errors.Is(more, io.EOF) {
		return r, fmt.Errorf("%w: the input is not what fetch understands: %s", funchost.ErrInput, backfillForm)
	}
	return r, nil
}

const backfillForm = `a backfill is asked for with {"from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z"}`

// Windows returns the number of windows that a backfill of the range has; 0 if it can have none.
func (r Range) Windows() int {
	r = r.rounded()
	length := r.To.Sub(r.From)
	if length <= 0 || length > maxBackfill {
		return 0
	}
	return int((length + WindowLength - 1) / WindowLength)
}

// rounded returns the range rounded outwards to whole seconds, because the name of a folder holds seconds.
func (r Range) rounded() Range {
	r.From = r.From.UTC().Truncate(time.Second)
	if to := r.To.UTC().Truncate(time.Second); to.Before(r.To) {
		r.To = to.Add(time.Second)
	} else {
		r.To = to
	}
	return r
}

// PlanBackfill appends the windows of the range, or returns an error that wraps funchost.ErrInput. Two requests result
// in two runs, whose copies are duplicates; a retry of the same invocation, by its id, adds nothing.
func (c *Checkpoint) PlanBackfill(id string, r Range, now time.Time) error {
	if id == c.Asked {
		return nil
	}
	if err := c.appendBackfill("", r, now); err != nil {
		return err
	}
	c.Asked = id
	return nil
}

// PlanCommand is PlanBackfill for the backfill that a command asks for. A command that was planned before adds nothing.
func (c *Checkpoint) PlanCommand(command string, r Range, now time.Time) error {
	return c.Once(command, func() error { return c.appendBackfill(command, r, now) })
}

// Once calls plan, unless it was called for that command before and returned nil. A command with open windows is
// known by them, however many commands have come since.
func (c *Checkpoint) Once(command string, plan func() error) error {
	if slices.Contains(c.Commands, command) || c.CountOpen(command) > 0 {
		return nil
	}
	if err := plan(); err != nil {
		return err
	}
	c.Commands = append(c.Commands[max(0, len(c.Commands)-maxCommands+1):], command)
	return nil
}

// Check returns an error that matches funchost.ErrInput if no backfill of the range is possible at that time.
func (r Range) Check(now time.Time) error {
	r = r.rounded()
	switch {
	case r.From.IsZero() || r.To.IsZero():
		return fmt.Errorf("%w: from or to is missing: %s", funchost.ErrInput, backfillForm)
	case !r.From.Before(r.To):
		return fmt.Errorf("%w: from does not lie before to: %s", funchost.ErrInput, backfillForm)
	case r.To.Sub(r.From) > maxBackfill:
		return fmt.Errorf("%w: the range is longer than 8 years; ask for parts of it", funchost.ErrInput)
	case r.To.After(now.Add(-Margin)):
		return fmt.Errorf("%w: to lies less than 10 minutes before the present: the site may not show all items yet",
			funchost.ErrInput)
	}
	return nil
}

// Window returns the part of the range that the window of that index reads; see Windows.
func (r Range) Window(index int) Range {
	r = r.rounded()
	from := r.From.Add(time.Duration(index) * WindowLength)
	if to := from.Add(WindowLength); to.Before(r.To) {
		return Range{from, to}
	}
	return Range{from, r.To}
}

func (c *Checkpoint) appendBackfill(command string, r Range, now time.Time) error {
	if err := r.Check(now); err != nil {
		return err
	}
	r = r.rounded()
	switch {
	case len(c.Open)+int(r.To.Sub(r.From)/WindowLength) >= MaxOpen:
		return fmt.Errorf("%w: with what is open already this makes more than %d windows: "+
			"let it be finished, or ask for less", funchost.ErrInput, MaxOpen)
	}
	for at := r.From; at.Before(r.To); at = at.Add(WindowLength) {
		to := at.Add(WindowLength)
		if to.After(r.To) {
			to = r.To
		}
		w := NewWindow(Backfill, at, to, now)
		w.Command = command
		c.Open = append(c.Open, w)
	}
	return nil
}

// NewWindow returns a window that is planned now.
func NewWindow(kind string, from, to, now time.Time) Window {
	w := Window{Kind: kind, From: from, To: to, Dated: true, Folder: layout.DailyRun(now, from, to)}
	if kind == Backfill {
		w.Folder = layout.BackfillRun(now, from, to)
	}
	return w
}
