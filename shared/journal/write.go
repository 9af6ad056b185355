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
	flushSize  = 64 << 10         // bytes in the buffer that start a flush at once
	flushAfter = 2 * time.Second  // the longest time that a line waits in the buffer
	chunkMost  = 2 << 20          // bytes of one append; the service accepts 4 MiB
	planMost   = 500              // mailboxes in one line "plan", beyond which another is started
	appendTime = 30 * time.Second // for one append with its retries
	closeTime  = 5 * time.Second  // for the last flush of Close
)

// plans holds the mailboxes that this delivery has planned for each line of the batch.
type plans struct {
	of      map[int][]string
	changed map[int]bool // not encoded yet
}

// Plan adds mailboxes to the plan of a line of the batch. All plans of a delivery MUST be in the log, by a call of
// Flush, before its first copy is written: the number of copies is then known however the delivery ends. A plan
// replaces the plan of an earlier delivery for the same line, even if it has no mailbox.
func (j *Journal) Plan(line int, mailboxes ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.plans.of == nil {
		j.plans = plans{of: map[int][]string{}, changed: map[int]bool{}}
	}
	j.plans.of[line] = append(j.plans.of[line], mailboxes...)
	j.plans.changed[line] = true
}

// Copy adds the outcome of a copy. It does not wait for storage: lines are written together, within 2 s, and Flush
// reports whether they are. An outcome that equals the journal's latest, field by field, is not written again.
func (j *Journal) Copy(c Copy) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.encodePlans()
	if known, ok := j.state.lines[c.Line].copies[c.Mailbox]; ok && sameOutcome(known, c) {
		return
	}
	j.outcome(line{Type: lineCopy, Copy: &c})
}

// Record adds the outcome of a record, in the same way as Copy.
func (j *Journal) Record(r Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.encodePlans()
	if known := j.state.lines[r.Line].record; known != nil && sameOutcome(*known, r) {
		return
	}
	j.outcome(line{Type: lineRecord, Record: &r})
}

// outcome adds a line with an outcome, unless the journal is full. In that case the outcome is dropped and Flush and
// Finish return ErrFull; what is written stays readable. j.mu must be held.
func (j *Journal) outcome(l line) {
	if j.size >= j.bounds.outcomes {
		j.full = true
		return
	}
	j.add(l)
	j.schedule()
}

// sameOutcome reports whether two outcomes are equal in the journal's JSON.
func sameOutcome[T Copy | Record](a, b T) bool {
	one, errOne := json.Marshal(a)
	two, errTwo := json.Marshal(b)
	return errOne == nil && errTwo == nil && bytes.Equal(one, two)
}

// encodePlans adds lines for the plans that are new, but not for those that equal the journal's. A journal beyond the
// bound for plans gets no more of them: a copy is also counted by its outcome, and there has to be room for that. j.mu
// must be held.
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

// schedule starts a flush in the background if the buffer is large enough, or makes one due within flushAfter. j.mu
// must be held.
func (j *Journal) schedule() {
	switch full := len(j.buf) >= flushSize; {
	case j.closed || len(j.buf) == 0 || j.soon || j.Context().Err() != nil:
	case full:
		j.soon = true
		go j.flushNow(&j.soon)
	case !j.later:
		j.later = true
		time.AfterFunc(flushAfter, func() { j.flushNow(&j.later) })
	}
}

// flushNow runs a flush in the background and then clears flag, which is j.later or j.soon.
func (j *Journal) flushNow(flag *bool) {
	var err error
	if j.Context().Err() == nil {
		err = j.Flush(j.Context())
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	*flag = false
	switch {
	case err == nil:
		j.schedule() // for the lines that were added meanwhile
	case !j.later && !j.closed && j.Context().Err() == nil:
		// The error is dropped: the next flush sends the same chunk again, whether a caller or the timer starts it.
		j.later = true
		time.AfterFunc(flushAfter, func() { j.flushNow(&j.later) })
	}
}

// Flush writes the lines that have been added so far and returns when the log has them. It returns ErrLost if the
// lease is lost and ErrFull if an outcome had to be dropped. After any other error nothing is lost, and Flush may be
// called again.
//
// Lines that are added while Flush writes are left for the next flush. Copies end continuously, and each append is a
// paid transaction, so a handful of lines is not worth one.
func (j *Journal) Flush(ctx context.Context) error {
	if err := j.sending.Lock(ctx); err != nil {
		return fmt.Errorf("write a journal: %w", err)
	}
	defer j.sending.Unlock()
	left := len(j.chunk) + j.noted()
	for {
		if j.Context().Err() != nil {
			return fmt.Errorf("write a journal: %w: %w", ErrLost, context.Cause(j.Context()))
		}
		if left <= 0 {
			return j.room()
		}
		if len(j.chunk) == 0 {
			j.chunk = j.takeChunk()
		}
		if err := j.send(ctx); err != nil {
			return fmt.Errorf("write a journal: %w", err)
		}
		j.at += int64(len(j.chunk))
		left -= len(j.chunk)
		j.chunk = nil
	}
}

// room returns ErrFull if an outcome was dropped.
func (j *Journal) room() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.full {
		return fmt.Errorf("write a journal: %w: it has %d bytes", ErrFull, j.size)
	}
	return nil
}

// noted returns the number of bytes in the buffer.
func (j *Journal) noted() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.encodePlans()
	return len(j.buf)
}

// takeChunk removes whole lines from the buffer, at most chunkMost bytes or one longer line, and returns them.
func (j *Journal) takeChunk() []byte {
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

// send appends the chunk. It retries while storage is unavailable, for at most appendTime and only while the lease is
// held. j.sending must be held.
func (j *Journal) send(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(j.Context(), func() {
		cancel(fmt.Errorf("%w: %w", ErrLost, context.Cause(j.Context())))
	})
	defer stop()
	pauses := retry.Policy{First: 200 * time.Millisecond, Max: 2 * time.Second, Within: appendTime}
	return pauses.Do(ctx, func(ctx context.Context) error {
		return j.lease.Append(ctx, j.at, j.chunk)
	})
}

// Finish adds the line "done", which closes the batch, and flushes. It MUST be called only when every record has its
// outcome. It is safe to call again.
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

// Written returns the state of the journal with the length of its log. ok is false if the log does not have all lines
// yet; after Finish it has, unless more are added.
func (j *Journal) Written(ctx context.Context) (state State, length int64, ok bool) {
	if j.sending.Lock(ctx) != nil {
		return State{}, 0, false
	}
	defer j.sending.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	state, ok = j.state.clone(), j.at == j.size && len(j.plans.changed) == 0
	if ok && j.at > 0 {
		state.head = j.chain.prev
	}
	return state, j.at, ok
}

// Close tries to write the remaining lines and releases the lease. It is safe to call twice.
func (j *Journal) Close() {
	j.mu.Lock()
	closed := j.closed
	j.closed = true
	j.mu.Unlock()
	if closed {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(j.Context()), closeTime)
	defer cancel()
	// An error is ignored: a caller that depends on the result has called Flush or Finish, and the next delivery writes
	// what is missing.
	_ = j.Flush(ctx)
	j.lease.Release()
}
