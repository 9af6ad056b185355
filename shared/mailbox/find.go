package mailbox

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// The named properties that every imported message has. The names are a fixed set: each new one
// uses up a finite table of the mailbox. They are case-sensitive.
const (
	propertySet = "{6a5c9f2e-3d0b-4e6a-9b61-0f6f0d2c7e14}"
	archiveKey  = "String " + propertySet + " Name ArchiveKey"
	importState = "String " + propertySet + " Name ImportState" // only where attachments come after the message
	partial     = "partial"
	complete    = "complete"
)

// Found is one message that carries a key.
type Found struct {
	ID      string
	Partial bool // it lacks attachments, or it is a draft: delete it and import again
}

// findPages bounds a look-up: a key belongs to one message, two after a mishap.
const findPages = 5

// Find looks for messages with the key, the complete ones first. More than one is there only if something outside of the
// connector copied it.
//
// It looks in the target folder first, where what was just created is seen, and where nothing is there, in the whole mailbox: the
// owner may have moved the message or renamed or deleted its folder, and the target folder may be another one since. A
// message in Deleted Items counts: it was imported, and what its owner did with it then is for the retention rules of the mailbox.
func (s *Session) Find(ctx context.Context, key string) ([]Found, error) {
	folder, err := s.Folder(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.findIn(ctx, folder, key)
	if err != nil || len(found) > 0 {
		return found, err
	}
	return s.findIn(ctx, "", key)
}

// findIn is Find in one folder, or with "" in the whole mailbox.
func (s *Session) findIn(ctx context.Context, folder, key string) ([]Found, error) {
	var (
		filter = "singleValueExtendedProperties/Any(ep: ep/id eq '" + archiveKey + "' and ep/value eq '" + odataQuote(key) + "')"
		fields = []string{"id", "isDraft"}
		expand = []string{"singleValueExtendedProperties($filter=id eq '" + importState + "')"}

		found []Found
		next  string
	)
	for range findPages {
		var page models.MessageCollectionResponseable
		x, err := s.sendWithToken(ctx, opFind, 0, func(ctx context.Context) (err error) {
			if folder == "" {
				builder := s.c.userRequest(s.user).Messages()
				config := &users.ItemMessagesRequestBuilderGetRequestConfiguration{
					QueryParameters: &users.ItemMessagesRequestBuilderGetQueryParameters{Filter: &filter, Select: fields, Expand: expand}}
				if next != "" {
					builder, config = builder.WithUrl(next), nil // a builder made from a URL serves once
				}
				page, err = builder.Get(ctx, config)
				return err
			}
			builder := s.c.userRequest(s.user).MailFolders().ByMailFolderId(folder).Messages()
			config := &users.ItemMailFoldersItemMessagesRequestBuilderGetRequestConfiguration{
				QueryParameters: &users.ItemMailFoldersItemMessagesRequestBuilderGetQueryParameters{Filter: &filter, Select: fields, Expand: expand}}
			if next != "" {
				builder, config = builder.WithUrl(next), nil
			}
			page, err = builder.Get(ctx, config)
			return err
		})
		switch {
		case err != nil && folder != "":
			return nil, s.folderGone(err, folder)
		case err != nil:
			return nil, err
		case page == nil || page.GetValue() == nil: // an answer without a list says nothing of what is there
			return nil, unreadableAnswer(x, false)
		}
		for _, message := range page.GetValue() {
			if message == nil || message.GetId() == nil || *message.GetId() == "" {
				return nil, unreadableAnswer(x, false)
			}
			found = append(found, Found{ID: *message.GetId(), Partial: isPartial(message)})
		}
		if next = ""; page.GetOdataNextLink() != nil {
			next = *page.GetOdataNextLink()
		}
		if next == "" {
			slices.SortStableFunc(found, func(a, b Found) int { return sortFound(a.Partial) - sortFound(b.Partial) })
			return found, nil
		}
		if !s.c.isOurs(next) {
			return nil, unreadableAnswer(x, false)
		}
	}
	return nil, &Error{Kind: Unavailable, Code: "TooManyPages"}
}

func sortFound(partial bool) int {
	if partial {
		return 1
	}
	return 0
}

func isPartial(m models.Messageable) bool {
	for _, property := range m.GetSingleValueExtendedProperties() {
		if property == nil {
			continue
		}
		if value := property.GetValue(); value != nil && *value == partial {
			return true
		}
	}
	return m.GetIsDraft() != nil && *m.GetIsDraft()
}

// isOurs says whether a link that Graph gave leads to the same Graph: the token goes nowhere else.
func (c *Client) isOurs(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Scheme == c.base.Scheme && u.Host == c.base.Host && u.User == nil
}

// Delete removes a message. Only one that is Partial, or that Find called so, may be given. It is
// safe to call twice: a message that isn't there is deleted. renew is as in Import: whoever took the claim over may be
// about to complete the message.
//
// Graph moves what is deleted to Deleted Items, where its immutable id stays good, and from there to Recoverable Items, where nobody takes
// half a message for one that was received. So it is deleted twice.
func (s *Session) Delete(ctx context.Context, id string, renew func(context.Context) error) error {
	if id == "" {
		return errors.New("no message to delete")
	}
	k := startRenewer(ctx, renew, s.c.renewEvery)
	defer k.stop()
	for range 2 {
		if err := k.renewIfOld(); err != nil {
			return err
		}
		x, err := s.sendWithToken(k.ctx, opDelete, 0, func(ctx context.Context) error {
			return s.c.userRequest(s.user).Messages().ByMessageId(id).Delete(ctx, nil)
		})
		if err == nil && x.status != http.StatusNoContent {
			return unreadableAnswer(x, true) // a proxy's page, for instance: the message may still be there
		}
		if e, ok := errors.AsType[*Error](err); ok && e.Kind == MessageGone {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// folderGone drops the cached folder if err says that it is not there.
func (s *Session) folderGone(err error, folder string) error {
	e, ok := errors.AsType[*Error](err)
	if ok && (e.Kind == FolderGone || e.Kind == NoMailbox) {
		s.place.forgetFolder(folder)
	}
	return err
}
