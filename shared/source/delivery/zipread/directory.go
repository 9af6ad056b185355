package zipread

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Sizes and signatures of PKZIP's APPNOTE sections 4.3.12 and 4.3.14 to 4.3.16.
const (
	headerSize  = 46
	endSize     = 22
	locatorSize = 20
	end64Size   = 56

	headerMark  = "PK\x01\x02"
	endMark     = "PK\x05\x06"
	end64Mark   = "PK\x06\x06"
	locatorMark = "PK\x06\x07"
)

// directory is what the end of a ZIP states about its directory.
type directory struct {
	records, size, offset uint64
	end                   int64 // where the directory ends
}

// checkDirectory returns ErrTooMany if the directory is larger than the limits. archive/zip holds the whole directory
// in memory, allocates by the number of entries that the end of the ZIP states, and reads all that are really there:
// both may be a lie. So they are counted first. A directory without a readable end is not an error here.
func checkDirectory(r io.ReaderAt, size int64, limits Limits) error {
	d, ok, err := readEnd(r, size)
	if err != nil || !ok {
		return err
	}
	if d.records > uint64(limits.Entries) || d.size > uint64(limits.Directory) {
		return fmt.Errorf("%w: it states %d, in %d bytes", ErrTooMany, d.records, d.size)
	}
	// As in archive/zip: the directory is at its offset, or, with anything before the ZIP, directly before its end.
	starts := []int64{int64(d.offset), d.end - int64(d.size)}
	for _, start := range starts {
		if start < 0 || start >= size {
			continue
		}
		if err := countHeaders(io.NewSectionReader(r, start, size-start), limits); err != nil {
			return err
		}
	}
	return nil
}

// readEnd reads the end of the directory as archive/zip does. ok is false if there is none.
func readEnd(r io.ReaderAt, size int64) (d directory, ok bool, err error) {
	tail := make([]byte, min(size, endSize+0xffff))
	at := size - int64(len(tail))
	if _, err := r.ReadAt(tail, at); err != nil {
		return d, false, err
	}
	found := -1
	if len(tail) >= endSize {
		found = bytes.LastIndex(tail[:len(tail)-endSize+len(endMark)], []byte(endMark))
	}
	if found < 0 {
		return d, false, nil
	}
	end := tail[found:]
	d = directory{
		records: uint64(binary.LittleEndian.Uint16(end[10:])),
		size:    uint64(binary.LittleEndian.Uint32(end[12:])),
		offset:  uint64(binary.LittleEndian.Uint32(end[16:])),
		end:     at + int64(found),
	}
	if d.records != 0xffff && d.size != 0xffff && d.size != 0xffffffff && d.offset != 0xffffffff {
		return d, true, nil
	}
	locator := make([]byte, locatorSize)
	if d.end < locatorSize {
		return d, true, nil
	}
	if _, err := r.ReadAt(locator, d.end-locatorSize); err != nil {
		return d, false, err
	}
	at64 := int64(binary.LittleEndian.Uint64(locator[8:]))
	if !bytes.HasPrefix(locator, []byte(locatorMark)) || at64 < 0 || at64 > size-end64Size {
		return d, true, nil
	}
	end64 := make([]byte, end64Size)
	if _, err := r.ReadAt(end64, at64); err != nil {
		return d, false, err
	}
	if bytes.HasPrefix(end64, []byte(end64Mark)) {
		d = directory{
			records: binary.LittleEndian.Uint64(end64[32:]), size: binary.LittleEndian.Uint64(end64[40:]),
			offset: binary.LittleEndian.Uint64(end64[48:]), end: at64,
		}
	}
	return d, true, nil
}

// countHeaders returns ErrTooMany if r begins with more headers of a directory, or larger ones, than the limits.
func countHeaders(r io.Reader, limits Limits) error {
	in := bufio.NewReader(r)
	size := int64(0)
	for n := 0; ; n++ {
		h, err := in.Peek(headerSize)
		if err != nil || !bytes.HasPrefix(h, []byte(headerMark)) {
			return nil // the end of the directory; an error of the source comes again when the ZIP is opened
		}
		length := headerSize + int(binary.LittleEndian.Uint16(h[28:])) + int(binary.LittleEndian.Uint16(h[30:])) +
			int(binary.LittleEndian.Uint16(h[32:]))
		if size += int64(length); n >= limits.Entries || size > limits.Directory {
			return fmt.Errorf("%w: more than %d entries, or %d bytes of their names", ErrTooMany, limits.Entries,
				limits.Directory)
		}
		if _, err := in.Discard(length); err != nil {
			return nil // as above
		}
	}
}
