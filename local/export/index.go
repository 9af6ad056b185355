package export

import (
	"encoding/csv"
	"errors"
	"io/fs"
	"os"
)

// Index is the file that lists each message with its mailbox and its SHA-256.
const Index = "index.csv"

// indexPart is the name of the Index until it is complete.
const indexPart = Index + ".part"

// index writes the Index. The file gets its name only when the export has ended, so an Index that exists is complete.
type index struct {
	root *os.Root
	file *os.File
	rows *csv.Writer
}

// openIndex begins a new index, and removes that of an earlier export.
func openIndex(root *os.Root) (*index, error) {
	if err := root.Remove(Index); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := root.OpenFile(indexPart, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	x := &index{root, f, csv.NewWriter(f)}
	x.add("file", "mailbox", "sha256")
	return x, nil
}

// add adds a line for a message. A write error is returned by close.
func (x *index) add(file, mailbox, sum string) { _ = x.rows.Write([]string{file, mailbox, sum}) }

// close closes the index of an export that ended with err, and returns the first error.
func (x *index) close(err error) error {
	x.rows.Flush()
	if err == nil {
		err = x.rows.Error()
	}
	closed := x.file.Close()
	if err == nil {
		err = closed
	}
	if err == nil {
		err = x.root.Rename(indexPart, Index)
	}
	if err != nil {
		_ = x.root.Remove(indexPart) // the earlier error is the one to return
	}
	return err
}
