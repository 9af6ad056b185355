package zipread

import (
	"archive/zip"
	"errors"
	"io"
	"sync"
)

// blockSize is the number of bytes that one read of the source asks for. It is a request to a storage service each
// time.
const blockSize = 2 << 20

// window reads from a source in blocks, and keeps the last two: one has the directory or the entry before, the other
// what is read now. It is safe for concurrent use. After an error of the source it returns that error for every read:
// what was read before it cannot be told from what is damaged.
type window struct {
	source io.ReaderAt
	size   int64

	mu     sync.Mutex
	blocks [2]block // the last used one first
	failed error
}

// headerReader is the source as archive/zip reads it. QUIRK: zip.File has the offset of its header and does not export
// it, and DataOffset reads the header, which is a block of the source for each file. headerReader finds it without.
type headerReader struct {
	io.ReaderAt
	finding bool // ReadAt reads nothing and notes the offset
	found   int64
}

var errFinding = errors.New("only the offset is needed")

// ReadAt is as in io.ReaderAt.
func (h *headerReader) ReadAt(p []byte, off int64) (int, error) {
	if h.finding {
		h.found = off
		return 0, errFinding
	}
	return h.ReaderAt.ReadAt(p, off)
}

// offsetOf returns the offset of a file's header. It MUST NOT be called while a file is read.
func (h *headerReader) offsetOf(f *zip.File) int64 {
	h.finding = true
	_, _ = f.DataOffset()
	h.finding = false
	return h.found
}

// block is a part of the source.
type block struct {
	at    int64
	bytes []byte
}

// ReadAt is as in io.ReaderAt.
func (w *window) ReadAt(p []byte, off int64) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n < len(p) {
		if off < 0 || off >= w.size {
			return n, io.EOF
		}
		b, err := w.load(off)
		if err != nil {
			return n, err
		}
		done := copy(p[n:], b.bytes[off-b.at:])
		n, off = n+done, off+int64(done)
	}
	return n, nil
}

// load returns the block that has an offset.
func (w *window) load(off int64) (block, error) {
	if w.failed != nil {
		return block{}, w.failed
	}
	at := off - off%blockSize
	switch at {
	case w.blocks[0].at:
		if w.blocks[0].bytes != nil {
			return w.blocks[0], nil
		}
	case w.blocks[1].at:
		if w.blocks[1].bytes != nil {
			w.blocks[0], w.blocks[1] = w.blocks[1], w.blocks[0]
			return w.blocks[0], nil
		}
	}
	buf := w.blocks[1].bytes[:cap(w.blocks[1].bytes)]
	size := int(min(blockSize, w.size-at))
	if len(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	n, err := w.source.ReadAt(buf, at)
	switch {
	case n == size:
	case err == nil, errors.Is(err, io.EOF):
		w.failed = io.ErrUnexpectedEOF // the source is shorter than its size
	default:
		w.failed = err
	}
	w.blocks[1] = block{}
	if w.failed != nil {
		return block{}, w.failed
	}
	w.blocks[0], w.blocks[1] = block{at, buf}, w.blocks[0]
	return w.blocks[0], nil
}

// failure returns the first error of the source, or nil.
func (w *window) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}
