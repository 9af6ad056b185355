// Package export writes what an archive has imported as .eml files, one folder per mailbox, so that anybody can open them.
//
// What was imported is the journals' word. The messages are made anew from the batches and the media as import makes them,
// and held against the hashes that import has left in the journals.
package export

import (
	"bytes"
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

// Options are what import's form of a message depends on, and the names of the mailboxes.
type Options struct {
	Region  string                 // DEFAULT_REGION
	MaxItem int64                  // MAX_ITEM_SIZE, bytes
	MaxFile int64                  // the largest attachment that the cloud takes, bytes; 0: it takes any
	Mapping *usermap.Table         // the administrator's; nil: there is none
	Address func(id string) string // of a mailbox, "" if it isn't known; nil: none is
}

// Result is what an export has come to.
type Result struct {
	Messages  int // in the folder now: written, or there already
	Mailboxes int // that have any of them
	Unproven  int // of the messages: the journal has no hash of their form, or the mapping has changed since, so nothing says that they are what was imported
	Failed    int // messages that are not in the folder

	Reasons []Reason // why they are not: the first few, without content
}

// Reason is why messages are not in the folder.
type Reason struct {
	Why   string
	Count int
	First string // of the lines concerned
}

func (r Reason) String() string {
	return fmt.Sprintf("%d × %s; the first is %s", r.Count, r.Why, r.First)
}

// maxReasons keeps the Result readable, and small.
const maxReasons = 10

// To writes every message that the journals say is in a mailbox into dir, which is made if it is missing, and at its end the Index. A file that is there
// already with the right size and hash stays, so it may be called again; what it does not write it leaves alone. A message that can't be made, or
// whose bytes are not those that were imported, is no error of To but counts as failed, and gets no file.
//
// In memory are one batch with its journal, and some hundred bytes for each message; an attachment never is.
func To(ctx context.Context, dir string, store *archive.Store, o Options) (Result, error) {
	e := &exporter{store: store, options: o, workshop: message.NewNumberCache(),
		folders: map[string]string{}, owners: map[string]string{Index: "", indexPart: ""}, written: map[string]bool{}, files: map[string]bool{}, boxes: map[string]bool{}}
	err := e.run(ctx, dir)
	e.result.Mailboxes = len(e.boxes)
	if err != nil {
		return e.result, fmt.Errorf("export: %w", withoutName(err))
	}
	return e.result, nil
}

// exporter is one export under way.
type exporter struct {
	store    *archive.Store
	options  Options
	root     *os.Root // no name, whatever it is made of, gets out of the folder
	index    *index
	workshop *message.NumberCache
	result   Result

	folders map[string]string // mailbox → folder
	owners  map[string]string // folder → mailbox; "" for the names of the index
	written map[string]bool   // keys of the copies
	files   map[string]bool   // names that this export has given
	boxes   map[string]bool   // folders that have a message
}

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
	days, err := e.store.Days(ctx)
	if err != nil {
		return fmt.Errorf("list the batches: %w", err)
	}
	for _, day := range days {
		runs, err := e.store.Runs(ctx, day)
		if err != nil {
			return fmt.Errorf("list the batches: %w", err)
		}
		for _, run := range runs {
			batches, err := e.store.Batches(ctx, run)
			if err != nil {
				return fmt.Errorf("list the batches: %w", err)
			}
			for _, b := range batches {
				if err := e.batch(ctx, b.Name); err != nil {
					return fmt.Errorf("batch %s: %w", b.Name, err)
				}
			}
		}
	}
	return nil
}

// batch exports what the batch's journal says is in mailboxes, whether the batch is finished or not.
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
	data, _, err := e.store.ReadBatch(ctx, name)
	if err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	number := 0
	for text := range bytes.Lines(data) { // numbered as import does it
		number++
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

// line exports the copies of one line. fail takes those that can't be; the error is one of the surroundings.
func (e *exporter) line(ctx context.Context, text []byte, known journal.Record, copies []journal.Copy, fail func(n int, why string)) error {
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

// isEnvironmental says whether an error would meet every other message as well.
func isEnvironmental(ctx context.Context, err error) bool {
	var disk *fs.PathError
	var rename *os.LinkError
	return err != nil && (ctx.Err() != nil || errors.Is(err, archive.ErrUnavailable) || errors.Is(err, archive.ErrDenied) || errors.Is(err, archive.ErrArchived) ||
		errors.As(err, &disk) || errors.As(err, &rename))
}

// withoutName takes the file's name out of an error of the disk: it may hold a mailbox's address.
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

// folder is the mailbox's folder. No two mailboxes have one, whatever their addresses.
func (e *exporter) folder(id string) string {
	id = strings.ToLower(id) // as record.Key reads it
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

func (e *exporter) address(id string) string {
	if e.options.Address == nil {
		return ""
	}
	return e.options.Address(id)
}

// owner is what the index calls a mailbox: its address, which its folder's name may only resemble, or its id where that isn't known.
func (e *exporter) owner(id string) string { return cmp.Or(e.address(id), strings.ToLower(id)) }
