// Package journal keeps what became of every record and every copy: one log per batch, written by whoever holds its lease,
// line after line, each with the hash of the line before it.
//
// A log is only ever added to. What counts of a record, or of a copy, is its latest line: a replay adds newer ones. A change to a
// line shows at the line after it, and a line that is missing at both its neighbours.
package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"o2archiver/shared/record"
	"o2archiver/shared/retry"
)

// Logs is where the logs lie. archive.Logs is one; it may not be imported from here, so only built-in types pass.
type Logs interface {
	// Lock creates the log if there is none and takes its lease, which it renews until Unlock. token is empty, without an
	// error, if somebody else has the lease. empty: nothing is in the log, for sure. held ends when the lease may be lost.
	Lock(ctx context.Context, name string) (token string, held context.Context, empty bool, err error)
	// Append adds data to the log whose length is at, all or nothing. With the same arguments it may be called again
	// after any error: what is there already is not added twice. The error knows whether it is transient.
	Append(ctx context.Context, name, token string, at int64, data []byte) error
	// Unlock gives the lease up. It may be called twice.
	Unlock(token string)
	// Read opens a log, whose size does not grow for the reader, without a lease. size is -1 and body nil if there is none.
	Read(ctx context.Context, name string) (body io.ReadCloser, size int64, err error)
	// Tail reads the last n bytes, or all if there are fewer, and says how many the log has: -1 if there is none.
	Tail(ctx context.Context, name string, n int64) (data []byte, size int64, err error)
}

// Errors to be asked for with errors.Is. Those of Logs come through wrapped.
var (
	ErrHeld     = errors.New("the batch's journal is held by another writer")
	ErrLost     = retry.NewTransient("the lease of the batch's journal may be lost")
	ErrTampered = errors.New("the journal is not as it was written")
	ErrFull     = errors.New("the batch's journal has reached its largest size; nothing is added to it")
)

// Outcome is what became of a record or a copy.
type Outcome string

// The outcomes of a copy, a record in one mailbox.
const (
	Imported   Outcome = "imported"
	Duplicate  Outcome = "duplicate" // it was there already
	Oversize   Outcome = "oversize"  // imported, with a reference in place of an attachment
	CopyFailed Outcome = "failed"
)

// The outcomes of a record.
const (
	Archived     Outcome = "archived"    // all its copies are there
	Unmapped     Outcome = "unmapped"    // no participant has a mailbox
	Excluded     Outcome = "excluded"    // by rule
	Quarantined  Outcome = "quarantined" // it can't be read
	RecordFailed Outcome = "failed"      // a copy failed for good
)

// Copy is the outcome of one copy.
type Copy struct {
	Line    int     `json:"line"` // of the batch, from 1
	Key     string  `json:"key"`  // record.Key
	Mailbox string  `json:"mailbox"`
	Outcome Outcome `json:"outcome"`
	GraphID string  `json:"graphId,omitempty"`
	Reason  string  `json:"reason,omitempty"`  // in plain words, without content
	By      string  `json:"by,omitempty"`      // what the mailbox was found by: csv or email
	Whose   []int   `json:"whose,omitempty"`   // participants who have the mailbox: 0 the sender, n the n-th recipient, -1 the phone's owner, who is neither
	Differs bool    `json:"differs,omitempty"` // the record's content or people are not those of the message in the mailbox

	// First is the record whose message was imported, where the one with this message id that was collected first is not this line's.
	First *record.Place `json:"first,omitempty"`

	// Rendered is the hex SHA-256 of the message in this mailbox, where it is or may be another than Record's: the mailbox refused the size, and got the
	// message without attachments; or the message depends on the mapping, which a later delivery may find changed.
	Rendered string `json:"rendered,omitempty"`

	At time.Time `json:"-"` // of its line in the journal
}

