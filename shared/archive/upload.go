package archive

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"o2archiver/shared/azure"
)

// Partial is the part of a blob that was uploaded before the upload broke off. Nothing of it is visible. The service
// discards it a week after its last block.
type Partial struct {
	Runs []BlockRun `json:"runs"`
	Size int64      `json:"size"` // bytes in these blocks
	Hash []byte     `json:"hash"` // state of the SHA-256 of these bytes
}

// BlockRun is the blocks of one call, in their order. Their IDs are unique to the call, so a concurrent call for the
// same name, or one that outlives its right to write, cannot replace them.
type BlockRun struct {
	Call   string `json:"call"`
	Blocks int    `json:"blocks"`
}

// upload is a blob that is uploaded in blocks.
type upload struct {
	name  string
	from  Partial // uploaded by earlier calls
	block int     // maximum size of the blocks that follow
	head  []byte  // the first bytes after those, which were read and are in sum; may be empty
	rest  io.Reader
	sum   hash.Hash
	check func(sha string) error // decides by the hash of all whether the blob is created
	note  func(Partial) error    // called after each block; may be nil
}

// putBlocks uploads head and then the rest of r in blocks, and commits them as a blob if check accepts the hash of all.
// Until then nothing is visible.
func (m *Media) putBlocks(ctx context.Context, name string, head []byte, r io.Reader, sum hash.Hash,
	check func(sha string) error) (sha string, size int64, err error) {
	return m.putUpload(ctx, &upload{name: name, block: m.store.block, head: head, rest: r, sum: sum, check: check})
}

func (m *Media) putUpload(ctx context.Context, u *upload) (sha string, size int64, err error) {
	client := m.client.NewBlockBlobClient(u.name)
	own := BlockRun{Call: rand.Text()[:16]}
	var ids []string
	for _, run := range u.from.Runs {
		for i := range run.Blocks {
			ids = append(ids, run.id(i))
		}
	}
	size = u.from.Size
	there := false // an immutability policy refused a block because the blob exists: only its hash is left to compare
	buf := make([]byte, u.block)
	for block := u.head; ; {
		if len(block) > 0 && !there {
			if len(ids) == maxBlocks {
				return "", 0, fmt.Errorf("store a blob: %w: more than %d blocks", ErrTooLarge, maxBlocks)
			}
			id := own.id(own.Blocks)
			_, err := client.StageBlock(ctx, id, streaming.NopCloser(bytes.NewReader(block)),
				&blockblob.StageBlockOptions{
					TransactionalValidation: checksumOf(block),
				})
			err = translateCreateError(ctx, err)
			if there = errors.Is(err, ErrExists); err != nil && !there {
				return "", 0, fmt.Errorf("store a block: %w", err)
			}
			ids = append(ids, id)
			own.Blocks++
		}
		size += int64(len(block))
		if len(block) > 0 && !there {
			if err := u.report(own, size); err != nil {
				return "", 0, err
			}
		}
		n, err := io.ReadFull(u.rest, buf)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return "", 0, fmt.Errorf("read the content: %w", err)
		}
		block = buf[:n]
		if n == 0 {
			break
		}
		u.sum.Write(block)
	}
	sha = hexSum(u.sum)
	if err := u.check(sha); err != nil {
		return sha, size, fmt.Errorf("store a blob: %w", err)
	}
	if err := m.commit(ctx, client, u, ids, sha, there); err != nil {
		return sha, size, fmt.Errorf("store a blob: %w", err)
	}
	return sha, size, nil
}

// commit makes the blob of its blocks. there reports that it exists already.
func (m *Media) commit(ctx context.Context, client *blockblob.Client, u *upload, ids []string, sha string,
	there bool) error {
	err := ErrExists
	if !there {
		_, err = client.CommitBlockList(ctx, ids, &blockblob.CommitBlockListOptions{
			HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: to.Ptr("application/octet-stream")},
			Metadata:         map[string]*string{metaSHA256: &sha},
			AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: ifAbsent()},
		})
		err = translateCreateError(ctx, err)
	}
	if err == nil {
		return nil
	}
	// Either this call's commit succeeded and its answer was lost, or another call's commit made the service drop these
	// blocks. In both cases the hash of the blob that exists decides.
	cerr := m.compare(ctx, u.name, sha)
	answer, refused := errors.AsType[*azure.Error](err)
	switch {
	case cerr == nil:
		return nil
	case errors.Is(cerr, ErrExists):
		return cerr
	case errors.Is(cerr, ErrNotFound) && len(u.from.Runs) > 0 && refused &&
		answer.Code == string(bloberror.InvalidBlockList):
		return ErrPartial
	}
	return err
}

// report calls note with all that is uploaded.
func (u *upload) report(own BlockRun, size int64) error {
	if u.note == nil {
		return nil
	}
	p := Partial{Size: size, Runs: append(append([]BlockRun(nil), u.from.Runs...), own)}
	state, ok := u.sum.(encoding.BinaryMarshaler)
	if !ok {
		return errors.New("store a block: the hash has no state that can be saved")
	}
	var err error
	if p.Hash, err = state.MarshalBinary(); err != nil {
		return fmt.Errorf("store a block: %w", err)
	}
	return u.note(p)
}

func (r BlockRun) id(i int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s%08d", r.Call, i))
}

// resumeHash returns the hash of a partial upload.
func (p Partial) resumeHash() (hash.Hash, error) {
	sum := sha256.New()
	if len(p.Runs) == 0 {
		return sum, nil
	}
	state, ok := sum.(encoding.BinaryUnmarshaler)
	if !ok || state.UnmarshalBinary(p.Hash) != nil {
		return nil, ErrPartial
	}
	return sum, nil
}
