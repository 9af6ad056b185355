// Package export writes the messages that an archive has imported as .eml files, one folder per mailbox, so that they
// can be opened without the archive.
//
// The journals state what was imported. The messages are made again from the batches and the media and checked against
// the hashes in the journals; both is done by shared/report.
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
	"o2archiver/shared/report"
)

// Options holds what the form of a message depends on, and the names of the mailboxes.
type Options struct {
	report.Form
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
	e := &exporter{options: o, folders: map[string]string{}, owners: map[string]string{Index: "", indexPart: ""},
		written: map[string]bool{}, files: map[string]bool{}, boxes: map[string]bool{}}
	err := e.run(ctx, dir, store)
	e.result.Mailboxes = len(e.boxes)
	if err != nil {
		return e.result, fmt.Errorf("export: %w", withoutName(err))
	}
	return e.result, nil
}

// exporter is the state of one export.
type exporter struct {
	options Options
	root    *os.Root // ensures that no file is written outside the folder, whatever its name is derived from
	index   *index
	result  Result

	folders map[string]string // mailbox → folder
	owners  map[string]string // folder → mailbox; "" for the names of the index
	written map[string]bool   // keys of the copies that have a file
	files   map[string]bool   // names of files that belong to this export
	boxes   map[string]bool   // folders that have a message
}

// run exports all copies, in the order of their batches.
func (e *exporter) run(ctx context.Context, dir string, store *archive.Store) (err error) {
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
	for c, err := range report.ImportedCopies(ctx, store, e.options.Form) {
		if err != nil {
			return err
		}
		if err = context.Cause(ctx); err == nil {
			err = e.writeCopy(c)
		}
		if isEnvironmental(ctx, err) {
			return fmt.Errorf("batch %s: line %d: %w", c.Batch, c.Line, err)
		}
		if err != nil {
			e.fail(c, err)
		}
	}
	return nil
}

// isEnvironmental reports whether an error would occur with every other message as well.
func isEnvironmental(ctx context.Context, err error) bool {
	var disk *fs.PathError
	var rename *os.LinkError
	return report.IsEnvironmental(ctx, err) || errors.As(err, &disk) || errors.As(err, &rename)
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

// fail counts a message that could not be exported, with the reason.
func (e *exporter) fail(c *report.ImportedCopy, reason error) {
	e.result.Failed++
	why, all := reason.Error(), &e.result.Reasons
	if i := slices.IndexFunc(*all, func(r Reason) bool { return r.Why == why }); i >= 0 {
		(*all)[i].Count++
		return
	}
	if len(*all) < maxReasons {
		*all = append(*all, Reason{Why: why, Count: 1, First: fmt.Sprintf("line %d of batch %s", c.Line, c.Batch)})
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
