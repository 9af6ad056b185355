package delivery

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
)

// Limits for one manifest.
const (
	maxManifest  = 32 << 20 // bytes; 100,000 names have less
	maxListed    = 100_000
	maxListLine  = 16 << 10 // bytes; a longer line is cut
	maxKeptLines = 100
	maxSplits    = 16 // separators that a name may have in a line with more than the name

	maxSeparators = 1_000 // in a line in which a name may have some
	linesPerCheck = 1_000 // whether the context is done
)

// ListManifest is what the manifest (*.mf) of a ZIP states. The vendor documents three rules and no syntax: the count
// equals the number of messages, each name listed is in the ZIP exactly so, and no listed file is empty.
type ListManifest struct {
	Count     int  // number of messages that it states; -1 if it states none that is a plain number
	Disagrees bool // it states several counts, and the first one is Count
	Unclear   bool // it states a count that is no plain number, such as "5.0" or "10 of 12"

	Listed  map[string]bool // names of entries of the ZIP that it lists
	Missing []string        // names of messages that it lists and the ZIP does not have, each once

	// Unknown is the number of lines that are neither. Kept has the first of them, each up to its first 1,000 bytes.
	Unknown int
	Kept    []string
	Cut     bool // it is larger than a manifest may be, or a line of it is, and was not read as a whole
}

// ReadManifest reads a manifest. isEntry reports whether the ZIP has an entry of exactly this name. A line lists an
// entry if it is the entry's name, and otherwise all entries whose names it has between separators; names may have
// blanks and separators. Something else between separators that ends in .eml is a message that is listed and missing.
// What a line has besides may state the count. The error is one of r, or the cause for which ctx is done.
func ReadManifest(ctx context.Context, r io.Reader, isEntry func(name string) bool) (*ListManifest, error) {
	m := &ListManifest{Count: -1, Listed: map[string]bool{}}
	missing := map[string]bool{}
	limited := &io.LimitedReader{R: r, N: maxManifest}
	in := bufio.NewReaderSize(limited, maxListLine)
	for n := 0; ; n++ {
		if n%linesPerCheck == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		line, err := readListLine(in)
		if n == 0 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if len(m.Listed)+len(missing) >= maxListed {
			m.Cut = true
			return m, nil
		}
		m.Cut = m.Cut || len(line) == maxListLine
		if text := strings.TrimSpace(string(line)); text != "" {
			m.readLine(text, isEntry, missing)
		}
		if errors.Is(err, io.EOF) {
			m.Cut = m.Cut || limited.N <= 0
			return m, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// readListLine returns the next line without its end, which is CR, LF or both. Of a line of more than maxListLine bytes
// the beginning is a line of its own.
func readListLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for len(line) < maxListLine {
		c, err := in.ReadByte()
		if err != nil || c == '\n' || c == '\r' {
			return line, err
		}
		line = append(line, c)
	}
	return line, nil
}
