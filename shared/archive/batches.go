package archive

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"o2archiver/shared/azure"
)

const (
	// maxBatch is the maximum size of a batch in bytes: one item of 16 MiB, and its entry's other fields.
	maxBatch = 18 << 20

	maxListed = 1_000_000 // maximum number of names in a listing
	listPage  = 100       // names per answer: each answer is held in memory
)

// Batches is the handle of the batches, and of the manifests beside them.
type Batches struct{ blobs }

// BatchInfo describes a batch as far as a listing does.
type BatchInfo struct {
	Name    string    `json:"name"` // within the container
	Created time.Time `json:"created"`
	Size    int64     `json:"size"`    // bytes
	Records int       `json:"records"` // items of the source
	SHA256  string    `json:"sha256"`  // hex, of the bytes
}

// Write writes a batch of records items and returns its name. It never overwrites. If there is a batch with the
// same bytes, nothing is written; if there is one with other bytes, the batch gets the next free name, 00001-b.ndjson
// and so on. It may therefore be called again with the same arguments.
func (b *Batches) Write(ctx context.Context, folder string, seq int, body []byte, records int) (
	name string, err error) {
	switch {
	case !folderForm.MatchString(folder):
		return "", errors.New("write a batch: its folder is not of the form yyyy/mm/dd/run")
	case seq < 1 || seq > maxBatches:
		return "", fmt.Errorf("write a batch: number %d is not between 1 and %d", seq, maxBatches)
	case len(body) > maxBatch:
		return "", fmt.Errorf("write a batch: %w: %d bytes, limit %d", ErrTooLarge, len(body), maxBatch)
	}
	first := strings.TrimSuffix(BatchName(folder, seq), batchEnding)
	for _, suffix := range append([]string{""}, nameSuffixes()...) {
		name = first + suffix + batchEnding
		same, err := b.create(ctx, name, body, records)
		if err != nil || same {
			return name, err
		}
	}
	return "", fmt.Errorf("write a batch: %w, and so for every name that it could have", ErrExists)
}

// create writes the batch if there is none, and reports whether the batch of that name now has these bytes.
func (b *Batches) create(ctx context.Context, name string, body []byte, records int) (bool, error) {
	digest := sha256.Sum256(body)
	sum := hex.EncodeToString(digest[:])
	_, err := b.client.NewBlockBlobClient(name).Upload(ctx, streaming.NopCloser(bytes.NewReader(body)),
		&blockblob.UploadOptions{
			HTTPHeaders:             &blob.HTTPHeaders{BlobContentType: to.Ptr("application/x-ndjson")},
			Metadata:                map[string]*string{metaSHA256: &sum, metaRecords: to.Ptr(strconv.Itoa(records))},
			AccessConditions:        &blob.AccessConditions{ModifiedAccessConditions: ifAbsent()},
			TransactionalValidation: checksumOf(body),
		})
	if err = translateCreateError(ctx, err); !errors.Is(err, ErrExists) {
		return err == nil, err
	}
	props, err := b.blob(name).GetProperties(ctx, nil)
	if err = translateError(ctx, err); err != nil {
		return false, fmt.Errorf("compare with the batch that is there: %w", err)
	}
	return metadataValue(props.Metadata, metaSHA256) == sum, nil
}

// FromURI returns the name of the batch whose address is uri. It returns ErrForeign for anything but the plain
// address of a batch in this account: the address comes from outside and decides what is read.
func (b *Batches) FromURI(uri string) (name string, err error) {
	if len(uri) > 2048 || strings.ContainsAny(uri, "%?#\\") {
		return "", ErrForeign
	}
	u, err := url.Parse(uri)
	if err != nil || u.User != nil || u.Opaque != "" || !azure.SameOrigin(u, b.store.home) {
		return "", ErrForeign
	}
	name, ok := strings.CutPrefix(u.Path, strings.TrimRight(b.store.home.Path, "/")+"/"+BatchesContainer+"/")
	if !ok || !batchForm.MatchString(name) {
		return "", ErrForeign
	}
	return name, nil
}

// URI returns the address of a batch, as it appears in an event.
func (b *Batches) URI(name string) string {
	return strings.TrimRight(b.store.home.String(), "/") + "/" + BatchesContainer + "/" + name
}

// Read reads a whole batch and checks it against the hash in its metadata (ErrDigest).
func (b *Batches) Read(ctx context.Context, name string) (data []byte, etag string, err error) {
	if !batchForm.MatchString(name) {
		return nil, "", fmt.Errorf("read a batch: %w", ErrForeign)
	}
	data, got, err := b.get(ctx, name, maxBatch, nil)
	if err != nil {
		return nil, "", fmt.Errorf("read a batch: %w", err)
	}
	digest := sha256.Sum256(data)
	if want := metadataValue(got.Metadata, metaSHA256); want != "" && want != hex.EncodeToString(digest[:]) {
		return nil, "", fmt.Errorf("read a batch: %w", ErrDigest)
	}
	return data, textOf(got.ETag), nil
}

