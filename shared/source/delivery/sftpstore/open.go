package sftpstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/pkg/sftp"

	"o2archiver/shared/arrival"
	"o2archiver/shared/retry"
)

// readSize is the number of bytes of one request, the default of the protocol. Larger ones are for servers one knows.
const readSize = 32 << 10

// concurrentReads is the maximum number of requests for parts of a file under way at the same time, where that is
// allowed: 1 MiB in all, which on a line with 100 ms from end to end is 10 MiB a second.
const concurrentReads = 32

// Open opens a file of the last List at an offset. The file is opened once, never asked for its size while it is open,
// and MUST be read to its end: only then Read has compared its length with the listed one (arrival.ErrChanged).
//
// If the connection breaks off, Read goes on at the same place, on a new connection, if the folder still lists the file
// with the same size and time. A file is opened up to 8 times in all, with growing pauses. The caller closes the
// reader, which is not safe for concurrent use and valid as long as ctx.
func (s *Store) Open(ctx context.Context, p string, offset int64) (io.ReadCloser, error) {
	if err := s.mu.Lock(ctx); err != nil {
		return nil, err
	}
	listed, ok := s.listed[p]
	s.mu.Unlock()
	if !ok {
		return nil, arrival.ErrNotListed
	}
	if offset < 0 || offset > listed.Size {
		return nil, errors.New("open a file: the offset lies outside of it")
	}
	r := &reader{s: s, ctx: ctx, listed: listed, offset: offset}
	if err := s.policy.Do(ctx, r.open); err != nil {
		return nil, err
	}
	return r, nil
}

// reader reads one file, on one connection after the other.
type reader struct {
	s      *Store
	ctx    context.Context
	listed arrival.File
	offset int64 // of the next byte
	opened uint  // number of times that the file was opened, or was tried to be
	conn   *connection
	file   *sftp.File
	err    error // of all later reads
}

// open opens the file at the offset.
func (r *reader) open(ctx context.Context) error {
	r.opened++
	c, err := r.s.connection(ctx)
	if err != nil {
		return err
	}
	err = c.run(ctx, quietTime, errSilent, func() (err error) {
		if r.file, err = c.client.Open(path.Join(r.s.folder, r.listed.Path)); err != nil {
			return err
		}
		_, err = r.file.Seek(r.offset, io.SeekStart) // asks the server nothing
		return err
	})
	if err != nil {
		if retryable, _ := retry.IsTransient(err); retryable {
			c.abort(errClosed)
		}
		return err
	}
	r.conn = c
	return nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	for {
		n, err := r.readOnce(p[:min(len(p), r.s.window)])
		if n > 0 && err == io.EOF {
			r.err = io.EOF // a server on which a file can be read once may not repeat it
		}
		if n > 0 || err == nil {
			return n, nil // another error that came with bytes comes again
		}
		if again, _ := retry.IsTransient(err); again {
			r.conn.abort(errClosed)
			err = r.resume(err)
		}
		if err != nil {
			r.err = err
			return 0, err
		}
	}
}

func (r *reader) readOnce(p []byte) (n int, err error) {
	err = r.conn.run(r.ctx, quietTime, errSilent, func() (err error) {
		n, err = r.file.Read(p)
		return err
	})
	r.offset += int64(n)
	switch {
	case r.offset > r.listed.Size, err == io.EOF && r.offset < r.listed.Size:
		// A file that is still being written ends early, without an error.
		r.err = arrival.ErrChanged
		return 0, r.err
	case err == nil && n == 0:
		return 0, fmt.Errorf("%w: neither bytes nor the end of a file", ErrProtocol)
	}
	return n, err
}

// resume opens the file again after the error lost, if it is still the one that was listed.
func (r *reader) resume(lost error) error {
	policy := r.s.policy
	if r.opened >= policy.Tries {
		return lost
	}
	policy.First = min(policy.First<<(r.opened-1), policy.Max)
	policy.Tries -= r.opened - 1 // the error that is given to Do is the first of them
	return policy.Do(r.ctx, func(ctx context.Context) error {
		if err := lost; err != nil {
			lost = nil
			return err
		}
		found, err := r.s.listOnce(ctx)
		if err != nil {
			r.opened++
			return err
		}
		for _, f := range found.Files {
			if f.Same(r.listed) {
				return r.open(ctx)
			}
		}
		return arrival.ErrChanged
	})
}

// Close closes the file on the server, as far as the connection is still there.
func (r *reader) Close() error {
	if r.err == nil {
		r.err = errors.New("read a file: it was closed")
	}
	if r.file == nil || r.conn.isClosed() {
		return nil
	}
	file := r.file
	r.file = nil
	_ = r.conn.run(r.ctx, quietTime, errSilent, file.Close) // nothing depends on it
	return nil
}
