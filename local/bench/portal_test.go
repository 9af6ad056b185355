package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPortalRoutes: every route of the portal that answers GET is measured.
func TestPortalRoutes(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "handlers", "portal", "routes.go"))
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range regexp.MustCompile(`Pattern: "GET ([^"]+)"`).FindAllSubmatch(raw, -1) {
		want = append(want, string(m[1]))
	}
	if len(want) < 30 {
		t.Fatalf("only %d routes found", len(want))
	}
	for _, route := range portalRoutes() {
		got = append(got, route.pattern)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWaits: the time in which a request is under way counts once, however many are.
func TestWaits(t *testing.T) {
	now := time.Unix(0, 0)
	w := &waits{now: func() time.Time { now = now.Add(time.Second); return now }} // asked at the first and the last end
	w.begin()
	w.begin()
	w.end()
	if waited, count := w.reset(); waited != 0 || count != 2 {
		t.Errorf("with one under way: %v, %d", waited, count)
	}
	w.end()
	if waited, count := w.reset(); waited != time.Second || count != 0 {
		t.Errorf("with none: %v, %d", waited, count)
	}
}