// Record is the outcome of one line of a batch.
type Record struct {
	Line       int     `json:"line"`    // of the batch, from 1
	Records    int     `json:"records"` // items of the source that it stands for
	Message    string  `json:"message,omitempty"`
	Outcome    Outcome `json:"outcome"`
	Reason     string  `json:"reason,omitempty"` // in plain words, without content
	Kind       string  `json:"kind,omitempty"`
	Incomplete int     `json:"incomplete,omitempty"` // attachments that are gone

	// LeftOut is the number of fields of the item that the message lacks, because of their JSON type or a bound. Fields has their names, each
	// once, as documented: without the index of an element, and never in words of the source.
	LeftOut int      `json:"leftOut,omitempty"`
	Fields  []string `json:"fields,omitempty"`

	// Missing has the names of the members that the source is expected to give and that the item lacks: record.Record.Missing.
	Missing []string `json:"missing,omitempty"`

	Differs  bool   `json:"differs,omitempty"`  // another record with this message's id has other content
	Original string `json:"original,omitempty"` // hex SHA-256 of the item as the source sent it
	Rendered string `json:"rendered,omitempty"` // hex SHA-256 of the message made from it
	Mapping  string `json:"mapping,omitempty"`  // version of the administrator's CSV

	// Named says whose address in the message is not the first of the item's own, and where it comes from: "0=csv 2=2" is that of the
	// mapping for the sender (0) and the second of the item's for the second recipient (2). With Mapping the message can be made again.
	Named string `json:"named,omitempty"`

	At time.Time `json:"-"` // of its line in the journal
}

// logName is that of a batch's log.
func logName(batch string) string { return strings.TrimSuffix(batch, ".ndjson") + ".jsonl" }

// chainSum is the hash that chains the lines. The first line has that of the batch's name, so that no log passes for another's.
func chainSum(line []byte) string {
	d := sha256.Sum256(line)
	return hex.EncodeToString(d[:])
}

// Journal is a batch's journal, open for writing. It is safe for concurrent use.
type Journal struct {
	logs       Logs
	batch      string
	token      string
	held       context.Context
	invocation string
	now        func() time.Time
	bounds     bounds

	mu     sync.Mutex // for what follows
	state  State
	chain  chain
	opened bool // this delivery has its line "open"
	plans  plans
	buf    []byte // whole lines that are not in the log yet
	later  bool   // a flush comes within flushAfter
	soon   bool   // a flush comes at once
	size   int64  // length of the log with all of buf
	full   bool   // an outcome was left out
	closed bool

	sending sync.Mutex // held by the one flush at a time
	chunk   []byte     // what it sends, until the log has it
	at      int64      // length of the log
}

const (
	pollLeast = 500 * time.Millisecond
	pollMost  = 5 * time.Second
)

// Open takes the batch's journal for writing, waits for another holder until ctx ends, and reads what is there already. invocation
// names this delivery of the batch in the journal.
func Open(ctx context.Context, logs Logs, batch, invocation string, now func() time.Time) (*Journal, error) {
	for pause := pollLeast; ; pause = min(pause*3/2, pollMost) {
		j, err := TryOpen(ctx, logs, batch, invocation, now)
		if !errors.Is(err, ErrHeld) {
			return j, err
		}
		// A holder that died keeps its lease for 15 s; one that is alive for as long as it works.
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w: %w", ErrHeld, context.Cause(ctx))
		}
	}
}

// TryOpen is Open without waiting: ErrHeld if somebody else has the journal.
func TryOpen(ctx context.Context, logs Logs, batch, invocation string, now func() time.Time) (*Journal, error) {
	token, held, empty, err := logs.Lock(ctx, logName(batch))
	if err != nil {
		return nil, fmt.Errorf("lock a journal: %w", err)
	}
	if token == "" {
		return nil, ErrHeld
	}
	j := &Journal{logs: logs, batch: batch, token: token, held: held, invocation: invocation, now: now, chain: newChain(batch),
		bounds: bounds{plans: maxPlans, outcomes: maxOutcomes}}
	if !empty {
		if j.state, j.chain, j.at, err = read(ctx, logs, batch); err != nil {
			logs.Unlock(token)
			return nil, err
		}
		j.size = j.at
	}
	return j, nil
}

// Context ends when the lease may be lost: from then on somebody else may be at work on the batch.
func (j *Journal) Context() context.Context { return j.held }

// State is what the journal says by now, with the lines that are still to be written.
func (j *Journal) State() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.encodePlans()
	return j.state.clone()
}
