package account

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"o2archiver/handlers/portal/internal/web"
)

// table is a table as it is written to a CSV. A cell is a text, an int or a time.
type table struct {
	head []string
	rows [][]any
}

// endOfFile is the last row of a CSV. A file without it was cut off: between two rows that would not be seen otherwise.
const endOfFile = "End of the file"

// writeCSV writes tables one below the other, with an empty line between them, and endOfFile below the last. The file
// begins with a byte order mark, by which Excel knows that it is UTF-8, and every cell is quoted.
func writeCSV(w io.Writer, tables ...table) error {
	out := bufio.NewWriter(w)
	_, _ = out.WriteString("\uFEFF") // the writer keeps the first error for Flush
	for i, t := range tables {
		if i > 0 {
			_, _ = out.WriteString("\r\n")
		}
		head := make([]any, len(t.head))
		for i, h := range t.head {
			head[i] = h
		}
		writeRow(out, head)
		for _, row := range t.rows {
			writeRow(out, row)
		}
	}
	_, _ = out.WriteString("\r\n")
	writeRow(out, []any{endOfFile})
	return out.Flush()
}

func writeRow(out *bufio.Writer, row []any) {
	for i, cell := range row {
		if i > 0 {
			_ = out.WriteByte(',')
		}
		_ = out.WriteByte('"')
		_, _ = out.WriteString(strings.ReplaceAll(formatCell(cell), `"`, `""`))
		_ = out.WriteByte('"')
	}
	_, _ = out.WriteString("\r\n")
}

// formatCell returns the text of a cell. A text that a spreadsheet takes for a formula begins with a tab, which, unlike
// an apostrophe, is still there when the spreadsheet has saved the file.
func formatCell(cell any) string {
	switch v := cell.(type) {
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return v.UTC().Format("2006-01-02 15:04:05")
	case string:
		if v != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", firstRune(v)) {
			v = "\t" + v
		}
		return inOneLine.Replace(v)
	case int:
		return strconv.Itoa(v)
	default:
		return fmt.Sprint(v)
	}
}

// inOneLine keeps the text of a cell in one line.
var inOneLine = strings.NewReplacer("\r", " ", "\n", " ")

func firstRune(s string) rune {
	for _, c := range s {
		return c
	}
	return 0
}

// csvFile returns tables as the answer to a request.
func csvFile(name string, tables ...table) web.Answer {
	return web.Download("text/csv; charset=utf-8", name, func(w io.Writer) error { return writeCSV(w, tables...) })
}

// csvList returns a CSV of one list, which is not held in memory, as the answer to a request: write adds its rows.
func csvList(name string, head []string, write func(add func(...any)) error) web.Answer {
	return web.Download("text/csv; charset=utf-8", name, func(w io.Writer) error {
		out := bufio.NewWriter(w)
		_, _ = out.WriteString("\uFEFF") // the writer keeps the first error for Flush
		first := make([]any, len(head))
		for i, h := range head {
			first[i] = h
		}
		writeRow(out, first)
		if err := write(func(row ...any) { writeRow(out, row) }); err != nil {
			return err
		}
		_, _ = out.WriteString("\r\n")
		writeRow(out, []any{endOfFile})
		return out.Flush()
	})
}

// jsonList returns an object with one list, which is not held in memory, as the answer to a request. write adds the
// elements of the list, and returns an object with the other members, which come after it.
func jsonList(name, list string, write func(add func(any)) (others any, err error)) web.Answer {
	return web.Download("application/json", name, func(w io.Writer) error {
		out := bufio.NewWriter(w)
		_, _ = fmt.Fprintf(out, "{\n  %q: [", list)
		var failed error
		before, after := "\n    ", ""
		others, err := write(func(element any) {
			text, err := json.MarshalIndent(element, "    ", "  ")
			failed = errors.Join(failed, err)
			_, _ = out.WriteString(before)
			_, _ = out.Write(text)
			before, after = ",\n    ", "\n  "
		})
		if err = errors.Join(err, failed); err != nil {
			return err
		}
		text, err := json.MarshalIndent(others, "", "  ")
		if err != nil {
			return fmt.Errorf("encode the end of a list: %w", err)
		}
		_, _ = out.WriteString(after + "],")
		_, _ = out.Write(bytes.TrimPrefix(text, []byte("{")))
		_ = out.WriteByte('\n')
		return out.Flush()
	})
}

// jsonFile returns a value as the answer to a request.
func jsonFile(name string, v any) web.Answer {
	return web.Download("application/json", name, func(w io.Writer) error {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(v)
	})
}
