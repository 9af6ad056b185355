package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"o2archiver/shared/arrival"
	"o2archiver/shared/retry"
)

const (
	// LandingContainer is the container into which the vendor delivers, in a storage account of its own.
	LandingContainer = "landing"

	maxLanded   = 100_000 // maximum number of names in the folder
	landingPage = 1000    // names per answer: each answer is held in memory

	// metaFolder is the metadata by which tools mark an empty blob as a folder. In an account with a hierarchical
	// namespace a listing has real folders, and the same metadata.
	metaFolder = "hdi_isfolder"
)

// Landing is the handle of the landing container, for reading one folder as package arrival describes. The container is
// in an account of its own: in Azure, an account with an SFTP endpoint cannot have immutability policies.
type Landing struct {
	blobs
	prefix string // of the folder: "", or its name and a slash
	accept func(name string) bool
	policy retry.Policy

	mu     sync.Mutex
	listed map[string]landed // by path: what the last List returned
}

// landed is a file of the last listing, with its version.
type landed struct {
	file arrival.File
	etag azcore.ETag
}

// OpenLanding returns the handle of the landing container of an account; folder "" is the container itself. accept
// chooses the files to list by their names; nil accepts all. It makes no request.
func OpenLanding(c Config, folder string, accept func(name string) bool) (*Landing, error) {
	s, err := Open(c)
	if err != nil {
		return nil, err
	}
	return s.landing(folder, accept)
}

func (s *Store) landing(folder string, accept func(name string) bool) (*Landing, error) {
	folder = strings.TrimPrefix(path.Clean("/"+folder), "/")
	if strings.ContainsFunc(folder, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }) {
		return nil, errors.New("open the landing container: the folder cannot be the name of a folder")
	}
	l := &Landing{blobs: s.blobs(LandingContainer), accept: accept,
		policy: retry.Policy{First: time.Second, Max: time.Minute, Tries: 8}}
	if folder != "" {
		l.prefix = folder + "/"
	}
	return l, nil
}

// List returns the files of the folder whose names are accepted, and the folders in it. It tries up to 8 times, with
// growing pauses.
func (l *Landing) List(ctx context.Context) (arrival.Listing, error) {
	var all []landed
	var notFiles []string
	err := l.policy.Do(ctx, func(ctx context.Context) (err error) {
		all, notFiles, err = l.listOnce(ctx)
		return err
	})
	if err != nil {
		return arrival.Listing{}, fmt.Errorf("list the landing container: %w", err)
	}
	found := arrival.Listing{Files: make([]arrival.File, len(all)), NotFiles: notFiles}
	listed := make(map[string]landed, len(all))
	for i, each := range all {
		found.Files[i], listed[each.file.Path] = each.file, each
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listed = listed
	return found, nil
}

// listOnce returns the files of the folder and the names of what is no file, each once: a folder may also have an empty
// blob of its name, which marks it.
func (l *Landing) listOnce(ctx context.Context) (all []landed, notFiles []string, err error) {
	pages := l.client.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{
		Prefix: &l.prefix, MaxResults: to.Ptr[int32](landingPage), Include: container.ListBlobsInclude{Metadata: true}})
	for n := 0; pages.More(); {
		page, err := pages.NextPage(ctx)
		if err = translateError(ctx, err); err != nil {
			return nil, nil, err
		}
		if n += len(page.Segment.BlobItems) + len(page.Segment.BlobPrefixes); n > maxLanded {
			return nil, nil, fmt.Errorf("%w: the folder has more than %d names", ErrTooLarge, maxLanded)
		}
		for _, folder := range page.Segment.BlobPrefixes {
			name := strings.TrimPrefix(textOf(folder.Name), l.prefix)
			notFiles = append(notFiles, strings.TrimSuffix(name, "/"))
		}
		for _, item := range page.Segment.BlobItems {
			name, p := strings.TrimPrefix(textOf(item.Name), l.prefix), item.Properties
			if name == "" {
				continue // the mark of this folder
			}
			if p == nil || p.ETag == nil || metadataValue(item.Metadata, metaFolder) == "true" ||
				!arrival.IsPlainName(name) {
				notFiles = append(notFiles, name)
				continue
			}
			if l.accept != nil && !l.accept(name) {
				continue
			}
			// List Blobs: an ETag has no quotes here, unlike in a header.
			etag := azcore.ETag(`"` + strings.Trim(string(*p.ETag), `"`) + `"`)
			all = append(all, landed{arrival.File{
				Path: name, Size: max(valueOf(p.ContentLength), 0), ModTime: valueOf(p.LastModified).UTC()}, etag})
		}
	}
	slices.SortFunc(all, func(a, b landed) int { return strings.Compare(a.file.Path, b.file.Path) })
	slices.Sort(notFiles)
	return all, slices.Compact(notFiles), nil
}

// Open opens a file of the last List at an offset. It reads the version that was listed: if there is another one, or
// none, that is arrival.ErrChanged. It reads in ranges on demand, so a slow reader holds no connection. The reader is
// valid as long as ctx, and not safe for concurrent use. The caller closes it.
func (l *Landing) Open(ctx context.Context, p string, offset int64) (io.ReadCloser, error) {
	l.mu.Lock()
	at, ok := l.listed[p]
	l.mu.Unlock()
	if !ok {
		return nil, arrival.ErrNotListed
	}
	if offset < 0 || offset > at.file.Size {
		return nil, errors.New("open a file of the landing container: the offset lies outside of it")
	}
	r := &landingReader{ctx: ctx, policy: l.policy, chunkReader: &chunkReader{
		ctx: ctx, client: l.blob(l.prefix + p), etag: &at.etag, block: int64(l.store.block), size: at.file.Size,
		next: offset}}
	if offset == at.file.Size {
		return r, nil // there is nothing to read, and of an empty blob no range
	}
	err := l.policy.Do(ctx, func(context.Context) error {
		_, size, err := r.chunkReader.fill()
		if err == nil && size != at.file.Size {
			return arrival.ErrChanged // of one version, the listing and the blob tell the same size
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a file of the landing container: %w", translateChange(err))
	}
	return r, nil
}

// translateChange returns arrival.ErrChanged for the answer that the blob has another version.
func translateChange(err error) error {
	if errors.Is(err, ErrChanged) {
		return arrival.ErrChanged
	}
	return err
}

// landingReader reads one version of a blob.
type landingReader struct {
	*chunkReader
	ctx    context.Context
	policy retry.Policy
	err    error // of all later reads
}

// Read implements io.Reader.
func (r *landingReader) Read(p []byte) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	if n, err = r.chunkReader.Read(p); err == nil || err == io.EOF {
		return n, err
	}
	r.err = r.policy.Do(r.ctx, func(context.Context) error {
		if lost := err; lost != nil {
			err = nil
			return lost // so that a pause comes first
		}
		var again error
		n, again = r.chunkReader.Read(p)
		return again
	})
	r.err = translateChange(r.err)
	return n, r.err
}

// CreateContainer creates the container if it is missing. As CreateContainers, it is for a local emulator.
func (l *Landing) CreateContainer(ctx context.Context) error {
	_, err := l.client.Create(ctx, nil)
	if err = translateError(ctx, err); err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("create the landing container: %w", err)
	}
	return nil
}

// Put stores a file in the folder in place of the vendor, who alone writes in Azure. It is for a local emulator.
func (l *Landing) Put(ctx context.Context, name string, data io.ReadSeeker) error {
	_, err := l.client.NewBlockBlobClient(l.prefix+name).Upload(ctx, streaming.NopCloser(data), nil)
	return translateError(ctx, err)
}
