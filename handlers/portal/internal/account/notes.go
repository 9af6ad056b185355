package account

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/tally"
)

// Noted is a line of a batch with another content than the first record of its message, or without an attachment.
type Noted struct {
	Run, Batch string
	Line       int
	Kind       string
	First      string // where the first record is, "" if it is this one or not known
	Gone       int    // attachments
}

// Notes is the list of such lines of a day.
type Notes struct {
	Day     string
	Gone    bool // without an attachment; otherwise with another content
	Lines   []Noted
	Records int // as the totals count them
	More    int // lines that the totals do not list
	Left    int // runs that were not read
}

func (r *Reader) notes(ctx context.Context, day time.Time, runs []tally.Run, gone bool) (Notes, error) {
	n := Notes{Day: day.Format(time.DateOnly), Gone: gone}
	var some []tally.Run
	for _, run := range runs {
		count := run.Totals.Records.Differing
		if gone {
			count = run.Totals.Records.Incomplete
		}
		if n.Records += count; count > 0 {
			some = append(some, run)
		}
	}
	rows, left, err := r.listed(ctx, some)
	if err != nil {
		return Notes{}, err
	}
	n.Left = left
	for _, row := range rows {
		n.More += row.MoreNotes
		for _, note := range row.Notes {
			if gone && note.Gone == 0 || !gone && !note.Differs {
				continue
			}
			line := Noted{Run: row.run, Batch: row.Row, Line: note.Line, Kind: NameKind(note.Kind), Gone: note.Gone}
			if note.First != nil {
				name := strings.TrimSuffix(note.First.Batch, path.Ext(note.First.Batch))
				line.First = fmt.Sprintf("%s, line %d", name, note.First.Line)
			}
			n.Lines = append(n.Lines, line)
		}
	}
	return n, nil
}

// DuplicatesPage answers with the records of a day that have another content than the first record of their message,
// or, if the query says so, that lack an attachment.
func (r *Reader) DuplicatesPage(q *web.Request) (web.Answer, error) {
	gone := q.FormValue("what") == "gone"
	day, err := r.askedDay(q, func(run tally.Run) bool {
		t := run.Totals.Records
		return gone && t.Incomplete > 0 || !gone && t.Differing > 0
	})
	if err != nil {
		return web.Answer{}, err
	}
	runs, err := r.Runs(q.Context(), day, day)
	if err != nil {
		return web.Answer{}, err
	}
	notes, err := r.notes(q.Context(), day, runs, gone)
	if err != nil {
		return web.Answer{}, err
	}
	title, what := "Duplicates with other content, ", ""
	if gone {
		title, what = "Attachments that are gone, ", "gone"
	}
	p := struct {
		Notes
		List
	}{Notes: notes}
	p.Lines, p.List = cutPage(q, notes.Lines, func(page int) string {
		return "/duplicates?" + url.Values{"day": {notes.Day}, "what": {what}, "page": {strconv.Itoa(page)}}.Encode()
	})
	return web.Page(pages.Page{Name: "duplicates", Title: title + notes.Day, Section: "items", Data: p}), nil
}
