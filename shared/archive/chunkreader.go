package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"o2archiver/shared/azure"
)

// chunkReader reads a blob on demand, with one ranged GET for each 4 MiB. A single GET for the whole blob would have to
// finish within the timeout of a try, which the SDK applies to the whole body, however slowly the body is read.
type chunkReader struct {
	ctx    context.Context
	client *blob.Client
	etag   *azcore.ETag // required of every chunk; nil for a blob that only grows
	block  int64        // size of a chunk
	size   int64        // size of the blob
	next   int64        // offset of the next chunk
	data   []byte       // the current chunk
	read   int          // bytes of data that have been read
}

// openChunks reads the first chunk. If pinned, a change of the blob while it is read is an error (ErrChanged).
func (b blobs) openChunks(ctx context.Context, name string, pinned bool) (*chunkReader, error) {
	p := &chunkReader{ctx: ctx, client: b.blob(name), block: int64(b.store.block), size: int64(b.store.block)}
	etag, size, err := p.fill()
	if err != nil {
		return nil, err
	}
	p.size = size
	if pinned {
		p.etag = etag
	}
	return p, nil
}

// fill reads the next chunk, and returns the ETag and the size of the whole blob.
func (p *chunkReader) fill() (etag *azcore.ETag, size int64, err error) {
	want := min(p.block, p.size-p.next)
	o := &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: p.next, Count: want}}
	if p.etag != nil {
		o.AccessConditions = &blob.AccessConditions{
			ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: p.etag}}
	}
	r, err := p.client.DownloadStream(p.ctx, o)
	if err = translateError(p.ctx, err); err != nil {
		var answer *azure.Error
		// Get Blob: no range of an empty blob can be satisfied. A 416 without the code is not the service's own.
		if p.next == 0 && errors.As(err, &answer) && answer.Code == string(bloberror.InvalidRange) {
			return nil, 0, nil
		}
		return nil, 0, err
	}
	body := r.NewRetryReader(p.ctx, nil)
	defer body.Close()
	if size, err = totalSize(r.ContentRange, r.ContentLength); err != nil {
		return nil, 0, err
	}
	want = min(want, size-p.next)
	if int64(cap(p.data)) < want {
		p.data = make([]byte, want)
	}
	p.data, p.read = p.data[:want], 0
	if _, err := io.ReadFull(body, p.data); err != nil {
		p.data = p.data[:0]
		return nil, 0, translateError(p.ctx, err)
	}
	p.next += want
	return r.ETag, size, nil
}

// totalSize returns the blob's size: the number after the slash of Content-Range, or the length of an answer without a
// range.
func totalSize(contentRange *string, length *int64) (int64, error) {
	if contentRange == nil {
		return valueOf(length), nil
	}
	var first, last, size int64
	if _, err := fmt.Sscanf(*contentRange, "bytes %d-%d/%d", &first, &last, &size); err != nil {
		return 0, errors.New("the blob service gave a Content-Range that cannot be read")
	}
	return size, nil
}

// Read implements io.Reader. After an error that matches ErrUnavailable it may be called again.
func (p *chunkReader) Read(b []byte) (int, error) {
	if p.read == len(p.data) {
		if p.next >= p.size {
			return 0, io.EOF
		}
		if _, _, err := p.fill(); err != nil {
			return 0, fmt.Errorf("read a blob: %w", err)
		}
	}
	n := copy(b, p.data[p.read:])
	p.read += n
	return n, nil
}

// Close releases the current chunk. Later reads return io.EOF.
func (p *chunkReader) Close() error {
	p.data, p.read, p.next = nil, 0, p.size
	return nil
}
