// Package export writes the messages that an archive has imported as .eml files, one folder per mailbox, so that they
// can be opened without the archive.
//
// The journals state what was imported. The messages are rendered again from the batches and the media, as import does
// it, and checked against the hashes that import has written to the journals.
package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/message"
	"o2archiver/shared/usermap"
)

// Options holds what the form of a message depends on, and the names of the mailboxes.
type Options struct {
	Region  string                 // DEFAULT_REGION
	MaxItem int64                  // MAX_ITEM_SIZE, bytes
	MaxFile int64                  // maximum size of an attachment in this cloud, bytes; 0: no limit
	Mapping *usermap.Table         // the administrator's mapping; nil: there is none
	Address func(id string) string // address of a mailbox, "" if unknown; nil: none is known
}

// Result is the result of an export.
type Result struct {
	Messages  int // in the folder now: written by this export, or there already
	Mailboxes int // with at least one of these messages

	// Unproven counts those messages that can't be checked against what was imported, because the journal has no hash
	// of their form, or because the mapping has changed since.
	Unproven int
	Failed   int // messages that are not in the folder

	Reasons []Reason // why messages are missing: the first few reasons, without content
}

// Reason is why messages are missing from the folder.
type Reason struct {
	Why   string
	Count int
	First string // the first of the lines concerned
}

func (r Reason) String() string {
	return fmt.Sprintf("%d × %s; the first is %s", r.Count, r.Why, r.First)
}

// maxReasons is the maximum number of Reasons, so that a Result stays small and readable.
const maxReasons = 10

// To writes every message that is in a mailbox according to the journals into dir, which is created if it is missing,
// and finally the Index. An existing file with the right size and hash stays, so To may be called again; other files in
// dir are left alone. If a message can't be rendered, or its bytes differ from those that were imported, it gets no
// file and is counted in Result.Failed; To returns no error for it.
//
// Memory holds one batch with its journal, and some hundred bytes for each message, but never an attachment.
func To(ctx context.Context, dir string, store *archive.Store, o Options) (Result, error) {
	e := &exporter{store: store, options: o, workshop: message.NewNumberCache(),
		folders: map[string]string{}, owners: map[string]string{Index: "", indexPart: ""},
		written: map[string]bool{}, files: map[string]bool{}, boxes: map[string]bool{}}
	err := e.run(ctx, dir)
	e.result.Mailboxes = len(e.boxes)
	if err != nil {
		return e.result, fmt.Errorf("export: %w", withoutName(err))
	}
	return e.result, nil
}

// exporter is the state of one export.
type exporter struct {
	store    *archive.Store
	options  Options
	root     *os.Root // ensures that no file is written outside the folder, whatever its name is derived from
	index    *index
	workshop *message.NumberCache
	result   Result

	folders map[string]string // mailbox → folder
	owners  map[string]string // folder → mailbox; "" for the names of the index
	written map[string]bool   // keys of the copies that have a file
	files   map[string]bool   // names of files that belong to this export
	boxes   map[string]bool   // folders that have a message
}

// run exports all batches, in the order of their names.
func (e *exporter) run(ctx context.Context, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if e.root, err = os.OpenRoot(dir); err != nil {
		return err
	}
	defer e.root.Close()
	if e.index, err = openIndex(e.root); err != nil {
		return err
	}
	defer func() { err = e.index.close(err) }()
	for b, err := range e.store.Batches().All(ctx) {
		if err != nil {
			return fmt.Errorf("list the batches: %w", err)
		}
		if err := e.batch(ctx, b.Name); err != nil {
			return fmt.Errorf("batch %s: %w", b.Name, err)
		}
	}
	return nil
}

// batch exports the copies that are in mailboxes according to the batch's journal, whether the batch is finished or
// not.
func (e *exporter) batch(ctx context.Context, name string) error {
	state, err := journal.Read(ctx, e.store.Logs(), name)
	if err != nil {
		return err
	}
	there := map[int][]journal.Copy{}
	for _, n := range state.Lines() {
		for _, c := range state.Copies(n) {
			if c.Outcome == journal.Imported || c.Outcome == journal.Oversize {
				there[n] = append(there[n], c)
			}
		}
	}
	if len(there) == 0 {
		return nil
	}
	data, _, err := e.store.Batches().Read(ctx, name)
	if err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	for number, text := range journal.BatchLines(data) {
		copies := there[number]
		if len(copies) == 0 {
			continue
		}
		delete(there, number)
		rec, _ := state.Record(number)
		fail := func(n int, why string) { e.fail(n, name, number, why) }
		if err := e.records(ctx, text, rec, copies, fail); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	for n, copies := range there {
		e.fail(len(copies), name, n, "the batch has no such line")
	}
	return nil
}

// line exports the copies of one line. It passes the copies that can't be exported to fail, and returns an error only
// if it would concern every message.
func (e *exporter) line(ctx context.Context, text []byte, known journal.Record, copies []journal.Copy,
	fail func(n int, why string)) error {
	if len(copies) == 0 {
		return nil
	}
	l, err := e.read(ctx, text, known)
	if err != nil {
		fail(len(copies), err.Error())
		return nil
	}
	for _, c := range copies {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		err := e.copy(l, c)
		if isEnvironmental(ctx, err) {
			return err
		}
		if err != nil {
			fail(1, err.Error())
		}
	}
	return nil
}

// isEnvironmental reports whether an error would occur with every other message as well.
func isEnvironmental(ctx context.Context, err error) bool {
	var disk *fs.PathError
	var rename *os.LinkError
	return err != nil && (ctx.Err() != nil || errors.Is(err, archive.ErrUnavailable) ||
		errors.Is(err, archive.ErrDenied) || errors.Is(err, archive.ErrArchived) ||
		errors.As(err, &disk) || errors.As(err, &rename))
}

// withoutName removes the file's name from a file system error: it may hold a mailbox's address.
func withoutName(err error) error {
	var disk *fs.PathError
	var rename *os.LinkError
	switch {
	case errors.As(err, &disk):
		return fmt.Errorf("write into the folder: %w", disk.Err)
	case errors.As(err, &rename):
		return fmt.Errorf("write into the folder: %w", rename.Err)
	}
	return err
}

// fail counts n messages that could not be exported, with the reason.
func (e *exporter) fail(n int, batch string, line int, why string) {
	e.result.Failed += n
	all := &e.result.Reasons
	if i := slices.IndexFunc(*all, func(r Reason) bool { return r.Why == why }); i >= 0 {
		(*all)[i].Count += n
		return
	}
	if len(*all) < maxReasons {
		*all = append(*all, Reason{Why: why, Count: n, First: fmt.Sprintf("line %d of batch %s", line, batch)})
	}
}

// folder returns the mailbox's folder. Different mailboxes have different folders, whatever their addresses are.
func (e *exporter) folder(id string) string {
	id = strings.ToLower(id) // as in record.Key
	if name, ok := e.folders[id]; ok {
		return name
	}
	name := Folder(e.address(id), id)
	if _, ok := e.owners[name]; ok {
		name = markName(name, id)
	}
	e.folders[id], e.owners[name] = name, id
	return name
}

// address returns the mailbox's address, or "" if it is unknown.
func (e *exporter) address(id string) string {
	if e.options.Address == nil {
		return ""
	}
	return e.options.Address(id)
}

// owner returns the name of a mailbox in the index: its address, which its folder's name may only resemble, or its id
// if the address is unknown.
func (e *exporter) owner(id string) string { return cmp.Or(e.address(id), strings.ToLower(id)) }
