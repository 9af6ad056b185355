// Package arrival describes the files that a vendor delivers into a folder: what a listing tells about a file, and when
// a file is complete.
//
// The folder is that of an SFTP server or that of a landing container. The reader of deliveries sees both as one
// interface, which it declares itself:
//
//	List(ctx context.Context) (arrival.Listing, error)
//	Open(ctx context.Context, path string, offset int64) (io.ReadCloser, error)
//
// List returns the files of the folder, sorted by path, each path once, and what else is there. After an error the
// listing is unknown: no file may be called missing because of it. Open opens a file of the last List at an offset.
// What it reads MUST be the content that was listed: once a difference shows, Read returns ErrChanged, and what was
// read before is worthless. A listed size is a claim of the server, so the reader counts bytes itself. Both operations
// retry by themselves what a retry helps; an error of theirs that is transient (retry.IsTransient) is a matter of the
// next run. Neither ever renames, moves, deletes or writes anything.
package arrival

import (
	"errors"
	"strings"
	"time"
)

var (
	// ErrChanged means that the file is not the one that was listed.
	ErrChanged = errors.New("the file changed since it was listed")
	// ErrNotListed means that the last listing has no file with that path.
	ErrNotListed = errors.New("the file is not in the last listing")
)

// File is what a listing tells about a file. Three equal fields identify the content as well as a listing can.
type File struct {
	Path    string    // relative to the folder
	Size    int64     // bytes; never negative
	ModTime time.Time // by the server's clock; an uploader may set it, so it is no watermark. Zero if none is stated
}

// Listing is what is in a folder at one time.
type Listing struct {
	Files []File
	// NotFiles has the names of what is there besides and is never read, sorted, each once: folders, links, other
	// special files, and files whose names are not plain. The names MUST NOT be logged.
	NotFiles []string
}

// Same reports whether two listings describe the same content.
func (f File) Same(other File) bool {
	return f.Path == other.Path && f.Size == other.Size && f.ModTime.Equal(other.ModTime)
}

// Sighting is a file of an earlier listing, with the time of the first listing that described it so.
type Sighting struct {
	File  File
	Since time.Time
}

// minimumAge is how long a file must have been listed unchanged before it counts as complete. Times of SFTP have whole
// seconds, and servers write the size of an open file late.
const minimumAge = time.Minute

// IsComplete reports whether the upload of a file has ended, as far as listings can tell: it was listed unchanged for a
// minute, or its last change is older than after. Nothing in SFTP says that a file is whole, so the content has to be
// checked as well. earlier is the zero Sighting if the file was not listed before. A time of change in the future, by a
// clock that is ahead, says nothing, and neither does one of 1970 or before, which stands for none: such a file has to
// be listed twice.
func IsComplete(f File, earlier Sighting, now time.Time, after time.Duration) bool {
	if f.Same(earlier.File) && !earlier.Since.IsZero() && now.Sub(earlier.Since) >= minimumAge {
		return true
	}
	return f.ModTime.Unix() > 0 && now.Sub(f.ModTime) >= max(after, 0)
}

// Sight returns the Sighting to remember for a file that is listed now.
func Sight(f File, earlier Sighting, now time.Time) Sighting {
	if f.Same(earlier.File) && !earlier.Since.IsZero() && !earlier.Since.After(now) {
		return earlier
	}
	return Sighting{File: f, Since: now}
}

// maxName is the maximum length in bytes of a name, as in the file systems of servers.
const maxName = 255

// IsPlainName reports whether a name is that of a file in the folder itself: it leads nowhere else, and has no control
// characters.
func IsPlainName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= maxName && !strings.ContainsFunc(name,
		func(c rune) bool { return c < ' ' || c == 0x7f || c == '/' || c == '\\' })
}
