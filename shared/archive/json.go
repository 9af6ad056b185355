package archive

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"o2archiver/shared/azure"
)

// maxJSON is the maximum size of a blob in bytes that Get reads.
const maxJSON = 4 << 20

// Documents is the handle of the JSON blobs of one container.
type Documents struct{ blobs }

// Put writes v as JSON and returns the blob's new ETag. etag is the condition: with "" the blob is written only if
// there is none (ErrExists), with "*" unconditionally, otherwise only if it still has that ETag (ErrChanged). To write
// a blob under a lease, the lease must be passed. The call may be repeated; a lost answer is not mistaken for a
// conflict.
func (d *Documents) Put(ctx context.Context, name string, v any, etag string, lease *Lease) (
	newETag string, err error) {
	return d.putJSON(ctx, name, v, "", ifMatch(etag), lease)
}

// PutLarge is Put for a value that GetLarge must be able to read: if its JSON is larger than limit bytes,
// nothing is written (ErrTooLarge).
func (d *Documents) PutLarge(ctx context.Context, name string, v any, limit int64, etag string,
	lease *Lease) (newETag string, err error) {
	if err := checkSize(v, limit); err != nil {
		return "", err
	}
	return d.putJSON(ctx, name, v, "", ifMatch(etag), lease)
}

// checkSize returns ErrTooLarge if the JSON of v is larger than limit bytes.
func checkSize(v any, limit int64) error {
	var size counter
	enc := json.NewEncoder(&size)
	enc.SetEscapeHTML(false) // as in putJSON
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode a blob: %w", err)
	}
	if int64(size) > limit {
		return fmt.Errorf("write a blob: %w: %d bytes, limit %d", ErrTooLarge, size, limit)
	}
	return nil
}

// counter is a writer that counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// ifMatch returns the condition for an etag as Put documents it.
func ifMatch(etag string) *blob.ModifiedAccessConditions {
	switch etag {
	case "":
		return ifAbsent()
	case "*":
		return nil
	}
	return &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(etag))}
}

// ifAbsent returns the condition that there is no such blob.
func ifAbsent() *blob.ModifiedAccessConditions {
	return &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}
}

// putJSON implements Documents.Put. facts, if not empty, is stored in the blob's metadata.
func (b blobs) putJSON(ctx context.Context, name string, v any, facts string,
	on *blob.ModifiedAccessConditions, lease *Lease) (string, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // the bytes of a raw item inside v are kept
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("encode a blob: %w", err)
	}
	metadata := map[string]*string{}
	if facts != "" {
		metadata[metaFacts] = &facts
	}
	return b.putMarked(ctx, name, "application/json", body.Bytes(), metadata, on, lease)
}

// putMarked writes a small blob under a condition, and returns its new ETag. It adds to metadata.
func (b blobs) putMarked(ctx context.Context, name, mediaType string, body []byte, metadata map[string]*string,
	on *blob.ModifiedAccessConditions, lease *Lease) (string, error) {
	// The answer may be lost, and the SDK then repeats the request. The second answer, 409 or 412, is caused by this
	// call's own write, which the mark in the metadata identifies.
	mark := rand.Text()
	metadata[metaWrite] = &mark
	conditions := &blob.AccessConditions{ModifiedAccessConditions: on}
	if lease != nil {
		conditions.LeaseAccessConditions = &blob.LeaseAccessConditions{LeaseID: &lease.id}
	}
	r, err := b.client.NewBlockBlobClient(name).Upload(ctx,
		streaming.NopCloser(bytes.NewReader(body)), &blockblob.UploadOptions{
			HTTPHeaders:             &blob.HTTPHeaders{BlobContentType: &mediaType},
			Metadata:                metadata,
			AccessConditions:        conditions,
			TransactionalValidation: blob.TransferValidationTypeComputeCRC64(),
		})
	refused := translateError
	if on != nil && on.IfNoneMatch != nil {
		refused = translateCreateError
	}
	if err = refused(ctx, err); err == nil {
		return textOf(r.ETag), nil
	}
	if on == nil || !errors.Is(err, ErrExists) && !errors.Is(err, ErrChanged) {
		return "", err
	}
	props, perr := b.blob(name).GetProperties(ctx, nil)
	if perr = translateError(ctx, perr); errors.Is(perr, ErrNotFound) {
		return "", err
	}
	if perr != nil {
		return "", perr
	}
	if metadataValue(props.Metadata, metaWrite) == mark {
		return textOf(props.ETag), nil
	}
	return "", err
}

