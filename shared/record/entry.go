package record

import (
	"encoding/json"
	"time"
)

// Entry is one line of a batch: what fetch hands to import. The items in it are the source's
// own bytes with the white space between tokens taken out; everything else is fetch's word.
type Entry struct {
	Version int `json:"v"` // 1
	// Until is the end of the window in which the item was collected: nothing in it can be later by much. Zero in a batch of the
	// form before.
	Until   time.Time `json:"until,omitzero"`
	Items   []Item    `json:"items,omitempty"`   // one; for a long SMS its pieces in order of number; none if Fault
	Total   int       `json:"total,omitempty"`   // how many pieces a long SMS should have; 0 for any other item
	Media   []Media   `json:"media,omitempty"`   // what became of the items' attachments, in the order of the items and theirs
	Fault   string    `json:"fault,omitempty"`   // why the item could not be staged, in plain words
	ID      string    `json:"id,omitempty"`      // with Fault: the item's messageId, if it could be read
	RawBlob string    `json:"rawBlob,omitempty"` // where in the media container its bytes are: with Fault, or where Raw has not all of it
	RawHash string    `json:"rawHash,omitempty"` // with RawBlob: hex SHA-256 of those bytes
	Apart   []int     `json:"apart,omitempty"`   // of a long SMS: numbers of pieces in other entries, for all are too large for one

	// Earlier is the record of the same message id that was collected first in this window, where its content is another and
	// it is in another batch: its message goes into every mailbox of this entry. Within one batch the order of the lines says it.
	Earlier *Place `json:"earlier,omitempty"`
}

// Place is where a record lies: a line of a batch.
type Place struct {
	Batch string `json:"batch"` // its name within the container
	Line  int    `json:"line"`  // from 1
}

// Records is how many records of the source the entry stands for: each piece of a long SMS is one.
func (e Entry) Records() int { return max(1, len(e.Items)) }

// Item is one item as the source sent it.
type Item struct {
	SHA256 string          `json:"sha256"` // hex, of the bytes as they came
	Raw    json.RawMessage `json:"raw"`
}

// Media is what became of one attachment.
type Media struct {
	SHA256 string `json:"sha256,omitempty"` // hex, measured
	Size   int64  `json:"size"`
	Gone   string `json:"gone,omitempty"` // why the bytes can't be had for good, in plain words
	Day    string `json:"day,omitempty"`  // of the blob, e.g. "2026/11/28"; a batch of the form before has none
}

// Blob is the name of the bytes in the media container. It begins with a day, so that a blob is never much older than the
// batches that name it, and what is tiered or deleted by its age goes with them.
func (m Media) Blob() string {
	if m.Day == "" {
		return m.SHA256
	}
	return m.Day + "/" + m.SHA256
}

// Fault says why an item can't be read: it is quarantined, and nothing else with it.
type Fault struct {
	Field  string // the item's field, e.g. messageTime
	Reason string // in plain words, without the field's content

	// What the item is, where that can be read: for the journal, never for a log or an error's text.
	ID     string // as in Record
	SHA256 string // as in Record
}

func (f *Fault) Error() string { return "field " + f.Field + ": " + f.Reason }
