package report

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
)

// Folder is the path of a copy of the archive, with a folder for each container, as infra/export writes it.
type Folder string

// batches returns an iterator over the names of the batches, in ascending order. An error is the last thing that it
// yields: also if there is no batch at all.
func (f Folder) batches(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		root, found, ended := f.path(archive.BatchesContainer, ""), false, false
		err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !archive.HasBatchEnding(file) || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			name, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			found = true
			if ended = !yield(filepath.ToSlash(name), nil); ended {
				return fs.SkipAll
			}
			return nil
		})
		if err == nil && !found {
			err = fmt.Errorf("no batch is in %s", root)
		}
		if err != nil && !ended {
			yield("", err)
		}
	}
}

// readBatch returns the bytes of a batch.
func (f Folder) readBatch(name string) ([]byte, error) {
	return os.ReadFile(f.path(archive.BatchesContainer, name))
}

// readJournal returns the journal of a batch; the zero State if there is none.
func (f Folder) readJournal(batch string) (journal.State, error) {
	log, err := os.Open(f.path(archive.JournalContainer, journal.LogName(batch)))
	if errors.Is(err, fs.ErrNotExist) {
		return journal.State{}, nil
	}
	if err != nil {
		return journal.State{}, err
	}
	defer log.Close()
	return journal.Parse(log, batch)
}

// exportName returns the name of a blob within a Folder: its container and its name.
func exportName(container, blob string) string { return container + "/" + blob }

// splitExportName is the inverse of exportName.
func splitExportName(name string) (container, blob string) {
	container, blob, _ = strings.Cut(name, "/")
	return container, blob
}

// path returns the path of a blob's copy.
func (f Folder) path(container, blob string) string {
	return filepath.Join(string(f), filepath.FromSlash(exportName(container, blob)))
}
