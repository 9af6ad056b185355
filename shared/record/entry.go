package record

import (
	"encoding/json"
	"time"
)

// Entry is one line of a batch: what fetch passes to import. The items in it are the source's own bytes without the
// white space between tokens; all other fields are written by fetch.
//
// An item that is not JSON is not in the entry: RawBlob and RawHash refer to its bytes in the media container.
type Entry struct {
	Version int `json:"v"` // 1
	// Source is the name of the source that the item is of, which decides how it is read. "" means TeleMessage; fetch
	// does not write that name.
	Source string `json:"source,omitempty"`
	// Until is the end of the window in which the item was collected. No time in the item can be much later. It is
	// zero in a batch of the previous form.
	Until time.Time `json:"until,omitzero"`
	// Items has one item; for a long SMS its parts in order of number; none with Fault, or if RawBlob stands for it.
	Items []Item `json:"items,omitempty"`
	// Mail is set in place of Items if the item is an e-mail message. RawBlob is that message then.
	Mail  *Mail `json:"mail,omitempty"`
	Total int   `json:"total,omitempty"` // number of parts that a long SMS should have; 0 for any other item
	// Media has the result for each attachment, in the order of the items and of their attachments.
	Media []Media `json:"media,omitempty"`
	Fault string  `json:"fault,omitempty"` // why the item cannot become a record, in plain words
	ID    string  `json:"id,omitempty"`    // with Fault, or in place of Items: the messageId, if known
	// RawBlob is the name of the item's bytes in the media container. It is set with Fault, if Raw is incomplete, or in
	// place of Items.
	RawBlob string `json:"rawBlob,omitempty"`
	RawHash string `json:"rawHash,omitempty"` // with RawBlob: hex SHA-256 of those bytes
	// Apart has the numbers of the parts of a long SMS that are in other entries, because all are too large for one.
	Apart []int `json:"apart,omitempty"`

	// Earlier names the record with the same message ID that was collected first in this window, if it has different
	// content and is in another batch. The message of that record is what every mailbox of this entry receives.
	// Within a batch the order of the lines decides instead.
	Earlier *Place `json:"earlier,omitempty"`
}

// Place is the position of a record: a line of a batch.
type Place struct {
	Batch string `json:"batch"` // blob name of the batch within its container
	Line  int    `json:"line"`  // counted from 1
}

// Records returns how many records of the source the entry stands for: each part of a long SMS is one.
func (e Entry) Records() int { return max(1, len(e.Items)) }

// Item is one item as the source sent it.
type Item struct {
	SHA256 string          `json:"sha256"` // hex, of the bytes as received
	Raw    json.RawMessage `json:"raw"`
}

// Media is the result of fetching one attachment.
type Media struct {
	SHA256 string `json:"sha256,omitempty"` // hex, computed from the bytes
	Size   int64  `json:"size"`
	Gone   string `json:"gone,omitempty"` // why the bytes can never be fetched, in plain words
	Day    string `json:"day,omitempty"`  // folder of the blob, e.g. "2026/11/28"; "" in a batch of the previous form
}

// Blob returns the name of the bytes in the media container. It begins with a day, so that a blob is never much older
// than the batches that refer to it. If blobs are tiered or deleted by age, a batch and its media are treated alike.
func (m Media) Blob() string {
	if m.Day == "" {
		return m.SHA256
	}
	return m.Day + "/" + m.SHA256
}

// Fault is the reason why an item cannot be read. The item is quarantined, and no other item with it.
type Fault struct {
	Field  string // the item's field, e.g. messageTime
	Reason string // in plain words, without the field's content

	// Identity of the item, if it can be read. It is for the journal, and MUST NOT be in a log or in the text of an
	// error.
	ID     string // as in Record
	SHA256 string // as in Record
}

func (f *Fault) Error() string { return "field " + f.Field + ": " + f.Reason }
