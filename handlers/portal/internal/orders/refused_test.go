package orders

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/portaltest"
)

// TestRefusedFormsAreShownAgain: a form with something that was typed, or chosen, is shown again with it and the reason
// when it is refused, for its age or for what it holds, and can be sent from there.
func TestRefusedFormsAreShownAgain(t *testing.T) {
	days := []string{"from", "2026-11-01", "through", "2026-11-02"}
	for _, test := range []struct {
		name, path string
		form       []string
		too        string // a field with another value; "": the page is too old
		wrong      string
		status     int
		says       string
		action     string // of the form that is shown
	}{
		{"an old estimate", "/commands/estimate", days, "", "", 409, "too old", "/commands/estimate"},
		{"an old backfill", "/commands/backfill", days, "", "", 409, "too old", "/commands/estimate"},
		{"days in the wrong order", "/commands/estimate", days, "through", "2026-10-01", 400,
			"The last day is before the first.", "/commands/estimate"},
		{"an old dry run", "/commands/dryrun", []string{"what", aRun}, "", "", 409, "too old", "/commands/dryrun"},
		{"a dry run of no run", "/commands/dryrun", []string{"what", aRun}, "what", "2026/11/23", 400,
			"what is no run or batch", "/commands/dryrun"},
		{"an old check", "/check", []string{"mailbox", "jane@contoso.com"}, "", "", 409, "too old", "/check"},
		{"an old replay", "/items/replay", []string{"confirm", "yes", "run", aRun, "reason", "noMailbox",
			"records", "37"}, "", "", 409, "too old", "/items/replay"},
		{"an old replay of lines", "/items/replay", []string{"confirm", "yes", "item", aRun + "/00001:3"}, "", "", 409,
			"too old", "/items/replay"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newOffice(t)
			form := o.form(test.form...)
			if test.too != "" {
				form.Set(test.too, test.wrong)
			} else {
				o.Now = o.Now.Add(25 * time.Hour)
			}
			status, page := o.Post(test.path, form)
			if status != test.status || !strings.Contains(page, `role="alert"><strong>`) ||
				!strings.Contains(page, test.says) {
				t.Fatalf("%d, without %q:\n%s", status, test.says, page)
			}
			var shown *portaltest.PageForm
			for _, f := range portaltest.Forms(t, page) {
				if f.Action == test.action {
					shown = &f
				}
			}
			if shown == nil {
				t.Fatalf("no form for %s:\n%s", test.action, page)
			}
			for name, values := range form {
				if name != "form" && name != "asked" && fmt.Sprint(shown.Values[name]) != fmt.Sprint(values) {
					t.Errorf("%s is %q, not %q", name, shown.Values[name], values)
				}
			}
			if test.too != "" {
				return
			}
			if status, page := o.Post(shown.Action, shown.Values); status != 303 {
				t.Errorf("sent from there: %d\n%s", status, page)
			}
		})
	}
}

// TestRefusedWithoutInput: a form in which there is nothing to enter is refused by a page of its own.
func TestRefusedWithoutInput(t *testing.T) {
	for _, path := range []string{"/commands/run", "/commands/tally", "/commands/pause"} {
		o := newOffice(t)
		form := o.form("app", "fetch", "n", "0")
		o.Now = o.Now.Add(25 * time.Hour)
		if status, page := o.Post(path, form); status != 409 || !strings.Contains(page, "too old") ||
			len(o.given("fetch"))+len(o.given("import"))+len(o.given("portal")) > 0 {
			t.Errorf("%s: %d\n%s", path, status, page)
		}
	}
}
