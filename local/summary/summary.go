// Package summary adds up what became of everything in an archive's storage, for a person and for a program.
package summary

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/journal"
	"o2archiver/shared/phone"
	"o2archiver/shared/record"
	"o2archiver/shared/staging"
	"o2archiver/shared/telemessage"
)

// Summary is what became of everything in the archive's storage: all runs, not only the last one.
type Summary struct {
	journal.Totals
	Source Source `json:"source"`

	kinds      map[string]journal.RecordTotals
	reasons    map[string]int // why records were quarantined or failed
	unmapped   map[string]int // masked numbers of those whose records nobody gets
	received   int            // by fetch
	incomplete int
	differs    int
	runs       int
	open       map[string]bool // runs without a manifest
}

// Source is what the source says of itself.
type Source struct {
	// Total is what the source says it holds for all runs together; null if it does not say.
	Total *int64 `json:"total"`

	// Differs is how many runs received another number of items than the source says it holds for them.
	Differs int `json:"differs"`
}

// Read reads manifests, batches and journals. It may be called while fetch and import are at work: what they have not finished is pending.
func Read(ctx context.Context, store *staging.Store) (*Summary, error) {
	s := &Summary{kinds: map[string]journal.RecordTotals{}, reasons: map[string]int{}, unmapped: map[string]int{}, open: map[string]bool{}}
	s.Source.Total = new(int64)
	days, err := store.Days(ctx)
	if err != nil {
		return nil, err
	}
	for _, day := range days {
		runs, err := store.Runs(ctx, day)
		if err != nil {
			return nil, err
		}
		for _, run := range runs {
			if err := s.addRun(ctx, store, run); err != nil {
				return nil, err
			}
		}
	}
	if s.runs == 0 {
		s.Source.Total = nil
	}
	waiting, err := store.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	s.Records.Pending += len(waiting)
	return s, s.addWaiting(ctx, store, waiting)
}

// addWaiting counts as collected what the runs without a manifest have set aside: of the others, the manifest says it.
func (s *Summary) addWaiting(ctx context.Context, store *staging.Store, keys []string) error {
	if len(s.open) == 0 {
		return nil
	}
	for _, key := range keys {
		var item struct {
			Run string `json:"run"`
		}
		err := store.GetWaiting(ctx, key, &item)
		if err != nil && !errors.Is(err, staging.ErrNotFound) {
			return err
		}
		if s.open[item.Run] {
			s.received++
			s.Records.Collected++
		}
	}
	return nil
}

// addRun adds one run. What was collected is fetch's word in the manifest; everything else comes from the batches and their journals.
func (s *Summary) addRun(ctx context.Context, store *staging.Store, run string) error {
	s.runs++
	manifest, err := store.ReadManifest(ctx, run)
	switch {
	case errors.Is(err, staging.ErrNotFound):
		s.open[run] = true
		s.Source.Total = nil
	case err != nil:
		return err
	case manifest.SourceTotal == nil:
		s.Source.Total = nil
	case s.Source.Total != nil:
		*s.Source.Total += *manifest.SourceTotal
	}
	batches, err := store.Batches(ctx, run)
	if err != nil {
		return err
	}
	staged := 0
	for _, b := range batches {
		state, err := journal.Read(ctx, store.Logs(), b.Name)
		if err != nil {
			return err
		}
		staged += b.Records
		totals := state.Totals().Of(b.Records)
		totals.Records.Collected = 0
		s.Totals = s.Totals.Add(totals)
		if err := s.look(ctx, store, b, state); err != nil {
			return err
		}
	}
	if s.open[run] {
		manifest.Received = staged
	}
	if manifest.SourceTotal != nil && *manifest.SourceTotal != int64(manifest.Received) {
		s.Source.Differs++ // each run for itself: what one has too many does not make up for what another lacks
	}
	s.received += manifest.Received
	s.Records.Collected += manifest.Received
	return nil
}

// look gathers what a person wants to know besides the sums.
func (s *Summary) look(ctx context.Context, store *staging.Store, b staging.BatchInfo, state journal.State) error {
	unmapped := map[int]bool{}
	for _, n := range state.Lines() {
		for _, c := range state.Copies(n) {
			if c.Differs {
				s.differs++
			}
		}
		r, ok := state.Record(n)
		if !ok {
			continue
		}
		s.incomplete += r.Incomplete
		kind := s.kinds[r.Kind]
		switch r.Outcome {
		case journal.Archived:
			kind.Archived += r.Records
		case journal.Unmapped:
			kind.Unmapped += r.Records
			unmapped[n] = true
		case journal.Excluded:
			kind.Excluded += r.Records
		case journal.Quarantined:
			kind.Quarantined += r.Records
			s.reasons[r.Reason] += r.Records
		case journal.RecordFailed:
			kind.Failed += r.Records
			s.reasons[r.Reason] += r.Records
		}
		s.kinds[r.Kind] = kind
	}
	if len(unmapped) == 0 {
		return nil
	}
	data, _, err := store.ReadBatch(ctx, b.Name)
	if err != nil {
		return err
	}
	for i, line := range slices.Collect(strings.Lines(string(data))) {
		if unmapped[i+1] {
			s.mask(line)
		}
	}
	return nil
}

