package deliverytest

import (
	"cmp"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/pkg/sftp"
)

// handlers answer the SFTP requests of one connection. The folder can be read only.
type handlers struct{ l *link }

// name returns the name of a requested file within the folder.
func (h *handlers) name(p string) (string, bool) {
	folder := strings.TrimSuffix(path.Join("/", h.l.s.o.Folder), "/")
	return strings.CutPrefix(p, folder+"/")
}

// Fileread implements sftp.FileReader.
func (h *handlers) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	s := h.l.s
	s.mu.Lock()
	s.counts.Opens++
	s.mu.Unlock()
	if err := h.l.happen(Open, 0); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name, ok := h.name(r.Filepath)
	f, there := s.files[name]
	if !ok || !there {
		return nil, os.ErrNotExist
	}
	if f.Denied {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	if f.ReadOnce {
		delete(s.files, name)
	}
	return &content{h.l, name, f}, nil
}

// content is an open file. A file that is replaced while it is open is read in its new form.
type content struct {
	l    *link
	name string
	f    File
}

// ReadAt implements io.ReaderAt.
func (c *content) ReadAt(p []byte, offset int64) (int, error) {
	s := c.l.s
	s.mu.Lock()
	s.reads++
	if s.counts.Concurrent < s.reads {
		s.counts.Concurrent = s.reads
		if s.more != nil {
			close(s.more)
			s.more = nil
		}
	}
	if now, there := s.files[c.name]; there {
		c.f = now
	}
	f := c.f
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.reads--
		s.mu.Unlock()
	}()
	s.awaitReads(f.Together)
	if err := c.l.happen(Read, offset); err != nil {
		return 0, err
	}
	if f.Slow > 0 {
		select {
		case <-time.After(f.Slow):
		case <-s.done:
		}
		p = p[:min(len(p), 1)]
	}
	if offset >= int64(len(f.Data)) {
		return 0, io.EOF
	}
	n := copy(p, f.Data[offset:])
	return n, nil
}

// Close implements io.Closer.
func (c *content) Close() error { return c.l.happen(Close, 0) }

// awaitReads waits until that many reads were under way at the same time.
func (s *Server) awaitReads(together int) {
	for {
		s.mu.Lock()
		if s.counts.Concurrent >= together {
			s.mu.Unlock()
			return
		}
		if s.more == nil {
			s.more = make(chan struct{})
		}
		more := s.more
		s.mu.Unlock()
		select {
		case <-more:
		case <-s.done:
			return
		}
	}
}

// Filewrite implements sftp.FileWriter.
func (h *handlers) Filewrite(*sftp.Request) (io.WriterAt, error) { return nil, os.ErrPermission }

// Filecmd implements sftp.FileCmder.
func (h *handlers) Filecmd(*sftp.Request) error { return os.ErrPermission }

// Filelist implements sftp.FileLister.
func (h *handlers) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	s := h.l.s
	if r.Method != "List" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.counts.Stats++
		name, ok := h.name(r.Filepath)
		f, there := s.files[name]
		if !ok || !there {
			return nil, os.ErrNotExist
		}
		return &listing{l: h.l, all: []os.FileInfo{info{name, f}}}, nil
	}
	s.mu.Lock()
	s.counts.Lists++
	s.mu.Unlock()
	if err := h.l.happen(Opendir, 0); err != nil {
		return nil, err
	}
	inside := "" // of the folder: it, or a folder in it
	if r.Filepath != path.Join("/", s.o.Folder) {
		name, ok := h.name(r.Filepath)
		if !ok {
			return nil, os.ErrNotExist
		}
		inside = name + "/"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := &listing{l: h.l}
	if s.files[strings.TrimSuffix(inside, "/")].Denied {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	folders := map[string]bool{}
	for _, name := range s.order {
		f, there := s.files[name]
		rest, here := strings.CutPrefix(name, inside)
		if !there || !here {
			continue
		}
		if folder, _, deeper := strings.Cut(rest, "/"); !deeper {
			all.all = append(all.all, info{rest, f})
		} else if !folders[folder] {
			folders[folder] = true
			all.all = append(all.all, info{folder, File{Mode: fs.ModeDir}})
		}
	}
	if len(all.all) == 0 && inside != "" {
		return nil, os.ErrNotExist
	}
	return all, nil
}

// listing is the state of a listing.
type listing struct {
	l   *link
	all []os.FileInfo
}

// ListAt implements sftp.ListerAt.
func (l *listing) ListAt(to []os.FileInfo, offset int64) (int, error) {
	if err := l.l.happen(Readdir, offset); err != nil {
		return 0, err
	}
	if offset >= int64(len(l.all)) {
		return 0, io.EOF
	}
	return copy(to, l.all[offset:]), nil
}

// Close implements io.Closer.
func (l *listing) Close() error { return l.l.happen(Close, 0) }

// info implements fs.FileInfo.
type info struct {
	name string
	f    File
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return cmp.Or(i.f.Size, int64(len(i.f.Data))) }
func (i info) Mode() fs.FileMode  { return i.f.Mode | 0o400 }
func (i info) ModTime() time.Time { return i.f.ModTime }
func (i info) IsDir() bool        { return i.f.Mode.IsDir() }
func (i info) Sys() any           { return nil }
