package sftpstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"time"

	"o2archiver/shared/arrival"
)

// List returns the regular files of the folder whose names are accepted, and what is no regular file. After an error no
// file may be called missing. It tries up to 8 times, with growing pauses.
func (s *Store) List(ctx context.Context) (arrival.Listing, error) {
	var found arrival.Listing
	err := s.policy.Do(ctx, func(ctx context.Context) (err error) {
		found, err = s.listOnce(ctx)
		if s.optional && errors.Is(err, ErrNotFound) {
			return s.checkParent(ctx)
		}
		return err
	})
	if err != nil {
		return arrival.Listing{}, err
	}
	listed := make(map[string]arrival.File, len(found.Files))
	for _, f := range found.Files {
		listed[f.Path] = f
	}
	if err := s.mu.Lock(ctx); err != nil {
		return arrival.Listing{}, err
	}
	defer s.mu.Unlock()
	s.listed = listed
	return found, nil
}

// checkParent returns nil if the folder in which the Store's own one would be can be listed. If it cannot, the server
// is another one than it was, or lacks a file system, and of the Store's folder nothing is known.
func (s *Store) checkParent(ctx context.Context) error {
	parent := path.Dir(s.folder)
	if parent == s.folder {
		return ErrNotFound
	}
	_, err := s.readFolder(ctx, parent)
	return err
}

func (s *Store) listOnce(ctx context.Context) (arrival.Listing, error) {
	found, err := s.readFolder(ctx, s.folder)
	if err != nil {
		return arrival.Listing{}, err
	}
	return s.selectFiles(found), nil
}

// readFolder returns all that a folder has.
func (s *Store) readFolder(ctx context.Context, folder string) ([]fs.FileInfo, error) {
	c, err := s.connection(ctx)
	if err != nil {
		return nil, err
	}
	var found []fs.FileInfo
	c.stream.reset()
	stop := c.watchListing()
	// QUIRK: on an error ReadDir also returns what it had until then, which is worthless here.
	err = c.run(ctx, listTime, errSlow, func() (err error) {
		found, err = c.client.ReadDirContext(ctx, folder)
		return err
	})
	stop()
	if err == nil && !c.stream.sawEnd() {
		err = fmt.Errorf("%w: a listing without an end", ErrProtocol)
	}
	if err != nil {
		if !errors.Is(err, ErrNotFound) {
			c.abort(errClosed) // a new try gets a new connection; the error is of this call alone
		}
		return nil, err
	}
	return found, nil
}

// watchListing closes the connection if a listing does not go on for quietTime, while the server still answers what
// keeps the connection alive.
func (c *connection) watchListing() (stop func()) {
	ended := make(chan struct{})
	go func() {
		ticker := time.NewTicker(quietTime / 4)
		defer ticker.Stop()
		for {
			select {
			case <-ended:
				return
			case <-c.closed:
				return
			case <-ticker.C:
				if c.stream.quiet() >= quietTime {
					c.abort(errSilent)
				}
			}
		}
	}()
	return func() { close(ended) }
}

// selectFiles returns the files of a listing that may be read, and the names of what is no regular file, or could lead
// out of the folder. If a folder changes while it is listed, a name may come twice: the later one counts.
func (s *Store) selectFiles(found []fs.FileInfo) (l arrival.Listing) {
	var files []arrival.File
	for _, info := range found {
		name := info.Name()
		if !info.Mode().IsRegular() || !arrival.IsPlainName(name) {
			l.NotFiles = append(l.NotFiles, name)
			continue
		}
		if !s.accept(name) {
			continue
		}
		f := arrival.File{Path: name, Size: info.Size()}
		if at := info.ModTime(); at.Unix() > 0 { // 0 is also what pkg/sftp has for a file without a time
			f.ModTime = at.UTC()
		}
		if f.Size < 0 {
			f.Size = math.MaxInt64 // the protocol's sizes have 64 bits without a sign
		}
		files = append(files, f)
	}
	slices.SortStableFunc(files, func(a, b arrival.File) int { return cmp.Compare(a.Path, b.Path) })
	last := files[:0]
	for i, f := range files {
		if i+1 == len(files) || files[i+1].Path != f.Path {
			last = append(last, f)
		}
	}
	l.Files = last
	slices.Sort(l.NotFiles)
	l.NotFiles = slices.Compact(l.NotFiles)
	return l
}
