package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"o2archiver/shared/azure"
	"o2archiver/shared/record"
)

const (
	blockSize = 4 << 20 // bytes sent or read in one request
	maxBlocks = 50_000  // Put Block List: maximum number of blocks of a blob
	rawPrefix = "raw/"
)

var (
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
	mediaForm  = regexp.MustCompile(`^(\d{4}/\d\d/\d\d/)?[0-9a-f]{64}$`)
	rawForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*(/[A-Za-z0-9][A-Za-z0-9.-]*){0,9}$`)
)

// Media is the handle of the attachments, and of the raw bytes of items that can't be records.
type Media struct{ blobs }

// Put stores an attachment under a day ("2026/11/28") and its SHA-256, as record.Media.Blob names it. It reads r
// to its end and holds no more than a few MiB of it in memory. The same bytes under another day are another blob, which
// is tiered and deleted by its own age; day "" is an earlier form of the name.
//
// digest is the SHA-256 that the bytes should have, in lower-case hex: if they have another one, no blob becomes
// visible (ErrDigest). Without a digest ("") up to 8 MiB are stored under the hash that they have; of more, only hash
// and size are returned, with ErrNeedDigest, for a second call with a new r. A blob that exists is not stored again, so
// it may be called twice. An error of r is returned wrapped.
func (m *Media) Put(ctx context.Context, day, digest string, r io.Reader) (sha string, size int64, err error) {
	if day != "" && !dayForm.MatchString(day) {
		return "", 0, errors.New("store media: the day is not of the form yyyy/mm/dd")
	}
	if digest != "" && !digestForm.MatchString(digest) {
		return "", 0, fmt.Errorf("store media: %w: it is not 64 hex digits", ErrDigest)
	}
	limit := m.store.block
	if digest == "" {
		limit = 2 * m.store.block
	}
	head, whole, err := readHead(r, limit)
	if err != nil {
		return "", 0, err
	}
	sum := sha256.New()
	sum.Write(head)
	if whole {
		sha, size = hexSum(sum), int64(len(head))
		if digest != "" && sha != digest {
			return sha, size, fmt.Errorf("store media: %w", ErrDigest)
		}
		if err := m.putWhole(ctx, mediaName(day, sha), head, sha); err != nil && !errors.Is(err, ErrExists) {
			return "", 0, fmt.Errorf("store media: %w", err)
		}
		return sha, size, nil
	}
	if digest == "" {
		rest, err := io.Copy(sum, r)
		if err != nil {
			return "", 0, fmt.Errorf("read the content: %w", err)
		}
		return hexSum(sum), int64(len(head)) + rest, ErrNeedDigest
	}
	// A blob of this name was checked when it was written. Checking for it costs less than sending the bytes.
	props, err := m.blob(mediaName(day, digest)).GetProperties(ctx, nil)
	if err = translateError(ctx, err); err == nil {
		return digest, valueOf(props.ContentLength), nil
	} else if !errors.Is(err, ErrNotFound) {
		return "", 0, fmt.Errorf("store media: %w", err)
	}
	return m.putBlocks(ctx, mediaName(day, digest), head, r, sum, func(sum string) error {
		if sum != digest {
			return ErrDigest
		}
		return nil
	})
}

// PutBytes is Put for bytes that are in memory. digest MUST be their SHA-256, and they MUST NOT be changed afterwards:
// neither is a copy made of them, nor are they hashed again.
func (m *Media) PutBytes(ctx context.Context, day, digest string, content []byte) error {
	if len(content) >= m.store.block {
		_, _, err := m.Put(ctx, day, digest, bytes.NewReader(content))
		return err
	}
	if !dayForm.MatchString(day) || !digestForm.MatchString(digest) {
		return errors.New("store media: the day or the digest is not of its form")
	}
	err := m.putWhole(ctx, mediaName(day, digest), content, digest)
	if err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("store media: %w", err)
	}
	return nil
}

func mediaName(day, sha string) string { return record.Media{SHA256: sha, Day: day}.Blob() }

// compare returns ErrExists if the blob was written with other content than that of the hash.
func (m *Media) compare(ctx context.Context, name, sha string) error {
	props, err := m.blob(name).GetProperties(ctx, nil)
	if err = translateError(ctx, err); err == nil && metadataValue(props.Metadata, metaSHA256) != sha {
		return ErrExists
	}
	return err
}

// readHead reads up to limit bytes. whole reports whether r has no more.
func readHead(r io.Reader, limit int) (head []byte, whole bool, err error) {
	var b bytes.Buffer // grows with the content: most contents are small
	if known, ok := r.(interface{ Len() int }); ok {
		b.Grow(min(known.Len(), limit) + bytes.MinRead)
	}
	n, err := io.Copy(&b, io.LimitReader(r, int64(limit)))
	if err != nil {
		return nil, false, fmt.Errorf("read the content: %w", err)
	}
	return b.Bytes(), n < int64(limit), nil
}

// putWhole creates a blob with these bytes in one request. It returns ErrExists if there is one. The bytes MUST NOT be
// changed afterwards.
func (m *Media) putWhole(ctx context.Context, name string, data []byte, sha string) error {
	_, err := m.client.NewBlockBlobClient(name).Upload(ctx, azure.NewBody(data),
		&blockblob.UploadOptions{
			HTTPHeaders:             &blob.HTTPHeaders{BlobContentType: to.Ptr("application/octet-stream")},
			Metadata:                map[string]*string{metaSHA256: &sha},
			AccessConditions:        &blob.AccessConditions{ModifiedAccessConditions: ifAbsent()},
			TransactionalValidation: checksumOf(data),
		})
	return translateCreateError(ctx, err)
}

// Open opens a blob that Put stored as record.Media.Blob, or KeepRaw, and returns its size in
// bytes. It is read in chunks on demand, so a slow reader holds no connection, and a broken connection costs one chunk.
// The caller closes it. It returns ErrNotFound if there is no such blob.
func (m *Media) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	if raw, ok := strings.CutPrefix(name, rawPrefix); !mediaForm.MatchString(name) &&
		!(ok && rawForm.MatchString(raw)) {
		return nil, 0, errors.New("open media: the name is neither that of an attachment nor that of raw bytes")
	}
	p, err := m.openChunks(ctx, name, true)
	if err != nil {
		return nil, 0, fmt.Errorf("open media: %w", err)
	}
	return p, p.size, nil
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
