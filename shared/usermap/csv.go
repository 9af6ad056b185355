package usermap

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // Europe/London must be known on every machine
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

const (
	maxFile = 16 << 20
	maxBad  = 100 // number of mistakes that are reported one by one
)

// CSVError lists the lines of a mapping file that were refused, with the reasons. One refused line refuses the whole
// file: with a part of the mapping, people would be left out without notice.
type CSVError struct {
	Lines []LineError // the first 100 mistakes, in the order of the file; a line has an entry for each mistake
	More  int         // number of further mistakes
}

// LineError is one mistake in a refused line. Reason contains nothing of the line's content.
type LineError struct {
	Line   int // from 1; the first line of a row whose cells have line breaks
	Reason string
}

// Error returns one line of text for each mistake.
func (e *CSVError) Error() string {
	var b strings.Builder
	b.WriteString("the mapping file is refused")
	for _, l := range e.Lines {
		fmt.Fprintf(&b, "\nline %d: %s", l.Line, l.Reason)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\nand %d more mistakes", e.More)
	}
	return b.String()
}

// add records a mistake, or only counts it if there are too many.
func (e *CSVError) add(line int, reason string) {
	if len(e.Lines) < maxBad {
		e.Lines = append(e.Lines, LineError{line, reason})
		return
	}
	e.More++
}

// refuseLine returns the error for a single mistake.
func refuseLine(line int, reason string) error {
	return &CSVError{Lines: []LineError{{line, reason}}}
}

// ParseCSV reads an administrator's mapping of numbers to mailboxes. The columns are External User ID and Microsoft
// 365 User Mailbox, or common synonyms, or the file has no header. Valid From and Valid To are optional, inclusive,
// and days in Europe/London. A date that can be read in two ways is refused, unless another date of the file shows
// the order of day and month. region is the two-letter country of numbers in national form.
//
// The file is UTF-8, UTF-16 or Windows-1252, separated by commas, semicolons or tabs, and has at most 16 MiB. If any
// part of it is refused, the error is a *CSVError.
func ParseCSV(r io.Reader, region string) (*Table, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the mapping file: %w", err)
	}
	if len(data) > maxFile {
		return nil, refuseLine(1, "the file is larger than 16 MiB")
	}
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		return nil, fmt.Errorf("read the mapping file: %w", err)
	}
	version := sha256.Sum256(data)
	text, encoding, err := decodeText(data)
	if err != nil {
		return nil, err
	}
	t := &Table{version: hex.EncodeToString(version[:]), encoding: encoding, london: london, rows: map[string][]row{}}
	bad := &CSVError{}
	if err := t.read(text, region, bad); err != nil {
		return nil, err
	}
	switch {
	case len(bad.Lines) > 0:
		return nil, bad
	case len(t.rows) == 0:
		return nil, refuseLine(1,
			"the file has no rows; to map by the email property only, set CUSTOM_MAPPING to false")
	}
	return t, nil
}

// read fills the table and adds the refused lines to bad. It returns an error if the columns cannot be determined.
func (t *Table) read(text []byte, region string, bad *CSVError) error {
	left, comma, skipped := findSeparator(string(text))
	in := rows{text: left, comma: comma, line: 1 + skipped}
	var c *columns
	var header []string
	var all []entry
	for {
		cells, line, broken, ok := in.next()
		if !ok {
			break
		}
		if broken {
			bad.add(line, "the quotes are not in pairs")
			continue
		}
		for i := range cells {
			cells[i] = cleanCell(cells[i])
		}
		if isBlankRow(cells) {
			continue
		}
		if c == nil {
			var named bool
			var reason string
			if c, named, reason = findColumns(cells); reason != "" {
				return refuseLine(line, reason)
			}
			if named {
				header = cells
				continue
			}
		}
		if slices.EqualFunc(cells, header, strings.EqualFold) { // the header again: two files were concatenated
			continue
		}
		t.dates.look(cellAt(cells, c.from), line)
		t.dates.look(cellAt(cells, c.to), line)
		all = append(all, entry{cells, line})
	}
	for _, e := range all { // only now is the order of day and month known
		for _, reason := range t.add(c, e.cells, e.line, region) {
			bad.add(e.line, reason)
		}
	}
	slices.SortStableFunc(bad.Lines, func(a, b LineError) int { return cmp.Compare(a.Line, b.Line) })
	t.lines = len(all)
	return nil
}

// entry is one row with the number of its first line.
type entry struct {
	cells []string
	line  int
}

// isBlankRow reports whether all cells are empty.
func isBlankRow(cells []string) bool {
	for _, cell := range cells {
		if cell != "" {
			return false
		}
	}
	return true
}

// The encodings of a file.
const (
	UTF8        = "UTF-8"
	UTF8BOM     = "UTF-8 with a byte order mark"
	UTF16       = "UTF-16"
	Windows1252 = "Windows-1252"
)

// decodeText returns the file as UTF-8 without a byte order mark, with LF as line end, and the encoding that it was
// taken for.
func decodeText(data []byte) (text []byte, encoding string, err error) {
	encoding = UTF8
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")), bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")):
		return nil, "", refuseLine(1, "the file is a spreadsheet's workbook: save it as CSV")
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		// Excel calls this format Unicode Text.
		if len(data)%2 != 0 {
			return nil, "",
				refuseLine(1, "the file is UTF-16 with half a character at its end, so it was cut off: save it again")
		}
		data, err = unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM).NewDecoder().Bytes(data)
		if err != nil {
			return nil, "", refuseLine(1, "the file is not readable as UTF-16: save it as CSV in UTF-8")
		}
		encoding = UTF16
	case bytes.HasPrefix(data, []byte(byteOrderMark)):
		encoding = UTF8BOM
	}
	data = bytes.TrimPrefix(data, []byte(byteOrderMark))
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, "", refuseLine(1, "the file is not text: save it as CSV in UTF-8")
	}
	if encoding == UTF8 && !utf8.Valid(data) {
		// What Excel calls CSV is Windows-1252 in western Europe. Every byte is a character of it, or none.
		if data, err = charmap.Windows1252.NewDecoder().Bytes(data); err != nil {
			return nil, "", refuseLine(1, "the file is neither UTF-8 nor Windows-1252: save it as CSV in UTF-8")
		}
		encoding = Windows1252
	}
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(data, []byte("\r"), []byte("\n")), encoding, nil
}

const byteOrderMark = "\xef\xbb\xbf"

// findSeparator returns the separator of the cells: the one that is most frequent in the first line that is not
// blank, outside quotes. left is the text to read, without the skipped lines.
func findSeparator(text string) (left string, comma byte, skipped int) {
	// QUIRK: Excel reads and writes a first line "sep=;".
	if line, rest, _ := strings.Cut(text, "\n"); len(line) == 5 &&
		strings.EqualFold(line[:4], "sep=") && strings.Contains(",;\t", line[4:]) {
		return rest, line[4], 1
	}
	counts := map[rune]int{}
	quoted := false
	for _, c := range strings.TrimLeft(text, " \n") {
		if c == '"' {
			quoted = !quoted
		} else if c == '\n' && !quoted {
			break
		} else if !quoted {
			counts[c]++
		}
	}
	best := ','
	for _, c := range ";\t" {
		if counts[c] > counts[best] {
			best = c
		}
	}
	return text, byte(best), 0
}
