package mailboxtest

import (
	"encoding/json"
	"maps"
	"net/http"
)

// contentNames are the properties whose change needs a permission of its own if the message is not a draft.
var contentNames = []string{
	"subject", "body", "toRecipients", "ccRecipients", "bccRecipients", "from", "sender", "replyTo",
	"internetMessageId", "uniqueBody",
}

// patchMessage answers PATCH of a message.
func (g *Graph) patchMessage(q *request, rt route, b *mailbox) *reply {
	if rep := q.only(); rep != nil {
		return rep
	}
	in, rep := g.object(q, "message")
	if rep != nil {
		return rep
	}
	for _, name := range []string{
		"extensions", "multiValueExtendedProperties", "attachments", "internetMessageHeaders",
	} {
		if _, given := in[name]; given {
			return notImplemented("a change of '" + name + "'")
		}
	}
	props, rep := extendedProperty(in)
	if rep != nil {
		return rep
	}
	// MS-OXCMSG section 2.2.1.6: after the first save the flags are read-only. Graph reports no error and changes
	// nothing.
	delete(props, flagsProperty)
	for _, id := range []string{submittedProperty, deliveredProperty, classProperty} {
		if _, given := props[id]; given {
			return notImplemented("a change of '" + id + "'")
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m, rep := b.message(rt)
	if rep != nil {
		return rep
	}
	for _, name := range contentNames {
		if _, given := in[name]; given && !m.Draft {
			// Microsoft Graph: from 31 December 2026 this needs Mail-Advanced.ReadWrite.
			return refuseWith(http.StatusForbidden, "ErrorAccessDenied",
				"Access is denied. Check credentials and try again.")
		}
	}
	fresh := *m
	fresh.Properties = maps.Clone(m.Properties)
	maps.Copy(fresh.Properties, props)
	if rep := applyContent(in, &fresh); rep != nil {
		return rep
	}
	applyState(in, &fresh)
	if rep := g.claimNames(b, &fresh); rep != nil {
		return rep
	}
	fresh.Changed = g.o.Now()
	*m = fresh
	g.disk.message(b, m)
	return okReply(http.StatusOK, m.render(q))
}

// deleteMessage answers DELETE of a message: it is moved to Deleted Items, or removed if it is there already.
func (g *Graph) deleteMessage(_ *request, rt route, b *mailbox) *reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, rep := b.message(rt)
	if rep != nil {
		return rep
	}
	if trash := b.folder(deletedItems); m.FolderID != trash.ID {
		b.move(m, trash, g.o.Now())
		g.disk.message(b, m)
	} else {
		b.take(m)
		g.disk.gone(b, m.ID)
	}
	return &reply{status: http.StatusNoContent}
}

// moveMessage answers POST move.
func (g *Graph) moveMessage(q *request, rt route, b *mailbox) *reply {
	if rep := needJSON(q); rep != nil {
		return rep
	}
	var in struct {
		DestinationID string `json:"destinationId"`
	}
	if err := json.Unmarshal(q.body, &in); err != nil {
		return badRequest("Unable to read JSON request payload.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m, rep := b.message(rt)
	if rep != nil {
		return rep
	}
	to := b.folder(in.DestinationID)
	if to == nil {
		return notFound()
	}
	b.move(m, to, g.o.Now())
	g.disk.message(b, m)
	return okReply(http.StatusCreated, m.render(q))
}

// MoveMessage moves a message to the folder named to, like its owner would. Its immutable id does not change. It
// returns false if there is no such message or folder.
func (g *Graph) MoveMessage(user, id, to string) bool {
	moved := false
	g.changeFolder(user, to, func(b *mailbox, f *folder) {
		if m := b.messages[id]; m != nil {
			b.move(m, f, g.o.Now())
			g.disk.message(b, m)
			moved = true
		}
	})
	return moved
}
