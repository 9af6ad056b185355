// Package zipread reads the ZIP of a delivery from ranges of a stored file. Nothing in a ZIP is trusted: not its names,
// its sizes, its directory or its content. An entry that cannot be read, or must not be, has a Problem, and the entries
// beside it are read.
package zipread

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"o2archiver/shared/record"
)

// Limits are the limits for one ZIP. They hold for bytes that were counted, never for what a header states.
type Limits struct {
	Entries   int
	Directory int64 // bytes of the directory, which is held in memory
	Entry     int64 // bytes of one entry's content
	Total     int64 // bytes of all contents
	Ratio     int64 // how many times larger than compressed a content may be
}

// DefaultLimits returns the limits for deliveries.
func DefaultLimits() Limits {
	return Limits{Entries: 100_000, Directory: 32 << 20, Entry: 64 << 20, Total: 4 << 30, Ratio: 200}
}

// minExpanded is the size of a content in bytes from which its ratio is judged. Silence in a short recording compresses
// as well as a bomb does.
const minExpanded = 1 << 20

var (
	// ErrFormat means that the file is not a ZIP, or not all of one: the directory is at its end.
	ErrFormat = errors.New("the file is not a whole ZIP")
	// ErrTooMany means that the ZIP has more entries than any delivery, or a larger directory.
	ErrTooMany = errors.New("the ZIP has too many entries")
)

// Kind is what an entry is by its name.
type Kind int

// The kinds of entries.
const (
	Message  Kind = iota // *.eml
	Manifest             // *.mf
	Other
)

// Problem is the reason why an entry is not what it should be, in plain words. "" means that there is none.
type Problem string

// The problems of an entry.
const (
	// Such an entry can be read, and is named otherwise than any program of the vendor names one.
	UnsafeName Problem = "its name is a path that leads out of the ZIP, or has characters of another system's paths"

	// Such an entry cannot be read. Its bytes are in the stored ZIP.
	Encrypted Problem = "it is protected with a password"
	Folder    Problem = "it is a folder"
	Link      Problem = "it is a link or another special file"
	Method    Problem = "it is compressed by a method that this program does not know"

	// These are found when the entry is read.
	Broken    Problem = "it is damaged: its content and its checksum or size differ, or it cannot be decompressed"
	TooLarge  Problem = "it is larger than a file of a delivery may be, 64 MiB"
	Bomb      Problem = "it expands to many times its size, as no message does"
	OverTotal Problem = "all files of the ZIP together are larger than a delivery may be, 4 GiB"
)

// Entry is one entry of a ZIP.
type Entry struct {
	// Name is the name as it is in the ZIP. It is compared with the names in a manifest and MUST NOT be used as a path.
	Name    string
	Kind    Kind
	Size    int64   // of the content, as the directory states it
	Offset  int64   // of its header in the ZIP, as the directory states it; its content follows
	Problem Problem // found without reading the entry
	Twice   bool    // an earlier entry has the same name; both can be read

	file *zip.File
	at   int // its place in Archive.Entries
}

// Readable reports whether Read can read the entry.
func (e Entry) Readable() bool { return e.Problem == "" || e.Problem == UnsafeName }

// Archive is an open ZIP. It is safe for concurrent use.
type Archive struct {
	Entries []Entry // in the order of the directory

	source *window
	limits Limits

	mu      sync.Mutex
	counted []int64 // bytes of each entry's content that were read
	total   int64   // their sum
	inflate sync.Pool
}

// Open reads the directory of a ZIP. It returns ErrFormat, ErrTooMany, or the error of r.
func Open(r io.ReaderAt, size int64, limits Limits) (*Archive, error) {
	if size < 0 {
		return nil, ErrFormat
	}
	a := &Archive{source: &window{source: r, size: size}, limits: limits}
	err := checkDirectory(a.source, size, limits)
	if failed := a.source.failure(); failed != nil {
		return nil, fmt.Errorf("read the directory of a ZIP: %w", failed)
	}
	if err != nil {
		return nil, err
	}
	in := &headerReader{ReaderAt: a.source}
	z, err := zip.NewReader(in, size)
	if failed := a.source.failure(); failed != nil {
		return nil, fmt.Errorf("read the directory of a ZIP: %w", failed)
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are judged below
		return nil, ErrFormat
	}
	seen := make(map[string]bool, len(z.File))
	a.Entries, a.counted = make([]Entry, 0, len(z.File)), make([]int64, len(z.File))
	for i, f := range z.File {
		e := Entry{Name: f.Name, Kind: kindOf(f.Name), Size: int64(min(f.UncompressedSize64, 1<<62)),
			Offset: in.offsetOf(f), Problem: problemOf(f), Twice: seen[f.Name], file: f, at: i}
		seen[f.Name] = true
		a.Entries = append(a.Entries, e)
	}
	return a, nil
}

