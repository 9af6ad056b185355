package orders

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/control"
)

var stateForm = regexp.MustCompile(`<th scope="row">(Pause|Start) (\w+)</th>.*?<time datetime="([^"]*)".*?` +
	`<span class="state[^"]*">([^<]*)</span></td><td>([^<]*)<`)

// listed returns command, state and time of each pause and start that the page shows, the latest first.
func (o *office) listed() (all []string) {
	o.t.Helper()
	_, body := o.Get("/commands")
	for _, m := range stateForm.FindAllStringSubmatch(body, -1) {
		all = append(all, m[1]+" "+m[2]+": "+m[4]+", "+m[3])
	}
	return all
}

// through makes the portal anew, on a way to its storage.
func (o *office) through(rule func(*http.Request) archivetest.Fault) {
	o.t.Helper()
	store, err := archive.Open(archive.Config{ConnectionString: o.Storage.ConnectionString(),
		HTTP: &http.Client{Transport: o.Storage.Through(rule)}})
	if err != nil {
		o.t.Fatal(err)
	}
	o.serve(store)
}

// TestPauseKilledAtEachWrite: the portal dies before its n-th write of a pause and of a start, for every n. The list
// says that the command was carried out if and only if it was; and once the form is sent again, it was, once.
func TestPauseKilledAtEachWrite(t *testing.T) {
	for _, verb := range []string{"Pause", "Start"} {
		for n, more := 0, true; more; n++ {
			o := newOffice(t)
			path, begin := "/commands/pause", "/commands/resume"
			if verb == "Start" {
				path, begin = begin, path
			}
			if code, body := o.Post(begin, o.form("app", "import", "n", "0", "form",
				strings.Repeat("b", 32))); code != 303 {
				t.Fatalf("%d %s", code, body)
			}
			o.Now = o.Now.Add(time.Hour)
			before, form := o.listed(), o.form("app", "import", "n", "1")
			death := archivetest.DieAfter(n, archivetest.IsWrite, func() {})
			o.through(func(r *http.Request) archivetest.Fault {
				if death.Dead() { // what a dead process would retry
					return archivetest.Archived
				}
				if fault := death.Rule(r); fault != archivetest.Reset {
					return fault
				}
				return archivetest.Archived
			})
			_, _ = o.Post(path, form)
			more = death.Dead()
			o.serve(o.Store)
			done := o.connector().Paused["import"] == (verb == "Pause")
			got, want := o.listed(), before
			switch at := o.Now.Format(time.RFC3339); {
			case done:
				want = []string{verb + " import: in force, " + at, strings.Replace(before[0], "in force", "ended", 1)}
			case len(got) > 1:
				want = append([]string{verb + " import: not carried out, " + at}, before...)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %d writes (-want +got):\n%s", verb, n, diff)
			}
			o.Now = o.Now.Add(time.Hour)
			for range 2 {
				if code, body := o.Post(path, form); code != 303 {
					t.Errorf("%s, %d writes, sent again: %d %s", verb, n, code, body)
				}
			}
			at := o.Now
			if done {
				at = at.Add(-time.Hour)
			}
			want = []string{verb + " import: in force, " + at.Format(time.RFC3339),
				strings.Replace(before[0], "in force", "ended", 1)}
			if diff := cmp.Diff(want, o.listed()); diff != "" || o.connector().N != 2 {
				t.Errorf("%s, %d writes, sent again, document %d (-want +got):\n%s", verb, n, o.connector().N, diff)
			}
		}
	}
}

// TestPauseThatIsRefused: another administrator changes the settings between the command and the pause. The list says
// that the pause was not carried out, and ends nothing by it.
func TestPauseThatIsRefused(t *testing.T) {
	o := newOffice(t)
	if code, body := o.Post("/commands/resume", o.form("app", "fetch", "n", "0", "form",
		strings.Repeat("b", 32))); code != 303 {
		t.Fatalf("%d %s", code, body)
	}
	changed := false
	o.through(func(r *http.Request) archivetest.Fault {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/commands/portal/") && !changed {
			changed = true
			if _, err := control.UpdateConnector(t.Context(), o.Store.Settings(), func(c *control.Connector) error {
				c.Settings = map[string]string{"MAX_ITEM_SIZE": "10MB"}
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
		return archivetest.Pass
	})
	o.Now = o.Now.Add(time.Hour)
	if code, _ := o.Post("/commands/pause", o.form("app", "fetch", "n", "1")); code != 409 || !changed {
		t.Errorf("%d, changed %v", code, changed)
	}
	want := []string{"Pause fetch: not carried out, 2026-11-24T10:00:00Z",
		"Start fetch: in force, 2026-11-24T09:00:00Z"}
	if diff := cmp.Diff(want, o.listed()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, body := o.Get("/commands"); !strings.Contains(body, "ask again if it is still wanted") {
		t.Error("the page does not say what to do")
	}
}

// TestPauseHasTheTimeOfItsChange: however long the page was open, the list has the time at which the app was paused.
func TestPauseHasTheTimeOfItsChange(t *testing.T) {
	o := newOffice(t)
	form := o.form("app", "fetch", "n", "0")
	o.Now = o.Now.Add(20 * time.Hour)
	if code, body := o.Post("/commands/pause", form); code != 303 {
		t.Fatalf("%d %s", code, body)
	}
	want := []string{"Pause fetch: in force, 2026-11-25T05:00:00Z"}
	if diff := cmp.Diff(want, o.listed()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPausesBeyondThoseKept: the settings keep the latest changes. Of an older command, and of all once a script has
// written the settings, it is not known what became of it, and none of them is in force.
func TestPausesBeyondThoseKept(t *testing.T) {
	o := newOffice(t)
	const given = 45
	for i := range given {
		o.Now = o.Now.Add(time.Hour)
		path := []string{"/commands/pause", "/commands/resume"}[i%2]
		if code, body := o.Post(path, o.form("app", "fetch", "n", fmt.Sprint(i), "form",
			fmt.Sprintf("%032x", i))); code != 303 {
			t.Fatalf("%d %s", code, body)
		}
	}
	states := func(page string) map[string]int {
		t.Helper()
		all := map[string]int{}
		_, body := o.Get("/commands?page=" + page)
		for _, m := range stateForm.FindAllStringSubmatch(body, -1) {
			all[m[4]]++
		}
		return all
	}
	if diff := cmp.Diff(map[string]int{"in force": 1, "ended": 19}, states("1")); diff != "" {
		t.Errorf("the latest (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"not known": 5}, states("3")); diff != "" {
		t.Errorf("the oldest (-want +got):\n%s", diff)
	}
	if _, err := o.Store.Settings().Put(t.Context(), "connector.json", map[string]any{"v": 1, "paused": map[string]bool{
		"fetch": true}}, "*", nil); err != nil { // as infra/command does
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"not known": 20}, states("1")); diff != "" {
		t.Errorf("after a script (-want +got):\n%s", diff)
	}
}
