package mailboxtest

import (
	"net/http"
	"slices"
	"strings"
)

// Folders returns the top-level folders of a user's mailbox, hidden ones included; nil for an unknown user.
func (g *Graph) Folders(user string) []MailFolder {
	b, _ := g.find(user)
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]MailFolder, len(b.order))
	for i, f := range b.order {
		list[i] = f.MailFolder
		list[i].Messages = len(f.messages)
	}
	return list
}

// AddFolder creates a folder like the user would, e.g. a hidden one, and returns its id. The user must exist.
func (g *Graph) AddFolder(user, name string, hidden bool) string {
	b, _ := g.find(user)
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.addFolder(name, hidden)
	g.disk.folder(b, f)
	return f.ID
}

// RenameFolder renames a folder like its user would: its id does not change. It returns false if there is no folder of
// that name.
func (g *Graph) RenameFolder(user, name, to string) bool {
	return g.changeFolder(user, name, func(b *mailbox, f *folder) {
		f.DisplayName = to
		g.disk.folder(b, f)
	})
}

// DeleteFolder deletes a folder and its messages permanently, like its user would: from then on requests with the ids
// of the folder and the messages are answered with ErrorItemNotFound. It returns false if there is no folder of that
// name.
func (g *Graph) DeleteFolder(user, name string) bool {
	return g.changeFolder(user, name, g.dropFolder)
}

// changeFolder calls change on the folder with that name, with the mailbox's lock held, and reports whether there is
// one.
func (g *Graph) changeFolder(user, name string, change func(*mailbox, *folder)) bool {
	b, _ := g.find(user)
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.order {
		if f.DisplayName == name {
			change(b, f)
			return true
		}
	}
	return false
}

// dropFolder removes a folder and its messages. The mailbox's lock must be held.
func (g *Graph) dropFolder(b *mailbox, f *folder) {
	for _, m := range slices.Clone(f.messages) {
		b.take(m)
		g.disk.gone(b, m.ID)
	}
	b.order = slices.DeleteFunc(b.order, func(o *folder) bool { return o == f })
	delete(b.folders, f.ID)
	g.disk.gone(b, f.ID)
}

// render returns the selected properties of the folder as Graph's JSON object.
func (f *folder) render(names []string) map[string]any {
	unread := 0
	for _, m := range f.messages {
		if !m.Read {
			unread++
		}
	}
	return pickProperties(map[string]any{
		"id": f.ID, "displayName": f.DisplayName, "isHidden": f.Hidden, "parentFolderId": "AAMkADroot=",
		"childFolderCount": 0, "totalItemCount": len(f.messages), "unreadItemCount": unread,
	}, names)
}

// folderThing is a folder as filters see it.
type folderThing struct{ f *folder }

func (t folderThing) value(string) (string, bool, bool) { return t.f.DisplayName, false, true }
func (t folderThing) each(string) []thing               { return nil }

// listFolders answers GET mailFolders: the top-level folders, 10 a page, without hidden ones unless they are asked
// for.
func (g *Graph) listFolders(q *request, _ route, b *mailbox) *reply {
	if rep := q.only("$filter", "$select", "$top", "$skip", "includeHiddenFolders"); rep != nil {
		return rep
	}
	names, rep := g.selected(q, "mailFolder")
	if rep != nil {
		return rep
	}
	p, rep := q.page(10, 1000)
	if rep != nil {
		return rep
	}
	var n *node
	if s, given := q.options["$filter"]; given {
		var err error
		if n, err = parseFilter(s, nil); err != nil {
			return refuseWith(http.StatusBadRequest, "BadRequest", "Invalid filter clause: %v.", err)
		}
		if path, bad := n.unknown(map[string]bool{"displayName": true}); bad {
			return notImplemented("a filter on '" + path + "' of folders")
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []*folder
	for _, f := range b.order {
		if (!f.Hidden || q.options["includeHiddenFolders"] == "true") && (n == nil || n.matches(folderThing{f})) {
			list = append(list, f)
		}
	}
	return q.list(p, len(list), "users('"+b.id+"')/mailFolders",
		func(i int) map[string]any { return list[i].render(names) })
}

// createFolder answers POST mailFolders. A name is taken without regard to case, and by a hidden folder too.
func (g *Graph) createFolder(q *request, _ route, b *mailbox) *reply {
	m, rep := g.object(q, "mailFolder")
	if rep != nil {
		return rep
	}
	name, _ := m["displayName"].(string)
	if strings.TrimSpace(name) == "" {
		return refuseWith(http.StatusBadRequest, "ErrorInvalidRequest", "The folder's displayName is missing.")
	}
	hidden, _ := m["isHidden"].(bool)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.order {
		if strings.EqualFold(f.DisplayName, name) {
			return refuseWith(http.StatusConflict, "ErrorFolderExists",
				"A folder with the specified name already exists., Could not create folder '%s'.", name)
		}
	}
	f := b.addFolder(name, hidden)
	g.disk.folder(b, f)
	return okReply(http.StatusCreated, f.render(nil))
}

// getFolder answers GET mailFolders/{id}.
func (g *Graph) getFolder(q *request, rt route, b *mailbox) *reply {
	if rep := q.only("$select"); rep != nil {
		return rep
	}
	names, rep := g.selected(q, "mailFolder")
	if rep != nil {
		return rep
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.folder(rt.folder)
	if f == nil {
		return notFound()
	}
	return okReply(http.StatusOK, f.render(names))
}

// removeFolder answers DELETE mailFolders/{id}.
func (g *Graph) removeFolder(_ *request, rt route, b *mailbox) *reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.folder(rt.folder)
	if f == nil {
		return notFound()
	}
	if f.wellKnown != "" {
		return refuseWith(http.StatusForbidden, "ErrorDeleteDistinguishedFolder",
			"Distinguished folders cannot be deleted.")
	}
	g.dropFolder(b, f)
	return &reply{status: http.StatusNoContent}
}
