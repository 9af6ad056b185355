// Package journal stores the outcome of every record and every copy: one log per batch, written line by line by the
// holder of its lease. Each line holds the hash of the line before it.
//
// A log is append-only. The latest line about a record or a copy counts; a replay appends newer ones. The hash chain
// makes a change detectable: an altered line no longer matches the hash in the line after it, and a missing line
// leaves its two neighbours without a match.
package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"o2archiver/shared/lock"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
)

// Logs is the storage of the logs. archive.Logs implements it. This package may not import archive, so the methods use
// only built-in types and those of the standard library.
type Logs interface {
	// Acquire creates the log if there is none and acquires its lease, which is renewed until Release. If another
	// holder has the lease, lease and err are nil. empty is true only if it is certain that the log has no bytes.
	Acquire(ctx context.Context, name string) (lease Lease, empty bool, err error)
	// Read opens a log without a lease. The reader sees size bytes, even if the log grows meanwhile. If there is no
	// log, size is -1 and body is nil.
	Read(ctx context.Context, name string) (body io.ReadCloser, size int64, err error)
	// Tail reads the last n bytes of a log, or all if it has fewer. size is the log's length, -1 if there is none.
	Tail(ctx context.Context, name string, n int64) (data []byte, size int64, err error)
}

// Lease is the exclusive right to append to one log. It is an alias, so that storage can return it without knowing this
// package.
type Lease = interface {
	// Context returns a context that is canceled as soon as the lease may be lost.
	Context() context.Context
	// Append adds data to the log whose length is at, all or nothing. It MUST be idempotent: it may be called again
	// with the same arguments after any error, and data that is already there is not added twice. The error reports
	// whether it is transient.
	Append(ctx context.Context, at int64, data []byte) error
	// Release releases the lease. It is safe to call twice.
	Release()
}

// The errors that callers compare with errors.Is. Errors of Logs are returned wrapped.
var (
	ErrHeld     = errors.New("the batch's journal is held by another writer")
	ErrLost     = retry.NewTransient("the lease of the batch's journal may be lost")
	ErrTampered = errors.New("the journal is not as it was written")
	ErrFull     = errors.New("the batch's journal has reached its largest size; nothing is added to it")
)

// Outcome is the outcome of a record or of a copy.
type Outcome string

// The outcomes of a copy, a record in one mailbox.
const (
	Imported   Outcome = "imported"
	Duplicate  Outcome = "duplicate" // the message was in the mailbox already
	Oversize   Outcome = "oversize"  // imported, with a reference in place of an attachment
	CopyFailed Outcome = "failed"
)

// The outcomes of a record.
const (
	Archived     Outcome = "archived"    // all its copies are in their mailboxes
	Unmapped     Outcome = "unmapped"    // no participant has a mailbox
	Excluded     Outcome = "excluded"    // not to be archived, by rule
	Quarantined  Outcome = "quarantined" // the record cannot be read
	RecordFailed Outcome = "failed"      // a copy failed permanently
)

// Copy is the outcome of one copy.
type Copy struct {
	Line    int     `json:"line"` // of the batch, from 1
	Key     string  `json:"key"`  // record.Key
	Mailbox string  `json:"mailbox"`
	Outcome Outcome `json:"outcome"`
	GraphID string  `json:"graphId,omitempty"`
	Reason  string  `json:"reason,omitempty"` // in plain words, without content
	By      string  `json:"by,omitempty"`     // how the mailbox was found: csv or email

	// Whose lists the participants who have the mailbox: 0 the sender, n the n-th recipient, -1 the phone's owner,
	// if the owner is neither.
	Whose []int `json:"whose,omitempty"`

	// Differs reports that the content or the participants of the record are not those of the message in the mailbox.
	Differs bool `json:"differs,omitempty"`

	// First is the record whose message was imported, if that is not the record of this line but an earlier one with
	// the same message id.
	First *record.Place `json:"first,omitempty"`

	// Rendered is the hex SHA-256 of the message in this mailbox. It is set if that message is or may be another than
	// the one of Record.Rendered: the mailbox refused the size and received the message without attachments, or the
	// message depends on the mapping, which may have changed by a later delivery.
	Rendered string `json:"rendered,omitempty"`

	At time.Time `json:"-"` // of its line in the journal
}

