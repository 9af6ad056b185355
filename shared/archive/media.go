package archive

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"o2archiver/shared/record"
)

const (
	blockSize = 4 << 20 // of what is sent or fetched at once
	maxBlocks = 50_000  // Put Block List: the most that a blob may have
	rawPrefix = "raw/"
)

var (
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
	mediaForm  = regexp.MustCompile(`^(\d{4}/\d\d/\d\d/)?[0-9a-f]{64}$`)
	rawForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*(/[A-Za-z0-9][A-Za-z0-9.-]*){0,9}$`)
)

// PutMedia stores an attachment under a day ("2026/11/28") and its SHA-256, as record.Media.Blob names it, reading r to its
// end and keeping no more than a few MiB of it. The same bytes under another day are a blob of their own, which is tiered and
// deleted by an age of its own; day "" is the form before. digest is what the bytes should have, in lower-case hex: with other bytes nothing becomes visible (ErrDigest). Without one
// ("") up to 8 MiB are stored under the hash that they turn out to have; of more, only hash and size are found out
// (ErrNeedDigest, with both), for a second call with a new r. What is there already is not stored
// again, so it may be called twice. An error of r comes back wrapped.
func (s *Store) PutMedia(ctx context.Context, day, digest string, r io.Reader) (sha string, size int64, err error) {
	if day != "" && !dayForm.MatchString(day) {
		return "", 0, errors.New("store media: the day is not of the form yyyy/mm/dd")
	}
	if digest != "" && !digestForm.MatchString(digest) {
		return "", 0, fmt.Errorf("store media: %w: it is not 64 hex digits", ErrDigest)
	}
	limit := s.block
	if digest == "" {
		limit = 2 * s.block
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
		if err := s.putWhole(ctx, mediaName(day, sha), head, sha); err != nil && !errors.Is(err, ErrExists) {
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
	// A blob of this name was checked when it was written. Asking costs less than sending it.
	props, err := s.blob(Media, mediaName(day, digest)).GetProperties(ctx, nil)
	if err = translateError(ctx, err); err == nil {
		return digest, valueOf(props.ContentLength), nil
	} else if !errors.Is(err, ErrNotFound) {
		return "", 0, fmt.Errorf("store media: %w", err)
	}
	return s.putBlocks(ctx, mediaName(day, digest), head, r, sum, func(sum string) error {
		if sum != digest {
			return ErrDigest
		}
		return nil
	})
}

func mediaName(day, sha string) string { return record.Media{SHA256: sha, Day: day}.Blob() }

// PutRaw stores the bytes of an item that cannot be a record as media/raw/<name>, whatever their size, and gives their SHA-256.
// It may be called again with the same bytes; ErrExists, with hash and size, if there are others under that name.
func (s *Store) PutRaw(ctx context.Context, name string, r io.Reader) (sha string, size int64, err error) {
	if !rawForm.MatchString(name) {
		return "", 0, errors.New("store raw bytes: the name has characters that it may not have")
	}
	name = rawPrefix + name
	head, whole, err := readHead(r, s.block)
	if err != nil {
		return "", 0, err
	}
	sum := sha256.New()
	sum.Write(head)
	if whole {
		sha, size = hexSum(sum), int64(len(head))
		err = s.putWhole(ctx, name, head, sha)
	} else {
		sha, size, err = s.putBlocks(ctx, name, head, r, sum, func(string) error { return nil })
	}
	if errors.Is(err, ErrExists) {
		err = s.compare(ctx, name, sha)
	}
	if err != nil {
		return sha, size, fmt.Errorf("store raw bytes: %w", err)
	}
	return sha, size, nil
}

// compare returns ErrExists if the blob was written with other content.
func (s *Store) compare(ctx context.Context, name, sha string) error {
	props, err := s.blob(Media, name).GetProperties(ctx, nil)
	if err = translateError(ctx, err); err == nil && metadataValue(props.Metadata, metaSHA256) != sha {
		return ErrExists
	}
	return err
}

// readHead reads up to limit bytes. whole: r has no more.
func readHead(r io.Reader, limit int) (head []byte, whole bool, err error) {
	var b bytes.Buffer // grows with the content: most is small
	n, err := io.Copy(&b, io.LimitReader(r, int64(limit)))
	if err != nil {
		return nil, false, fmt.Errorf("read the content: %w", err)
	}
	return b.Bytes(), n < int64(limit), nil
}

func (s *Store) putWhole(ctx context.Context, name string, data []byte, sha string) error {
	_, err := s.container(Media).NewBlockBlobClient(name).Upload(ctx, streaming.NopCloser(bytes.NewReader(data)), &blockblob.UploadOptions{
		HTTPHeaders:             &blob.HTTPHeaders{BlobContentType: to.Ptr("application/octet-stream")},
		Metadata:                map[string]*string{metaSHA256: &sha},
		AccessConditions:        &blob.AccessConditions{ModifiedAccessConditions: ifAbsent()},
		TransactionalValidation: blob.TransferValidationTypeComputeCRC64(),
	})
	return translateCreateError(ctx, err)
}

// putBlocks sends head and then the rest of r in blocks, and makes a blob of them if check agrees with the hash of all. Until
// then nothing is visible; blocks that never become a blob are discarded by the service after a week.
func (s *Store) putBlocks(ctx context.Context, name string, head []byte, r io.Reader, sum hash.Hash, check func(sha string) error) (sha string, size int64, err error) {
	client := s.container(Media).NewBlockBlobClient(name)
	// Ids of this call alone: another call for the same name, with other bytes, can't put its blocks among these.
	call := rand.Text()[:16]
	var ids []string
	there := false // so says an immutability policy: what is left to find out is whether it has the same bytes
	buf := make([]byte, s.block)
	for block := head; len(block) > 0; {
		if len(ids) == maxBlocks {
			return "", 0, fmt.Errorf("store a blob: %w: more than %d blocks", ErrTooLarge, maxBlocks)
		}
		if !there {
			id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s%08d", call, len(ids)))
			_, err := client.StageBlock(ctx, id, streaming.NopCloser(bytes.NewReader(block)), &blockblob.StageBlockOptions{
				TransactionalValidation: blob.TransferValidationTypeComputeCRC64(),
			})
			err = translateCreateError(ctx, err)
			if there = errors.Is(err, ErrExists); err != nil && !there {
				return "", 0, fmt.Errorf("store a block: %w", err)
			}
			ids = append(ids, id)
		}
		size += int64(len(block))
		n, err := io.ReadFull(r, buf)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return "", 0, fmt.Errorf("read the content: %w", err)
		}
		block = buf[:n]
		sum.Write(block)
	}
	sha = hexSum(sum)
	if err := check(sha); err != nil {
		return sha, size, fmt.Errorf("store a blob: %w", err)
	}
	err = ErrExists
	if !there {
		_, err = client.CommitBlockList(ctx, ids, &blockblob.CommitBlockListOptions{
			HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: to.Ptr("application/octet-stream")},
			Metadata:         map[string]*string{metaSHA256: &sha},
			AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: ifAbsent()},
		})
		err = translateCreateError(ctx, err)
	}
	if err == nil {
		return sha, size, nil
	}
	// Our own commit whose answer was lost, or that of another call, after which the service has dropped our blocks: what
	// counts is which bytes are there now.
	if cerr := s.compare(ctx, name, sha); cerr == nil {
		return sha, size, nil
	} else if errors.Is(cerr, ErrExists) {
		err = cerr
	}
	return sha, size, fmt.Errorf("store a blob: %w", err)
}

// OpenMedia opens what PutMedia stored as record.Media.Blob or PutRaw as raw/<name>, and returns how many bytes it has. It is read
// in pieces as the reader asks for them, so a slow reader holds no connection, and a connection that breaks costs one
// piece. The caller closes it. ErrNotFound if it is not there.
func (s *Store) OpenMedia(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	if raw, ok := strings.CutPrefix(name, rawPrefix); !mediaForm.MatchString(name) && !(ok && rawForm.MatchString(raw)) {
		return nil, 0, errors.New("open media: the name is neither that of an attachment nor that of raw bytes")
	}
	p, err := s.openPieces(ctx, s.blob(Media, name), true)
	if err != nil {
		return nil, 0, fmt.Errorf("open media: %w", err)
	}
	return p, p.size, nil
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
