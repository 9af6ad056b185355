package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"o2archiver/shared/arrival"
	"o2archiver/shared/source/delivery/zipread"
)

const (
	maxWhole   = 4 << 20  // bytes of a ZIP that is read as a whole, with one opening
	maxOpening = 64 << 10 // bytes that are read of the first message
	maxOpens   = 20       // openings of one file, each at another place of it
)

// errEnough ends the reading of a message whose first bytes were read.
var errEnough = errors.New("the first bytes were read")

// readOneZIP reads the directory of a ZIP and the beginning of the first message in it, with the limits of a delivery,
// and returns what it found, as the rest of a sentence about the ZIP. A ZIP of at most maxWhole bytes is opened once.
// An error is one of the folder.
func readOneZIP(ctx context.Context, folder Store, f arrival.File) (says string, err error) {
	const unfinished = "is not a whole ZIP, or not yet: it has no readable directory at its end"
	ranges := &fileRanges{ctx: ctx, folder: folder, file: f}
	defer ranges.close()
	opened, err := zipread.Open(ranges, f.Size, zipread.DefaultLimits())
	switch {
	case errors.Is(err, zipread.ErrTooMany):
		return "has a directory that is larger than any that is read", nil
	case errors.Is(err, zipread.ErrFormat), isCutShort(err):
		return unfinished, nil
	case err != nil:
		return "", err
	}
	says = fmt.Sprintf("was read, its directory has %d entries", len(opened.Entries))
	for _, e := range opened.Entries {
		if e.Kind != zipread.Message || e.Problem == zipread.Folder {
			continue
		}
		problem, err := opened.Read(e, func(in io.Reader) error {
			if _, err := io.CopyN(io.Discard, in, maxOpening); err == nil {
				return errEnough
			} else if !errors.Is(err, io.EOF) {
				return err
			}
			return nil
		})
		switch {
		case problem != "":
			return says + ", but its first message can't be read: " + string(problem), nil
		case isCutShort(err):
			return unfinished, nil
		case err != nil && !errors.Is(err, errEnough):
			return "", err
		}
		return says + ", and its first message can be read", nil
	}
	return says + ", and none of them is a message", nil
}

// isCutShort reports whether an error means that a file has other bytes than were listed: it is still being written.
func isCutShort(err error) bool {
	return errors.Is(err, arrival.ErrChanged) || errors.Is(err, io.ErrUnexpectedEOF)
}

// fileRanges reads ranges of one file of a folder. It opens the file again only for a range that does not follow the
// one before.
type fileRanges struct {
	ctx    context.Context
	folder Store
	file   arrival.File

	whole *bytes.Reader // of a file of at most maxWhole bytes
	open  io.ReadCloser
	at    int64 // of the next byte of open
	opens int
}

// ReadAt implements io.ReaderAt.
func (r *fileRanges) ReadAt(p []byte, off int64) (int, error) {
	if r.file.Size > maxWhole {
		return r.read(p, off)
	}
	if r.whole == nil {
		all := make([]byte, r.file.Size)
		if _, err := r.read(all, 0); err != nil {
			return 0, err
		}
		r.whole = bytes.NewReader(all)
	}
	return r.whole.ReadAt(p, off)
}

// read fills p with the bytes of the file from an offset on.
func (r *fileRanges) read(p []byte, off int64) (int, error) {
	if r.open == nil || r.at != off {
		r.close()
		if r.opens++; r.opens > maxOpens {
			return 0, errors.New("the directory of the ZIP lies in too many places")
		}
		open, err := r.folder.Open(r.ctx, r.file.Path, off)
		if err != nil {
			return 0, err
		}
		r.open, r.at = open, off
	}
	n, err := io.ReadFull(r.open, p)
	r.at += int64(n)
	return n, err
}

// close closes what is open.
func (r *fileRanges) close() {
	if r.open != nil {
		r.open.Close()
		r.open = nil
	}
}
