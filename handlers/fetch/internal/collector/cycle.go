package collector

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/telemessage"
)

const (
	maxPages    = 1_000_000  // of one window
	maxReceived = 20_000_000 // items of one window: 100 times the fair use of 1,000 users' days

	maxEmpty    = 5000 // empty pages in a row: a site may give one for each minute of a day in which nothing came
	maxRepeated = 100  // pages in a row that have items, but none that the window has not had already

	// A window that has countFactor times the items that the site counts in it, and countSlack more, never ends.
	countFactor = 10
	countSlack  = 100_000

	maxCursors = 100_000 // remembered by one invocation
	sketchBits = 1 << 25 // of the items' sketch: 4 MiB
)

var (
	// errEndless: the site leads in a circle. The window starts again from its beginning with the next run.
	errEndless = errors.New("the window would never end")
	// errTooLarge: the window has more than one window may have.
	errTooLarge = errors.New("the site sends more than one window may have")
)

// cycleDetector notices a site that never comes to an end. What it remembers of a window within one invocation is more exact than what
// the checkpoint keeps of it: the number of pages, a mark, and how many pages in a row brought nothing new.
type cycleDetector struct {
	cursors map[uint64]struct{}
	sketch  []uint64 // a Bloom filter of the items' hashes
	page    []uint64 // hashes of the items of the page that is being read
}

// newCycleDetector begins with what the checkpoint keeps of the window.
func newCycleDetector(p *schedule.Progress) *cycleDetector {
	w := &cycleDetector{cursors: map[uint64]struct{}{}, sketch: make([]uint64, sketchBits/64)}
	if p.Cursor != "" {
		w.cursors[shortHash(p.Cursor)] = struct{}{}
	}
	return w
}

// shortHash is the beginning of the text's hash.
func shortHash(text string) uint64 {
	sum := sha256.Sum256([]byte(text))
	return binary.BigEndian.Uint64(sum[:])
}

// noteItem notes an item of the page that is being read.
func (w *cycleDetector) noteItem(sha string) {
	sum, err := hex.DecodeString(sha[:min(len(sha), 16)])
	if err != nil || len(sum) < 8 { // an item that is only kept
		w.page = append(w.page, 0)
		return
	}
	w.page = append(w.page, max(1, binary.BigEndian.Uint64(sum)))
}

// checkPage judges a page that was read whole, and next, the cursor that it ends with. p is the progress after the page; its
// counters go on. On errEndless the window has to start again, on errTooLarge nothing helps.
func (w *cycleDetector) checkPage(p *schedule.Progress, next string) error {
	p.Pages++
	fresh := w.addPage()
	switch {
	case fresh:
		p.Empty, p.Repeated = 0, 0
	case len(w.page) == 0:
		p.Empty++
	default:
		p.Repeated++
	}
	if next == "" {
		return nil
	}
	switch hash := shortHash(next); {
	case w.isSeen(hash) || p.Mark == fmt.Sprintf("%016x", hash):
		return fmt.Errorf("%w: the site answers with a cursor that it has given before", errEndless)
	case p.Empty >= maxEmpty:
		return fmt.Errorf("%w: %d empty pages in a row", errEndless, p.Empty)
	case p.Repeated >= maxRepeated:
		return fmt.Errorf("%w: %d pages in a row with nothing but items that were there before", errEndless, p.Repeated)
	case p.Pages >= maxPages || p.Received >= maxReceived:
		return fmt.Errorf("%w: %d pages, %d items, and no end", errTooLarge, p.Pages, p.Received)
	case bits.OnesCount(uint(p.Pages)) == 1:
		// Brent's algorithm: a mark that moves on at each power of two lies, sooner or later, on every circle, and the circle comes
		// back to it. So one mark is enough for a circle that is longer than an invocation.
		p.Mark = fmt.Sprintf("%016x", hash)
	}
	return nil
}

// isSeen reports whether the cursor came before in this invocation, and notes it.
func (w *cycleDetector) isSeen(hash uint64) bool {
	_, seen := w.cursors[hash]
	if len(w.cursors) < maxCursors {
		w.cursors[hash] = struct{}{}
	}
	return seen
}

// addPage reports whether the page has an item that was not there before, and notes its items. The sketch may take a new item
// for an old one now and then, never an old one for a new one; a page counts as repeated only if all its items are old.
func (w *cycleDetector) addPage() (fresh bool) {
	for _, hash := range w.page {
		if hash == 0 {
			fresh = true // not known: it gets the benefit of the doubt
			continue
		}
		for i := range 4 {
			bit := bits.RotateLeft64(hash*0x9e3779b97f4a7c15, 16*i) % sketchBits
			if w.sketch[bit/64]&(1<<(bit%64)) == 0 {
				fresh = true
				w.sketch[bit/64] |= 1 << (bit % 64)
			}
		}
	}
	return fresh
}

// checkCount compares what a window has received with the site's own count, each time that the number has grown tenfold.
// A count that can't be had says nothing.
func (c *Collector) checkCount(ctx context.Context, s *schedule.Window, before, after int) error {
	for step := countSlack; step <= after; step *= countFactor {
		if step <= before {
			continue
		}
		total, known, err := c.site.Count(ctx, s.From, s.To)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, telemessage.ErrCredentials):
			return fmt.Errorf("ask the site for its count: %w", err)
		case err == nil && known && total < int64(after/countFactor) && int64(after)-total*countFactor >= countSlack:
			return fmt.Errorf("%w: %d items, and the site counts %d", errEndless, after, total)
		}
		break
	}
	return nil
}
