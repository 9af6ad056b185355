package browser

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// PortalPages returns the paths of the portal's pages by name, each as it is for a day that has runs. The step of the
// set-up is a page of an archive that is not set up.
func PortalPages(day time.Time) map[string]string {
	date, month := day.UTC().Format(time.DateOnly), day.UTC().Format("2006-01")
	return map[string]string{
		"progress": "/", "days": "/days", "day": "/days/" + date, "month": "/months/" + month,
		"items": "/items?day=" + date, "unmapped": "/unmapped?day=" + date, "users": "/users?day=" + date,
		"silent": "/silent?day=" + date, "duplicates": "/duplicates?day=" + date,
		"settings": "/settings", "source": "/settings/source", "mapping": "/settings/mapping",
		"versions": "/settings/mapping/versions", "domains": "/settings/domains", "size": "/settings/size",
		"set-up": "/setup",
	}
}

// FindDay returns the newest of the last days for which the portal at that address shows items without a mailbox.
func (p *Page) FindDay(portal string, now time.Time) (time.Time, error) {
	for back := range 16 {
		day := now.UTC().AddDate(0, 0, -back)
		if err := p.Go(portal + "/unmapped?day=" + day.Format(time.DateOnly)); err != nil {
			return day, err
		}
		shown, err := Eval[bool](p, "document.querySelector('form[action=\"/settings/mapping/add\"]') !== null")
		if err != nil {
			return day, err
		}
		if shown {
			return day, nil
		}
	}
	return now, errors.New("no day has items without a mailbox")
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
