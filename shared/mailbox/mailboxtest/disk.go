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

// disk keeps what is in the mailboxes in a file of JSON lines that only grows: a message is written anew
// when it changes, and the last line of an id counts. A nil *disk keeps nothing.
type disk struct {
	dir  string
	mu   sync.Mutex
	file *os.File
	err  error // the first one: from then on every request fails
}

type diskLine struct {
	User    string      // object id
	Folder  *MailFolder `json:",omitempty"`
	Message *Message    `json:",omitempty"`
	Gone    string      `json:",omitempty"` // id of a message or folder
}

// openDisk reads what an earlier Graph has left. Lines of users that Options.Users doesn't have are passed over.
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
		err = f.Truncate(good) // a process that was killed may have left half a line
	}
	if err == nil {
		_, err = f.Seek(good, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

// load gives where the last whole line ends.
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
		g.dropFolder(b, b.folders[l.Gone]) // g.disk is still nil: writes nothing
	}
	return nil
}

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

// content keeps an attachment's content, if there is any to keep.
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

func (d *disk) folder(b *mailbox, f *folder) { d.write(diskLine{User: b.id, Folder: &f.MailFolder}) }

func (d *disk) message(b *mailbox, m *Message) { d.write(diskLine{User: b.id, Message: m}) }

func (d *disk) gone(b *mailbox, id string) { d.write(diskLine{User: b.id, Gone: id}) }

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

// failed gives the error that made the disk useless, or nil.
func (d *disk) failed() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *disk) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.file.Close()
}
