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
	waitingRoom = "waiting/"

	// maxWaiting is the size of one item that waits: an item of the source of 16 MiB, and what stands around it.
	maxWaiting = 24 << 20

	waitingPage = 1000 // items of one answer of a listing
)

var waitingForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,199}$`)

var errWaitingKey = errors.New("a key of the waiting room has letters, digits, dots and hyphens only")

// PutWaiting puts an item into the waiting room. One that is there already stays as it is, so it may be called twice. facts, if
// given, is a line of printable ASCII that EachWaiting returns without reading the item.
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

// Waiting lists the keys of the waiting room, in order.
func (s *Store) Waiting(ctx context.Context) (keys []string, err error) {
	more, err := s.EachWaiting(ctx, "", maxListed, func(key, _ string, _ time.Time) { keys = append(keys, key) })
	if err == nil && more {
		err = fmt.Errorf("list the waiting room: %w: a listing has more than %d names", ErrTooLarge, maxListed)
	}
	slices.Sort(keys)
	return keys, err
}

// EachWaiting passes the items whose keys begin with prefix to each, in the order of their keys, at most limit of them: the
// key, the facts that the item was put with ("" if without), and when it was put. more reports whether there are others.
func (s *Store) EachWaiting(ctx context.Context, prefix string, limit int, each func(key, facts string, put time.Time)) (more bool, err error) {
	if prefix != "" && !waitingForm.MatchString(prefix) {
		return false, errWaitingKey
	}
	n := 0
	pages := s.container(Checkpoints).NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: to.Ptr(waitingRoom + prefix), Include: container.ListBlobsInclude{Metadata: true}, MaxResults: to.Ptr[int32](waitingPage),
	})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err = translateError(ctx, err); err != nil {
			return false, fmt.Errorf("list the waiting room: %w", err)
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

// GetWaiting reads one item of the waiting room into v. ErrNotFound if it is not there.
func (s *Store) GetWaiting(ctx context.Context, key string, v any) error {
	if !waitingForm.MatchString(key) {
		return errWaitingKey
	}
	_, err := s.getJSON(ctx, Checkpoints, waitingName(key), v, maxWaiting)
	return err
}

// OpenWaiting opens the bytes of an item of the waiting room, whatever they are. ErrNotFound if it is not there.
func (s *Store) OpenWaiting(ctx context.Context, key string) (io.ReadCloser, error) {
	if !waitingForm.MatchString(key) {
		return nil, errWaitingKey
	}
	p, err := s.openPieces(ctx, s.blob(Checkpoints, waitingName(key)), false)
	if err != nil {
		return nil, fmt.Errorf("open an item of the waiting room: %w", err)
	}
	return p, nil
}

// ReplaceWaiting overwrites an item that is in the waiting room, with its facts. It never brings back one that has left
// (ErrNotFound).
func (s *Store) ReplaceWaiting(ctx context.Context, key string, v any, facts ...string) error {
	if !waitingForm.MatchString(key) {
		return errWaitingKey
	}
	there := &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETagAny)}
	_, err := s.putJSON(ctx, Checkpoints, waitingName(key), v, strings.Join(facts, ""), there, nil)
	if errors.Is(err, ErrChanged) { // If-Match * fails only where there is nothing
		return ErrNotFound
	}
	return err
}

// DeleteWaiting takes an item out of the waiting room. ErrNotFound if it is not there, or if an earlier try took it out.
func (s *Store) DeleteWaiting(ctx context.Context, key string) error {
	if !waitingForm.MatchString(key) {
		return errWaitingKey
	}
	_, err := s.blob(Checkpoints, waitingName(key)).Delete(ctx, nil)
	return translateError(ctx, err)
}

func waitingName(key string) string { return waitingRoom + key + ".json" }