// Record is the outcome of one line of a batch.
type Record struct {
	Line       int     `json:"line"`    // of the batch, from 1
	Records    int     `json:"records"` // number of items of the source that the line stands for
	Message    string  `json:"message,omitempty"`
	Outcome    Outcome `json:"outcome"`
	Reason     string  `json:"reason,omitempty"` // in plain words, without content
	Kind       string  `json:"kind,omitempty"`
	Incomplete int     `json:"incomplete,omitempty"` // number of attachments that the source no longer has

	// LeftOut is the number of fields of the item that the message lacks, because of their JSON type or a limit.
	// Fields has their names, each once, as they are documented: without the index of an element, and never as the
	// source wrote them.
	LeftOut int      `json:"leftOut,omitempty"`
	Fields  []string `json:"fields,omitempty"`

	// Missing has the names of the members that the source is expected to send and that the item lacks:
	// record.Record.Missing.
	Missing []string `json:"missing,omitempty"`

	Differs  bool   `json:"differs,omitempty"`  // another record with this message's id has other content
	Original string `json:"original,omitempty"` // hex SHA-256 of the item as the source sent it
	Rendered string `json:"rendered,omitempty"` // hex SHA-256 of the message made from it
	Mapping  string `json:"mapping,omitempty"`  // version of the administrator's CSV

	// Named lists the participants whose address in the message is not the first of the item's own, and where the
	// address comes from. In "0=csv 2=2" the sender (0) has the address of the mapping, and the second recipient (2)
	// the second address of the item. Together with Mapping it allows the message to be made again.
	Named string `json:"named,omitempty"`

	At time.Time `json:"-"` // of its line in the journal
}

// chainSum returns the hash that chains the lines. The first line holds the hash of the batch's name, so that the log
// of one batch cannot pass for that of another.
func chainSum(line []byte) string {
	d := sha256.Sum256(line)
	return hex.EncodeToString(d[:])
}

// Journal is a batch's journal, open for writing. It is safe for concurrent use.
type Journal struct {
	batch      string
	lease      Lease
	invocation string
	now        func() time.Time
	bounds     bounds

	mu     sync.Mutex // guards the fields below, up to closed
	state  State
	chain  chain
	opened bool // the line "open" of this delivery is written
	plans  plans
	buf    []byte // whole lines that are not in the log yet
	later  bool   // a background flush is due within flushAfter
	soon   bool   // a background flush is running or about to run
	size   int64  // length of the log once all of buf is appended
	full   bool   // an outcome was dropped because the log has reached its bound
	closed bool

	sending lock.Mutex // held by a flush, so that one runs at a time; guards chunk and at
	chunk   []byte     // what the flush sends; kept until it is appended
	at      int64      // length of the log in storage
}

const (
	pollLeast = 500 * time.Millisecond
	pollMost  = 5 * time.Second
)

// Open acquires the lease of the batch's journal, waiting for another holder until ctx ends, and reads what is in it.
// invocation is the name of this delivery of the batch; it is written into the journal. The error is ErrHeld if ctx
// ended first, ErrTampered if the log is not as it was written. Close must be called.
func Open(ctx context.Context, logs Logs, batch, invocation string, now func() time.Time) (j *Journal, err error) {
	// The lease of a holder that died expires after 15 s; a live holder keeps it until the batch is done or its time is
	// up.
	held := retry.Policy{First: pollLeast, Max: pollMost,
		Judge: func(err error) (bool, time.Duration) { return errors.Is(err, ErrHeld), 0 }}
	err = held.Do(ctx, func(ctx context.Context) (err error) {
		j, err = TryOpen(ctx, logs, batch, invocation, now)
		return err
	})
	if errors.Is(err, ErrHeld) {
		return nil, fmt.Errorf("%w: %w", ErrHeld, context.Cause(ctx))
	}
	return j, err
}

// TryOpen is Open without waiting: it returns ErrHeld if another holder has the lease.
func TryOpen(ctx context.Context, logs Logs, batch, invocation string, now func() time.Time) (*Journal, error) {
	lease, empty, err := logs.Acquire(ctx, LogName(batch))
	if err != nil {
		return nil, fmt.Errorf("acquire a journal: %w", err)
	}
	if lease == nil {
		return nil, ErrHeld
	}
	j := &Journal{sending: lock.New(), batch: batch, lease: lease, invocation: invocation, now: now,
		chain: newChain(batch), bounds: bounds{plans: maxPlans, outcomes: maxOutcomes}}
	if !empty {
		if j.state, j.chain, j.at, err = readState(ctx, logs, batch); err != nil {
			lease.Release()
			return nil, err
		}
		j.size = j.at
	}
	return j, nil
}

// Context returns a context that is canceled when the lease may be lost: from then on another holder may work on the
// batch.
func (j *Journal) Context() context.Context { return j.lease.Context() }

// State returns the state of the journal, including the lines that are not written yet.
func (j *Journal) State() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.encodePlans()
	return j.state.clone()
}
