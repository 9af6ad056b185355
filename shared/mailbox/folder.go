package mailbox

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// Folder is the id of the target folder, which is made if it isn't there. The id is kept until a
// message finds the folder gone; several slots that ask at once cause one look-up. A user without a
// mailbox is an Error of kind NoMailbox.
func (s *Session) Folder(ctx context.Context) (string, error) {
	if id := s.place.knownFolder(); id != "" {
		return id, nil
	}
	select {
	case s.place.resolving <- struct{}{}:
		defer func() { <-s.place.resolving }()
	case <-ctx.Done():
		return "", &Error{Kind: Unavailable, Code: "NotSent", cause: context.Cause(ctx)}
	}
	if id := s.place.knownFolder(); id != "" {
		return id, nil
	}
	id, err := s.resolveFolder(ctx)
	if err != nil {
		return "", err
	}
	s.place.mu.Lock()
	defer s.place.mu.Unlock()
	s.place.folder = id
	return id, nil
}

// Ready makes sure that the user has a mailbox with the target folder in it, as Folder does. Where the folder is known, nothing is
// asked, and no place at the mailbox is waited for.
func (c *Client) Ready(ctx context.Context, user string) error {
	if c.mailboxOf(user).knownFolder() != "" {
		return nil
	}
	s, err := c.OpenSession(ctx, user)
	if err != nil {
		return err
	}
	defer s.Release()
	_, err = s.Folder(ctx)
	return err
}

func (p *mailboxState) knownFolder() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.folder
}

// forgetFolder drops the folder's id, unless another one has been found meanwhile.
func (p *mailboxState) forgetFolder(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.folder == id {
		p.folder = ""
	}
}

// resolveFolder looks first, because in a running system the folder is there.
func (s *Session) resolveFolder(ctx context.Context) (string, error) {
	id, err := s.findFolder(ctx)
	if id != "" || err != nil {
		return id, err
	}
	id, err = s.createFolder(ctx)
	if err == nil {
		return id, nil
	}
	// Microsoft Graph: 409 ErrorFolderExists if another instance was faster, and after any other passing refusal it may be there too.
	if failed, ok := errors.AsType[*Error](err); ok && failed.Ambiguous {
		if id, again := s.findFolder(ctx); again == nil && id != "" {
			return id, nil
		}
	}
	return "", err
}

func (s *Session) findFolder(ctx context.Context) (string, error) {
	// Microsoft Graph, list mailFolders: hidden folders are left out unless they are asked for. One of the target's name keeps
	// another from being made.
	filter, hidden := "displayName eq '"+odataQuote(s.c.folder)+"'", "true"
	var list models.MailFolderCollectionResponseable
	x, err := s.sendWithToken(ctx, opFindFolder, 0, func(ctx context.Context) (err error) {
		list, err = s.c.userRequest(s.user).MailFolders().Get(ctx, &users.ItemMailFoldersRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.ItemMailFoldersRequestBuilderGetQueryParameters{
				Filter: &filter, Select: []string{"id", "displayName"}, IncludeHiddenFolders: &hidden,
			},
		})
		return err
	})
	switch {
	case err != nil:
		return "", err
	case list == nil || list.GetValue() == nil: // an answer without a list says nothing of what is there
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

// unreadableAnswer is the error for a success that doesn't say what a success has to say.
func unreadableAnswer(x *exchange, write bool) *Error {
	return &Error{Kind: Unavailable, Status: x.status, Code: "UnreadableAnswer", RequestID: x.id, Ambiguous: write}
}

// odataQuote doubles the quotes of s, for a string in an OData filter.
func odataQuote(s string) string { return strings.ReplaceAll(s, "'", "''") }
