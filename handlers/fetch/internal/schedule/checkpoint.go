// Package schedule plans which windows of time are fetched, and defines the state that is kept from one invocation to
// the next.
//
// The package is pure: it knows neither the storage nor the site. A Checkpoint is persisted as JSON and has no field
// for the state of a process.
package schedule

import "time"

// CheckpointName is the name of the blob that holds the Checkpoint, in the container checkpoints.
const CheckpointName = "fetch.json"

// Checkpoint is the state of fetch that is kept from one invocation to the next. It is written only under its lease.
type Checkpoint struct {
	// Planned is the end of the last planned window. Everything before it has been fetched or is in Open.
	Planned time.Time `json:"planned"`
	Open    []Window  `json:"open,omitempty"` // daily windows, then backfills, in the order of planning
	// Asked is the ID of the invocation that requested the last backfill. The host retries a failed invocation with
	// the same ID and input.
	Asked string `json:"asked,omitempty"`
	// Commands are the commands whose windows were planned, the latest maxCommands of them: each is planned once.
	Commands []string `json:"commands,omitempty"`
}

// CountOpen returns the number of open windows of a command's backfill.
func (c *Checkpoint) CountOpen(command string) (n int) {
	for _, w := range c.Open {
		if w.Command == command {
			n++
		}
	}
	return n
}

// Watermark returns the time up to which every item has been fetched.
func (c *Checkpoint) Watermark() time.Time {
	mark := c.Planned
	for _, w := range c.Open {
		if w.Kind == Daily && w.From.Before(mark) {
			mark = w.From
		}
	}
	return mark
}

// CountOpenDaily returns the number of open daily windows.
func (c *Checkpoint) CountOpenDaily() (n int) {
	for _, w := range c.Open {
		if w.Kind == Daily {
			n++
		}
	}
	return n
}

// Reserved returns the keys of the deferred items that are chosen by open windows other than to.
func (c *Checkpoint) Reserved(to *Window) map[string]bool {
	keys := map[string]bool{}
	for i := range c.Open {
		if other := &c.Open[i]; other != to {
			for _, set := range other.Progress.Selected {
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
	Backfill = "backfill" // requested manually; it does not affect the watermark
)

// Window is a window of time and its progress. It is a run of its own, with its own batches and manifest.
type Window struct {
	Kind    string    `json:"kind"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Folder  string    `json:"folder"`            // of its batches, below the container batches
	Command string    `json:"command,omitempty"` // that requested it; "" if none did
	Tries   int       `json:"tries,omitempty"`   // runs that have begun to work on it
	Slow    int       `json:"slow,omitempty"`    // of these, runs in which it took a whole turn, or did not end
	Failed  string    `json:"failed,omitempty"`  // why the last try failed, in plain words
	Started time.Time `json:"started,omitzero"`
	Dated   bool      `json:"dated,omitempty"`   // its entries have Until; false for windows of an earlier version
	Counts  int       `json:"counts,omitempty"`  // runs that have requested the site's count of the window
	Reached int       `json:"reached,omitempty"` // the maximum of Progress.Steps so far; kept at a restart
	Idle    int       `json:"idle,omitempty"`    // consecutive runs that began it, and neither advanced it nor failed
	Limit   int       `json:"limit,omitempty"`   // items per page, if a page of the default takes too long; 0: default

	// Progress is reset when the window is restarted from its beginning.
	Progress Progress `json:"progress"`
}

// UntilTime returns the value of record.Entry.Until for the window's entries.
func (w *Window) UntilTime() time.Time {
	if !w.Dated {
		return time.Time{} // so that a page that is read again yields the same batches
	}
	return w.To.UTC()
}

// isUntouched reports whether nothing of the window has been read.
func (w *Window) isUntouched() bool {
	return w.Progress.Received == 0 && w.Progress.Batches == 0 && w.Progress.Cursor == "" && !w.Progress.Read
}

// Progress is the progress of a window; it is saved after every page.
type Progress struct {
	Cursor           string     `json:"cursor,omitempty"`
	Batches          int        `json:"batches"`            // batches written so far
	Read             bool       `json:"read,omitempty"`     // the last page has been read
	Selected         [][]string `json:"released,omitempty"` // keys of the deferred items that it takes, by entry
	SelectionSaved   bool       `json:"chosen,omitempty"`   // Selected has been decided
	SelectionWritten bool       `json:"emptied,omitempty"`  // the items of Selected have been written to batches
	Pages            int        `json:"pages,omitempty"`    // pages read so far
	Mark             string     `json:"mark,omitempty"`     // hash of an earlier cursor, to detect a cycle of cursors
	Empty            int        `json:"empty,omitempty"`    // consecutive pages, up to now, that were empty
	Repeated         int        `json:"repeated,omitempty"` // consecutive pages, up to now, without a new item
	Counts
}

// Steps returns the number of steps that the window has taken: pages, and after the last page the steps that end it.
func (p *Progress) Steps() int {
	n := p.Pages
	for _, done := range []bool{p.Read, p.SelectionSaved, p.SelectionWritten} {
		if done {
			n++
		}
	}
	return n
}

// Counts are the numbers of a run's manifest.
type Counts struct {
	Received   int `json:"received"`   // items that the site sent
	Deferred   int `json:"setAside"`   // of these, items that were deferred
	Taken      int `json:"taken"`      // items that earlier runs deferred, and this one took
	Records    int `json:"records"`    // items in the batches: Received − Deferred + Taken
	Derived    int `json:"derived"`    // items without messageId
	Incomplete int `json:"incomplete"` // attachments that are permanently unavailable
	Restarts   int `json:"restarts"`   // how often the window was restarted from its beginning
}
