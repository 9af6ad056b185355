package usermap

import (
	"strings"
)

// Header is the first line of a file with every column, as the template has it.
const Header = "External User ID,Microsoft 365 User Mailbox,Valid From,Valid To"

// AppendRow returns a file with one more row at its end: a number and its mailbox, without days. Every other column of
// the file has an empty cell in the row. The result is UTF-8, whatever data is; nil is a new file. The errors are those
// of ParseCSV, of which the lines are those of the new file.
func AppendRow(data []byte, number, mailbox, region string) ([]byte, error) {
	if data == nil {
		data = []byte(Header + "\n")
	}
	text, encoding, err := decodeText(data)
	if err != nil {
		return nil, err
	}
	left, comma, _ := findSeparator(string(text))
	in := rows{text: left, comma: comma, line: 1}
	var c *columns
	for c == nil {
		cells, line, broken, ok := in.next()
		if !ok || broken {
			return nil, refuseLine(max(1, line), "the file has no header and no row to which this one could be added")
		}
		for i := range cells {
			cells[i] = cleanCell(cells[i])
		}
		if isBlankRow(cells) {
			continue
		}
		var reason string
		if c, _, reason = findColumns(cells); reason != "" {
			return nil, refuseLine(line, reason)
		}
	}
	cells := make([]string, max(c.number, c.mailbox)+1)
	cells[c.number], cells[c.mailbox] = quoteCell(number), quoteCell(mailbox)
	added := strings.TrimRight(string(text), "\n") + "\n" + strings.Join(cells, string(comma)) + "\n"
	if encoding != UTF8 {
		added = byteOrderMark + added // a spreadsheet would take it for Windows-1252
	}
	if _, err := ParseCSV(strings.NewReader(added), region); err != nil {
		return nil, err
	}
	return []byte(added), nil
}

func quoteCell(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }
