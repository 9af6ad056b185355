package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"o2archiver/shared/retry"
)

// deliveryForm is the form of the name of a copy. It never has the name of the delivered file.
var deliveryForm = regexp.MustCompile(`^\d{4}/\d\d/\d\d/[0-9a-f]{32}$`)

// Deliveries is the handle of the copies of delivered ZIPs. A copy is written once and never changed.
type Deliveries struct{ blobs }

// Put copies r to its end into a blob, <yyyy>/<mm>/<dd>/<32 hex digits>, and returns its SHA-256 and size. It holds no
// more than one block in memory. Nothing is visible before the end of r: after an error, also one of r, which is
// returned wrapped, the copy has to be made anew. It never overwrites: if there is a copy of that name with other
// bytes, that is ErrExists.
func (d *Deliveries) Put(ctx context.Context, name string, r io.Reader) (sha string, size int64, err error) {
	return d.Resume(ctx, name, Partial{}, d.store.block, r, nil)
}

// Resume is Put for the rest of what earlier calls began to copy: r begins after the bytes of from, and the copy, its
// hash and its size are those of all. A block has at most the given size, which is for a slow source, and never more
// than the Store's. note gets what a later call may resume, after each block; an error of it ends the copy. If the
// service does not have the earlier part any more, that is ErrPartial.
func (d *Deliveries) Resume(ctx context.Context, name string, from Partial, block int, r io.Reader,
	note func(Partial) error) (sha string, size int64, err error) {
	if !deliveryForm.MatchString(name) {
		return "", 0, errDeliveryName
	}
	sum, err := from.resumeHash()
	if err != nil {
		return "", 0, err
	}
	m := Media(*d)
	block = min(block, d.store.block)
	head, whole, err := readHead(r, block)
	if err != nil {
		return "", 0, err
	}
	sum.Write(head)
	if !whole || len(from.Runs) > 0 {
		return m.putUpload(ctx, &upload{name: name, from: from, block: block, head: head, rest: r, sum: sum,
			note: note, check: func(string) error { return nil }})
	}
	sha = hexSum(sum)
	if err = m.putWhole(ctx, name, head, sha); errors.Is(err, ErrExists) { // it may be this call's own write
		err = m.compare(ctx, name, sha)
	}
	if err != nil {
		return "", 0, fmt.Errorf("store a delivery: %w", err)
	}
	return sha, int64(len(head)), nil
}

// Find returns the SHA-256 and the size of a copy, or ErrNotFound if there is none.
func (d *Deliveries) Find(ctx context.Context, name string) (sha string, size int64, err error) {
	if !deliveryForm.MatchString(name) {
		return "", 0, errDeliveryName
	}
	props, err := d.blob(name).GetProperties(ctx, nil)
	if err = translateError(ctx, err); err != nil {
		return "", 0, fmt.Errorf("look for a delivery: %w", err)
	}
	return metadataValue(props.Metadata, metaSHA256), valueOf(props.ContentLength), nil
}

var errDeliveryName = errors.New("the name is not that of a copy of a delivery")

// Open opens a copy for reading at any offset. It reads one version: a change while it is read is ErrChanged. It is
// valid as long as ctx.
func (d *Deliveries) Open(ctx context.Context, name string) (*Delivery, error) {
	if !deliveryForm.MatchString(name) {
		return nil, errDeliveryName
	}
	props, err := d.blob(name).GetProperties(ctx, nil)
	if err = translateError(ctx, err); err != nil {
		return nil, fmt.Errorf("open a delivery: %w", err)
	}
	return &Delivery{ctx: ctx, client: d.blob(name), etag: props.ETag, size: valueOf(props.ContentLength),
		policy: retry.Policy{First: time.Second, Max: 30 * time.Second, Tries: 6}}, nil
}

// Delivery is an open copy. It is safe for concurrent use.
type Delivery struct {
	ctx    context.Context
	client *blob.Client
	etag   *azcore.ETag
	size   int64
	policy retry.Policy
}

// Size returns the size of the copy in bytes.
func (d *Delivery) Size() int64 { return d.size }

// ReadAt implements io.ReaderAt with one request for each call, so the caller reads in large blocks. It retries while
// storage is unavailable.
func (d *Delivery) ReadAt(p []byte, off int64) (int, error) {
	want := min(int64(len(p)), d.size-off)
	switch {
	case off < 0:
		return 0, errors.New("read a delivery: the offset is negative")
	case len(p) == 0:
		return 0, nil
	case want <= 0:
		return 0, io.EOF
	}
	err := d.policy.Do(d.ctx, func(ctx context.Context) error { return d.readRange(ctx, p[:want], off) })
	if err != nil {
		return 0, fmt.Errorf("read a delivery: %w", err)
	}
	if want < int64(len(p)) {
		return int(want), io.EOF
	}
	return int(want), nil
}

func (d *Delivery) readRange(ctx context.Context, p []byte, off int64) error {
	r, err := d.client.DownloadStream(ctx, &blob.DownloadStreamOptions{
		Range: blob.HTTPRange{Offset: off, Count: int64(len(p))},
		AccessConditions: &blob.AccessConditions{
			ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: d.etag}}})
	if err = translateError(ctx, err); err != nil {
		return err
	}
	body := r.NewRetryReader(ctx, nil)
	defer body.Close()
	_, err = io.ReadFull(body, p)
	return translateError(ctx, err)
}
