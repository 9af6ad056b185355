package account

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// TestWhatAPageCosts: the requests to storage for each page, as docs/totals.md states them. A query for the rows of
// batches reads the one property that the page shows.
func TestWhatAPageCosts(t *testing.T) {
	w := portaltest.New(t)
	writeDay(t, w)
	const unread = "2026/11/23/delivery-20261122-3-0a1b2c3d4e5f"
	broken := zipSaid(unread, status.OutcomeBroken)
	facts, err := json.Marshal(broken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.Status().PutWithFacts(t.Context(), "runs/"+unread+".json", broken, string(facts),
		"*"); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var asked []string
	client := &http.Client{Transport: w.Storage.Through(func(r *http.Request) archivetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, describeRequest(r.URL))
		return archivetest.Pass
	})}
	store, err := archive.Open(archive.Config{ConnectionString: w.Storage.ConnectionString(), HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	totals, err := tally.Open(tally.Config{ConnectionString: w.Storage.ConnectionString(), HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	w.Serve(routesOf(New(Options{Totals: totals, Status: status.NewReader(store.Status()), Reports: store.Reports(),
		Now: w.Clock})))
	const runs, listing = "rows of runs", "list runs/2026/11/"
	ofRun := []string{"row of a run", "runs"}
	day, forty := []string{listing, runs}, []string{"list runs/2026/10/", listing, runs}
	for path, want := range map[string][]string{
		"/days/2026-11-22": append(slices.Clone(day), "missing.json"),
		"/runs/" + dayRun:  {"row of a run", "runs"},
		"/runs/" + unread:  append(slices.Clone(day), "row of a run", "runs"),
		"/days":            {"list runs/2025/", "list runs/2026/", "missing.json", runs, runs},
		"/months/2026-11": append(append(slices.Clone(forty), "missing.json"), // a first month
			slices.Repeat([]string{runs}, maxYears)...),
		"/items?day=2026-11-22":        append(slices.Clone(day), "rows of batches: RowKey,V,Lines"),
		"/duplicates?day=2026-11-22":   append(slices.Clone(day), "rows of batches: RowKey,V,Totals"),
		"/duplicates":                  append(slices.Clone(forty), "rows of batches: RowKey,V,Totals"),
		"/unmapped/csv?day=2026-11-22": append(slices.Clone(day), "unmapped"),
		"/unmapped":                    append(slices.Clone(forty), "unmapped"),
		"/users?day=2026-11-22":        append(slices.Clone(day), "names.json", "users"),
		"/users":                       append(slices.Clone(forty), "names.json", "users"),
		"/items?run=" + dayRun:         append(slices.Clone(ofRun), "rows of batches: RowKey,V,Lines"),
		"/items/csv?run=" + dayRun:     append(slices.Clone(ofRun), "rows of batches: RowKey,V,Lines"),
		"/duplicates?run=" + dayRun:    append(slices.Clone(ofRun), "rows of batches: RowKey,V,Totals"),
		"/unmapped?run=" + dayRun:      append(slices.Clone(ofRun), "unmapped"),
		"/silent": append(slices.Clone(forty), "names.json", "users", "users", "users", "users",
			"users"),
	} {
		asked = nil
		if code, body := w.Get(path); code != http.StatusOK {
			t.Fatalf("%s: %d\n%s", path, code, body)
		}
		slices.Sort(asked)
		slices.Sort(want)
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	many := writeManyRuns(t, w, maxRuns+5)
	asked = nil
	if code, _ := w.Get("/items?day=2026-11-22"); code != http.StatusOK || len(asked) != 2+maxRuns {
		t.Errorf("a day of %d runs: %d, %d requests, want %d", len(many)+1, code, len(asked), 2+maxRuns)
	}
}

// describeRequest returns what a request is for.
func describeRequest(u *url.URL) string {
	filter, prefix := u.Query().Get("$filter"), u.Query().Get("prefix")
	switch {
	case strings.HasPrefix(filter, "PartitionKey eq 'b."):
		return "rows of batches: " + u.Query().Get("$select")
	case strings.HasPrefix(filter, "PartitionKey eq 'r."):
		return "rows of runs"
	case strings.Contains(u.Path, "(PartitionKey='r."):
		return "row of a run"
	case prefix != "":
		return "list " + prefix
	}
	_, name, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	name, _, _ = strings.Cut(name, "/")
	return name
}
