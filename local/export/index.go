package export

import (
	"encoding/csv"
	"errors"
	"io/fs"
	"os"
)

// Index is the file that says of each message whose it is, and what its bytes were.
const Index = "index.csv"

const indexPart = Index + ".part"

// index is the Index under way. It has its name only once the export has ended, so that one which is there is whole.
type index struct {
	root *os.Root
	file *os.File
	rows *csv.Writer
}

// openIndex begins a new index, and takes away that of an earlier export.
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

// add notes a message. What can't be written is an error of close.
func (x *index) add(file, mailbox, sum string) { _ = x.rows.Write([]string{file, mailbox, sum}) }

// close ends the index of an export that ended with err, and gives the first error.
func (x *index) close(err error) error {
	x.rows.Flush()
	if err == nil {
		err = x.rows.Error()
	}
	if closed := x.file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = x.root.Rename(indexPart, Index)
	}
	if err != nil {
		_ = x.root.Remove(indexPart) // the error before it is the one to tell
	}
	return err
}
