package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/funchost"
)

const (
	// margin keeps every window away from the present: an item can become visible up to 5 minutes after its
	// archivedTime, and a window that had passed it by then would lose it for ever.
	margin = 10 * time.Minute

	// sliceLength bounds a slice, so that a catch-up after weeks goes day by day.
	sliceLength = 24 * time.Hour

	// maxBackfill bounds what one request by hand may ask for: the longest retention that the rules know is 7 years.
	maxBackfill = 8 * 366 * 24 * time.Hour

	// maxOpen bounds what one invocation plans, and beyond which no backfill is taken: the checkpoint, which is written after
	// every page, holds all open windows. Days since 2000 and so many of backfills have room in it: see maxCheckpoint.
	maxOpen = 4000
)

// checkpoint is what fetch knows from one invocation to the next: checkpoints/fetch.json. It is only written under its lease.
type checkpoint struct {
	// Planned is the end of the last planned slice. Everything before it has been fetched or stands in Open.
	Planned time.Time `json:"planned"`
	Open    []window  `json:"open,omitempty"` // in the order in which they are tried: daily ones first, then backfills
	// Asked is the invocation that asked for the last backfill. The host tries a failed invocation again, with its input.
	Asked string `json:"asked,omitempty"`
}

// Watermark is the moment up to which every item has been fetched.
func (c *checkpoint) watermark() time.Time {
	mark := c.Planned
	for _, s := range c.Open {
		if s.Kind == daily && s.From.Before(mark) {
			mark = s.From
		}
	}
	return mark
}

// countOwed counts the open slices that no backfill asked for.
func (c *checkpoint) countOwed() (n int) {
	for _, s := range c.Open {
		if s.Kind == daily {
			n++
		}
	}
	return n
}

// The kinds of slices.
const (
	daily    = "daily"
	backfill = "backfill" // asked for by hand; the watermark has nothing to do with it
)

