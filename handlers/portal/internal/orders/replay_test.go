package orders

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"o2archiver/handlers/portal/internal/account"
)

// TestReplaySaysHowMany: before a replay is given, its page says how much it is.
func TestReplaySaysHowMany(t *testing.T) {
	o := newOffice(t)
	for want, form := range map[string]url.Values{
		"3 lines of 2 batches": o.form("item", aRun+"/00001:3", "item", aRun+"/00001:1", "item",
			aRun+"/00002:7"),
		"37 records of 1 run":                         o.form("run", aRun, "reason", "noMailbox", "records", "37"),
		"All records that were not archived of 1 run": o.form("run", aRun),
	} {
		code, body := o.Post("/items/replay", form)
		if code != 200 || !strings.Contains(body, want) || !strings.Contains(body, `name="confirm" value="yes"`) {
			t.Errorf("%d, without %q", code, want)
		}
	}
	if len(o.given("import")) > 0 || len(o.changes) > 0 {
		t.Error("a command was given")
	}
}

// TestReplayOfManyRuns: a form has a command for each of its runs, once, and one with too many runs is refused with
// what is wrong with it.
func TestReplayOfManyRuns(t *testing.T) {
	o := newOffice(t)
	form := o.form("confirm", "yes", "reason", "noMailbox", "form", button)
	for n := range account.MaxReplay {
		form.Add("run", fmt.Sprintf("2026/11/23/delivery-20261122-%d", n+1))
	}
	for range 2 {
		if code, to := o.Post("/items/replay", form); code != 303 || to != "/commands" {
			t.Fatalf("%d %s", code, to)
		}
	}
	runs := map[any]bool{}
	given := o.given("import")
	for _, c := range given {
		runs[c["what"]] = c["reason"] == "noMailbox" && c["kind"] == "replay"
	}
	if len(given) != account.MaxReplay || len(runs) != account.MaxReplay || runs[form.Get("run")] != true {
		t.Errorf("%d commands for %d runs", len(given), len(runs))
	}
	form.Set("form", strings.Repeat("ab", 16))
	form.Add("run", aRun)
	code, body := o.Post("/items/replay", form)
	if code != 400 || !strings.Contains(body, "at most 200 runs or batches") || strings.Contains(body, "Nothing was") ||
		len(o.given("import")) != account.MaxReplay {
		t.Errorf("%d\n%s", code, body)
	}
}