// Days returns the days that have batches, as yyyy/mm/dd in ascending order.
func (b *Batches) Days(ctx context.Context) ([]string, error) {
	level := []string{""}
	for range 3 { // years, months, days
		var next []string
		for _, prefix := range level {
			under, err := b.folders(ctx, prefix)
			if err != nil {
				return nil, fmt.Errorf("list the days: %w", err)
			}
			next = append(next, under...)
		}
		level = next
	}
	days := level[:0]
	for _, day := range level {
		if day = strings.TrimSuffix(day, "/"); dayForm.MatchString(day) {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return days, nil
}

// Runs returns the folders of a day's runs, sorted.
func (b *Batches) Runs(ctx context.Context, day string) ([]string, error) {
	if !dayForm.MatchString(day) {
		return nil, errors.New("list the runs: the day is not of the form yyyy/mm/dd")
	}
	under, err := b.folders(ctx, day+"/")
	if err != nil {
		return nil, fmt.Errorf("list the runs: %w", err)
	}
	runs := under[:0]
	for _, run := range under {
		if run = strings.TrimSuffix(run, "/"); folderForm.MatchString(run) {
			runs = append(runs, run)
		}
	}
	slices.Sort(runs)
	return runs, nil
}

// List returns a run's batches, sorted by name.
func (b *Batches) List(ctx context.Context, folder string) ([]BatchInfo, error) {
	if !folderForm.MatchString(folder) {
		return nil, errors.New("list the batches: the folder is not of the form yyyy/mm/dd/run")
	}
	var all []BatchInfo
	for info, err := range b.InRun(ctx, folder) {
		if err != nil {
			return nil, fmt.Errorf("list the batches: %w", err)
		}
		all = append(all, info)
	}
	return all, nil
}

// IsEmpty reports whether nothing was ever fetched: a batch or a manifest stays for years. It costs one request.
func (b *Batches) IsEmpty(ctx context.Context) (bool, error) {
	for _, err := range b.list(ctx, "", 1) {
		if err != nil {
			return false, fmt.Errorf("look for a batch: %w", err)
		}
		return false, nil
	}
	return true, nil
}

// InRun returns an iterator over a run's batches in the order of their names, which is the order of List Blobs. An
// error is the last thing that it yields. Memory holds one answer of the service, with at most listPage of them.
func (b *Batches) InRun(ctx context.Context, folder string) iter.Seq2[BatchInfo, error] {
	return func(yield func(BatchInfo, error) bool) {
		for item, err := range b.list(ctx, folder+"/", listPage) {
			switch {
			case err != nil:
				yield(BatchInfo{}, err)
				return
			case batchForm.MatchString(textOf(item.Name)) && !yield(describeBatch(item), nil):
				return
			}
		}
	}
}

// describeBatch returns what a listing has about a batch.
func describeBatch(item *container.BlobItem) BatchInfo {
	b := BatchInfo{Name: *item.Name, SHA256: metadataValue(item.Metadata, metaSHA256)}
	b.Records, _ = strconv.Atoi(metadataValue(item.Metadata, metaRecords)) // 0: not written by Write
	if p := item.Properties; p != nil {
		b.Size = valueOf(p.ContentLength)
		b.Created = valueOf(cmp.Or(p.CreationTime, p.LastModified)).UTC()
	}
	return b
}

// valueOf returns *p, or the zero value if p is nil.
func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// folders returns the prefixes directly under prefix in the container of the batches, each with its trailing slash.
func (b *Batches) folders(ctx context.Context, prefix string) ([]string, error) {
	var all []string
	pages := b.client.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{Prefix: &prefix})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err = translateError(ctx, err); err != nil {
			return nil, err
		}
		for _, p := range page.Segment.BlobPrefixes {
			all = append(all, textOf(p.Name))
		}
		if len(all) > maxListed {
			return nil, fmt.Errorf("%w: a listing has more than %d names", ErrTooLarge, maxListed)
		}
	}
	return all, nil
}

// list returns an iterator over all blobs whose names begin with prefix. An error is the last thing that it yields. One
// answer of the service has at most perAnswer of them.
func (b blobs) list(ctx context.Context, prefix string, perAnswer int32) iter.Seq2[*container.BlobItem, error] {
	return func(yield func(*container.BlobItem, error) bool) {
		pages := b.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
			Prefix: &prefix, Include: container.ListBlobsInclude{Metadata: true}, MaxResults: &perAnswer,
		})
		for n := 0; pages.More(); {
			page, err := pages.NextPage(ctx)
			if err = translateError(ctx, err); err != nil {
				yield(nil, err)
				return
			}
			for _, item := range page.Segment.BlobItems {
				if !yield(item, nil) {
					return
				}
			}
			if n += len(page.Segment.BlobItems); n > maxListed {
				yield(nil, fmt.Errorf("%w: a listing has more than %d names", ErrTooLarge, maxListed))
				return
			}
		}
	}
}
