package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"o2archiver/shared/retry"
)

const (
	flushSize  = 64 << 10 // written at once
	flushAfter = 2 * time.Second
	chunkMost  = 2 << 20 // of one append; the service takes 4 MiB
	planMost   = 500     // mailboxes of one line
	appendTime = 30 * time.Second
	closeTime  = 5 * time.Second
)

// plans are the mailboxes that this delivery has planned for each line of the batch.
type plans struct {
	of      map[int][]string
	changed map[int]bool // not encoded yet
}

// Plan says to which mailboxes a line of the batch goes. All plans of a delivery have to be in the log, with Flush, before its
// first copy is written: so the number of copies is known however it ends. A line's plan replaces that of an earlier delivery,
// also if there is no mailbox in it.
func (j *Journal) Plan(line int, mailboxes ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.plans.of == nil {
		j.plans = plans{of: map[int][]string{}, changed: map[int]bool{}}
	}
	j.plans.of[line] = append(j.plans.of[line], mailboxes...)
	j.plans.changed[line] = true
}

// Copy notes the outcome of a copy. It does not wait for storage: lines are written together, within 2 s, and Flush
// says whether they are. An outcome that the journal has already, field by field, is not written again.
func (j *Journal) Copy(c Copy) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.encodePlans()
	if known, ok := j.state.lines[c.Line].copies[c.Mailbox]; ok && sameCopy(known, c) {
		return
	}
	j.outcome(line{Type: lineCopy, Copy: &c})
}

// Record notes the outcome of a record, as Copy does.
func (j *Journal) Record(r Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.encodePlans()
	if known := j.state.lines[r.Line].record; known != nil && sameCopy(*known, r) {
		return
	}
	j.outcome(line{Type: lineRecord, Record: &r})
}

// outcome adds a line, unless the journal is full: then Flush and Finish fail, and what is written stays readable. j.mu is held.
func (j *Journal) outcome(l line) {
	if j.size >= j.bounds.outcomes {
		j.full = true
		return
	}
	j.add(l)
	j.schedule()
}

// sameCopy reports whether two outcomes are equal as the journal writes them.
func sameCopy[T Copy | Record](a, b T) bool {
	one, errOne := json.Marshal(a)
	two, errTwo := json.Marshal(b)
	return errOne == nil && errTwo == nil && bytes.Equal(one, two)
}

// encodePlans makes lines of the plans that are new, and of none that the journal has already. A journal that has outgrown the bound
// of plans gets no more of them: a copy counts by its outcome, too, and there has to be room for that. j.mu is held.
func (j *Journal) encodePlans() {
	if j.size >= j.bounds.plans {
		clear(j.plans.changed)
		return
	}
	var some []plan
	mailboxes := 0
	put := func() {
		if len(some) > 0 {
			j.add(line{Type: linePlan, Plan: some})
			some, mailboxes = nil, 0
		}
	}
	for _, n := range slices.Sorted(maps.Keys(j.plans.changed)) {
		planned := slices.Compact(slices.Sorted(slices.Values(j.plans.of[n])))
		if slices.Equal(planned, j.state.lines[n].planned) {
			continue
		}
		some = append(some, plan{Line: n, Mailboxes: planned})
		if mailboxes += len(planned); mailboxes >= planMost {
			put()
		}
	}
	put()
	clear(j.plans.changed)
}

// schedule sees to it that the buffer is written soon. j.mu is held.
func (j *Journal) schedule() {
	switch full := len(j.buf) >= flushSize; {
	case j.closed || len(j.buf) == 0 || j.soon || j.held.Err() != nil:
	case full:
		j.soon = true
		go j.flushNow(&j.soon)
	case !j.later:
		j.later = true
		time.AfterFunc(flushAfter, func() { j.flushNow(&j.later) })
	}
}

// flushNow is the flush in the background for which flag stands.
func (j *Journal) flushNow(flag *bool) {
	var err error
	if j.held.Err() == nil {
		err = j.Flush(j.held)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	*flag = false
	switch {
	case err == nil:
		j.schedule() // what came meanwhile
	case !j.later && !j.closed && j.held.Err() == nil:
		// The error is for the next Flush, which sends the same again; so does this one.
		j.later = true
		time.AfterFunc(flushAfter, func() { j.flushNow(&j.later) })
	}
}

// Flush writes what has been noted so far, and returns when the log has it. After an error nothing is forgotten: it may be called
// again, unless the lease is lost (ErrLost).
//
// What is noted while it writes is left to the next: copies end all the time, and an append for each handful of
// them would be paid for.
func (j *Journal) Flush(ctx context.Context) error {
	j.sending.Lock()
	defer j.sending.Unlock()
	left := len(j.chunk) + j.noted()
	for {
		if j.held.Err() != nil {
			return fmt.Errorf("write a journal: %w: %w", ErrLost, context.Cause(j.held))
		}
		if left <= 0 {
			return j.room()
		}
		if len(j.chunk) == 0 {
			j.chunk = j.take()
		}
		if err := j.send(ctx); err != nil {
			return fmt.Errorf("write a journal: %w", err)
		}
		j.at += int64(len(j.chunk))
		left -= len(j.chunk)
		j.chunk = nil
	}
}

// room returns ErrFull if an outcome could not be noted.
func (j *Journal) room() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.full {
		return fmt.Errorf("write a journal: %w: it has %d bytes", ErrFull, j.size)
	}
	return nil
}

// noted is how many bytes wait to be taken.
func (j *Journal) noted() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.encodePlans()
	return len(j.buf)
}

// take takes whole lines from the buffer.
func (j *Journal) take() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.encodePlans()
	n := len(j.buf)
	if n > chunkMost {
		if n = bytes.LastIndexByte(j.buf[:chunkMost], '\n') + 1; n == 0 { // one line that is longer
			n = bytes.IndexByte(j.buf, '\n') + 1
		}
	}
	chunk := j.buf[:n:n]
	j.buf = j.buf[n:]
	return chunk
}

// send appends the chunk, and waits out a storage that is away for as long as the lease lasts. j.sending is held.
func (j *Journal) send(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(j.held, func() {
		cancel(fmt.Errorf("%w: %w", ErrLost, context.Cause(j.held)))
	})
	defer stop()
	pauses := retry.Policy{First: 200 * time.Millisecond, Max: 2 * time.Second, Within: appendTime}
	return pauses.Do(ctx, func(ctx context.Context) error {
		return j.logs.Append(ctx, logName(j.batch), j.token, j.at, j.chunk)
	})
}

// Finish says that every record has its outcome, and writes all that is not in the log yet. It may be called again.
func (j *Journal) Finish(ctx context.Context) error {
	j.mu.Lock()
	j.encodePlans()
	if !j.state.Done && !j.full {
		totals := j.state.Totals()
		j.add(line{Type: lineDone, Totals: &totals})
	}
	j.mu.Unlock()
	return j.Flush(ctx)
}

// Close tries to write what is left and gives the lease up. It may be called twice.
func (j *Journal) Close() {
	j.mu.Lock()
	closed := j.closed
	j.closed = true
	j.mu.Unlock()
	if closed {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(j.held), closeTime)
	defer cancel()
	_ = j.Flush(ctx) // who needs to know has called Flush or Finish; the next delivery writes what is missing
	j.logs.Unlock(j.token)
}
