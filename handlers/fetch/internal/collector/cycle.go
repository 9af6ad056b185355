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
	"o2archiver/shared/source/telemessage/client"
)

const (
	maxPages    = 1_000_000  // of one window
	maxReceived = 20_000_000 // items of one window: 100 times the fair use of 1,000 users' days

	maxEmpty    = 5000 // consecutive empty pages: a site may return one for each minute of a day without items
	maxRepeated = 100  // consecutive pages that have items, but only items that the window already had

	// A window never ends if it has more than countFactor times the items that the site counts in it, and the excess is
	// at least countSlack.
	countFactor = 10
	countSlack  = 100_000

	maxCursors = 100_000 // cursors remembered by one invocation
	sketchBits = 1 << 25 // size of the Bloom filter of items: 4 MiB
)

var (
	// errEndless reports a cycle of pages. The window is restarted from its beginning by the next run.
	errEndless = errors.New("the window would never end")
	// errTooLarge reports that the window exceeds maxPages or maxReceived.
	errTooLarge = errors.New("the site sends more than one window may have")
)

// cycleDetector detects a site whose pages never come to an end. Within one invocation it remembers cursors and items,
// which is more exact than what the checkpoint keeps: the number of pages, one earlier cursor (Progress.Mark), and the
// number of consecutive pages without a new item.
type cycleDetector struct {
	cursors map[uint64]struct{} // short hashes of the cursors seen
	sketch  []uint64            // a Bloom filter of the items' hashes
	page    []uint64            // hashes of the items of the page that is being read
}

// newCycleDetector returns a detector that starts with the cursor that the checkpoint keeps of the window.
func newCycleDetector(p *schedule.Progress) *cycleDetector {
	w := &cycleDetector{cursors: map[uint64]struct{}{}, sketch: make([]uint64, sketchBits/64)}
	if p.Cursor != "" {
		w.cursors[shortHash(p.Cursor)] = struct{}{}
	}
	return w
}

// shortHash returns the first 64 bits of the text's SHA-256.
func shortHash(text string) uint64 {
	sum := sha256.Sum256([]byte(text))
	return binary.BigEndian.Uint64(sum[:])
}

// noteItem records an item of the page that is being read, by its SHA-256 in hex.
func (w *cycleDetector) noteItem(sha string) {
	sum, err := hex.DecodeString(sha[:min(len(sha), 16)])
	if err != nil || len(sum) < 8 { // an item that is too large to be a record, so its hash is not known yet
		w.page = append(w.page, 0)
		return
	}
	w.page = append(w.page, max(1, binary.BigEndian.Uint64(sum)))
}

// checkPage checks a page that was read to its end. p is the progress after the page, whose counters it updates; next
// is the page's cursor. It returns errEndless if the window has to be restarted, and errTooLarge if a restart would
// not help.
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
		// Brent's algorithm: a mark that moves at each power of two eventually lies on the cycle, if there is one, and
		// the cycle returns to it. One mark is therefore enough for a cycle longer than an invocation.
		p.Mark = fmt.Sprintf("%016x", hash)
	}
	return nil
}

// isSeen reports whether the cursor was seen before in this invocation, and remembers it.
func (w *cycleDetector) isSeen(hash uint64) bool {
	_, seen := w.cursors[hash]
	if len(w.cursors) < maxCursors {
		w.cursors[hash] = struct{}{}
	}
	return seen
}

// addPage adds the page's items to the Bloom filter and reports whether one of them is new. The filter may take a new
// item for a known one, never the reverse; a page counts as repeated only if all its items are known.
func (w *cycleDetector) addPage() (fresh bool) {
	for _, hash := range w.page {
		if hash == 0 {
			fresh = true // its hash is not known, so it counts as new
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

// checkCount compares the number of items received with the site's own count, each time that the number has grown
// tenfold. before and after are the numbers before and after a page. If the site does not answer, nothing is checked.
func (c *Collector) checkCount(ctx context.Context, win *schedule.Window, before, after int) error {
	for step := countSlack; step <= after; step *= countFactor {
		if step <= before {
			continue
		}
		total, known, err := c.site.Count(ctx, win.From, win.To)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, client.ErrCredentials):
			return fmt.Errorf("ask the site for its count: %w", err)
		case err == nil && known && total < int64(after/countFactor) && int64(after)-total*countFactor >= countSlack:
			return fmt.Errorf("%w: %d items, and the site counts %d", errEndless, after, total)
		}
		break
	}
	return nil
}
