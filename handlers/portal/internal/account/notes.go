package account

import (
	"context"
	"fmt"
	"strconv"

	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
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

// Notes is the list of such lines of a day, or of a run.
type Notes struct {
	Part
	Stand
	Gone    bool    `json:"gone"` // without an attachment; otherwise with another content
	Lines   []Noted `json:"lines,omitempty"`
	Records int     `json:"records"` // of these runs, as the totals count them
	More    int     `json:"more"`    // lines of these runs that the totals do not list
}

// newNotes returns a list that is empty yet, and the runs that have lines for it.
func newNotes(s scope, gone bool) (n Notes, some []Facts) {
	n = Notes{Part: s.Part, Stand: standOf(s.day, s.runs), Gone: gone}
	for _, run := range s.runs {
		if n.countOf(run) > 0 {
			some = append(some, run)
		}
	}
	return n, some
}

// countOf returns the records of a run that have what the list is about.
func (n *Notes) countOf(run Facts) int {
	if n.Gone {
		return run.Totals.Records.Incomplete
	}
	return run.Totals.Records.Differing
}

// addNotes reads the lines of runs, and counts them.
func (r *Reader) addNotes(ctx context.Context, n *Notes, runs []Facts, add func(Noted)) error {
	rows, err := r.listed(ctx, runs, tally.PropertyNotes)
	if err != nil {
		return err
	}
	for _, run := range runs {
		n.Records += n.countOf(run)
	}
	for _, row := range rows {
		n.More += row.MoreNotes
		for _, note := range row.Notes {
			if n.Gone && note.Gone == 0 || !n.Gone && !note.Differs {
				continue
			}
			line := Noted{Run: row.run, Batch: row.Row, Line: note.Line, Kind: NameKind(note.Kind), Gone: note.Gone}
			if note.First != nil {
				line.First = fmt.Sprintf("%s, line %d", archive.ShortName(note.First.Batch), note.First.Line)
			}
			add(line)
		}
	}
	return nil
}

// notesAsked returns what a request asks for. what is "gone" for attachments that are gone, "" otherwise.
func (r *Reader) notesAsked(q *web.Request) (s scope, what string, err error) {
	if q.FormValue("what") == "gone" {
		what = "gone"
	}
	n := Notes{Gone: what != ""}
	s, err = r.scopeAsked(q, func(run Facts) bool { return n.countOf(run) > 0 })
	return s, what, err
}

// DuplicatesPage answers with the records of a day, or of a run, that have another content than the first record of
// their message, or, if the query says so, that lack an attachment.
func (r *Reader) DuplicatesPage(q *web.Request) (web.Answer, error) {
	s, what, err := r.notesAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	notes, some := newNotes(s, what != "")
	some, part := s.cutRuns(some)
	err = r.addNotes(q.Context(), &notes, some, func(n Noted) { notes.Lines = append(notes.Lines, n) })
	if err != nil {
		return web.Answer{}, err
	}
	title := "Duplicates with other content, "
	if notes.Gone {
		title = "Attachments that are gone, "
	}
	p := struct {
		Notes
		List
		What string
	}{Notes: notes, What: what}
	p.Lines, p.List = cutPart(q, notes.Lines, s, part, "/duplicates", "what", what)
	return web.Page(pages.Page{Name: "duplicates", Title: title + notes.Day, Section: "items", Data: p}), nil
}

// fileName returns the name of a file with the list, without its ending.
func (n Notes) fileName() string {
	if n.Gone {
		return "attachments-gone-" + n.Day
	}
	return "duplicates-" + n.Day
}

// addAllNotes reads the lines for a file.
func (r *Reader) addAllNotes(q *web.Request, s scope, n *Notes, some []Facts, path, what string,
	add func(Noted)) error {
	return r.readForFile(s, some, &n.Part, func(from string) string {
		return s.Address(path, "what", what, "from", from)
	}, func(runs []Facts) error { return r.addNotes(q.Context(), n, runs, add) })
}

// DuplicatesCSV answers with all lines of all pages as a CSV.
func (r *Reader) DuplicatesCSV(q *web.Request) (web.Answer, error) {
	s, what, err := r.notesAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	n, some := newNotes(s, what != "")
	last := "First record"
	if n.Gone {
		last = "Attachments"
	}
	return csvList(n.fileName()+".csv", []string{"Run", "Batch", "Line", "Kind", last}, func(add func(...any)) error {
		lines := 0
		err := r.addAllNotes(q, s, &n, some, "/duplicates/csv", what, func(l Noted) {
			var cell any = l.First
			if n.Gone {
				cell = l.Gone
			}
			lines++
			add(l.Run, shortName(l.Run, l.Batch), l.Line, l.Kind, cell)
		})
		add("Total", "records "+strconv.Itoa(n.Records), lines, "", "")
		add("Not listed", "runs "+strconv.Itoa(n.Left), n.More, "", "")
		if n.Left > 0 {
			add(n.rest(), "", "", "", "")
		}
		return err
	}), nil
}

// DuplicatesJSON answers with all lines of all pages as JSON.
func (r *Reader) DuplicatesJSON(q *web.Request) (web.Answer, error) {
	s, what, err := r.notesAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	n, some := newNotes(s, what != "")
	return jsonList(n.fileName()+".json", "lines", func(add func(any)) (any, error) {
		err := r.addAllNotes(q, s, &n, some, "/duplicates/json", what, func(l Noted) { add(l) })
		return n, err
	}), nil
}
