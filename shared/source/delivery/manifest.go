package delivery

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"o2archiver/shared/record"
)

// Limits for one manifest.
const (
	maxManifest  = 32 << 20 // bytes; 100,000 names have less
	maxListed    = 100_000
	maxListLine  = 16 << 10 // bytes; a longer line lists nothing
	maxKeptLines = 100
	maxSplits    = 16 // separators of a line at which it is tried
)

// ListManifest is what the manifest (*.mf) of a ZIP states. The vendor documents three rules and no syntax: the count
// equals the number of messages, each name listed is in the ZIP exactly so, and no listed file is empty.
type ListManifest struct {
	Count     int  // number of messages that it states; -1 if it states none
	Disagrees bool // it states several counts, and the first one is Count

	Listed  map[string]bool // names of entries of the ZIP that it lists
	Missing []string        // names of messages that it lists and the ZIP does not have, each once

	// Unknown is the number of lines that are neither. Kept has the first of them, each up to its first 1,000 bytes.
	Unknown int
	Kept    []string
	Cut     bool // it is larger than a manifest may be, and was not read to its end
}

// countLine is a line that states the number of messages.
var countLine = regexp.MustCompile(`(?i)(?:^|[^\pL])count"?\s*[:=]\s*"?(\d{1,9})(?:\D|$)`)

// ReadManifest reads a manifest. isEntry reports whether the ZIP has an entry of exactly this name. A line lists an
// entry if it is the entry's name, or has it before or after a separator; names may have blanks. A line with something
// else that ends in .eml lists a message that is missing. The error is one of r.
func ReadManifest(r io.Reader, isEntry func(name string) bool) (*ListManifest, error) {
	m := &ListManifest{Count: -1, Listed: map[string]bool{}}
	missing := map[string]bool{}
	limited := &io.LimitedReader{R: r, N: maxManifest}
	in := bufio.NewReaderSize(limited, maxListLine)
	for first := true; ; first = false {
		line, err := readListLine(in)
		if first {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if len(m.Listed)+len(missing) >= maxListed {
			m.Cut = true
			return m, nil
		}
		if text := strings.TrimSpace(string(line)); text != "" {
			m.readLine(text, isEntry, missing)
		}
		if errors.Is(err, io.EOF) {
			m.Cut = limited.N <= 0
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

// readLine reads one line that is not empty.
func (m *ListManifest) readLine(line string, isEntry func(string) bool, missing map[string]bool) {
	if name, ok := listedName(line, isEntry); ok {
		m.Listed[name] = true
		return
	}
	if found := countLine.FindStringSubmatch(line); found != nil {
		n, _ := strconv.Atoi(found[1]) // at most nine digits
		m.Disagrees = m.Disagrees || m.Count >= 0 && m.Count != n
		if m.Count < 0 {
			m.Count = n
		}
		return
	}
	if name, ok := missingName(line); ok {
		if !missing[name] {
			missing[name] = true
			m.Missing = append(m.Missing, validText(name))
		}
		return
	}
	if m.Unknown++; len(m.Kept) < maxKeptLines {
		m.Kept = append(m.Kept, cutText(validText(line), maxFile))
	}
}

// isListSeparator reports whether c separates the name of an entry from what else a line of a manifest may have.
func isListSeparator(c byte) bool {
	return c == ',' || c == ';' || c == ':' || c == '\t' || c == '=' || c == '|'
}

// listedName returns the name of an entry that a line lists. Blanks are separators only if nothing else fits.
func listedName(line string, isEntry func(string) bool) (string, bool) {
	if name := trimListed(line); isEntry(name) {
		return name, true
	}
	for _, separates := range []func(byte) bool{isListSeparator, func(c byte) bool { return c == ' ' }} {
		start, splits := 0, 0
		for i := 0; i < len(line) && splits < maxSplits; i++ {
			if !separates(line[i]) {
				continue
			}
			splits++
			for _, part := range []string{line[start:i], line[:i], line[i+1:]} {
				if name := trimListed(part); name != "" && isEntry(name) {
					return name, true
				}
			}
			start = i + 1
		}
		if name := trimListed(line[start:]); name != "" && isEntry(name) {
			return name, true
		}
	}
	return "", false
}

// missingName returns what ends in .eml between two separators of a line.
func missingName(line string) (string, bool) {
	for part := range strings.FieldsFuncSeq(line, func(c rune) bool { return c < 0x80 && isListSeparator(byte(c)) }) {
		name := trimListed(part)
		if strings.HasSuffix(record.LowerASCII(name), ".eml") {
			return name, true
		}
	}
	return "", false
}

// trimListed returns a name without white space and quotation marks around it.
func trimListed(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 1 && s[0] == s[len(s)-1] && (s[0] == '"' || s[0] == '\'') {
		s = s[1 : len(s)-1]
	}
	return s
}
