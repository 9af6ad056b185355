package usermap

import (
	"strings"
	"unicode"
)

// rows reads the cells of a text row by row, as in RFC 4180. It also accepts blanks around quotation marks, any of
// the separators that spreadsheets write, and a cell with a formula ="447700900123", which people use to stop Excel
// from rounding a number.
type rows struct {
	text  string // the text not yet read; lines end in LF
	comma byte
	line  int // number of the next row's first line
}

// next returns the cells of the next row and the number of its first line. broken means that the row's quotation
// marks are not in pairs; reading continues after the row. ok is false at the end.
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

// cell reads one cell. end reports whether it was the last of its row, good whether it is well-formed.
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
			r.text = "" // everything that follows is inside the unclosed quotation marks
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

// separate continues after the cell that ends at n, and reports whether it was the last of its row.
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
		r.text = "\n" // an empty last cell
	}
	return end
}

// skipLine continues after the next line end.
func (r *rows) skipLine() {
	n := strings.IndexByte(r.text, '\n')
	if n < 0 {
		r.text = ""
		return
	}
	r.line++
	r.text = r.text[n+1:]
}

// skipBlanks returns the offset at which the blanks that begin at n end.
func (r *rows) skipBlanks(n int) int {
	for i, c := range r.text[n:] {
		if c == '\n' || c == rune(r.comma) || !unicode.IsSpace(c) && !isUnseen(c) {
			return n + i
		}
	}
	return len(r.text)
}

// isUnseen reports whether c is invisible, such as a zero-width space or a byte order mark. Such characters have no
// meaning in a cell.
func isUnseen(c rune) bool { return c == '\u00ad' || unicode.Is(unicode.Cf, c) }

// cleanCell returns a cell trimmed and without invisible characters.
func cleanCell(cell string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if isUnseen(c) {
			return -1
		}
		return c
	}, cell))
}
