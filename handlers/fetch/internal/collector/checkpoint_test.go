package collector

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/local/soak"
	"o2archiver/shared/archive"
)

// However long the cursors that a site hands out, and however many windows are open: what is written can be read.
func TestCheckpointCanBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var c schedule.Checkpoint
	from := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	long := soak.ForTest(t).Long
	if long {
		from = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	c.PlanDaily(time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC), from)
	for i := range c.Open { // fmt's quotes are the longest form of a character
		c.Open[i].Progress.Cursor = strings.Repeat(`"`, 2<<10)
		c.Open[i].Failed = strings.Repeat("x", 300)
		c.Open[i].Progress.Mark, c.Open[i].Progress.Pages, c.Open[i].Tries = "0123456789abcdef", 999_999, 999
	}
	for i := range maxReserved {
		win := &c.Open[i%100]
		win.Progress.Selected = append(win.Progress.Selected,
			[]string{deferredKey(win, i, waitsForParts, fmt.Sprint(i))})
	}
	lease, err := w.Store.Checkpoints().Lease(t.Context(), schedule.CheckpointName)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	state := &savedState{Checkpoint: c, saved: w.Store.Checkpoints(), lease: lease}
	if err := state.save(t.Context()); err != nil {
		t.Fatal(err)
	}
	read, err := w.collector.loadCheckpoint(t.Context(), lease, newInvocation(workLimits{}))
	if err != nil || len(read.Open) != len(c.Open) {
		t.Errorf("%d windows, %v; want %d", len(read.Open), err, len(c.Open))
	}
	if !long {
		return
	}
	state.Asked = strings.Repeat("x", maxCheckpoint)
	if err := state.save(t.Context()); !errors.Is(err, archive.ErrTooLarge) {
		t.Errorf("more than can be read is written: %v", err)
	}
}
