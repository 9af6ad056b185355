package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Without a terminal there are few lines, and a total only once it is one.
func TestMeterWithoutATerminal(t *testing.T) {
	now := time.Date(2026, 11, 22, 5, 30, 0, 0, time.UTC)
	var out bytes.Buffer
	m := newMeter(&out, func() time.Time { return now })
	for i := range 10 { // each 10 seconds
		now = now.Add(10 * time.Second)
		m.set(i*100, min(500+i*100, 1000), i < 5)
	}
	m.finish()
	want := "Imported 200 records so far; fetch is still at work\nImported 500 of 1000 records\nImported 800 of 1000 records\nImported 900 of 1000 records\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
