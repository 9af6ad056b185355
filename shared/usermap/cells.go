package usermap

import (
	"strings"
	"unicode"
)

// rows reads the cells of a text row by row: RFC 4180, with blanks allowed around quotation marks, any of the separators that
// spreadsheets write, and a formula ="447700900123" for a cell, which is how people stop Excel from rounding a number.
type rows struct {
	text  string // what is left; lines end in LF
	comma byte
	line  int // of the next row
}

// next returns the cells of the next row and its first line. broken reports that its quotation marks are not in pairs;
// reading goes on behind the row then. ok is false at the end.
func (r *rows) next() (cells []string, line int, broken, ok bool) {
	if r.text == "" {
		return nil, 0, false, false
	}
	line = r.line
	for {
		cell, end, good := r.cell()
		if !good {
			r.skipLine()
			return nil, line, true, true
		}
		cells = append(cells, cell)
		if end {
			return cells, line, false, true
		}
	}
}

// cell takes one cell off the text. end reports that it was its row's last.
func (r *rows) cell() (cell string, end, good bool) {
	start := r.skipBlanks(0)
	if strings.HasPrefix(r.text[start:], "=\"") {
		start++
	}
	if start == len(r.text) || r.text[start] != '"' {
		n := strings.IndexAny(r.text, string(r.comma)+"\n")
		if n < 0 {
			n = len(r.text)
		}
		if cell = r.text[:n]; strings.Contains(cell, `"`) {
			return "", false, false
		}
		return cell, r.separate(n), true
	}
	var b strings.Builder
	for at := start + 1; ; {
		n := strings.IndexByte(r.text[at:], '"')
		if n < 0 {
			r.text = "" // it swallows all that follows
			return "", false, false
		}
		b.WriteString(r.text[at : at+n])
		if at += n + 1; at < len(r.text) && r.text[at] == '"' {
			b.WriteByte('"')
			at++
			continue
		}
		after := r.skipBlanks(at)
		if after < len(r.text) && r.text[after] != r.comma && r.text[after] != '\n' {
			r.line += strings.Count(r.text[:at], "\n")
			r.text = r.text[at:]
			return "", false, false
		}
		r.line += strings.Count(r.text[:after], "\n")
		return b.String(), r.separate(after), true
	}
}

// separate goes on behind the cell that ends at n, and reports whether it was its row's last.
func (r *rows) separate(n int) (end bool) {
	if n == len(r.text) {
		r.text = ""
		return true
	}
	end = r.text[n] == '\n'
	if end {
		r.line++
	}
	r.text = r.text[n+1:]
	if !end && r.text == "" {
		r.text = "\n" // an empty cell is left
	}
	return end
}

func (r *rows) skipLine() {
	n := strings.IndexByte(r.text, '\n')
	if n < 0 {
		r.text = ""
		return
	}
	r.line++
	r.text = r.text[n+1:]
}

// skipBlanks is where the blanks that begin at n end.
func (r *rows) skipBlanks(n int) int {
	for i, c := range r.text[n:] {
		if c == '\n' || c == rune(r.comma) || !unicode.IsSpace(c) && !isUnseen(c) {
			return n + i
		}
	}
	return len(r.text)
}

// isUnseen reports whether c can't be seen, such as a zero-width space or a byte order mark: nothing that a cell is about has one.
func isUnseen(c rune) bool { return c == '\u00ad' || unicode.Is(unicode.Cf, c) }

// cleanCell is a cell without what can't be seen, trimmed.
func cleanCell(cell string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if isUnseen(c) {
			return -1
		}
		return c
	}, cell))
}
