package orders

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"o2archiver/handlers/portal/internal/account"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
)

// selection is what a form wants to be replayed: lines of batches, or the records of runs.
type selection struct {
	Lines   map[string][]int // by batch
	Runs    []string
	Reason  string // of the records of the runs; "": all that were not archived
	Says    string // the reason in words
	Records int    // as the page that had the form counted them
	Items   []string
	Day     string
	Asked   string
}

// Count returns the number of lines.
func (s selection) Count() (n int) {
	for _, lines := range s.Lines {
		n += len(lines)
	}
	return n
}

// errTooMany is the refusal of a form with more commands than one answer gives.
var errTooMany = &web.Error{Status: http.StatusBadRequest,
	Says: fmt.Sprintf("More was chosen than one form may ask for: at most %d runs or batches.", account.MaxReplay),
	Do: "Go back, and choose fewer, or use the buttons for all items with a reason, each of which " +
		"has a part of the runs."}

var errSelection = &web.Error{Status: http.StatusBadRequest, Says: "Nothing was chosen.",
	Do: "Go back, tick the items to be replayed, and send the form again."}

// readSelection reads the form of a page of items, or of a run.
func readSelection(q *web.Request) (s selection, err error) {
	s = selection{Lines: map[string][]int{}, Items: q.PostForm["item"], Runs: q.PostForm["run"],
		Reason: q.PostFormValue("reason"), Day: q.PostFormValue("day"), Asked: q.PostFormValue(askedField)}
	s.Records, _ = strconv.Atoi(q.PostFormValue("records")) // for the reader only
	for _, value := range s.Items {
		batch, line, ok := account.ParseValue(value)
		if !ok || !archive.IsBatch(batch) {
			return s, errSelection
		}
		if !slices.Contains(s.Lines[batch], line) {
			s.Lines[batch] = append(s.Lines[batch], line)
		}
	}
	if s.Reason != "" {
		s.Says, _ = account.NameReason(account.ParseReason(s.Reason))
	}
	for _, run := range s.Runs {
		c := control.Command{Kind: control.Replay, What: run, Reason: s.Reason}
		if err := control.CheckCommand(settings.Import, c); err != nil {
			return s, errSelection
		}
	}
	switch n := len(s.Lines) + len(s.Runs); {
	case n == 0:
		return s, errSelection
	case n > account.MaxReplay:
		return s, errTooMany
	}
	return s, nil
}

// Replay answers POST /items/replay: first with how much it is, and when that is confirmed, by giving the commands. A
// form that was sent for its half gives the other half when it comes again.
func (o *Office) Replay(q *web.Request) (web.Answer, error) {
	s, err := readSelection(q)
	if err != nil {
		return web.Answer{}, err
	}
	page := web.Page(pages.Page{Name: "replay", Title: "Replay", Section: "items", Data: s})
	if q.PostFormValue("confirm") != confirmed {
		return page, nil
	}
	names, err := o.giveReplays(q, s)
	refused, isRefused := errors.AsType[*web.Error](err)
	switch {
	case isRefused:
		return page.Refused(refused), nil
	case err != nil:
		return web.Answer{}, fmt.Errorf("ask for a replay: %w", err)
	case len(names) == 1:
		return web.SeeOther(addressOf(settings.Import, names[0])), nil
	}
	return web.SeeOther("/commands"), nil
}

// giveReplays writes a command for each batch and each run of a selection, and returns their names.
func (o *Office) giveReplays(q *web.Request, s selection) (names []string, err error) {
	for batch, lines := range s.Lines {
		slices.Sort(lines)
		c := control.Command{Kind: control.Replay, What: batch, Lines: lines}
		name, err := o.give(q, settings.Import, batch, c, Change{Object: cutObject(archive.RunOf(batch)),
			Count: int64(len(lines))})
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	for _, run := range s.Runs {
		c := control.Command{Kind: control.Replay, What: run, Reason: s.Reason}
		name, err := o.give(q, settings.Import, run, c, Change{Object: cutObject(run)})
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}
