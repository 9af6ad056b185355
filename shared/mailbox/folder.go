package mailbox

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// Folder returns the id of the target folder, and creates the folder if it does not exist. The id is cached until a
// request finds the folder gone. Concurrent calls for one mailbox cause one look-up. A user without a mailbox is an
// *Error of kind NoMailbox.
func (s *Session) Folder(ctx context.Context) (string, error) {
	if id := s.mailbox.knownFolder(); id != "" {
		return id, nil
	}
	if err := s.mailbox.resolving.Lock(ctx); err != nil {
		return "", &Error{Kind: Unavailable, Code: "NotSent", cause: err}
	}
	defer s.mailbox.resolving.Unlock()
	if id := s.mailbox.knownFolder(); id != "" {
		return id, nil
	}
	id, err := s.resolveFolder(ctx)
	if err != nil {
		return "", err
	}
	s.mailbox.mu.Lock()
	defer s.mailbox.mu.Unlock()
	s.mailbox.folder = id
	return id, nil
}

// Ready makes sure that the user has a mailbox with the target folder in it, like Folder. If the folder is cached,
// Ready sends no request and waits for no slot.
func (c *Client) Ready(ctx context.Context, user string) error {
	return c.askFolder(ctx, user, (*Session).Folder)
}

// Exists returns nil if the user has a mailbox. Like Ready it asks for the target folder, but it does not create it.
func (c *Client) Exists(ctx context.Context, user string) error {
	return c.askFolder(ctx, user, (*Session).findFolder)
}

// askFolder calls ask in a session of the user's mailbox, unless the target folder is cached.
func (c *Client) askFolder(
	ctx context.Context, user string, ask func(*Session, context.Context) (string, error),
) error {
	if c.mailboxOf(user).knownFolder() != "" {
		return nil
	}
	s, err := c.OpenSession(ctx, user)
	if err != nil {
		return err
	}
	defer s.Release()
	_, err = ask(s, ctx)
	return err
}

// knownFolder returns the cached id of the target folder, "" if there is none.
func (p *mailboxState) knownFolder() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.folder
}

// forgetFolder drops the cached folder if it is still id.
func (p *mailboxState) forgetFolder(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.folder == id {
		p.folder = ""
	}
}

// resolveFolder finds the target folder or creates it. It looks first, because in normal operation the folder exists.
func (s *Session) resolveFolder(ctx context.Context) (string, error) {
	id, err := s.findFolder(ctx)
	if id != "" || err != nil {
		return id, err
	}
	id, err = s.createFolder(ctx)
	if err == nil {
		return id, nil
	}
	// Microsoft Graph: 409 ErrorFolderExists if another instance created the folder first. After any other refusal
	// that is not final the folder may exist too.
	if failed, ok := errors.AsType[*Error](err); ok && failed.Ambiguous {
		if id, again := s.findFolder(ctx); again == nil && id != "" {
			return id, nil
		}
	}
	return "", err
}

// findFolder returns the id of the target folder, "" if it does not exist.
func (s *Session) findFolder(ctx context.Context) (string, error) {
	// Microsoft Graph, list mailFolders: hidden folders are left out by default. They are included here, because a
	// hidden folder of the same name prevents the creation of another.
	filter, hidden := "displayName eq '"+odataQuote(s.c.folder)+"'", "true"
	var list models.MailFolderCollectionResponseable
	x, err := s.sendWithToken(ctx, opFindFolder, 0, func(ctx context.Context) (err error) {
		list, err = s.c.userRequest(s.user).MailFolders().Get(ctx,
			&users.ItemMailFoldersRequestBuilderGetRequestConfiguration{
				QueryParameters: &users.ItemMailFoldersRequestBuilderGetQueryParameters{
					Filter: &filter, Select: []string{"id", "displayName"}, IncludeHiddenFolders: &hidden,
				},
			})
		return err
	})
	switch {
	case err != nil:
		return "", err
	case list == nil || list.GetValue() == nil: // an answer without a list does not mean that there is no folder
		return "", unreadableAnswer(x, false)
	}
	for _, folder := range list.GetValue() {
		if folder == nil {
			continue
		}
		id, name := folder.GetId(), folder.GetDisplayName()
		if id != nil && *id != "" && name != nil && strings.EqualFold(*name, s.c.folder) {
			return *id, nil
		}
	}
	return "", nil
}

// createFolder creates the target folder and returns its id.
func (s *Session) createFolder(ctx context.Context) (string, error) {
	var made models.MailFolderable
	x, err := s.sendWithToken(ctx, opCreateFolder, smallRequest.Bytes, func(ctx context.Context) (err error) {
		wanted := models.NewMailFolder()
		wanted.SetDisplayName(&s.c.folder)
		made, err = s.c.userRequest(s.user).MailFolders().Post(ctx, wanted, nil)
		return err
	})
	switch {
	case err != nil:
		return "", err
	case x.status != http.StatusCreated || made == nil || made.GetId() == nil || *made.GetId() == "":
		return "", unreadableAnswer(x, true)
	}
	return *made.GetId(), nil
}

// unreadableAnswer returns the error for a success without the content that it must have. write is whether the request
// may have had an effect.
func unreadableAnswer(x *exchange, write bool) *Error {
	return &Error{Kind: Unavailable, Status: x.status, Code: "UnreadableAnswer", RequestID: x.id, Ambiguous: write}
}

// odataQuote returns s with its quotes doubled, for a string literal in an OData filter.
func odataQuote(s string) string { return strings.ReplaceAll(s, "'", "''") }