// kindOf returns the kind of an entry of this name. QUIRK: macOS puts a file ._<name> with attributes beside each file.
func kindOf(name string) Kind {
	switch lower := record.LowerASCII(name); {
	case strings.HasPrefix(path.Base(lower), "._"):
		return Other
	case strings.HasSuffix(lower, ".eml"):
		return Message
	case strings.HasSuffix(lower, ".mf"):
		return Manifest
	}
	return Other
}

// IsSystemFile reports whether an entry of this name is one that macOS or Windows put beside a person's files.
func IsSystemFile(name string) bool {
	base := record.LowerASCII(path.Base(name))
	return strings.HasPrefix(name, "__MACOSX/") || strings.HasPrefix(base, "._") || base == ".ds_store" ||
		base == "thumbs.db" || base == "desktop.ini"
}

// problemOf returns the problem of an entry that its header shows.
func problemOf(f *zip.File) Problem {
	const encrypted = 1 | 1<<6 | 1<<13 // APPNOTE section 4.4.4
	mode := f.Mode()
	switch {
	case strings.HasSuffix(f.Name, "/") || mode.IsDir():
		return Folder
	case mode&fs.ModeType != 0:
		return Link
	case f.Flags&encrypted != 0:
		return Encrypted
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return Method
	case !isSafeName(f.Name):
		return UnsafeName
	}
	return ""
}

// isSafeName reports whether a name is a relative path that stays below its folder, on every system.
func isSafeName(name string) bool {
	if name == "" || strings.ContainsAny(name, "\\\x00") || strings.HasPrefix(name, "/") ||
		len(name) > 1 && name[1] == ':' {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return false
		}
	}
	return true
}

// Read calls use with the content of an entry. What use has done with it counts only if Read returns neither a problem
// nor an error: the checksum is at the end of the content. Read reads to the end what use has left. An error is one of
// the source or of use; after one of the source, the archive must be opened again.
func (a *Archive) Read(e Entry, use func(r io.Reader) error) (Problem, error) {
	if !e.Readable() {
		return e.Problem, nil
	}
	c := &content{a: a, e: e}
	raw, err := e.file.OpenRaw()
	if err == nil {
		c.raw = &rawReader{r: raw}
		c.in = c.raw
		if e.file.Method == zip.Deflate {
			in := a.inflater(c.raw)
			defer a.inflate.Put(in)
			c.in = in
		}
		if err = use(c); err == nil {
			_, err = io.Copy(io.Discard, c)
		}
	} else {
		c.problem = Broken
	}
	switch failed := a.source.failure(); {
	case failed != nil:
		return "", fmt.Errorf("read an entry of a ZIP: %w", failed)
	case c.problem != "":
		return c.problem, nil
	}
	return "", err
}

// inflater returns a decompressor of r.
func (a *Archive) inflater(r io.Reader) io.ReadCloser {
	if in, ok := a.inflate.Get().(io.ReadCloser); ok {
		if err := in.(flate.Resetter).Reset(r, nil); err == nil {
			return in
		}
	}
	return flate.NewReader(r)
}

// rawReader counts the compressed bytes that are read.
type rawReader struct {
	r io.Reader
	n int64
}

func (r *rawReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.n += int64(n)
	return n, err
}

// errProblem ends the reading of an entry that has a problem.
var errProblem = errors.New("the entry cannot be read")

// content is the decompressed content of an entry. Its only errors are io.EOF and errProblem.
type content struct {
	a       *Archive
	e       Entry
	raw     *rawReader
	in      io.Reader
	n       int64
	sum     uint32
	end     bool
	problem Problem
}

func (c *content) Read(p []byte) (int, error) {
	switch {
	case c.problem != "":
		return 0, errProblem
	case c.end:
		return 0, io.EOF
	}
	n, err := c.in.Read(p)
	c.n += int64(n)
	c.sum = crc32.Update(c.sum, crc32.IEEETable, p[:n])
	switch {
	case c.n > c.a.limits.Entry:
		c.problem = TooLarge
	case c.n > minExpanded && c.n > c.a.limits.Ratio*c.raw.n:
		c.problem = Bomb
	case !c.a.count(c.e, c.n):
		c.problem = OverTotal
	case errors.Is(err, io.EOF):
		c.end = true
		// A directory without a checksum is of a program that writes none.
		if want := c.e.file.CRC32; want != 0 && want != c.sum || uint64(c.n) != c.e.file.UncompressedSize64 {
			c.problem = Broken
		}
	case err != nil:
		c.problem = Broken
	}
	if c.problem != "" {
		return 0, errProblem
	}
	if c.end && n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Counted returns how many bytes of an entry's content were read: of one with a problem, those before it was found.
func (a *Archive) Counted(e Entry) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counted[e.at]
}

// count adds the bytes of an entry that were read for the first time to the total, and reports whether it is within the
// limit.
func (a *Archive) count(e Entry, n int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if more := n - a.counted[e.at]; more > 0 {
		a.counted[e.at] = n
		a.total += more
	}
	return a.total <= a.limits.Total
}
