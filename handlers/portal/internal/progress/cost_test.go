package progress

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"o2archiver/handlers/portal/internal/account"
	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// TestLiveIsCheap: what each viewer asks for every few seconds costs four requests, and reads the rows of the last days
// only. The page, with a year of runs, costs six.
func TestLiveIsCheap(t *testing.T) {
	w := portaltest.New(t)
	var mu sync.Mutex
	var asked []string
	client := &http.Client{Transport: w.Storage.Through(func(r *http.Request) archivetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.URL.Path+" "+r.URL.Query().Get("$filter")+r.URL.Query().Get("prefix"))
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
	said := status.NewReader(store.Status())
	watch := New(Options{Status: said, Settings: store.Settings(), Now: w.Clock,
		Account: account.New(account.Options{Totals: totals, Status: said, Reports: store.Reports(), Now: w.Clock})})
	w.Serve([]web.Route{{Pattern: "GET /progress/live", Role: identity.Reader, Handle: watch.Live},
		{Pattern: "GET /progress", Role: identity.Reader, Handle: watch.ProgressPage}})
	put(t, w, status.Progress{Version: 1, Began: w.Now, At: w.Now, Ended: w.Now})
	start(t, w)
	for _, tt := range []struct {
		path     string
		requests int
		year     bool
		wants    []string
	}{
		{"/progress/live", 4, false, []string{"PartitionKey eq 'r.2026' and RowKey ge '11.16'", "runs/2026/11/"}},
		{"/progress", 7, true, []string{"PartitionKey eq 'r.2025' and RowKey ge '11.23'",
			"PartitionKey eq 'r.2026' and RowKey ge '01.01'", "runs/2025/", "runs/2026/"}},
	} {
		asked = nil
		code, body := w.Get(tt.path)
		all := strings.Join(asked, "\n")
		if code != 200 || strings.Contains(body, "<rect") != tt.year || len(asked) != tt.requests {
			t.Errorf("%s: %d, %d requests, want %d:\n%s\n%s", tt.path, code, len(asked), tt.requests, all, body)
		}
		for _, want := range tt.wants {
			if !strings.Contains(all, want) {
				t.Errorf("%s does not ask for %s:\n%s", tt.path, want, all)
			}
		}
	}
}
