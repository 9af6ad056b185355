package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
)

const (
	partsFolder = "parts/"

	// MaxPart is the maximum size of one chunk in bytes.
	MaxPart = 16 << 20
)

// PutPart stores the n-th chunk, from 0, of a file of a deferred item: an attachment whose download takes more than one
// run. It overwrites an existing chunk, so it may be called again.
func (d *Deferred) PutPart(ctx context.Context, key string, file, n int, data []byte) error {
	switch {
	case !keyForm.MatchString(key):
		return errKey
	case len(data) > MaxPart:
		return fmt.Errorf("keep a part: %w: %d bytes, limit %d", ErrTooLarge, len(data), MaxPart)
	}
	_, err := d.client.NewBlockBlobClient(partName(key, file, n)).Upload(ctx,
		streaming.NopCloser(bytes.NewReader(data)),
		&blockblob.UploadOptions{TransactionalValidation: blob.TransferValidationTypeComputeCRC64()})
	if err = translateError(ctx, err); err != nil {
		return fmt.Errorf("keep a part: %w", err)
	}
	return nil
}

// OpenParts returns a reader of the first count chunks of a file, one after the other. Its Read may return ErrNotFound.
func (d *Deferred) OpenParts(ctx context.Context, key string, file, count int) io.Reader {
	return &parts{ctx: ctx, from: d.blobs, name: func(n int) string { return partName(key, file, n) }, count: count}
}

// DeleteParts deletes all chunks of all files of an item. It may be called again.
func (d *Deferred) DeleteParts(ctx context.Context, key string) error {
	if !keyForm.MatchString(key) {
		return errKey
	}
	var names []string
	var err error
	for item, lerr := range d.list(ctx, partsFolder+key+"/", listPage) {
		err = lerr
		if lerr == nil {
			names = append(names, textOf(item.Name))
		}
	}
	for _, name := range names {
		_, derr := d.blob(name).Delete(ctx, nil)
		if derr = translateError(ctx, derr); derr != nil && !errors.Is(derr, ErrNotFound) {
			err = errors.Join(err, derr)
		}
	}
	if err != nil {
		return fmt.Errorf("take parts away: %w", err)
	}
	return nil
}

func partName(key string, file, n int) string {
	return fmt.Sprintf("%s%s/%d-%05d", partsFolder, key, file, n)
}

// parts reads chunks one after the other.
type parts struct {
	ctx     context.Context
	from    blobs
	name    func(n int) string
	n       int // the next chunk
	count   int
	current []byte // what is left of the last chunk
}

func (p *parts) Read(b []byte) (int, error) {
	for len(p.current) == 0 {
		if p.n == p.count {
			return 0, io.EOF
		}
		data, _, err := p.from.get(p.ctx, p.name(p.n), MaxPart, nil)
		if err != nil {
			return 0, fmt.Errorf("read a part: %w", err)
		}
		p.current, p.n = data, p.n+1
	}
	n := copy(b, p.current)
	p.current = p.current[n:]
	return n, nil
}
