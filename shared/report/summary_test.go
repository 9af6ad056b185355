package report

import (
	"strings"
	"testing"
	"time"

	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
)

// What one run received too many does not make up for what another lacks, and a run for which the source says nothing
// does not hide the others.
func TestSourceIsHeldToItsWordForEachRun(t *testing.T) {
	store, err := archive.Open(archive.Config{ConnectionString: azurite.ForTest(t).ConnectionString()})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	said := func(n int64) *int64 { return &n }
	for run, m := range map[string]archive.Manifest{
		"a-two-more": {SourceTotal: said(3), Received: 5},
		"b-two-less": {SourceTotal: said(7), Received: 5},
		"c-as-said":  {SourceTotal: said(4), Received: 4},
		"d-no-word":  {Received: 1},
	} {
		m.Version, m.Kind, m.From, m.To = 1, "daily", day, day.Add(24*time.Hour)
		if _, _, err := store.Batches().WriteManifest(t.Context(), "2026/11/22/"+run, m); err != nil {
			t.Fatal(err)
		}
	}
	s, err := ReadSummary(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	if s.Source.Differs != 2 {
		t.Errorf("%d runs differ, want 2", s.Source.Differs)
	}
	if all := strings.Join(s.Problems(), "\n"); !strings.Contains(all, "another number of items than were received: 2") {
		t.Errorf("problems:\n%s", all)
	}
}
