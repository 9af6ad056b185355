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

// The named properties of every imported message. The names are a fixed set, because each new name uses up a finite
// table of the mailbox. They are case-sensitive.
const (
	propertySet = "{6a5c9f2e-3d0b-4e6a-9b61-0f6f0d2c7e14}"
	archiveKey  = "String " + propertySet + " Name ArchiveKey"
	importState = "String " + propertySet + " Name ImportState" // only if attachments are added after the create
	partial     = "partial"
	complete    = "complete"
)

// Found is one message in the mailbox that has the key.
type Found struct {
	ID      string
	Partial bool // it lacks attachments or is a draft: it has to be deleted and imported again
}

// findPages is the largest number of pages that a look-up reads. A key belongs to one message, in rare cases to two.
const findPages = 5

// Find returns the messages with the key, complete ones first; none is no error. There is more than one only if
// something other than the archiver copied the message.
//
// Find searches the target folder first, in which a message is found immediately after it was created. If nothing is
// there, it searches the whole mailbox: the owner may have moved the message or renamed or deleted its folder, and
// another target folder may have been configured since. A message in Deleted Items counts: it was imported, and what
// its owner did with it afterwards is a matter of the mailbox's retention rules.
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

// findIn searches one folder, or the whole mailbox if folder is "".
func (s *Session) findIn(ctx context.Context, folder, key string) ([]Found, error) {
	var (
		filter = "singleValueExtendedProperties/Any(ep: ep/id eq '" + archiveKey +
			"' and ep/value eq '" + odataQuote(key) + "')"
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
					QueryParameters: &users.ItemMessagesRequestBuilderGetQueryParameters{
						Filter: &filter, Select: fields, Expand: expand}}
				if next != "" {
					builder, config = builder.WithUrl(next), nil // a builder made from a URL can be used once
				}
				page, err = builder.Get(ctx, config)
				return err
			}
			builder := s.c.userRequest(s.user).MailFolders().ByMailFolderId(folder).Messages()
			config := &users.ItemMailFoldersItemMessagesRequestBuilderGetRequestConfiguration{
				QueryParameters: &users.ItemMailFoldersItemMessagesRequestBuilderGetQueryParameters{
					Filter: &filter, Select: fields, Expand: expand}}
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
		case page == nil || page.GetValue() == nil: // an answer without a list does not mean that there is no message
			return nil, unreadableAnswer(x, false)
		}
		for _, message := range page.GetValue() {
			if message == nil || message.GetId() == nil || *message.GetId() == "" {
				return nil, unreadableAnswer(x, false)
			}
			found = append(found, Found{ID: *message.GetId(), Partial: isPartial(message)})
		}
		next = ""
		if page.GetOdataNextLink() != nil {
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

// sortFound returns the rank of a message in the result of Find.
func sortFound(partial bool) int {
	if partial {
		return 1
	}
	return 0
}

// isPartial reports whether the message is marked partial, or is a draft.
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

// isOurs reports whether a link in an answer leads to the same Graph. The token MUST NOT be sent anywhere else.
func (c *Client) isOurs(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Scheme == c.base.Scheme && u.Host == c.base.Host && u.User == nil
}

// Delete deletes a message. id MUST be that of a message that Find reported as Partial, that a failed Import returned,
// or of a test message. It is safe to call again: a message that does not exist counts as deleted. renew is as in
// Import, because another holder that has taken the claim over may be about to complete the message.
//
// Graph moves a deleted message to Deleted Items, where its immutable id remains valid, and from there to Recoverable
// Items, where a user does not mistake half a message for one that was received. So the message is deleted twice.
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

// folderGone returns err, and drops the cached folder if err means that the folder does not exist.
func (s *Session) folderGone(err error, folder string) error {
	e, ok := errors.AsType[*Error](err)
	if ok && (e.Kind == FolderGone || e.Kind == NoMailbox) {
		s.mailbox.forgetFolder(folder)
	}
	return err
}
