package deliveries

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/arrival"
	"o2archiver/shared/retry"
)

const (
	// saveEvery is the time after which a copy that is under way saves how far it has come.
	saveEvery = 30 * time.Second
	// partLife is how long a part of a copy is resumed. Storage discards it after a week.
	partLife = 6 * 24 * time.Hour
	// blockSize is the size of the blocks of a copy. A source that is too slow for one in a turn has smaller ones.
	blockSize     = 4 << 20
	smallestBlock = 64 << 10
)

// errPartLost reports that storage does not have the part of a copy any more.
var errPartLost = retry.NewTransient("the first part of the copy was lost: it begins anew")

// copyZIP copies a ZIP into the archive, unless there is a copy, and compares it with a later listing: a file that is
// still being written reads short without an error. One listing serves all copies: it is made when all ZIPs of this run
// are copied.
func (r *run) copyZIP(ctx context.Context, z *ZIP) error {
	if z.SHA256 == "" {
		if err := r.ensureCopy(ctx, z); err != nil {
			return r.explainChange(ctx, z, err)
		}
		r.copied[z.Key] = r.lists
		if r.othersUncopied() {
			return errCopied
		}
		if err := r.save(ctx); err != nil {
			return err
		}
	}
	if r.copied[z.Key] == r.lists {
		if _, _, err := r.list(ctx); err != nil {
			return err
		}
	}
	if _, there := r.files[z.Key]; !there && r.places[z.Place] {
		return errLater // it changed while it was copied: the next run decides what became of it
	}
	// It is listed as it was, or a server that hands a file out once has it no more.
	z.Agreed = true
	return r.save(ctx)
}

// explainChange returns errLater if the copy failed because the upload goes on, as another listing shows: that is no
// fault, and the next run decides what became of the file. A file that is listed as before is one, as its listing is
// wrong.
func (r *run) explainChange(ctx context.Context, z *ZIP, err error) error {
	if !errors.Is(err, arrival.ErrChanged) {
		return err
	}
	if _, _, lerr := r.list(ctx); lerr != nil {
		return err
	}
	if _, there := r.files[z.Key]; !there {
		return errLater
	}
	return err
}

// othersUncopied reports whether a ZIP had no turn in this run yet and is not copied.
func (r *run) othersUncopied() bool {
	for i := range r.state.Open {
		if o := &r.state.Open[i]; o.SHA256 == "" && r.turns[o.Key] == 0 && !r.passed[o.Key] {
			return true
		}
	}
	return false
}

// ensureCopy finds the copy of a ZIP or makes it.
func (r *run) ensureCopy(ctx context.Context, z *ZIP) error {
	found, err := r.findCopy(ctx, z)
	if err == nil && !found {
		var sha string
		if sha, err = r.copyWithinLimit(ctx, z); err == nil {
			z.SHA256 = sha
		}
	}
	if err != nil {
		return fmt.Errorf("copy a ZIP: %w", err)
	}
	return nil
}

// findCopy reports whether the archive has the copy of a ZIP, and notes it.
func (r *run) findCopy(ctx context.Context, z *ZIP) (found bool, err error) {
	var sha string
	err = retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) (err error) {
		sha, _, err = r.Deliveries.Find(ctx, z.CopyName())
		return err
	})
	if errors.Is(err, archive.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		z.SHA256 = sha
	}
	return err == nil, err
}

// copyWithinLimit makes the copy. While others wait, the first turn of a ZIP is limited as its reading is. A copy that
// needs longer goes on in the next turn, after the others, if it has advanced.
func (r *run) copyWithinLimit(ctx context.Context, z *ZIP) (sha string, err error) {
	file, there := r.files[z.Key]
	if !there {
		return "", errLater // the listing failed, or a later one in this run does not have it
	}
	allowed := r.limits.copied + time.Duration(float64(z.Size)/float64(r.limits.leastRate)*float64(time.Second))
	allowed = min(allowed, r.limits.longest)
	cause := errSlow
	if r.turns[z.Key] == 1 && allowed > r.limits.turn && r.othersWait(z) {
		allowed, cause = r.limits.turn, errTurnOver
	}
	own, cancel := context.WithTimeoutCause(ctx, allowed, cause)
	defer cancel()
	before := z.partSize()
	sha, err = r.copyOnce(own, z, file)
	switch {
	case err == nil:
		z.Part = nil
	case ctx.Err() != nil:
	case errors.Is(err, archive.ErrPartial):
		z.discardPart()
		err = errPartLost
	case errors.Is(err, arrival.ErrChanged):
		z.discardPart()
	case own.Err() != nil && z.partSize() > before:
		err = errTurnOver
	case own.Err() != nil:
		z.Slow++
		err = cause
	}
	return sha, err
}

// copyOnce opens the file once and reads it once, from where its copy ends to its end.
func (r *run) copyOnce(ctx context.Context, z *ZIP, file arrival.File) (sha string, err error) {
	if z.Part != nil && r.Now().Sub(z.Part.At) > partLife {
		z.discardPart()
	}
	from := archive.Partial{}
	if z.Part != nil {
		from = z.Part.Partial
	}
	block := max(smallestBlock, blockSize>>min(2*z.Slow, 32))
	src, err := r.Store.Open(ctx, file.Path, from.Size)
	if err != nil {
		return "", fmt.Errorf("open it: %w", err)
	}
	saved := time.Now()
	sha, _, err = r.Deliveries.Resume(ctx, z.CopyName(), from, block,
		&exactReader{ctx: ctx, r: src, left: z.Size - from.Size}, func(p archive.Partial) error {
			z.Part = &Part{Partial: p, At: r.Now().UTC()}
			if time.Since(saved) < saveEvery {
				return nil
			}
			saved = time.Now()
			return r.saveProgress(ctx, z)
		})
	if cerr := src.Close(); err == nil && cerr != nil {
		// The copy is whole and visible. It counts when a listing agrees.
		r.log.Debug("the file could not be closed", "error", cerr.Error())
	}
	return sha, err
}

// discardPart makes the next try begin anew.
func (z *ZIP) discardPart() {
	if z.Part != nil {
		z.Part = nil
		z.Anew++
	}
}

// partSize returns how many bytes of the ZIP are copied, while its copy is not whole.
func (z *ZIP) partSize() int64 {
	if z.Part == nil {
		return 0
	}
	return z.Part.Size
}

// exactReader returns arrival.ErrChanged in place of io.EOF if the file does not have the listed size, and ends with
// ctx between two reads: what trickles would never end by itself.
type exactReader struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	if err := context.Cause(e.ctx); err != nil {
		return 0, err
	}
	n, err := e.r.Read(p)
	if e.left -= int64(n); e.left < 0 || e.left > 0 && errors.Is(err, io.EOF) {
		return n, arrival.ErrChanged
	}
	return n, err
}
