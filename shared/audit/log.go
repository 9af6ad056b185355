package audit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/retry"
)

const (
	genesis = "2000/01/01" // has the first line of all, which names the first day

	// maxDay is the maximum size of a day's log in bytes, but for the line that closes it. A blob takes 50,000 appends,
	// and no line has fewer than 130 bytes.
	maxDay  = 6 << 20
	maxTail = 256 << 10 // bytes at the end of a log in which a form is looked for

	// maxTries is how often one entry is tried to be appended. Of several processes that append at the same time one
	// succeeds in each round, so it is far more than there are instances of the portal.
	maxTries = 30

	appendTime = 30 * time.Second // for one entry with its retries
	firstPause = 10 * time.Millisecond
	maxPause   = 500 * time.Millisecond
)

// Options holds what a Log works with.
type Options struct {
	Logs *archive.AuditLogs
	Now  func() time.Time
}

// Log is the audit log. It is safe for concurrent use, also by several processes.
type Log struct {
	opts Options
}

// New returns a Log. It makes no request.
func New(o Options) *Log { return &Log{opts: o} }

// end is the end of the log of one day.
type end struct {
	day   string
	size  int64  // bytes; -1: there is no log
	chain chain  // as tail has it; without lines: of the day before
	tail  []Line // the last lines
	whole bool   // tail has all lines of the day, of which there is one at least
}

// Append writes what a person did, with the present time. It MUST be called before the change is made, and the change
// MUST NOT be made after an error: what was done is then always in the log, and what is in the log may not have been
// done. An entry whose form, action and object are in the last lines of the log already is not written twice.
func (l *Log) Append(ctx context.Context, e Entry) error {
	ctx, cancel := context.WithTimeout(ctx, appendTime)
	defer cancel()
	again := retry.Policy{First: firstPause, Max: maxPause, Tries: maxTries,
		Judge: func(err error) (bool, time.Duration) { return errors.Is(err, archive.ErrChanged), 0 }}
	err := again.Do(ctx, func(ctx context.Context) error {
		e.At = l.opts.Now()
		e, err := e.check()
		if err != nil {
			return err
		}
		return l.appendOnce(ctx, e)
	})
	switch {
	case !errors.Is(err, archive.ErrChanged):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("write the audit log: %w", context.Cause(ctx))
	}
	return ErrBusy
}

// appendOnce appends the entry to the log of today, or of the latest day if that is later. It returns
// archive.ErrChanged if another process has appended meanwhile.
func (l *Log) appendOnce(ctx context.Context, e Entry) error {
	at, err := l.findEnd(ctx, layout.Day(e.At))
	if err != nil {
		return err
	}
	if there, err := l.isThere(ctx, at, e); err != nil || there {
		return err
	}
	return l.appendAt(ctx, at, e)
}

// isThere reports whether the entry's form, action and object are in the last lines of the log already. In the first
// hour of a day's log, the day before is looked at as well: a form may be sent twice over midnight.
func (l *Log) isThere(ctx context.Context, at end, e Entry) (bool, error) {
	if e.Form == "" {
		return false, nil
	}
	tail := at.tail
	if at.size <= 0 || at.whole && e.At.Sub(tail[0].At) < time.Hour {
		days, err := l.Days(ctx, "")
		if err != nil {
			return false, err
		}
		for _, day := range slices.Backward(days) {
			if day >= at.day {
				continue
			}
			before, err := l.readEnd(ctx, day)
			if err != nil {
				return false, err
			}
			if tail = append(tail, before.tail...); len(before.tail) > 1 {
				break // a day that was only named and closed has one line
			}
		}
	}
	return slices.ContainsFunc(tail, func(line Line) bool {
		return line.Form == e.Form && line.Action == e.Action && line.Object == e.Object
	}), nil
}

// findEnd returns the end of the log to which an entry of today is appended. It returns archive.ErrChanged if the end
// has to be looked for again.
//
// A day is closed by a line that names the next day. So processes whose clocks differ begin the same one, and one that
// is killed in between leaves a name that the next one goes on with.
func (l *Log) findEnd(ctx context.Context, today string) (end, error) {
	at, err := l.readEnd(ctx, today)
	if err != nil || at.size > 0 && !at.chain.closed {
		return at, err
	}
	days, err := l.Days(ctx, "")
	if err != nil {
		return at, err
	}
	if len(days) == 0 { // the first entry of all
		return at, l.closeDay(ctx, end{day: genesis, size: -1, chain: chain{last: firstHash}}, today)
	}
	latest, err := l.readEnd(ctx, days[len(days)-1])
	switch {
	case err != nil:
		return at, err
	case !latest.chain.closed && latest.day >= today: // this host's clock is behind that of another one
		return latest, nil
	case !latest.chain.closed:
		return at, l.closeDay(ctx, latest, today)
	case latest.chain.next <= latest.day:
		return at, fmt.Errorf("%w: the end of %s does not name a later day", ErrTampered, latest.day)
	}
	next, err := l.readEnd(ctx, latest.chain.next)
	switch {
	case err != nil:
		return at, err
	case next.size > 0: // another process has begun the day meanwhile
		return at, errAgain
	}
	next.chain = chain{last: latest.chain.last}
	if next.day < today { // a process was killed before it began that day
		return at, l.closeDay(ctx, next, today)
	}
	return next, nil
}

// errAgain reports that the end of the log has to be looked for again.
var errAgain = fmt.Errorf("the audit log was continued meanwhile: %w", archive.ErrChanged)

// closeDay closes the log of a day, which may have no line yet, and names the next one. Without another error it
// returns errAgain.
func (l *Log) closeDay(ctx context.Context, at end, next string) error {
	closing := Entry{At: l.opts.Now().UTC().Truncate(time.Millisecond), Action: Closed, Object: next}
	return cmp.Or(l.appendAt(ctx, at, closing), errAgain)
}

// readEnd reads the end of a day's log.
func (l *Log) readEnd(ctx context.Context, day string) (end, error) {
	at := end{day: day}
	var data []byte
	err := retry.Do(ctx, func(ctx context.Context) (err error) {
		data, at.size, err = l.opts.Logs.Tail(ctx, day, maxTail)
		return err
	})
	if err != nil {
		return at, fmt.Errorf("read the end of the audit log: %w", err)
	}
	if at.size > int64(len(data)) { // it begins within a line
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	whole := at.size == int64(len(data))
	at.chain, err = parseLines(data, "", func(line Line) { at.tail = append(at.tail, line) })
	at.whole = whole && len(at.tail) > 0
	return at, err
}

// appendAt appends an entry to the end of a log, linked to the line before it. It creates the log if there is none.
func (l *Log) appendAt(ctx context.Context, at end, e Entry) error {
	text, err := encodeLine(at.chain.last, e)
	if err != nil {
		return err
	}
	if at.size+int64(len(text)) > maxDay && e.Action != Closed {
		return ErrFull
	}
	if at.size < 0 {
		err := retry.Do(ctx, func(ctx context.Context) error { return l.opts.Logs.Create(ctx, at.day) })
		if err != nil {
			return err
		}
	}
	return retry.Do(ctx, func(ctx context.Context) error {
		return l.opts.Logs.Append(ctx, at.day, max(0, at.size), text)
	})
}
