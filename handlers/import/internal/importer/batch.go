package importer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"o2archiver/handlers/import/internal/tallier"
	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/lock"
	"o2archiver/shared/record"
	"o2archiver/shared/source"
	"o2archiver/shared/usermap"
)

// importOnce processes a batch once, under the lease of its journal.
func (im *Importer) importOnce(ctx context.Context, name, invocation string, log *slog.Logger, how Delivery,
	rules Rules) (Result, error) {
	data, _, err := im.opts.Batches.Read(ctx, name)
	if errors.Is(err, archive.ErrNotFound) {
		return Result{}, ErrMissing
	}
	if errors.Is(err, archive.ErrDigest) {
		return Result{}, fmt.Errorf(
			"the batch is not as fetch wrote it; nothing of it is imported until its earlier version is restored: %w",
			err)
	}
	if err != nil {
		return Result{}, fmt.Errorf("read the batch: %w", err)
	}
	open := journal.TryOpen
	if how.Wait {
		open = journal.Open
	}
	j, err := open(ctx, im.opts.Logs, name, invocation, im.opts.Now)
	if err != nil {
		return Result{}, fmt.Errorf("open the batch's journal: %w", err)
	}
	defer j.Close()
	if j.State().Done && !how.Replay {
		// The delivery that finished it may have been killed before it noted and logged the result.
		im.noteResult(ctx, log, j, tallier.Imported{Batch: name, Data: data})
		return logResult(log, name, j.State()), nil
	}
	// Work ends when the lease is lost: from then on another delivery may take over.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(j.Context(), func() {
		cancel(fmt.Errorf("%w: %w", journal.ErrLost, context.Cause(j.Context())))
	})
	defer stop()

	b := &batch{
		im: im, rules: rules, name: name, invocation: invocation, journal: j,
		replay: how.Replay, only: how.Only, onProgress: how.OnProgress,
		names: map[string]string{}, checked: map[string]bool{},
		other: otherBatch{lock: lock.New()},
	}
	if err := b.process(ctx, data); err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = errors.Join(err, cause)
		}
		log.Warn("batch not finished; a later try continues", "event", "import.batchUnfinished", "error", err.Error())
		return Result{}, err
	}
	if err := j.Finish(ctx); err != nil {
		return Result{}, fmt.Errorf("finish the journal: %w", err)
	}
	im.noteResult(ctx, log, j, tallier.Imported{Batch: name, Data: data, Names: b.names, Checked: b.checkedAddresses()})
	return logResult(log, name, j.State()), nil
}

// noteResult passes a finished journal on to be counted.
func (im *Importer) noteResult(ctx context.Context, log *slog.Logger, j *journal.Journal, done tallier.Imported) {
	var ok bool
	if done.State, done.Length, ok = j.Written(ctx); ok {
		im.opts.Tally.NoteBatch(ctx, log, done)
	}
}

// logResult logs the totals of a batch. Names of fields in the log are the contract's, never the source's words.
func logResult(log *slog.Logger, name string, state journal.State) Result {
	totals := state.Totals()
	log.Info("batch imported", "event", "import.batchImported", "records", totals.Records, "copies", totals.Copies,
		"fields_left_out", state.FieldsLeftOut(), "fields_missing", state.FieldsMissing())
	return Result{Batch: name, Totals: totals}
}

// batch is one batch while it is processed.
type batch struct {
	im             *Importer
	rules          Rules // the same for all of the delivery
	name           string
	invocation     string
	journal        *journal.Journal
	replay         bool
	only           Selection // of a replay
	onProgress     func()
	mappingVersion string // version of the administrator's CSV
	mapper         *usermap.Mapper
	names          map[string]string // addresses of the matches' mailboxes by their object ids

	mu      sync.Mutex      // guards checked
	checked map[string]bool // addresses of the mapping file, and whether each belongs to a valid user

	records map[int]*record.Record // by line: those that can be archived
	other   otherBatch             // cache of another batch
}

// process brings each line of the batch to an outcome. If it returns an error, some lines have none yet.
func (b *batch) process(ctx context.Context, data []byte) error {
	lines := b.parseRecords(data)
	if len(lines) == 0 {
		return nil
	}
	var table *usermap.Table
	if b.rules.Custom {
		var err error
		if table, err = b.im.opts.Mapping.Current(ctx); err != nil {
			return err
		}
	}
	if table != nil {
		b.mappingVersion = table.Version()
	}
	records := make([]*record.Record, len(lines))
	for i, l := range lines {
		records[i] = l.rec
	}
	options := b.im.mapOptions(b.rules)
	options.Checked = b.noteChecked
	b.mapper = usermap.New(options, table, b.im.opts.Users)
	found, err := b.mapper.Resolve(ctx, records)
	if err != nil {
		return fmt.Errorf("find the participants' mailboxes: %w", err)
	}
	var settled, open []*batchRecord
	for i, l := range lines {
		l.matches, l.open, l.notes = found[i].Matches, found[i].Open, found[i].Notes
		for _, m := range l.matches {
			b.names[m.Mailbox] = m.Addresses[0]
		}
		done := l.open == nil && (l.allCopiesDone() || len(l.matches) == 0 && l.earlier.keepsOutcome())
		if done && b.replay {
			settled = append(settled, l)
		}
		if done && !l.earlier.pending {
			continue
		}
		if !done {
			open = append(open, l)
		}
		b.journal.Plan(l.number) // plans no copy; those of the matches follow
		for _, m := range l.matches {
			b.journal.Plan(l.number, m.Mailbox)
		}
		if l.open != nil { // mailboxes planned earlier may still be meant
			b.journal.Plan(l.number, slices.Sorted(maps.Values(l.earlier.planned))...)
		}
	}
	if err := b.journal.Flush(ctx); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	for _, l := range settled {
		if err := b.restoreRows(ctx, l); err != nil {
			return err
		}
	}
	b.decideFirsts(ctx, data, open)
	return b.importRecords(ctx, open)
}

