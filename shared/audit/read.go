package audit

import (
	"context"
	"fmt"
	"slices"

	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
)

// IsGenesis reports whether the log of that day has the first line of all only, which names the first day.
func IsGenesis(day string) bool { return day == genesis }

// Days returns the days that have a log, as yyyy/mm/dd in their order, of a year, a month or, with the prefix "", all.
// The first line of all has a day of its own.
func (l *Log) Days(ctx context.Context, prefix string) (days []string, err error) {
	var all []archive.AuditDay
	err = retry.Do(ctx, func(ctx context.Context) (err error) {
		all, err = l.opts.Logs.Days(ctx, prefix)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if d.Size > 0 { // a process was killed before it wrote the first line
			days = append(days, d.Day)
		}
	}
	return days, nil
}

// Read returns the latest entries of a day, at most limit of them, in their order, and the number of all. The error
// matches ErrTampered if the lines of the day are not linked to each other.
func (l *Log) Read(ctx context.Context, day string, limit int) (lines []Line, all int, err error) {
	_, err = l.readDay(ctx, day, "", func(line Line) {
		if line.Action != Closed {
			lines = append(lines, line)
		}
	})
	all = len(lines)
	return slices.Clone(lines[max(0, all-limit):]), all, err
}

// readDay reads the whole log of a day.
func (l *Log) readDay(ctx context.Context, day, prev string, each func(Line)) (chain, error) {
	var data []byte
	var size int64
	err := retry.Do(ctx, func(ctx context.Context) (err error) {
		data, size, err = l.opts.Logs.Tail(ctx, day, maxDay+maxLine)
		return err
	})
	switch {
	case err != nil:
		return chain{}, fmt.Errorf("read the audit log: %w", err)
	case size > int64(len(data)):
		return chain{}, fmt.Errorf("%w: the log of %s is larger than any that was written", ErrTampered, day)
	}
	c, err := parseLines(data, prev, each)
	if err != nil {
		return c, fmt.Errorf("the log of %s: %w", day, err)
	}
	return c, nil
}

// Proof is what Verify has found.
type Proof struct {
	Whole bool   // it begins with the first line of all; if not, the oldest days are gone
	Days  int    // that have a log
	Lines int    // with those that close a day
	Last  string // hash of the last line; it is worth noting elsewhere, because it stands for all lines before
}

// Verify reads the whole log, and returns an error that matches ErrTampered if it is not as it was written. The oldest
// days may be gone, because they are deleted at the end of the retention. Memory holds one day.
func (l *Log) Verify(ctx context.Context) (p Proof, err error) {
	days, err := l.Days(ctx, "")
	if err != nil {
		return p, err
	}
	var c chain
	for i, day := range days {
		if i > 0 && c.next != day { // or the day before is not closed
			return p, fmt.Errorf("%w: %s does not follow from the day before it", ErrTampered, day)
		}
		c, err = l.readDay(ctx, day, c.last, func(line Line) {
			p.Lines++
			p.Whole = p.Whole || line.First
		})
		if err != nil {
			return p, err
		}
		p.Days++
		p.Last = c.last
	}
	return p, nil
}
