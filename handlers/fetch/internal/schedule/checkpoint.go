// Package schedule plans which windows of time are fetched, and defines what is remembered of them from one invocation
// to the next.
//
// The package is pure: it knows neither the storage nor the site. A Checkpoint is persisted as JSON, and has no field
// for what only the process knows.
package schedule

import "time"

// CheckpointName is the name of the blob that holds the Checkpoint, in the container checkpoints.
const CheckpointName = "fetch.json"

// Checkpoint is what fetch knows from one invocation to the next. It is only written under its lease.
type Checkpoint struct {
	// Planned is the end of the last planned window. Everything before it has been fetched or stands in Open.
	Planned time.Time `json:"planned"`
	Open    []Window  `json:"open,omitempty"` // in the order in which they are tried: daily ones first, then backfills
	// Asked is the invocation that asked for the last backfill. The host tries a failed invocation again, with its
	// input.
	Asked string `json:"asked,omitempty"`
}

// Watermark returns the moment up to which every item has been fetched.
func (c *Checkpoint) Watermark() time.Time {
	mark := c.Planned
	for _, w := range c.Open {
		if w.Kind == Daily && w.From.Before(mark) {
			mark = w.From
		}
	}
	return mark
}

// CountOwed returns the number of open windows that no backfill asked for.
func (c *Checkpoint) CountOwed() (n int) {
	for _, w := range c.Open {
		if w.Kind == Daily {
			n++
		}
	}
	return n
}

// Reserved returns the keys of the deferred items that open windows other than to have chosen for their batches.
func (c *Checkpoint) Reserved(to *Window) map[string]bool {
	keys := map[string]bool{}
	for i := range c.Open {
		if other := &c.Open[i]; other != to {
			for _, set := range other.Progress.Released {
				for _, key := range set {
					keys[key] = true
				}
			}
		}
	}
	return keys
}

// UnfinishedFolders returns the folders of the open windows, other than but, whose last page has not been read.
func (c *Checkpoint) UnfinishedFolders(but *Window) map[string]bool {
	folders := map[string]bool{}
	for i := range c.Open {
		if other := &c.Open[i]; other != but && !other.Progress.Read {
			folders[other.Folder] = true
		}
	}
	return folders
}

// The kinds of windows.
const (
	Daily    = "daily"
	Backfill = "backfill" // asked for by hand; the watermark has nothing to do with it
)

// Window is a window of time and how far it has been read. It is a run of its own: its batches, its manifest.
type Window struct {
	Kind    string    `json:"kind"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Folder  string    `json:"folder"`           // of its batches, below the container batches
	Tries   int       `json:"tries,omitempty"`  // runs that have begun to work on it
	Slow    int       `json:"slow,omitempty"`   // of these, runs in which it took a whole turn, or did not end
	Failed  string    `json:"failed,omitempty"` // why the last try failed, in plain words
	Started time.Time `json:"started,omitzero"`
	Dated   bool      `json:"dated,omitempty"`   // its entries have their Until; an earlier version gave none
	Counts  int       `json:"counts,omitempty"`  // runs that have asked the site for its count of the window
	Reached int       `json:"reached,omitempty"` // the most Progress.Steps that it has had; kept if it restarts
	Idle    int       `json:"idle,omitempty"`    // runs in a row that began it, and neither advanced it nor failed
	Limit   int       `json:"limit,omitempty"`   // items of a page, where a full one takes too long; 0: the default

	// Progress is reset when the window starts again from its beginning.
	Progress Progress `json:"progress"`
}

// UntilTime returns what the window's entries have as record.Entry.Until.
func (w *Window) UntilTime() time.Time {
	if !w.Dated {
		return time.Time{} // so that a page that is read again gives the same batches
	}
	return w.To.UTC()
}

// isUntouched reports whether nothing of the window has been read.
func (w *Window) isUntouched() bool {
	return w.Progress.Received == 0 && w.Progress.Batches == 0 && w.Progress.Cursor == "" && !w.Progress.Read
}

// Progress is how far a window has come; it is saved after every page.
type Progress struct {
	Cursor   string     `json:"cursor,omitempty"`
	Batches  int        `json:"batches"`            // written so far: the next batch has this number plus one
	Read     bool       `json:"read,omitempty"`     // the last page has been read
	Released [][]string `json:"released,omitempty"` // keys of the deferred items that it takes, by entry
	Chosen   bool       `json:"chosen,omitempty"`   // Released has been decided
	Emptied  bool       `json:"emptied,omitempty"`  // and is in the batches
	Pages    int        `json:"pages,omitempty"`    // read so far
	Mark     string     `json:"mark,omitempty"`     // hash of an earlier cursor, by which a cycle of cursors is found
	Empty    int        `json:"empty,omitempty"`    // pages in a row, up to now, that were empty
	Repeated int        `json:"repeated,omitempty"` // pages in a row, up to now, with items but without a new one
	Counts
}

// Steps returns how far the window has come: in pages and, when all are read, in the steps that end it.
func (p *Progress) Steps() int {
	n := p.Pages
	for _, done := range []bool{p.Read, p.Chosen, p.Emptied} {
		if done {
			n++
		}
	}
	return n
}

// Counts are what the manifest says of a run.
type Counts struct {
	Received   int `json:"received"`   // items that the site sent
	SetAside   int `json:"setAside"`   // of these, items that were deferred
	Taken      int `json:"taken"`      // items that earlier runs deferred, and this one took
	Records    int `json:"records"`    // items in the batches: received − set aside + taken
	Derived    int `json:"derived"`    // items without messageId
	Incomplete int `json:"incomplete"` // attachments that are gone for good
	Restarts   int `json:"restarts"`   // how often the cursor expired and the window started again
}