// noteChecked notes whether an address of the mapping file belongs to a valid user.
func (b *batch) noteChecked(address string, valid bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.checked[address] = valid
}

func (b *batch) checkedAddresses() map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.checked)
}

// parseRecords returns the lines that have no outcome yet. It sets the outcome of those that need no mailbox:
// heartbeats, and lines that can't be read.
func (b *batch) parseRecords(data []byte) []*batchRecord {
	var lines []*batchRecord
	state := b.journal.State()
	for number, text := range journal.BatchLines(data) {
		text = bytes.TrimRight(text, "\r\n")
		if len(text) == 0 || b.settledBefore(state, number) {
			continue
		}
		l, outcome, reason := readLine(number, text, earlierOf(state, number))
		switch {
		case outcome == "":
			lines = append(lines, l)
		case outcome == journal.Quarantined && number <= MaxLines:
			b.quarantineRecord(l, reason)
		default:
			l.base.Outcome, l.base.Reason = outcome, reason
			b.journal.Record(l.base)
		}
		if number > MaxLines { // one outcome stands for all of them, so that the journal is bounded too
			break
		}
	}
	return lines
}

// readLine reads a line of a batch. outcome is not empty if the line needs no mailbox.
func readLine(number int, text []byte, before earlier) (l *batchRecord, outcome journal.Outcome, reason string) {
	l = &batchRecord{number: number, memoryLock: lock.New(), base: journal.Record{Line: number, Records: 1},
		earlier: before}
	if number > MaxLines {
		return l, journal.Quarantined, "the batch has more lines than any that fetch writes; from here on none was read"
	}
	if err := l.readRecord(text); err != nil {
		return l, journal.Quarantined, err.Error()
	}
	if l.rec.Kind == record.System {
		return l, journal.Excluded, "a heartbeat: counted, never imported"
	}
	return l, "", ""
}

// readRecord parses a line. Its error is the reason for the quarantine and holds nothing of the content.
func (l *batchRecord) readRecord(text []byte) error {
	var entry record.Entry
	if err := json.Unmarshal(text, &entry); err != nil {
		return errors.New("the line of the batch is not the JSON of an entry")
	}
	l.base.Records = entry.Records()
	rec, err := source.Parse(entry)
	if err != nil {
		var fault *record.Fault
		if errors.As(err, &fault) && fault.ID != "" { // the journal then identifies the item
			l.base.Message, l.base.Original = record.MessageKey(entry.Source, fault.ID), fault.SHA256
		}
		return fmt.Errorf("the item can't be read: %w", err)
	}
	l.setRecord(rec)
	l.refersTo = entry.Earlier
	if rec.Kind == record.System {
		return nil // it is never archived, so it needs no valid time
	}
	if err := record.Check(rec); err != nil {
		return fmt.Errorf("the item can't be archived: %w", err)
	}
	return nil
}

// settledBefore reports whether an earlier delivery brought the line to its outcome. A replay processes all lines again
// that it is for, but heartbeats: by now an archived message may be for further mailboxes. A replay that was
// interrupted has left copies that are planned and have no outcome, so its lines are not settled.
func (b *batch) settledBefore(state journal.State, number int) bool {
	r, ok := state.Record(number)
	if !ok || len(state.Planned(number)) > len(state.Copies(number)) {
		return false
	}
	return !b.replay || r.Outcome == journal.Excluded || !b.only.has(r)
}

// importRecords processes all copies of all lines. They queue for their mailboxes in the order of the batch, so that
// each mailbox receives its messages in chronological order, unless an attempt has to be repeated.
func (b *batch) importRecords(ctx context.Context, lines []*batchRecord) error {
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		failed []error
	)
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil && len(failed) < 3 { // more errors would be of the same kind
			failed = append(failed, err)
		}
	}
	var large []*batchRecord
	for _, l := range lines {
		if !l.markDecided(b.name) {
			group.Go(func() {
				err := b.decideLater(ctx, l.same)
				var copies []*copyJob
				if err == nil {
					copies, err = b.planCopies(ctx, l, false)
				}
				if errors.Is(err, errLarge) {
					mu.Lock()
					defer mu.Unlock()
					large = append(large, l)
					return
				}
				fail(err)
				if copies != nil {
					fail(b.importCopies(ctx, l, copies))
				}
			})
			continue
		}
		copies, err := b.planCopies(ctx, l, false)
		fail(err)
		if copies != nil {
			group.Go(func() { fail(b.importCopies(ctx, l, copies)) })
		}
	}
	group.Wait()
	for _, l := range large {
		copies, err := b.planCopies(ctx, l, true)
		fail(err)
		if copies != nil {
			fail(b.importCopies(ctx, l, copies))
		}
		l.rec, l.built = l.own, nil
	}
	return errors.Join(failed...)
}
