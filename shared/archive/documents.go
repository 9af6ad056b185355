package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
)

// documentPage is the number of documents per answer of a listing.
const documentPage = 1000

// DocumentInfo describes a document as far as a listing does.
type DocumentInfo struct {
	Name  string // within the container
	Facts string // what PutWithFacts stored beside the content; "" if nothing
}

// PutWithFacts is Put for a document whose facts, a line of printable ASCII, List returns without reading the document.
func (d *Documents) PutWithFacts(ctx context.Context, name string, v any, facts, etag string) (
	newETag string, err error) {
	return d.putJSON(ctx, name, v, facts, ifMatch(etag), nil)
}

// PutLargeWithFacts is PutLarge with the facts of PutWithFacts.
func (d *Documents) PutLargeWithFacts(ctx context.Context, name string, v any, limit int64, facts, etag string) (
	newETag string, err error) {
	if err := checkSize(v, limit); err != nil {
		return "", err
	}
	return d.putJSON(ctx, name, v, facts, ifMatch(etag), nil)
}

// GetLargeWithFacts is GetLarge with the facts that are stored beside the content, "" if there are none.
func (d *Documents) GetLargeWithFacts(ctx context.Context, name string, v any, limit int64) (
	facts, etag string, err error) {
	data, got, err := d.get(ctx, name, limit, nil)
	if err != nil {
		return "", "", err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return "", "", fmt.Errorf("decode a blob: %w", ErrContent)
	}
	return metadataValue(got.Metadata, metaFacts), textOf(got.ETag), nil
}

// List returns the documents whose names begin with prefix, in the order of their names, at most limit of them. more
// reports whether there are further ones.
func (d *Documents) List(ctx context.Context, prefix string, limit int) (all []DocumentInfo, more bool, err error) {
	for item, err := range d.list(ctx, prefix, documentPage) {
		if err != nil {
			return nil, false, fmt.Errorf("list documents: %w", err)
		}
		if len(all) == limit {
			return all, true, nil
		}
		all = append(all, DocumentInfo{Name: textOf(item.Name), Facts: metadataValue(item.Metadata, metaFacts)})
	}
	return all, false, nil
}

// CheckWrite returns nil if this identity may write blobs of the container, and writes nothing: the request has a
// condition that no blob meets. Put Blob: the service checks the right before the condition.
func (b blobs) CheckWrite(ctx context.Context) error {
	_, err := b.client.NewBlockBlobClient(probeName).Upload(ctx, streaming.NopCloser(bytes.NewReader(nil)),
		&blockblob.UploadOptions{AccessConditions: &blob.AccessConditions{
			ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(`"0x0"`))}}})
	switch err = translateError(ctx, err); {
	case errors.Is(err, ErrChanged):
		return nil
	case err == nil:
		return errors.New("the service wrote a blob although its condition was not met")
	}
	return err
}

// CheckRead returns nil if this identity may list the blobs of the container.
func (b blobs) CheckRead(ctx context.Context) error {
	for _, err := range b.list(ctx, probeName, 1) {
		return err
	}
	return nil
}

// probeName is the name of a blob that does not exist.
const probeName = "probe"
