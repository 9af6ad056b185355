package mailboxtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// disk stores the content of the mailboxes in an append-only file of JSON lines: a changed message is written again,
// and the last line with an id counts. A nil *disk stores nothing.
type disk struct {
	dir  string
	mu   sync.Mutex
	file *os.File
	err  error // the first write error: from then on every request fails
}

// diskLine is one line of the file: a folder or a message, new or changed, or one that is gone.
type diskLine struct {
	User    string      // object id
	Folder  *MailFolder `json:",omitempty"`
	Message *Message    `json:",omitempty"`
	Gone    string      `json:",omitempty"` // id of a message or folder
}

// openDisk opens the file in dir and loads what an earlier Graph has stored. Lines of users that are not in
// Options.Users are ignored.
func (g *Graph) openDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "mailboxes.jsonl"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	d := &disk{dir: dir, file: f}
	good, err := g.load(d, f)
	if err == nil {
		err = f.Truncate(good) // a process that was killed may have left an incomplete line
	}
	if err == nil {
		_, err = f.Seek(good, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

// load applies all lines and returns the offset of the end of the last complete one.
func (g *Graph) load(d *disk, r io.Reader) (int64, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	var good int64
	for n := 1; ; n++ {
		line, err := b.ReadBytes('\n')
		if err == io.EOF {
			return good, nil
		}
		if err != nil {
			return 0, err
		}
		var l diskLine
		if err := json.Unmarshal(line, &l); err != nil {
			return 0, fmt.Errorf("read line %d: %w", n, err)
		}
		if err := g.apply(d, l); err != nil {
			return 0, fmt.Errorf("read line %d: %w", n, err)
		}
		good += int64(len(line))
	}
}

// apply applies one line to the mailboxes.
func (g *Graph) apply(d *disk, l diskLine) error {
	b, _ := g.find(l.User)
	if b == nil {
		return nil
	}
	switch {
	case l.Folder != nil:
		f := b.folders[l.Folder.ID]
		if f == nil {
			f = b.addFolder(l.Folder.DisplayName, l.Folder.Hidden)
			delete(b.folders, f.ID)
			b.folders[l.Folder.ID] = f
		}
		f.MailFolder = *l.Folder
	case l.Message != nil:
		m := l.Message
		f := b.folders[m.FolderID]
		if f == nil {
			return errors.New("a message's folder is missing")
		}
		if old := b.messages[m.ID]; old != nil {
			b.take(old)
		}
		if m.Properties == nil {
			m.Properties = map[string]string{}
		}
		if err := g.loadContent(d, m); err != nil {
			return err
		}
		b.put(m, f)
		for _, n := range propertyNames(m) {
			b.names[n] = true
		}
	case b.messages[l.Gone] != nil:
		b.take(b.messages[l.Gone])
	case b.folders[l.Gone] != nil:
		g.dropFolder(b, b.folders[l.Gone]) // g.disk is still nil, so this writes nothing
	}
	return nil
}

// loadContent loads the content of a message's attachments, with Options.KeepContent.
func (g *Graph) loadContent(d *disk, m *Message) error {
	if !g.o.KeepContent {
		return nil
	}
	for i := range m.Attachments {
		c, err := os.ReadFile(filepath.Join(d.dir, "content", m.Attachments[i].SHA256))
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		m.Attachments[i].Content = c
	}
	return nil
}

// content stores the content of an attachment, if it was kept. The file appears under its name only when it is
// complete.
func (d *disk) content(a Attachment) error {
	if d == nil || a.Content == nil {
		return nil
	}
	dir := filepath.Join(d.dir, "content")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	name := filepath.Join(dir, a.SHA256)
	tmp := name + "." + newUUID()
	if err := os.WriteFile(tmp, a.Content, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}

// folder stores a folder that is new or has changed.
func (d *disk) folder(b *mailbox, f *folder) { d.write(diskLine{User: b.id, Folder: &f.MailFolder}) }

// message stores a message that is new or has changed.
func (d *disk) message(b *mailbox, m *Message) { d.write(diskLine{User: b.id, Message: m}) }

// gone stores that a message or folder is gone.
func (d *disk) gone(b *mailbox, id string) { d.write(diskLine{User: b.id, Gone: id}) }

// write appends a line. An error is kept for failed.
func (d *disk) write(l diskLine) {
	if d == nil {
		return
	}
	line, err := json.Marshal(l)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		_, err = d.file.Write(append(line, '\n'))
	}
	if d.err == nil {
		d.err = err
	}
}

// failed returns the first write error, or nil.
func (d *disk) failed() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// close closes the file.
func (d *disk) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.file.Close()
}
