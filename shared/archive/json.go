package archive

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"o2archiver/shared/azure"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
)

const maxJSON = 4 << 20

// PutJSON writes v. etag says on what condition: "" only if there is no such blob (ErrExists), "*" whatever there is, otherwise
// only if the blob is still the one with that ETag (ErrChanged). A blob under a lease has to be written with it.
func (s *Store) PutJSON(ctx context.Context, container, name string, v any, etag string, lease *Lease) (newETag string, err error) {
	return s.putJSON(ctx, container, name, v, "", ifMatch(etag), lease)
}

// PutLargeJSON is PutJSON for a value that GetLargeJSON shall be able to read: nothing larger than limit is written (ErrTooLarge).
func (s *Store) PutLargeJSON(ctx context.Context, container, name string, v any, limit int64, etag string, lease *Lease) (newETag string, err error) {
	var size counter
	enc := json.NewEncoder(&size)
	enc.SetEscapeHTML(false) // as putJSON
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("encode a blob: %w", err)
	}
	if int64(size) > limit {
		return "", fmt.Errorf("write a blob: %w: %d bytes, limit %d", ErrTooLarge, size, limit)
	}
	return s.putJSON(ctx, container, name, v, "", ifMatch(etag), lease)
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func ifMatch(etag string) *blob.ModifiedAccessConditions {
	switch etag {
	case "":
		return ifAbsent()
	case "*":
		return nil
	}
	return &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(etag))}
}

func ifAbsent() *blob.ModifiedAccessConditions {
	return &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}
}

func (s *Store) putJSON(ctx context.Context, container, name string, v any, facts string, on *blob.ModifiedAccessConditions, lease *Lease) (string, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // a raw item inside v stays byte for byte what it was
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("encode a blob: %w", err)
	}
	// The answer may get lost and the SDK ask again: the second 409 or 412 is then about our own write, which the
	// mark in the metadata tells.
	mark := rand.Text()
	metadata := map[string]*string{metaWrite: &mark}
	if facts != "" {
		metadata[metaFacts] = &facts
	}
	conditions := &blob.AccessConditions{ModifiedAccessConditions: on}
	if lease != nil {
		conditions.LeaseAccessConditions = &blob.LeaseAccessConditions{LeaseID: &lease.id}
	}
	r, err := s.container(container).NewBlockBlobClient(name).Upload(ctx, streaming.NopCloser(bytes.NewReader(body.Bytes())), &blockblob.UploadOptions{
		HTTPHeaders:             &blob.HTTPHeaders{BlobContentType: to.Ptr("application/json")},
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
	props, perr := s.blob(container, name).GetProperties(ctx, nil)
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

// GetJSON reads a blob of at most 4 MiB into v and gives its ETag. ErrNotFound if there is none.
func (s *Store) GetJSON(ctx context.Context, container, name string, v any) (etag string, err error) {
	return s.getJSON(ctx, container, name, v, maxJSON)
}

// GetLargeJSON is GetJSON for a blob of at most limit bytes.
func (s *Store) GetLargeJSON(ctx context.Context, container, name string, v any, limit int64) (etag string, err error) {
	return s.getJSON(ctx, container, name, v, limit)
}

func (s *Store) getJSON(ctx context.Context, container, name string, v any, limit int64) (string, error) {
	data, got, err := s.get(ctx, container, name, limit, nil)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return "", fmt.Errorf("decode a blob: %w", ErrContent)
	}
	return textOf(got.ETag), nil
}

// get reads a whole blob of at most limit bytes. The SDK resumes a reading that broke off, from the same ETag only.
func (s *Store) get(ctx context.Context, container, name string, limit int64, on *blob.ModifiedAccessConditions) ([]byte, blob.DownloadStreamResponse, error) {
	r, err := s.blob(container, name).DownloadStream(ctx, &blob.DownloadStreamOptions{AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: on}})
	if err = translateError(ctx, err); err != nil {
		return nil, r, err
	}
	// Get Blob: the SDK takes 304 for a success without a body.
	if r.ErrorCode != nil || r.ETag == nil || r.ContentLength == nil {
		r.Body.Close()
		return nil, r, &azure.Error{Service: blobService.Name, Kind: ErrNotModified, Status: 304, Code: textOf(r.ErrorCode)}
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
	return data, r, nil
}

// The metadata that blobs carry. The service keeps the spelling of a name, HTTP headers don't.
const (
	metaWrite   = "write"   // which call wrote it
	metaSHA256  = "sha256"  // of the content, hex
	metaRecords = "records" // of a batch
	metaFacts   = "facts"   // of an item that waits: what a listing shall tell of it
)

func metadataValue(m map[string]*string, name string) string {
	for k, v := range m {
		if v != nil && strings.EqualFold(k, name) {
			return *v
		}
	}
	return ""
}

func textOf[T ~string](p *T) string {
	if p == nil {
		return ""
	}
	return string(*p)
}