// mask counts the participants of a record that nobody got, without the last digits of their numbers.
func (s *Summary) mask(line string) {
	var entry record.Entry
	if json.Unmarshal([]byte(line), &entry) != nil {
		return
	}
	r, err := telemessage.Parse(entry)
	if err != nil {
		return
	}
	seen := map[string]bool{}
	for _, value := range append([]string{r.Owner}, values(r.Participants())...) {
		number, ok := phone.E164(value, "GB")
		if !ok {
			continue
		}
		masked := number[:len(number)-3] + "•••"
		if !seen[masked] {
			seen[masked] = true
			s.unmapped[masked]++
		}
	}
}

func values(people []record.Participant) (all []string) {
	for _, p := range people {
		all = append(all, p.Value)
	}
	return all
}

// Problems says in plain words why the run is not a success; none, if it is one.
func (s *Summary) Problems() (all []string) {
	if err := s.Totals.Holds(); err != nil {
		all = append(all, err.Error())
	}
	for _, p := range []struct {
		n    int
		what string
	}{
		{len(s.open), "runs of fetch are not finished; the next fetch goes on with them"},
		{s.Records.Pending, "records are pending: they wait for an import, or for something that the source still owes"},
		{s.Copies.Pending, "copies are pending"},
		{s.Records.Failed, "records failed"},
		{s.Copies.Failed, "copies failed"},
	} {
		if p.n > 0 {
			all = append(all, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if s.Source.Differs > 0 {
		all = append(all, fmt.Sprintf("in %d runs the source says that it holds another number of items than were received", s.Source.Differs))
	}
	return all
}

// Print writes the summary for a person.
func (s *Summary) Print(w io.Writer, took time.Duration) {
	r, c := s.Records, s.Copies
	fmt.Fprintf(w, "\nThe archive after %s, %d runs\n\n", took.Round(100*time.Millisecond), s.runs)
	fmt.Fprintf(w, "  %-10s %10s %10s %10s %10s %10s %10s %10s\n", "records", "collected", "archived", "unmapped", "excluded", "quarant.", "failed", "pending")
	row := func(name string, t journal.RecordTotals) {
		fmt.Fprintf(w, "  %-10s %10d %10d %10d %10d %10d %10d %10d\n", name, t.Collected, t.Archived, t.Unmapped, t.Excluded, t.Quarantined, t.Failed, t.Pending)
	}
	for _, kind := range slices.Sorted(maps.Keys(s.kinds)) {
		t := s.kinds[kind]
		t.Collected = t.Archived + t.Unmapped + t.Excluded + t.Quarantined + t.Failed
		name := kind
		if name == "" {
			name = "(none)"
		}
		row(clip(name, 10), t)
	}
	row("all", r)
	fmt.Fprintf(w, "\n  %-10s %10s %10s %10s %10s %10s %10s\n", "copies", "planned", "imported", "duplicate", "oversize", "failed", "pending")
	fmt.Fprintf(w, "  %-10s %10d %10d %10d %10d %10d %10d\n\n", "all", c.Planned, c.Imported, c.Duplicate, c.Oversize, c.Failed, c.Pending)
	if err := s.Totals.Holds(); err == nil {
		fmt.Fprintln(w, "  Both sums hold: every record and every copy has its outcome.")
	}
	if s.Source.Total != nil {
		fmt.Fprintf(w, "  The source says it holds %d items; %d were received.\n", *s.Source.Total, s.received)
	} else {
		fmt.Fprintf(w, "  The source does not say how many items it holds; %d were received.\n", s.received)
	}
	if s.incomplete > 0 {
		fmt.Fprintf(w, "  %d attachments could not be had for good; the messages say so in their place.\n", s.incomplete)
	}
	if s.differs > 0 {
		fmt.Fprintf(w, "  %d duplicates had other content than the message that came first.\n", s.differs)
	}
	list(w, "Quarantined or failed, because", s.reasons)
	list(w, "Numbers in records that nobody gets", s.unmapped)
}

// list prints the commonest entries.
func list(w io.Writer, title string, counts map[string]int) {
	const most = 12
	if len(counts) == 0 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	fmt.Fprintf(w, "\n  %s\n", title)
	for i, key := range keys {
		if i == most {
			fmt.Fprintf(w, "    and %d more\n", len(keys)-most)
			break
		}
		fmt.Fprintf(w, "    %5d × %s\n", counts[key], key)
	}
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