// Get reads a blob of at most 4 MiB into v and returns its ETag, or ErrNotFound if there is none.
func (d *Documents) Get(ctx context.Context, name string, v any) (etag string, err error) {
	return d.getJSON(ctx, name, v, maxJSON)
}

// GetLarge is Get for a blob of at most limit bytes.
func (d *Documents) GetLarge(ctx context.Context, name string, v any, limit int64) (etag string, err error) {
	return d.getJSON(ctx, name, v, limit)
}

// getJSON reads a blob of at most limit bytes into v and returns its ETag.
func (b blobs) getJSON(ctx context.Context, name string, v any, limit int64) (string, error) {
	data, got, err := b.get(ctx, name, limit, nil)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return "", fmt.Errorf("decode a blob: %w", ErrContent)
	}
	return textOf(got.ETag), nil
}

// get reads a whole blob of at most limit bytes. If the transfer breaks off, the SDK resumes it, from the same ETag
// only. Content that was damaged on its way is ErrUnavailable.
func (b blobs) get(ctx context.Context, name string, limit int64, on *blob.ModifiedAccessConditions) (
	[]byte, blob.DownloadStreamResponse, error) {
	r, err := b.blob(name).DownloadStream(ctx, &blob.DownloadStreamOptions{
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: on}})
	if err = translateError(ctx, err); err != nil {
		return nil, r, err
	}
	// Get Blob: the SDK treats a 304 as a success without a body.
	if r.ErrorCode != nil || r.ETag == nil || r.ContentLength == nil {
		r.Body.Close()
		return nil, r, &azure.Error{
			Service: blobService.Name, Kind: ErrNotModified, Status: 304, Code: textOf(r.ErrorCode)}
	}
	body := r.NewRetryReader(ctx, nil)
	defer body.Close()
	if *r.ContentLength > limit {
		return nil, r, fmt.Errorf("read a blob: %w: %d bytes, limit %d", ErrTooLarge, *r.ContentLength, limit)
	}
	data := make([]byte, *r.ContentLength)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, r, translateError(ctx, err)
	}
	// Put Blob: the service computes the MD5 of the blob. Without this check, an answer that a proxy cuts short,
	// together with its Content-Length, would be taken for the blob's content.
	if sum := md5.Sum(data); len(r.ContentMD5) > 0 && !bytes.Equal(sum[:], r.ContentMD5) {
		return nil, r, &azure.Error{Service: blobService.Name, Kind: ErrUnavailable,
			How: "the content that arrived does not have the MD5 that the service states"}
	}
	return data, r, nil
}

// The metadata of blobs. The service preserves the case of a name; HTTP headers do not.
const (
	metaWrite   = "write"   // identifies the call that wrote the blob
	metaSHA256  = "sha256"  // of the content, hex
	metaRecords = "records" // number of a batch's records
	metaFacts   = "facts"   // of a deferred item or a document: the facts that a listing returns
)

// metadataValue returns a blob's metadata by its name, in either case, or "".
func metadataValue(m map[string]*string, name string) string {
	for k, v := range m {
		if v != nil && strings.EqualFold(k, name) {
			return *v
		}
	}
	return ""
}

// textOf returns *p as a string, or "" if p is nil.
func textOf[T ~string](p *T) string {
	if p == nil {
		return ""
	}
	return string(*p)
}
