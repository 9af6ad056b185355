package deliveries

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"o2archiver/handlers/fetch/internal/firsts"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/delivery/zipread"
)

// maxBuffer is the maximum size of a message that is held in memory.
const maxBuffer = 4 << 20

// errLonger reports an entry that is longer than the directory states. Memory is planned by what it states.
var errLonger = errors.New("the entry is longer than it states")

// item is the entry of a batch for one message of the ZIP.
type item struct {
	at      int   // index of the entry of the ZIP
	size    int64 // bytes of the message that were read
	entry   record.Entry
	id      firsts.Identity
	problem zipread.Problem
	err     error
}

// describeMessage stores a message and its parts and returns its entry. A message that cannot be read from the ZIP has
// an entry too, which import quarantines: its bytes are in the copy of the ZIP.
func (r *reading) describeMessage(ctx context.Context, e zipread.Entry, at int) item {
	if r.over.Load() {
		return r.unreadable(item{at: at}, zipread.OverTotal)
	}
	entry, problem, err := r.storeMessage(ctx, e)
	it := item{at: at, size: r.zip.Counted(e)}
	switch {
	case err != nil:
		return item{at: at, err: err}
	case problem != "":
		return r.unreadable(it, problem)
	}
	entry.Until = r.z.Planned
	it.entry, it.id = entry, firsts.IdentityOf(entry)
	return it
}

// unreadable returns the item of a message that cannot be read from the ZIP, or must not be.
func (r *reading) unreadable(it item, problem zipread.Problem) item {
	it.entry = record.Entry{Version: 1, Source: r.z.messageOptions().Source, Until: r.z.Planned,
		Fault: "the message can't be read from its ZIP: " + string(problem)}
	it.id, it.problem = firsts.IdentityOf(it.entry), problem
	return it
}

// storeMessage stores a message and its parts. What is stored is named by its hash, so all of it is read first, which
// also shows whether the entry is damaged. A large message is then read again; a small one is held.
func (r *reading) storeMessage(ctx context.Context, e zipread.Entry) (record.Entry, zipread.Problem, error) {
	if e.Size <= maxBuffer {
		return r.storeSmall(ctx, e)
	}
	var entry record.Entry
	hashes := map[int]string{} // of the parts, by their ordinals
	problem, err := r.readFirst(e, func(in io.Reader) (err error) {
		entry, err = r.describe(in, func(p delivery.Part, in io.Reader) (record.Media, error) {
			sum := sha256.New()
			size, err := io.Copy(sum, in)
			hashes[p.Ordinal] = hex.EncodeToString(sum.Sum(nil))
			return record.Media{SHA256: hashes[p.Ordinal], Size: size}, err
		})
		return err
	})
	if err != nil || problem != "" {
		return entry, problem, err
	}
	raw := record.Media{SHA256: entry.RawHash, Day: r.day}
	err = retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) error {
		return r.readAgain(e, func(in io.Reader) error { return r.putMedia(ctx, raw.SHA256, in) })
	})
	if err == nil && len(hashes) > 0 {
		err = retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) error {
			return r.readAgain(e, func(in io.Reader) (err error) {
				entry, err = r.describe(in, func(p delivery.Part, in io.Reader) (record.Media, error) {
					counted := &countingReader{r: in}
					err := r.putMedia(ctx, hashes[p.Ordinal], counted)
					return record.Media{SHA256: hashes[p.Ordinal], Size: counted.n, Day: r.day}, err
				})
				return err
			})
		})
	}
	if err != nil {
		return entry, "", fmt.Errorf("store a message: %w", err)
	}
	entry.RawBlob = raw.Blob()
	return entry, "", nil
}

// part is a part of a message that is held: a range of the bytes of all of them.
type part struct {
	sha        string
	start, end int
}

// storeSmall is storeMessage for a message that is held with its parts. They take no more than it does.
func (r *reading) storeSmall(ctx context.Context, e zipread.Entry) (record.Entry, zipread.Problem, error) {
	var entry record.Entry
	var eml, decoded bytes.Buffer
	var parts []part
	eml.Grow(int(e.Size) + bytes.MinRead)
	problem, err := r.readFirst(e, func(in io.Reader) (err error) {
		entry, err = r.describe(io.TeeReader(in, &eml), func(_ delivery.Part, in io.Reader) (record.Media, error) {
			if len(parts) == 0 {
				decoded.Grow(int(e.Size) + bytes.MinRead)
			}
			start := decoded.Len()
			size, err := decoded.ReadFrom(in)
			sum := sha256.Sum256(decoded.Bytes()[start:])
			p := part{hex.EncodeToString(sum[:]), start, decoded.Len()}
			parts = append(parts, p)
			return record.Media{SHA256: p.sha, Size: size, Day: r.day}, err
		})
		return err
	})
	if err != nil || problem != "" {
		return entry, problem, err
	}
	raw := record.Media{SHA256: entry.RawHash, Day: r.day}
	put := func(sha string, content []byte) error {
		return retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) error {
			return r.Media.PutBytes(ctx, r.day, sha, content)
		})
	}
	err = put(raw.SHA256, eml.Bytes())
	for i := 0; i < len(parts) && err == nil; i++ {
		err = put(parts[i].sha, decoded.Bytes()[parts[i].start:parts[i].end])
	}
	if err != nil {
		return entry, "", fmt.Errorf("store a message: %w", err)
	}
	entry.RawBlob = raw.Blob()
	return entry, "", nil
}

// readFirst reads a message for the first time. One that is longer than it states is damaged.
func (r *reading) readFirst(e zipread.Entry, use func(io.Reader) error) (zipread.Problem, error) {
	problem, err := r.zip.Read(e, func(in io.Reader) error { return use(&limitedReader{r: in, left: e.Size}) })
	if errors.Is(err, errLonger) {
		return zipread.Broken, nil
	}
	return problem, err
}

// readAgain reads a message that was read without a problem.
func (r *reading) readAgain(e zipread.Entry, use func(io.Reader) error) error {
	var used error
	problem, err := r.zip.Read(e, func(in io.Reader) error {
		used = use(in)
		return used
	})
	switch {
	case err == nil && problem != "":
		err = fmt.Errorf("read a message again: %s", problem)
	case err != nil && err != used:
		err = retry.Final(err) // the copy was read with retries, and has to be opened again
	}
	return err
}

// describe makes the entry of a message, with store for its parts.
func (r *reading) describe(eml io.Reader, store func(delivery.Part, io.Reader) (record.Media, error)) (
	record.Entry, error) {
	o := r.z.messageOptions()
	o.Store = store
	return delivery.Describe(eml, o)
}

// putMedia stores what in has under its hash, and reads in to its end even if it is stored already.
func (r *reading) putMedia(ctx context.Context, sha string, in io.Reader) error {
	if _, _, err := r.Media.Put(ctx, r.day, sha, in); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, in)
	return err
}

// limitedReader returns errLonger for more than left bytes.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errLonger
	}
	return n, err
}

// countingReader counts the bytes that are read.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
