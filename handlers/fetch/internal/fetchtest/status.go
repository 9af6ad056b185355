package fetchtest

import (
	"context"
	"net/http"
	"strings"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/status"
)

// IsWrite is archivetest.IsWrite without the document about the progress: it is written in the background, every so
// often, and nothing depends on it.
func IsWrite(r *http.Request) bool {
	return archivetest.IsWrite(r) && !strings.HasSuffix(r.URL.Path, "/"+archive.StatusContainer+"/fetch.json")
}

// CheckRuns compares the documents of the closed runs, of which there are at least least, with their manifests, number
// by number. The details of a ZIP are not in its manifest, and a ZIP that was not read has none.
func (w *World) CheckRuns(least int) {
	w.T.Helper()
	ctx, closed := context.Background(), map[string]status.Run{}
	for folder, err := range w.Store.Batches().AllRuns(ctx) {
		if err != nil {
			w.T.Fatal(err)
		}
		batches := 0
		m, err := w.Store.Batches().ReadManifest(ctx, folder, func(archive.BatchInfo) { batches++ })
		if err == nil {
			closed[folder] = status.RunOf(folder, m, batches, status.Detail{})
		}
	}
	if len(closed) < least {
		w.T.Errorf("%d runs are closed, want at least %d", len(closed), least)
	}
	runs, _, err := status.NewReader(w.Store.Status()).Runs(ctx, "", len(closed)+100)
	if err != nil {
		w.T.Fatal(err)
	}
	written := map[string]status.Run{}
	for _, r := range runs {
		if _, ok := closed[r.Run]; !ok && status.IsUnread(r.Outcome) {
			continue
		}
		if r.Outcome != "" {
			r.Outcome, r.Reasons, r.Issues = "", nil, closed[r.Run].Issues
		}
		written[r.Run] = r
	}
	if diff := cmp.Diff(closed, written); diff != "" {
		w.T.Errorf("documents of runs (-manifests +documents):\n%s", diff)
	}
}
