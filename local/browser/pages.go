package browser

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Subjects are things of an archive that have pages of their own.
type Subjects struct {
	Day     time.Time // that has runs
	Run     string    // path of the page of a run; "": the archive has none
	Command string    // path of the page of a command; "": the archive has none
}

// PortalPages returns the paths of the portal's pages by name. A test of the portal holds them against its table of
// routes. The step of the set-up is a page of an archive that is not set up.
func PortalPages(of Subjects) map[string]string {
	date, month := of.Day.UTC().Format(time.DateOnly), of.Day.UTC().Format("2006-01")
	all := map[string]string{
		"progress": "/", "days": "/days", "day": "/days/" + date, "month": "/months/" + month, "run": of.Run,
		"reasons": "/items", "items": "/items?day=" + date, "items-of-a-reason": "/items?reason=noMailbox&day=" + date,
		"unmapped": "/unmapped?day=" + date, "users": "/users?day=" + date, "silent": "/silent?day=" + date,
		"duplicates": "/duplicates?day=" + date, "gone": "/duplicates?what=gone&day=" + date,
		"commands": "/commands", "command": of.Command, "check": "/check", "audit": "/audit",
		"settings": "/settings", "source": "/settings/source", "mapping": "/settings/mapping",
		"versions": "/settings/mapping/versions", "domains": "/settings/domains", "size": "/settings/size",
		"start": "/settings/start", "terms": "/setup/terms", "set-up": "/setup",
	}
	for name, path := range all {
		if path == "" {
			delete(all, name)
		}
	}
	return all
}

// FindSubjects returns the newest of the last days for which the portal at that address shows items without a mailbox,
// with a run of it, and the latest command. If there is no such day, or no run or command, the error says so, and
// those that were found, and today, are returned all the same.
func (p *Page) FindSubjects(portal string, now time.Time) (Subjects, error) {
	of := Subjects{Day: now.UTC()}
	var missing []error
	const form = "form[action=\"/settings/mapping/add\"]"
	found := false
	for back := 0; back < 16 && !found; back++ {
		day := now.UTC().AddDate(0, 0, -back)
		if err := p.Go(portal + "/unmapped?day=" + day.Format(time.DateOnly)); err != nil {
			return of, err
		}
		var err error
		if found, err = Eval[bool](p, "document.querySelector('"+form+"') !== null"); err != nil {
			return of, err
		}
		if found {
			of.Day = day
		}
	}
	if !found {
		missing = append(missing, errors.New("no day has items without a mailbox"))
	}
	for _, link := range []struct {
		from, to, what string
		path           *string
	}{
		{"/days/" + of.Day.Format(time.DateOnly), "/runs/", "run", &of.Run},
		{"/commands", "/commands/", "command", &of.Command},
	} {
		if err := p.Go(portal + link.from); err != nil {
			return of, err
		}
		var err error
		*link.path, err = Eval[string](p,
			"document.querySelector('main a[href^=\""+link.to+"\"]')?.getAttribute('href') ?? ''")
		if err != nil {
			return of, err
		}
		if *link.path == "" {
			missing = append(missing, fmt.Errorf("there is no %s", link.what))
		}
	}
	return of, errors.Join(missing...)
}

// IsServed reports whether the portal has a page, so that one that is not there yet is left out.
func IsServed(portal, path string) (bool, error) {
	resp, err := http.Get(portal + path)
	if err != nil {
		return false, fmt.Errorf("ask for %s: %w", path, err)
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK, nil
}
