// Package oldarchive restores an archive that an earlier version has written, so that tests can continue it with the
// current version.
package oldarchive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/appendblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// Archive is everything that an archive holds in one storage account.
type Archive struct {
	Blobs []Blob            `json:"blobs"`
	Rows  []json.RawMessage `json:"rows"` // of the ledger, as the table service encodes them
}

// Blob is one blob with its content, type and metadata.
type Blob struct {
	Container string            `json:"container"`
	Name      string            `json:"name"`
	Append    bool              `json:"append,omitempty"` // an append blob; otherwise a block blob
	Type      string            `json:"type,omitempty"`   // Content-Type
	Metadata  map[string]string `json:"metadata,omitempty"`
	Data      []byte            `json:"data"`
}

const (
	ledgerTable = "ledger"
	maxBlobs    = 10_000
)

// Read returns the archive in a file that Save wrote.
func Read(file string) (*Archive, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var a Archive
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(file), err)
	}
	return &a, nil
}

// Save reads the containers and the ledger of a storage account and writes them to a file. Nothing may write to the
// archive meanwhile.
func Save(ctx context.Context, connection, file string, containers ...string) error {
	client, err := service.NewClientFromConnectionString(connection, nil)
	if err != nil {
		return errors.New("open the storage account: the connection string cannot be read")
	}
	var a Archive
	for _, name := range containers {
		if err := a.saveContainer(ctx, client.NewContainerClient(name), name); err != nil {
			return fmt.Errorf("save container %s: %w", name, err)
		}
	}
	tables, err := aztables.NewServiceClientFromConnectionString(connection, nil)
	if err != nil {
		return errors.New("open table storage: the connection string cannot be read")
	}
	for pages := tables.NewClient(ledgerTable).NewListEntitiesPager(nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("save the ledger: %w", err)
		}
		for _, row := range page.Entities {
			a.Rows = append(a.Rows, row)
		}
	}
	data, err := json.MarshalIndent(a, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

func (a *Archive) saveContainer(ctx context.Context, c *container.Client, name string) error {
	pages := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Include: container.ListBlobsInclude{Metadata: true}})
	for pages.More() && len(a.Blobs) < maxBlobs {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, item := range page.Segment.BlobItems {
			answer, err := c.NewBlobClient(*item.Name).DownloadStream(ctx, nil)
			if err != nil {
				return err
			}
			data, err := io.ReadAll(answer.Body)
			if err = errors.Join(err, answer.Body.Close()); err != nil {
				return err
			}
			b := Blob{Container: name, Name: *item.Name,
				Append: *item.Properties.BlobType == blob.BlobTypeAppendBlob, Data: data}
			if item.Properties.ContentType != nil {
				b.Type = *item.Properties.ContentType
			}
			for key, value := range item.Metadata {
				if b.Metadata == nil {
					b.Metadata = map[string]string{}
				}
				b.Metadata[key] = *value
			}
			a.Blobs = append(a.Blobs, b)
		}
	}
	return nil
}

// Load writes the archive's blobs and ledger rows. The containers and the table must exist; blobs of the same names are
// replaced, rows of the same keys are an error.
func (a *Archive) Load(ctx context.Context, connection string) error {
	client, err := service.NewClientFromConnectionString(connection, nil)
	if err != nil {
		return errors.New("open the storage account: the connection string cannot be read")
	}
	for _, b := range a.Blobs {
		if err := b.load(ctx, client.NewContainerClient(b.Container)); err != nil {
			return fmt.Errorf("load %s/%s: %w", b.Container, b.Name, err)
		}
	}
	tables, err := aztables.NewServiceClientFromConnectionString(connection, nil)
	if err != nil {
		return errors.New("open table storage: the connection string cannot be read")
	}
	for _, row := range a.Rows {
		if _, err := tables.NewClient(ledgerTable).AddEntity(ctx, row, nil); err != nil {
			return fmt.Errorf("load a row of the ledger: %w", err)
		}
	}
	return nil
}

func (b Blob) load(ctx context.Context, c *container.Client) error {
	metadata := map[string]*string{}
	for key, value := range b.Metadata {
		metadata[key] = to.Ptr(value)
	}
	headers := &blob.HTTPHeaders{BlobContentType: to.Ptr(b.Type)}
	if !b.Append {
		_, err := c.NewBlockBlobClient(b.Name).Upload(ctx, streaming.NopCloser(bytes.NewReader(b.Data)),
			&blockblob.UploadOptions{HTTPHeaders: headers, Metadata: metadata})
		return err
	}
	log := c.NewAppendBlobClient(b.Name)
	if _, err := log.Create(ctx, &appendblob.CreateOptions{HTTPHeaders: headers, Metadata: metadata}); err != nil ||
		len(b.Data) == 0 {
		return err
	}
	_, err := log.AppendBlock(ctx, streaming.NopCloser(bytes.NewReader(b.Data)), nil)
	return err
}
