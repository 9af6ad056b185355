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

	"o2archiver/shared/journal"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
)

// copy writes one copy, unless its file exists already.
func (e *exporter) copy(l *line, c journal.Copy) error {
	if record.Key(l.rec.Source, l.rec.ID, c.Mailbox) != c.Key {
		return errForeign
	}
	if e.written[c.Key] {
		return nil
	}
	m, want, err := l.form(c, e.options)
	if err != nil {
		return err
	}
	folder := e.folder(c.Mailbox)
	name := folder + "/" + fileName(l.rec.Time, m.ID(), short)
	if e.files[name] {
		name = folder + "/" + fileName(l.rec.Time, m.ID(), len(m.ID()))
	}
	sum, err := e.file(l, m, folder, name, want)
	if err != nil {
		return err
	}
	e.index.add(name, e.owner(c.Mailbox), sum)
	e.written[c.Key], e.files[name], e.boxes[folder] = true, true, true
	e.result.Messages++
	if want == "" {
		e.result.Unproven++
	}
	return nil
}

// file writes the message to the file of that name, and returns its SHA-256. A file of that name is always complete: it
// is written under another name first.
func (e *exporter) file(l *line, m *message.Message, folder, name, want string) (sum string, err error) {
	sum, stays, err := e.stays(name, m.Size(), want)
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
	sum, err = l.into(f, m)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil && want != "" && sum != want {
		err = errDiffers
	}
	if err == nil {
		err = e.root.Rename(part, name)
	}
	if err != nil {
		_ = e.root.Remove(part) // the earlier error is the one to return
	}
	return sum, err
}

// into writes the message to f and returns its SHA-256 in hex.
func (l *line) into(f io.Writer, m *message.Message) (sum string, err error) {
	h := sha256.New()
	b := bufio.NewWriterSize(f, 64<<10)
	if err := l.write(m, io.MultiWriter(b, h)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), b.Flush()
}

// stays reports whether an existing file holds the message: whether its size matches, and its hash if want is not "".
// It also returns the file's hash.
func (e *exporter) stays(name string, size int64, want string) (sum string, stays bool, err error) {
	info, err := e.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	if !info.Mode().IsRegular() || info.Size() != size {
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
	return sum, want == "" || sum == want, nil
}