// window is a window of time and how far it has been read. A slice is a run of its own: its batches, its manifest.
type window struct {
	Kind    string    `json:"kind"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Folder  string    `json:"folder"`           // of its batches, below the container batches
	Tries   int       `json:"tries,omitempty"`  // runs that have begun to work on it
	Slow    int       `json:"slow,omitempty"`   // of these, runs in which it took a whole turn or more, or did not come to its end
	Failed  string    `json:"failed,omitempty"` // why the last try failed, in plain words
	Started time.Time `json:"started,omitzero"`
	Dated   bool      `json:"dated,omitempty"`  // its entries have their Until; a window that the version before began has none
	Counts  int       `json:"counts,omitempty"` // runs that have asked the site for its count of the window
	Limit   int       `json:"limit,omitempty"`  // items of a page, where a whole one takes too long; 0: pageLimit

	// What one invocation remembers.
	contentAway int  // attachments in a row that were out of reach
	onlyTexts   bool // no attachment is asked for now: see page
	past        *earlierAttempt
	watch       *cycleDetector
	inv         *invocation
	firsts      *firsts // nil: not known yet

	// Everything below is reset when the slice starts again from its beginning.
	Progress progress `json:"progress"`
}

// untilTime is what the window's entries have as record.Entry.Until.
func (s *window) untilTime() time.Time {
	if !s.Dated {
		return time.Time{} // so that a page that is read again gives the same batches
	}
	return s.To.UTC()
}

// progress is how far a slice has come; it is saved after every page.
type progress struct {
	Cursor   string     `json:"cursor,omitempty"`
	Batches  int        `json:"batches"`            // written so far: the next batch has this number plus one
	Read     bool       `json:"read,omitempty"`     // the last page has been read
	Released [][]string `json:"released,omitempty"` // keys of the waiting room that this run's batches take up; those of one entry together
	Chosen   bool       `json:"chosen,omitempty"`   // Released has been decided
	Emptied  bool       `json:"emptied,omitempty"`  // and is in the batches
	Pages    int        `json:"pages,omitempty"`    // read so far
	Mark     string     `json:"mark,omitempty"`     // hash of an earlier cursor: see watch
	Empty    int        `json:"empty,omitempty"`    // pages in a row, up to now, that were empty
	Repeated int        `json:"repeated,omitempty"` // pages in a row, up to now, with items but without a new one
	counts
}

// counts is what the manifest says of a run.
type counts struct {
	Received   int `json:"received"`   // items that the site sent
	SetAside   int `json:"setAside"`   // of these, items put into the waiting room
	Taken      int `json:"taken"`      // items of earlier runs that were taken out of the waiting room
	Records    int `json:"records"`    // items in the batches: received − set aside + taken
	Derived    int `json:"derived"`    // items without messageId
	Incomplete int `json:"incomplete"` // attachments that are gone for good
	Restarts   int `json:"restarts"`   // how often the cursor expired and the slice started again
}

// planDaily adds the slices from the last planned moment to now − margin, oldest first and before any backfill.
func (c *checkpoint) planDaily(now, from time.Time) {
	end := now.Add(-margin).UTC().Truncate(time.Second)
	if c.Planned.IsZero() {
		c.Planned = end.Add(-sliceLength)
		if !from.IsZero() {
			c.Planned = from.UTC().Truncate(time.Second)
		}
	}
	for n := 0; c.Planned.Before(end) && n < maxOpen; n++ {
		to := c.Planned.Add(sliceLength)
		if to.After(end) {
			to = end
		}
		c.Open = append(c.Open, newWindow(daily, c.Planned, to, now))
		c.Planned = to
	}
	// Years that are asked for again shall not keep the new day waiting.
	slices.SortStableFunc(c.Open, func(a, b window) int { return kindRank(a) - kindRank(b) })
}

func kindRank(s window) int {
	if s.Kind == backfill {
		return 1
	}
	return 0
}

// request is the input of a run by hand.
type request struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// planBackfill appends the slices of the range that input asks for. Asking twice makes two runs, whose copies are
// duplicates; the same invocation, tried again, asks once.
func (c *checkpoint) planBackfill(id, input string, now time.Time) error {
	const form = `a backfill is asked for with {"from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z"}`
	var r request
	d := json.NewDecoder(strings.NewReader(input))
	d.DisallowUnknownFields()
	err := d.Decode(&r)
	if _, more := d.Token(); err != nil || !errors.Is(more, io.EOF) {
		return fmt.Errorf("%w: the input is not what fetch understands: %s", funchost.ErrInput, form)
	}
	// To whole seconds, outwards: they stand in the folder's name.
	r.From = r.From.UTC().Truncate(time.Second)
	if to := r.To.UTC().Truncate(time.Second); to.Before(r.To) {
		r.To = to.Add(time.Second)
	} else {
		r.To = to
	}
	switch {
	case r.From.IsZero() || r.To.IsZero():
		return fmt.Errorf("%w: from or to is missing: %s", funchost.ErrInput, form)
	case !r.From.Before(r.To):
		return fmt.Errorf("%w: from does not lie before to: %s", funchost.ErrInput, form)
	case r.To.Sub(r.From) > maxBackfill:
		return fmt.Errorf("%w: the range is longer than 8 years; ask for parts of it", funchost.ErrInput)
	case r.To.After(now.Add(-margin)):
		return fmt.Errorf("%w: to lies less than 10 minutes before the present: the site may not show all items yet", funchost.ErrInput)
	case id == c.Asked:
		return nil
	case len(c.Open)+int(r.To.Sub(r.From)/sliceLength) >= maxOpen:
		return fmt.Errorf("%w: with what is open already this makes more than %d slices: let it be finished, or ask for less", funchost.ErrInput, maxOpen)
	}
	c.Asked = id
	for at := r.From; at.Before(r.To); at = at.Add(sliceLength) {
		to := at.Add(sliceLength)
		if to.After(r.To) {
			to = r.To
		}
		c.Open = append(c.Open, newWindow(backfill, at, to, now))
	}
	return nil
}

// newWindow names the slice's folder after the day on which it was planned, so that what is still to be imported
// lies in the newest days however old the messages are.
func newWindow(kind string, from, to, now time.Time) window {
	name := from.Format(stamp) + "-" + to.Format(stamp)
	if kind == backfill {
		name = "backfill-" + now.UTC().Format("20060102T150405.000Z") + "-" + name
	}
	return window{Kind: kind, From: from, To: to, Dated: true, Folder: now.UTC().Format("2006/01/02/") + name}
}
