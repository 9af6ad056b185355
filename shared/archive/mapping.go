package archive

import (
	"bytes"
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
)

const (
	mappingName = "mapping.csv"
	maxMapping  = 16 << 20 // bytes
)

// Mapping is the handle of the administrator's CSV file, which maps numbers to mailboxes.
type Mapping struct{ blobs }

// Read returns the administrator's CSV file, at most 16 MiB, and its ETag. It returns ErrNotFound if there is none,
// and ErrNotModified if the file still has the given ETag ("": none is known).
func (m *Mapping) Read(ctx context.Context, etag string) (data []byte, newETag string, err error) {
	var on *blob.ModifiedAccessConditions
	if etag != "" {
		on = &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETag(etag))}
	}
	data, got, err := m.get(ctx, mappingName, maxMapping, on)
	if err != nil {
		return nil, "", err
	}
	return data, textOf(got.ETag), nil
}

// Write replaces the administrator's CSV file and returns its new ETag. It may be called twice.
func (m *Mapping) Write(ctx context.Context, data []byte) (etag string, err error) {
	if len(data) > maxMapping {
		return "", fmt.Errorf("write the mapping: %w: %d bytes, limit %d", ErrTooLarge, len(data), maxMapping)
	}
	r, err := m.client.NewBlockBlobClient(mappingName).Upload(ctx,
		streaming.NopCloser(bytes.NewReader(data)), &blockblob.UploadOptions{
			HTTPHeaders:             &blob.HTTPHeaders{BlobContentType: to.Ptr("text/csv")},
			TransactionalValidation: blob.TransferValidationTypeComputeCRC64(),
		})
	if err = translateError(ctx, err); err != nil {
		return "", err
	}
	return textOf(r.ETag), nil
}
