// Package report computes what is reported about an archive from its manifests, batches and journals: the summary with
// its two sums, the list of the numbers without a mailbox, the copies in mailboxes with the proof of their messages,
// and the proof of a copy of the archive. It only reads.
//
// The summary and the copies are read from the archive's storage, the other two from a Folder.
package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/phone"
	"o2archiver/shared/record"
	"o2archiver/shared/source"
)

// Summary holds the outcomes of everything in the archive's storage: of all runs, not only the last one. Its JSON is
// described in docs/local.md.
type Summary struct {
	journal.Totals
	Source Source `json:"source"`
	Runs   Runs   `json:"runs"`

	Types    map[string]Outcomes `json:"types"`    // by the source's type of the item; "": none, or unreadable
	Reasons  map[string]int      `json:"reasons"`  // why records were quarantined or failed
	Unmapped map[string]int      `json:"unmapped"` // masked numbers in records without a mailbox

	// LeftOut counts, by field, the messages that lack it because of its JSON type or a bound.
	LeftOut map[string]int `json:"leftOut"`

	// Missing counts, by member that a source is expected to send, the items that lack it; Absent counts the runs in
	// which no item has it.
	Missing map[string]int `json:"missing"`
	Absent  map[string]int `json:"absent"`

	Incomplete int `json:"incomplete"` // attachments that are permanently unavailable
	Differing  int `json:"differing"`  // copies of records that differ from the first record with their id

	open map[string]bool // runs without a manifest
}

// Source compares the source's own count with what was received from it.
type Source struct {
	// Total is the source's own count of all runs together; null if it is not known for all.
	Total *int64 `json:"total"`

	// Received is the number of items that fetch has received.
	Received int `json:"received"`

	// Differs is the number of runs that received another number of items than the source counts for them.
	Differs int `json:"differs"`
}

// Runs counts the runs of fetch; each is for one window of time.
type Runs struct {
	All  int `json:"all"`
	Open int `json:"open"` // not finished; the next fetch continues them
}

// Outcomes counts the records of one type. A pending record has not been read, so its type is unknown.
type Outcomes struct {
	Archived    int `json:"archived"`
	Unmapped    int `json:"unmapped"`
	Excluded    int `json:"excluded"`
	Quarantined int `json:"quarantined"`
	Failed      int `json:"failed"`
}

// ReadSummary returns the summary of the manifests, batches and journals in a store. It may be called while fetch and
// import are running: what they have not finished is pending.
//
// Memory holds one batch with its journal, the names of one day's runs, and the keys of the deferred items.
func ReadSummary(ctx context.Context, store *archive.Store) (*Summary, error) {
	s := &Summary{Types: map[string]Outcomes{}, Reasons: map[string]int{}, Unmapped: map[string]int{},
		LeftOut: map[string]int{},
		Missing: map[string]int{}, Absent: map[string]int{}, open: map[string]bool{}}
	s.Source.Total = new(int64)
	for run, err := range store.Batches().AllRuns(ctx) {
		if err != nil {
			return nil, err
		}
		if err := s.addRun(ctx, store, run); err != nil {
			return nil, err
		}
	}
	if s.Runs.All == 0 {
		s.Source.Total = nil
	}
	s.Runs.Open = len(s.open)
	waiting, err := store.Deferred().Keys(ctx)
	if err != nil {
		return nil, err
	}
	s.Records.Pending += len(waiting)
	return s, s.addWaiting(ctx, store, waiting)
}

// addWaiting counts the deferred items of runs without a manifest as collected. Manifests include those of the other
// runs.
func (s *Summary) addWaiting(ctx context.Context, store *archive.Store, keys []string) error {
	if len(s.open) == 0 {
		return nil
	}
	for _, key := range keys {
		var item struct {
			Run string `json:"run"`
		}
		err := store.Deferred().Get(ctx, key, &item)
		if err != nil && !errors.Is(err, archive.ErrNotFound) {
			return err
		}
		if s.open[item.Run] {
			s.Source.Received++
			s.Records.Collected++
		}
	}
	return nil
}

