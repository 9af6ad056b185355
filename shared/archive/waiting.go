package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

const (
	// waitingRoom is the prefix of the deferred items' names.
	waitingRoom = "waiting/"

	// maxWaiting is the maximum size of a deferred item in bytes: an item of the source of 16 MiB, and other fields.
	maxWaiting = 24 << 20

	waitingPage = 1000 // items per answer of a listing
)

var waitingForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,199}$`)

// errWaitingKey reports a key of another form than waitingForm.
var errWaitingKey = errors.New("the key of a deferred item has letters, digits, dots and hyphens only")

// PutWaiting stores a deferred item. An item with that key that exists stays as it is, so it may be called twice.
// facts, if passed, is a line of printable ASCII that EachWaiting returns without reading the item.
func (s *Store) PutWaiting(ctx context.Context, key string, v any, facts ...string) error {
	if !waitingForm.MatchString(key) {
		return errWaitingKey
	}
	_, err := s.putJSON(ctx, Checkpoints, waitingName(key), v, strings.Join(facts, ""), ifAbsent(), nil)
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// Waiting returns the keys of all deferred items, sorted.
func (s *Store) Waiting(ctx context.Context) (keys []string, err error) {
	more, err := s.EachWaiting(ctx, "", maxListed, func(key, _ string, _ time.Time) { keys = append(keys, key) })
	if err == nil && more {
		err = fmt.Errorf("list the deferred items: %w: a listing has more than %d names", ErrTooLarge, maxListed)
	}
	slices.Sort(keys)
	return keys, err
}

// EachWaiting calls each for the deferred items whose keys begin with prefix, in the order of their keys, at most limit
// of them. It passes the key, the facts that the item was stored with ("" if without), and when it was stored. more
// reports whether there are further items.
func (s *Store) EachWaiting(ctx context.Context, prefix string, limit int,
	each func(key, facts string, put time.Time)) (more bool, err error) {
	if prefix != "" && !waitingForm.MatchString(prefix) {
		return false, errWaitingKey
	}
	n := 0
	pages := s.container(Checkpoints).NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: to.Ptr(waitingRoom + prefix), Include: container.ListBlobsInclude{Metadata: true},
		MaxResults: to.Ptr[int32](waitingPage),
	})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err = translateError(ctx, err); err != nil {
			return false, fmt.Errorf("list the deferred items: %w", err)
		}
		for _, item := range page.Segment.BlobItems {
			key, ok := strings.CutSuffix(strings.TrimPrefix(textOf(item.Name), waitingRoom), ".json")
			if !ok || !waitingForm.MatchString(key) {
				continue
			}
			if n++; n > limit {
				return true, nil
			}
			var put time.Time
			if item.Properties != nil {
				put = valueOf(cmp.Or(item.Properties.CreationTime, item.Properties.LastModified)).UTC()
			}
			each(key, metadataValue(item.Metadata, metaFacts), put)
		}
	}
	return false, nil
}

// GetWaiting reads one deferred item into v. It returns ErrNotFound if there is none.
func (s *Store) GetWaiting(ctx context.Context, key string, v any) error {
	if !waitingForm.MatchString(key) {
		return errWaitingKey
	}
	_, err := s.getJSON(ctx, Checkpoints, waitingName(key), v, maxWaiting)
	return err
}

// OpenWaiting opens the bytes of a deferred item, whatever they are. It returns ErrNotFound if there is none.
func (s *Store) OpenWaiting(ctx context.Context, key string) (io.ReadCloser, error) {
	if !waitingForm.MatchString(key) {
		return nil, errWaitingKey
	}
	p, err := s.openPieces(ctx, s.blob(Checkpoints, waitingName(key)), false)
	if err != nil {
		return nil, fmt.Errorf("open a deferred item: %w", err)
	}
	return p, nil
}

// ReplaceWaiting overwrites an existing deferred item and its facts. It returns ErrNotFound if there is none: an item
// that was deleted is never created again.
func (s *Store) ReplaceWaiting(ctx context.Context, key string, v any, facts ...string) error {
	if !waitingForm.MatchString(key) {
		return errWaitingKey
	}
	there := &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETagAny)}
	_, err := s.putJSON(ctx, Checkpoints, waitingName(key), v, strings.Join(facts, ""), there, nil)
	if errors.Is(err, ErrChanged) { // If-Match: * fails only if there is no blob
		return ErrNotFound
	}
	return err
}

// DeleteWaiting deletes a deferred item. It returns ErrNotFound if there is none, also if an earlier try deleted it.
func (s *Store) DeleteWaiting(ctx context.Context, key string) error {
	if !waitingForm.MatchString(key) {
		return errWaitingKey
	}
	_, err := s.blob(Checkpoints, waitingName(key)).Delete(ctx, nil)
	return translateError(ctx, err)
}

func waitingName(key string) string { return waitingRoom + key + ".json" }
