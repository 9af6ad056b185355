package deliveries

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"o2archiver/handlers/fetch/internal/leased"
	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
	"o2archiver/shared/status"
)

const (
	// keptDone is the number of finished ZIPs that stay in the State, and maxDone the number from which the others are
	// moved. The State is written several times for each ZIP, so it has to be small.
	keptDone = 100
	maxDone  = 200

	// maxUnshown is the number of finished ZIPs, but for the latest, that are not moved because their documents are not
	// written.
	maxUnshown = 1000

	digestSize = 16 // bytes of a hash that are kept of a ZIP in the Past
)

// Past is what is kept of the ZIPs that were finished earlier than those in the State: enough that none is read twice,
// however long a file stays at the store. It takes 43 bytes for each ZIP, is read once by each run, and written once
// for some 100 ZIPs.
type Past struct {
	Keys digests `json:"keys"` // of all
	Sums digests `json:"sums"` // first half of the SHA-256 of those that were read
}

// digests is a sorted set of hashes of digestSize bytes.
type digests []byte

func (d digests) len() int { return len(d) / digestSize }

func (d digests) at(i int) []byte { return d[i*digestSize : (i+1)*digestSize] }

// has reports whether the set has a hash that begins with these hex digits, or whose first digits they are.
func (d digests) has(digits string) bool {
	h, ok := digestOf(digits)
	if !ok {
		return false
	}
	i := sort.Search(d.len(), func(i int) bool { return bytes.Compare(d.at(i), h) >= 0 })
	return i < d.len() && bytes.Equal(d.at(i), h)
}

// with returns the set with further hashes.
func (d digests) with(digits []string) digests {
	all := make([][]byte, 0, d.len()+len(digits))
	for i := range d.len() {
		all = append(all, d.at(i))
	}
	for _, text := range digits {
		if h, ok := digestOf(text); ok {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, bytes.Compare)
	return slices.Concat(slices.CompactFunc(all, bytes.Equal)...)
}

func digestOf(digits string) ([]byte, bool) {
	h, err := hex.DecodeString(digits)
	if err != nil || len(h) < digestSize {
		return nil, false
	}
	return h[:digestSize], true
}

// HasBytes reports whether a ZIP with these bytes was read.
func (p *Past) HasBytes(z *ZIP) bool { return p.Sums.has(z.SHA256) }

// split returns the files that are not in the Past, and the number of those that are.
func (p *Past) split(files []keyed) (rest []keyed, past int) {
	for _, f := range files {
		if p.Keys.has(f.key) {
			past++
			continue
		}
		rest = append(rest, f)
	}
	return rest, past
}

// pass moves all but the latest of the finished ZIPs into the Past, if there are many. One whose document is not
// written yet stays. One that is planned once more when it comes again is forgotten.
func (s *State) pass(p *Past, now time.Time) (moved bool) {
	earlier := s.Done[:max(0, len(s.Done)-keptDone)]
	unshown := 0
	for i := range earlier {
		if earlier[i].isUnshown() {
			unshown++
		}
	}
	if len(s.Done)-min(unshown, maxUnshown) <= maxDone {
		return false
	}
	s.noteNumbers(now)
	var keys, sums []string
	var kept []Done
	for i := range earlier {
		d := &earlier[i]
		if d.isUnshown() {
			if unshown--; unshown < maxUnshown {
				kept = append(kept, *d)
				continue
			}
		}
		if !status.MayComeAgain(d.Outcome) {
			keys = append(keys, d.Key)
		}
		if d.Outcome == Complete || d.Outcome == Incomplete {
			sums = append(sums, d.SHA256)
		}
	}
	p.Keys, p.Sums = p.Keys.with(keys), p.Sums.with(sums)
	s.Done = append(kept, s.Done[len(earlier):]...)
	s.Past = p.Keys.len()
	return true
}

var errPast = fmt.Errorf("the document with the ZIPs that were finished earlier is not there, or not whole: %w",
	archive.ErrContent)

// loadPast reads the Past.
func (r *run) loadPast(ctx context.Context) error {
	r.past, r.pastTag = &Past{}, ""
	err := retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) (err error) {
		r.pastTag, err = r.Checkpoints.GetLarge(ctx, r.form.past, r.past, maxState)
		return err
	})
	if errors.Is(err, archive.ErrNotFound) {
		err = nil
	}
	if err == nil && (r.past.Keys.len() < r.state.Past || len(r.past.Keys)%digestSize+len(r.past.Sums)%digestSize > 0) {
		err = errPast // all that is still at the store would be read again
	}
	return err
}

// passDone moves finished ZIPs into the Past, if there are many. The Past is written before the State without them,
// which the caller saves: a crash between the two leaves them in both.
func (r *run) passDone(ctx context.Context) error {
	if !r.state.pass(r.past, r.Now()) {
		return nil
	}
	written := ""
	err := retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) (err error) {
		written, err = r.Checkpoints.PutLarge(ctx, r.form.past, r.past, maxState, r.pastTag, nil)
		return err
	})
	switch {
	case errors.Is(err, archive.ErrChanged), errors.Is(err, archive.ErrExists):
		return fmt.Errorf("%w: %w", leased.ErrLost, err)
	case err != nil:
		return fmt.Errorf("save the ZIPs that were finished earlier: %w", err)
	}
	r.pastTag = written
	return nil
}
