package export

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"o2archiver/shared/report"
)

// writeCopy writes one copy, unless its file exists already.
func (e *exporter) writeCopy(c *report.ImportedCopy) error {
	if c.Err != nil {
		return c.Err
	}
	if e.written[c.Key] {
		return nil
	}
	m, err := c.Message()
	if err != nil {
		return err
	}
	folder := e.folder(c.Mailbox)
	name := folder + "/" + fileName(c.Record.Time, m.ID(), short)
	if e.files[name] {
		name = folder + "/" + fileName(c.Record.Time, m.ID(), len(m.ID()))
	}
	sum, err := e.writeFile(m, folder, name)
	if err != nil {
		return err
	}
	e.index.add(name, e.owner(c.Mailbox), sum)
	e.written[c.Key], e.files[name], e.boxes[folder] = true, true, true
	e.result.Messages++
	if m.SHA256 == "" {
		e.result.Unproven++
	}
	return nil
}

// writeFile writes the message to the file of that name, and returns its SHA-256. A file of that name is always
// complete: it is written under another name first.
func (e *exporter) writeFile(m *report.Message, folder, name string) (sum string, err error) {
	sum, stays, err := e.stays(name, m)
	if err != nil || stays {
		return sum, err
	}
	if err := e.root.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	part := name + ".part" // left by an export that was killed, it is overwritten
	f, err := e.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	b := bufio.NewWriterSize(f, 64<<10) // Flush returns its first error
	sum, err = m.Write(b)
	flushed := b.Flush()
	if err == nil {
		err = flushed
	}
	closed := f.Close()
	if err == nil {
		err = closed
	}
	if err == nil {
		err = e.root.Rename(part, name)
	}
	if err != nil {
		_ = e.root.Remove(part) // the earlier error is the one to return
	}
	return sum, err
}

// stays reports whether an existing file holds the message: whether its size matches, and its hash if it can be proven.
// It also returns the file's hash.
func (e *exporter) stays(name string, m *report.Message) (sum string, stays bool, err error) {
	info, err := e.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	if !info.Mode().IsRegular() || info.Size() != m.Size() {
		return "", false, nil
	}
	f, err := e.root.Open(name)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", false, fmt.Errorf("read what is there: %w", err)
	}
	sum = hex.EncodeToString(h.Sum(nil))
	return sum, m.SHA256 == "" || sum == m.SHA256, nil
}
