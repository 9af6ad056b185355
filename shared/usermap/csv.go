package usermap

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // Europe/London, wherever the function runs

	"golang.org/x/text/encoding/unicode"
)

const (
	maxFile = 16 << 20
	maxBad  = 100 // mistakes reported one by one
)

// CSVError says which lines of a mapping file were refused, and why. One refused line refuses the file: a
// mapping that is half there would leave people out without a word.
type CSVError struct {
	Lines []LineError // the first 100 mistakes, in the file's order; a line has one entry for each of its mistakes
	More  int         // how many more mistakes there are
}

// LineError is one mistake of a refused line. Reason holds nothing of the line's content.
type LineError struct {
	Line   int // from 1; of a row with line breaks in its cells the first
	Reason string
}

// Error gives a line of text for each mistake.
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

func (e *CSVError) add(line int, reason string) {
	if len(e.Lines) < maxBad {
		e.Lines = append(e.Lines, LineError{line, reason})
		return
	}
	e.More++
}

func refuse(line int, reason string) error {
	return &CSVError{Lines: []LineError{{line, reason}}}
}

// ParseCSV reads an administrator's mapping of numbers to mailboxes: the columns External User ID and
// Microsoft 365 User Mailbox, or common synonyms, or no header at all; Valid From and Valid To
// are optional, both inclusive, days of Europe/London. region is the two-letter country of
// numbers in national form. UTF-8 or UTF-16, separated by commas, semicolons or tabs,
// at most 16 MiB. A file that is not accepted whole gives a *CSVError.
func ParseCSV(r io.Reader, region string) (*Table, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the mapping file: %w", err)
	}
	if len(data) > maxFile {
		return nil, refuse(1, "the file is larger than 16 MiB")
	}
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		return nil, fmt.Errorf("read the mapping file: %w", err)
	}
	version := sha256.Sum256(data)
	text, err := decode(data)
	if err != nil {
		return nil, err
	}
	t := &Table{version: hex.EncodeToString(version[:]), london: london, rows: map[string][]row{}}
	bad := &CSVError{}
	if err := t.read(text, region, bad); err != nil {
		return nil, err
	}
	switch {
	case len(bad.Lines) > 0:
		return nil, bad
	case len(t.rows) == 0:
		return nil, refuse(1, "the file has no rows; to map by the email property only, set CUSTOM_MAPPING to false")
	}
	return t, nil
}

// read fills the table and notes the refused lines in bad. An error means that the columns can't be told.
func (t *Table) read(text []byte, region string, bad *CSVError) error {
	text, comma := separate(text)
	rows := csv.NewReader(bytes.NewReader(text))
	rows.Comma, rows.FieldsPerRecord = comma, -1
	rows.TrimLeadingSpace = comma != '\t' // it would take tabs for blanks
	var c *columns
	for {
		cells, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if broken := (*csv.ParseError)(nil); errors.As(err, &broken) {
			bad.add(broken.StartLine, "the quotes are not in pairs")
			continue
		}
		if err != nil {
			return fmt.Errorf("read the mapping file: %w", err)
		}
		line, _ := rows.FieldPos(0)
		if blank(cells) {
			continue
		}
		if c == nil {
			var header bool
			var reason string
			if c, header, reason = findColumns(cells); reason != "" {
				return refuse(line, reason)
			}
			if header {
				continue
			}
		}
		for _, reason := range t.add(c, cells, line, region) {
			bad.add(line, reason)
		}
	}
}

func blank(cells []string) bool {
	for _, cell := range cells {
		if strings.TrimSpace(cell) != "" {
			return false
		}
	}
	return true
}

// decode gives the file as UTF-8 without a byte order mark, its lines ending in LF.
func decode(data []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")), bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")):
		return nil, refuse(1, "the file is a spreadsheet's workbook: save it as CSV")
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		// What Excel calls Unicode Text.
		text, err := unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM).NewDecoder().Bytes(data)
		if err != nil {
			return nil, refuse(1, "the file is not readable as UTF-16: save it as CSV in UTF-8")
		}
		data = text
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, refuse(1, "the file is not text: save it as CSV in UTF-8")
	}
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(data, []byte("\r"), []byte("\n")), nil
}

// QUIRK: ="447700900123" is how people stop Excel from rounding a number; encoding/csv would take the
// quotes for a mistake.
var formula = regexp.MustCompile(`(?m)(^|[,;\t])="([^"\n]*)"`)

// separate finds what separates the cells: what the first line that is not blank has most of, outside quotes.
func separate(text []byte) ([]byte, rune) {
	text = formula.ReplaceAll(text, []byte(`$1"$2"`))
	// QUIRK: Excel reads and writes a first line "sep=;". Taken out without moving the lines.
	if len(text) >= 5 && strings.EqualFold(string(text[:4]), "sep=") && (len(text) == 5 || text[5] == '\n') {
		if comma := rune(text[4]); strings.ContainsRune(",;\t", comma) {
			return text[5:], comma
		}
	}
	counts := map[rune]int{}
	quoted := false
	for _, c := range string(bytes.TrimLeft(text, " \n")) {
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
	return text, best
}
