package staging

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

const (
	waitingRoom = "waiting/"

	// maxWaiting is the size of one item that waits: an item of the source of 16 MiB, and what stands around it.
	maxWaiting = 24 << 20
)

var waitingForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,199}$`)

var errWaitingKey = errors.New("a key of the waiting room has letters, digits, dots and hyphens only")

// PutWaiting puts an item into the waiting room. One that is there already stays as it is, so it may be called twice.
func (s *Store) PutWaiting(ctx context.Context, key string, v any) error {
	if !waitingForm.MatchString(key) {
		return errWaitingKey
	}
	_, err := s.PutJSON(ctx, Checkpoints, waitingName(key), v, "", nil)
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// Waiting lists the keys of the waiting room, in order.
func (s *Store) Waiting(ctx context.Context) (keys []string, err error) {
	err = s.list(ctx, Checkpoints, waitingRoom, func(item *container.BlobItem) {
		key, ok := strings.CutSuffix(strings.TrimPrefix(text(item.Name), waitingRoom), ".json")
		if ok && waitingForm.MatchString(key) {
			keys = append(keys, key)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list the waiting room: %w", err)
	}
	slices.Sort(keys)
	return keys, nil
}

// GetWaiting reads one item of the waiting room into v. ErrNotFound if it is not there.
func (s *Store) GetWaiting(ctx context.Context, key string, v any) error {
	if !waitingForm.MatchString(key) {
		return errWaitingKey
	}
	_, err := s.getJSON(ctx, Checkpoints, waitingName(key), v, maxWaiting)
	return err
}

// ReplaceWaiting overwrites an item that is in the waiting room. It never brings back one that has left (ErrNotFound).
func (s *Store) ReplaceWaiting(ctx context.Context, key string, v any) error {
	if !waitingForm.MatchString(key) {
		return errWaitingKey
	}
	there := &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETagAny)}
	_, err := s.putJSON(ctx, Checkpoints, waitingName(key), v, there, nil)
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
	return fault(ctx, err)
}

func waitingName(key string) string { return waitingRoom + key + ".json" }
