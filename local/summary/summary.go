// Package summary adds up what became of everything in an archive's storage, for a person and for a program.
package summary

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/phone"
	"o2archiver/shared/record"
	"o2archiver/shared/telemessage"
)

// Summary is what became of everything in the archive's storage: all runs, not only the last one. Its JSON is described in docs/local.md.
type Summary struct {
	journal.Totals
	Source Source `json:"source"`
	Runs   Runs   `json:"runs"`

	Types      map[string]Outcomes `json:"types"`      // by the type that the source gives the item; "": it has none, or can't be read
	Reasons    map[string]int      `json:"reasons"`    // why records were quarantined or failed
	Unmapped   map[string]int      `json:"unmapped"`   // masked numbers in records that are in nobody's mailbox
	LeftOut    map[string]int      `json:"leftOut"`    // fields that messages lack for their JSON type or a bound, with how many messages
	Missing    map[string]int      `json:"missing"`    // members that a source is expected to give, with how many items lack them
	Absent     map[string]int      `json:"absent"`     // of these, those that no item of a run has, with how many runs
	Incomplete int                 `json:"incomplete"` // attachments that are gone for good at the source
	Differing  int                 `json:"differing"`  // copies of records that are not what came first under their id

	open map[string]bool // runs without a manifest
}

// Source is what the source says of itself, and what came from it.
type Source struct {
	// Total is what the source says it holds for all runs together; null if it does not say.
	Total *int64 `json:"total"`

	// Received is how many items fetch has received.
	Received int `json:"received"`

	// Differs is how many runs received another number of items than the source says it holds for them.
	Differs int `json:"differs"`
}

// Runs counts the runs of fetch; each is for one slice of time.
type Runs struct {
	All  int `json:"all"`
	Open int `json:"open"` // not finished; the next fetch goes on with them
}

// Outcomes counts the records of one type. One that is pending has not been read, so it has no type yet.
type Outcomes struct {
	Archived    int `json:"archived"`
	Unmapped    int `json:"unmapped"`
	Excluded    int `json:"excluded"`
	Quarantined int `json:"quarantined"`
	Failed      int `json:"failed"`
}

// Read reads manifests, batches and journals. It may be called while fetch and import are at work: what they have not finished is pending.
func Read(ctx context.Context, store *archive.Store) (*Summary, error) {
	s := &Summary{Types: map[string]Outcomes{}, Reasons: map[string]int{}, Unmapped: map[string]int{}, LeftOut: map[string]int{},
		Missing: map[string]int{}, Absent: map[string]int{}, open: map[string]bool{}}
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
	if s.Runs.All == 0 {
		s.Source.Total = nil
	}
	s.Runs.Open = len(s.open)
	waiting, err := store.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	s.Records.Pending += len(waiting)
	return s, s.addWaiting(ctx, store, waiting)
}

// addWaiting counts as collected what the runs without a manifest have set aside: of the others, the manifest says it.
func (s *Summary) addWaiting(ctx context.Context, store *archive.Store, keys []string) error {
	if len(s.open) == 0 {
		return nil
	}
	for _, key := range keys {
		var item struct {
			Run string `json:"run"`
		}
		err := store.GetWaiting(ctx, key, &item)
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

// addRun adds one run. What was collected is fetch's word in the manifest; everything else comes from the batches and their journals.
func (s *Summary) addRun(ctx context.Context, store *archive.Store, run string) error {
	s.Runs.All++
	manifest, err := store.ReadManifest(ctx, run)
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
	batches, err := store.Batches(ctx, run)
	if err != nil {
		return err
	}
	staged := 0
	shape := shape{expected: map[string]int{}, missing: map[string]int{}}
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
		s.Source.Differs++ // each run for itself: what one has too many does not make up for what another lacks
	}
	s.Source.Received += manifest.Received
	s.Records.Collected += manifest.Received
	return nil
}

// shape counts the members that the items of one run should have, and those that they lack.
type shape struct{ expected, missing map[string]int }

func (sh shape) add(state journal.State) {
	for _, n := range state.Lines() {
		r, ok := state.Record(n)
		if !ok || r.Message == "" { // not read
			continue
		}
		for _, name := range record.Expected(record.Kind(r.Kind)) {
			sh.expected[name]++
		}
	}
	addTo(sh.missing, state.FieldsMissing())
}

func addTo(sums, counts map[string]int) {
	for name, n := range counts {
		sums[name] += n
	}
}

// look gathers what a person wants to know besides the sums.
func (s *Summary) look(ctx context.Context, store *archive.Store, b archive.BatchInfo, state journal.State) error {
	unmapped := map[int]bool{}
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
			unmapped[n] = true
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

func participantValues(people []record.Participant) (all []string) {
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
		{s.Runs.Open, "runs of fetch not finished: %d; the next fetch goes on with them"},
		{s.Records.Pending, "records pending: %d; they wait for an import, or for something that the source still owes"},
		{s.Copies.Pending, "copies pending: %d"},
		{s.Records.Failed, "records failed: %d"},
		{s.Copies.Failed, "copies failed: %d"},
		{s.Source.Differs, "runs of which the source says that it holds another number of items than were received: %d"},
	} {
		if p.n > 0 {
			all = append(all, fmt.Sprintf(p.what, p.n))
		}
	}
	return all
}