// addRun adds one run. The number collected comes from the manifest; everything else from the batches and their
// journals.
func (s *Summary) addRun(ctx context.Context, store *archive.Store, run string) error {
	s.Runs.All++
	manifest, err := store.Batches().ReadManifest(ctx, run, nil)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		s.open[run] = true
		s.Source.Total = nil
	case err != nil:
		return err
	case manifest.SourceTotal == nil:
		s.Source.Total = nil
	case s.Source.Total != nil:
		*s.Source.Total += *manifest.SourceTotal
	}
	staged := 0
	shape := shape{expected: map[string]int{}, missing: map[string]int{}}
	for b, err := range store.Batches().InRun(ctx, run) {
		if err != nil {
			return fmt.Errorf("list the batches: %w", err)
		}
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
		shape.add(state)
		addTo(s.LeftOut, state.FieldsLeftOut())
	}
	addTo(s.Missing, shape.missing)
	for name, n := range shape.missing {
		if n == shape.expected[name] {
			s.Absent[name]++
		}
	}
	if s.open[run] {
		manifest.Received = staged
	}
	if manifest.SourceTotal != nil && *manifest.SourceTotal != int64(manifest.Received) {
		s.Source.Differs++ // per run: a surplus in one run does not make up for a shortage in another
	}
	s.Source.Received += manifest.Received
	s.Records.Collected += manifest.Received
	return nil
}

// shape counts, by member, the items of one run that should have it, and those that lack it.
type shape struct{ expected, missing map[string]int }

func (sh shape) add(state journal.State) {
	for _, n := range state.Lines() {
		r, ok := state.Record(n)
		if !ok || r.Message == "" { // the item has not been read
			continue
		}
		for _, name := range record.Expected(record.Kind(r.Kind)) {
			sh.expected[name]++
		}
	}
	addTo(sh.missing, state.FieldsMissing())
}

// addTo adds counts to sums.
func addTo(sums, counts map[string]int) {
	for name, n := range counts {
		sums[name] += n
	}
}

// look adds what the summary reports besides the sums.
func (s *Summary) look(ctx context.Context, store *archive.Store, b archive.BatchInfo, state journal.State) error {
	for _, n := range state.Lines() {
		for _, c := range state.Copies(n) {
			if c.Differs {
				s.Differing++
			}
		}
		r, ok := state.Record(n)
		if !ok {
			continue
		}
		s.Incomplete += r.Incomplete
		kind := s.Types[r.Kind]
		switch r.Outcome {
		case journal.Archived:
			kind.Archived += r.Records
		case journal.Unmapped:
			kind.Unmapped += r.Records
		case journal.Excluded:
			kind.Excluded += r.Records
		case journal.Quarantined:
			kind.Quarantined += r.Records
			s.Reasons[r.Reason] += r.Records
		case journal.RecordFailed:
			kind.Failed += r.Records
			s.Reasons[r.Reason] += r.Records
		}
		s.Types[r.Kind] = kind
	}
	unmapped := unmappedLines(state)
	if len(unmapped) == 0 {
		return nil
	}
	data, _, err := store.Batches().Read(ctx, b.Name)
	if err != nil {
		return err
	}
	for _, line := range selectLines(data, unmapped) {
		s.mask(line)
	}
	return nil
}

// mask counts the numbers in a record without a mailbox, with their last digits masked.
func (s *Summary) mask(line []byte) {
	var entry record.Entry
	if json.Unmarshal(line, &entry) != nil {
		return
	}
	r, err := source.Parse(entry)
	if err != nil {
		return
	}
	seen := map[string]bool{}
	for _, value := range append([]string{r.Owner}, participantValues(r.Participants())...) {
		number, ok := phone.E164(value, "GB")
		if !ok {
			continue
		}
		masked := number[:len(number)-3] + "•••"
		if !seen[masked] {
			seen[masked] = true
			s.Unmapped[masked]++
		}
	}
}

// participantValues returns the participants' numbers or names, as the source sent them.
func participantValues(people []record.Participant) (all []string) {
	for _, p := range people {
		all = append(all, p.Value)
	}
	return all
}

// Problems returns in plain words why the run is not a success; none if it is one.
func (s *Summary) Problems() (all []string) {
	if err := s.Totals.Holds(); err != nil {
		all = append(all, err.Error())
	}
	for _, p := range []struct {
		n    int
		what string
	}{
		{s.Runs.Open, "runs of fetch not finished: %d; the next fetch goes on with them"},
		{s.Records.Pending,
			"records pending: %d; they wait for an import, or for something that the source has not sent yet"},
		{s.Copies.Pending, "copies pending: %d"},
		{s.Records.Failed, "records failed: %d"},
		{s.Copies.Failed, "copies failed: %d"},
		{s.Source.Differs,
			"runs of which the source says that it holds another number of items than were received: %d"},
	} {
		if p.n > 0 {
			all = append(all, fmt.Sprintf(p.what, p.n))
		}
	}
	return all
}
