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
)

const (
	// deferredFolder is the prefix of the deferred items' names.
	deferredFolder = "waiting/"

	// maxDeferred is the maximum size of a deferred item in bytes: an item of the source of 16 MiB, and other fields.
	maxDeferred = 24 << 20

	deferredPage = 1000 // items per answer of a listing
)

var keyForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,199}$`)

// errKey reports a key of another form than keyForm.
var errKey = errors.New("the key of a deferred item has letters, digits, dots and hyphens only")

// Deferred is the handle of the items whose attachments are fetched by a later run. They lie beside fetch's state.
type Deferred struct{ blobs }

// Put stores a deferred item. An item with that key that exists stays as it is, so it may be called twice.
// facts, if passed, is a line of printable ASCII that Each returns without reading the item.
func (d *Deferred) Put(ctx context.Context, key string, v any, facts ...string) error {
	if !keyForm.MatchString(key) {
		return errKey
	}
	_, err := d.putJSON(ctx, deferredName(key), v, strings.Join(facts, ""), ifAbsent(), nil)
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// Keys returns the keys of all deferred items, sorted.
func (d *Deferred) Keys(ctx context.Context) (keys []string, err error) {
	more, err := d.Each(ctx, "", maxListed, func(key, _ string, _ time.Time) { keys = append(keys, key) })
	if err == nil && more {
		err = fmt.Errorf("list the deferred items: %w: a listing has more than %d names", ErrTooLarge, maxListed)
	}
	slices.Sort(keys)
	return keys, err
}

// Each calls each for the deferred items whose keys begin with prefix, in the order of their keys, at most limit
// of them. It passes the key, the facts that the item was stored with ("" if without), and when it was stored. more
// reports whether there are further items.
func (d *Deferred) Each(ctx context.Context, prefix string, limit int,
	each func(key, facts string, put time.Time)) (more bool, err error) {
	if prefix != "" && !keyForm.MatchString(prefix) {
		return false, errKey
	}
	n := 0
	for item, err := range d.list(ctx, deferredFolder+prefix, deferredPage) {
		if err != nil {
			return false, fmt.Errorf("list the deferred items: %w", err)
		}
		key, ok := strings.CutSuffix(strings.TrimPrefix(textOf(item.Name), deferredFolder), jsonEnding)
		if !ok || !keyForm.MatchString(key) {
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
	return false, nil
}

// Get reads one deferred item into v. It returns ErrNotFound if there is none.
func (d *Deferred) Get(ctx context.Context, key string, v any) error {
	if !keyForm.MatchString(key) {
		return errKey
	}
	_, err := d.getJSON(ctx, deferredName(key), v, maxDeferred)
	return err
}

// Open opens the bytes of a deferred item, whatever they are. It returns ErrNotFound if there is none.
func (d *Deferred) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if !keyForm.MatchString(key) {
		return nil, errKey
	}
	p, err := d.openChunks(ctx, deferredName(key), false)
	if err != nil {
		return nil, fmt.Errorf("open a deferred item: %w", err)
	}
	return p, nil
}

// Replace overwrites an existing deferred item and its facts. It returns ErrNotFound if there is none: an item
// that was deleted is never created again.
func (d *Deferred) Replace(ctx context.Context, key string, v any, facts ...string) error {
	if !keyForm.MatchString(key) {
		return errKey
	}
	there := &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETagAny)}
	_, err := d.putJSON(ctx, deferredName(key), v, strings.Join(facts, ""), there, nil)
	if errors.Is(err, ErrChanged) { // If-Match: * fails only if there is no blob
		return ErrNotFound
	}
	return err
}

// Delete deletes a deferred item. It returns ErrNotFound if there is none, also if an earlier try deleted it.
func (d *Deferred) Delete(ctx context.Context, key string) error {
	if !keyForm.MatchString(key) {
		return errKey
	}
	_, err := d.blob(deferredName(key)).Delete(ctx, nil)
	return translateError(ctx, err)
}

func deferredName(key string) string { return deferredFolder + key + jsonEnding }
