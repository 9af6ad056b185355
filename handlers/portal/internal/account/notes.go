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
	Run   string `json:"run"`
	Batch string `json:"batch"`
	Line  int    `json:"line"`
	Kind  string `json:"kind"`
	First string `json:"first,omitempty"` // where the first record is, "" if it is this one or not known
	Gone  int    `json:"gone,omitempty"`  // attachments
}

// Notes is the list of such lines of a day.
type Notes struct {
	Day string `json:"day"`
	Stand
	Gone    bool    `json:"gone"` // without an attachment; otherwise with another content
	Lines   []Noted `json:"lines"`
	Records int     `json:"records"` // as the totals count them
	More    int     `json:"more"`    // lines that the totals do not list
	Left    int     `json:"left"`    // runs that were not read
}

func (r *Reader) notes(ctx context.Context, day time.Time, runs []Facts, gone bool) (Notes, error) {
	n := Notes{Day: day.Format(time.DateOnly), Stand: standOf(day, runs), Gone: gone, Lines: []Noted{}}
	var some []Facts
	for _, run := range runs {
		count := run.Totals.Records.Differing
		if gone {
			count = run.Totals.Records.Incomplete
		}
		n.Records += count
		if count > 0 {
			some = append(some, run)
		}
	}
	rows, left, err := r.listed(ctx, some, tally.PropertyNotes)
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

// notesAsked returns the lines that a request asks for.
func (r *Reader) notesAsked(q *web.Request) (Notes, error) {
	gone := q.FormValue("what") == "gone"
	day, runs, err := r.askedRuns(q, func(run Facts) bool {
		t := run.Totals.Records
		return gone && t.Incomplete > 0 || !gone && t.Differing > 0
	})
	if err != nil {
		return Notes{}, err
	}
	return r.notes(q.Context(), day, runs, gone)
}

// DuplicatesPage answers with the records of a day that have another content than the first record of their message,
// or, if the query says so, that lack an attachment.
func (r *Reader) DuplicatesPage(q *web.Request) (web.Answer, error) {
	notes, err := r.notesAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	title, what := "Duplicates with other content, ", ""
	if notes.Gone {
		title, what = "Attachments that are gone, ", "gone"
	}
	p := struct {
		Notes
		List
	}{Notes: notes}
	p.Lines, p.List = cutPage(q, notes.Lines, pageOf("/duplicates", url.Values{"day": {notes.Day}, "what": {what}}))
	return web.Page(pages.Page{Name: "duplicates", Title: title + notes.Day, Section: "items", Data: p}), nil
}

// fileName returns the name of a file with the list, without its ending.
func (n Notes) fileName() string {
	if n.Gone {
		return "attachments-gone-" + n.Day
	}
	return "duplicates-" + n.Day
}

// DuplicatesCSV answers with all lines of the page as a CSV.
func (r *Reader) DuplicatesCSV(q *web.Request) (web.Answer, error) {
	n, err := r.notesAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	last := "First record"
	if n.Gone {
		last = "Attachments"
	}
	t := table{head: []string{"Run", "Batch", "Line", "Kind", last}}
	for _, l := range n.Lines {
		var cell any = l.First
		if n.Gone {
			cell = l.Gone
		}
		t.rows = append(t.rows, []any{l.Run, nameBatch(l.Run, l.Batch), l.Line, l.Kind, cell})
	}
	t.rows = append(t.rows, []any{"Total", "records " + strconv.Itoa(n.Records), len(n.Lines), "", ""},
		[]any{"Not listed", "runs " + strconv.Itoa(n.Left), n.More, "", ""})
	return csvFile(n.fileName()+".csv", t), nil
}

// DuplicatesJSON answers with all lines of the page as JSON.
func (r *Reader) DuplicatesJSON(q *web.Request) (web.Answer, error) {
	n, err := r.notesAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return jsonFile(n.fileName()+".json", n), nil
}
