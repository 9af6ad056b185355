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
// only.
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
	w.Serve([]web.Route{{Pattern: "GET /progress/live", Role: identity.Reader, Handle: watch.Live}})
	put(t, w, status.Progress{Version: 1, Began: w.Now, At: w.Now, Ended: w.Now})
	start(t, w)
	if code, body := w.Get("/progress/live"); code != 200 || strings.Contains(body, "<rect") {
		t.Errorf("%d\n%s", code, body)
	}
	all := strings.Join(asked, "\n")
	if len(asked) != 4 || !strings.Contains(all, "PartitionKey eq 'r.2026' and RowKey ge '11.16'") ||
		!strings.Contains(all, "runs/2026/11/") {
		t.Errorf("%d requests, want 4:\n%s", len(asked), all)
	}
}
