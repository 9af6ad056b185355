package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMeter: without a terminal there are few lines; on a terminal there is one, written anew where it changes. No
// number ever falls.
func TestMeter(t *testing.T) {
	steps := []struct {
		fetched, imported int
		fetching          bool
	}{{0, 0, true}, {0, 0, true}, {4576, 1200, true}, {4500, 1100, true}, {6534, 4376, false}, {6534, 6534, false}}
	for _, tt := range []struct {
		name     string
		terminal bool
		want     string
	}{
		{"no terminal", false, "Fetched 0 · imported 0 records; fetch is still at work\n" +
			"Fetched 4,576 · imported 1,200 records; fetch is still at work\n" +
			"Fetched 6,534 · imported 6,534 records\n" + "Fetched 6,534 · imported 6,534 records\n"},
		{"terminal", true, "\r\x1b[KFetched 0 · imported 0 records; fetch is still at work" +
			"\r\x1b[KFetched 4,576 · imported 1,200 records; fetch is still at work" +
			"\r\x1b[KFetched 6,534 · imported 4,376 records" +
			"\r\x1b[KFetched 6,534 · imported 6,534 records\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Date(2026, 11, 22, 5, 30, 0, 0, time.UTC)
			var out bytes.Buffer
			m := newMeter(&out, func() time.Time { return now })
			m.terminal = tt.terminal
			for _, s := range steps {
				now = now.Add(sayEvery / 2)
				m.set(s.fetched, s.imported, s.fetching)
			}
			m.end()
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
