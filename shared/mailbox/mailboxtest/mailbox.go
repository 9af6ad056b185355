package mailboxtest

import (
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Address is one sender or recipient.
type Address struct{ Name, Address string }

// Header is one of internetMessageHeaders.
type Header struct{ Name, Value string }

// Attachment is a file of a message.
type Attachment struct {
	ID        string
	Name      string
	Type      string // content type, as the client sent it
	ContentID string
	Size      int64 // of the content in bytes
	Inline    bool
	SHA256    string // hex, of the content
	Content   []byte `json:"-"` // nil without Options.KeepContent
}

// Message is a message in a mailbox. Its slices and maps MUST NOT be changed.
type Message struct {
	ID                string // the immutable id
	OtherID           string // the id that clients get without Prefer: IdType="ImmutableId"; a move changes it
	Number            int64  // ascending in the order of creation, within the mailbox
	FolderID          string
	FolderName        string `json:"-"`
	Draft             bool
	Read              bool
	Class             string // PidTagMessageClass
	Subject           string
	Text              string // of the body
	TextType          string // "text" or "html"
	From, Sender      *Address
	To, Cc, Bcc       []Address
	ReplyTo           []Address
	InternetMessageID string
	Headers           []Header
	Sent, Received    time.Time         // PidTagClientSubmitTime, PidTagMessageDeliveryTime; default: Created
	Created, Changed  time.Time         // by the clock of Options.Now
	Properties        map[string]string // extended properties by canonical id, e.g. "Integer 0x0E07"
	Categories        []string
	Importance        string
	Attachments       []Attachment
	Size              int64 // bytes of text, headers and attachments
}

// Property returns the value of a named property by its name alone, whatever its GUID, and whether there is one. The
// name in the id "String {guid} Name ArchiveKey" is ArchiveKey.
func (m Message) Property(name string) (string, bool) {
	for id, v := range m.Properties {
		if strings.HasSuffix(id, " Name "+name) {
			return v, true
		}
	}
	return "", false
}

// clone returns a copy that later requests do not change.
func (m *Message) clone(folder string) Message {
	c := *m
	c.FolderName = folder
	c.Attachments = slices.Clone(m.Attachments)
	c.Properties = make(map[string]string, len(m.Properties))
	for k, v := range m.Properties {
		c.Properties[k] = v
	}
	return c
}

// MailFolder is a top-level mail folder.
type MailFolder struct {
	ID          string
	DisplayName string
	Hidden      bool
	Messages    int `json:"-"` // the number of messages in it
}

// folder is a MailFolder with its messages.
type folder struct {
	MailFolder
	wellKnown string     // its well-known name; "" if it has none
	messages  []*Message // in the order in which they were put here
}

// The well-known names of folders with a meaning of their own.
const (
	drafts       = "drafts"
	deletedItems = "deleteditems"
)

// mailbox is the mailbox of one user. Its lock is never held while waiting for anything but the disk.
type mailbox struct {
	id string // the user's object id

	mu       sync.Mutex
	gate     gate
	made     int64 // the largest Number of a message
	order    []*folder
	folders  map[string]*folder  // by id
	messages map[string]*Message // by immutable id
	others   map[string]*Message // by OtherID
	names    map[string]bool     // the table of named properties
	user     User                // guarded by Graph.mu
}

// newMailbox returns a mailbox with the folders that every mailbox has: more than a page of them, so that a folder
// that is created later is not on the first page, and a hidden one.
func newMailbox(id string) *mailbox {
	b := &mailbox{
		id: id, folders: map[string]*folder{}, messages: map[string]*Message{},
		others: map[string]*Message{}, names: map[string]bool{},
	}
	for _, name := range []string{
		"Archive", "Clutter", "Conversation History", "Deleted Items", "Drafts", "Inbox",
		"Junk Email", "Notes", "Outbox", "RSS Feeds", "Sent Items", "Quick Step Settings",
	} {
		f := b.addFolder(name, name == "Quick Step Settings")
		f.wellKnown = strings.ToLower(strings.ReplaceAll(name, " ", ""))
		// The id is the same at every start, so that Options.Dir does not have to store it.
		delete(b.folders, f.ID)
		f.ID = "AAMkAD" + base64.RawURLEncoding.EncodeToString([]byte(id+f.wellKnown)) + "="
		b.folders[f.ID] = f
	}
	return b
}

// addFolder adds a folder with a new id.
func (b *mailbox) addFolder(name string, hidden bool) *folder {
	f := &folder{MailFolder: MailFolder{ID: newID("AAMkADf"), DisplayName: name, Hidden: hidden}}
	b.order = append(b.order, f)
	b.folders[f.ID] = f
	return f
}

// folder returns a folder by its id or well-known name, nil if there is none.
func (b *mailbox) folder(id string) *folder {
	if f := b.folders[id]; f != nil {
		return f
	}
	for _, f := range b.order {
		if f.wellKnown != "" && f.wellKnown == strings.ToLower(id) {
			return f
		}
	}
	return nil
}

// message returns a message by either id; it must be in the route's folder if the route has one.
func (b *mailbox) message(rt route) (*Message, *reply) {
	m := b.messages[rt.message]
	if m == nil {
		m = b.others[rt.message]
	}
	if m == nil {
		return nil, notFound()
	}
	if rt.folder != "" {
		if f := b.folder(rt.folder); f == nil || f.ID != m.FolderID {
			return nil, notFound()
		}
	}
	return m, nil
}

// put adds a message that has its ids to a folder.
func (b *mailbox) put(m *Message, f *folder) {
	m.FolderID = f.ID
	f.messages = append(f.messages, m)
	b.messages[m.ID] = m
	b.others[m.OtherID] = m
	b.made = max(b.made, m.Number)
}

// take removes a message from its folder and from the maps by id.
func (b *mailbox) take(m *Message) {
	f := b.folders[m.FolderID]
	f.messages = slices.DeleteFunc(f.messages, func(o *Message) bool { return o == m })
	delete(b.messages, m.ID)
	delete(b.others, m.OtherID)
}

// move moves a message: of its ids only the immutable one stays.
func (b *mailbox) move(m *Message, to *folder, now time.Time) {
	b.take(m)
	m.OtherID = newID("AAMkADm")
	m.Changed = now
	b.put(m, to)
}

// newID returns an id that looks like Exchange's: it may contain '=', '-' and '_', but never '/'.
func newID(prefix string) string {
	var raw [28]byte
	for i := range raw {
		raw[i] = byte(rand.Uint32())
	}
	return prefix + base64.URLEncoding.EncodeToString(raw[:])
}
