package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// errKept reports that the bytes are stored already, under another of the item's names.
var errKept = errors.New("the bytes are kept already")

// KeepRaw stores the bytes of an item that cannot be a record as raw/<name>, and returns the name by which Open finds
// them. name is of RawName or RawDeferredName. As with batches, bytes that differ from those of an earlier attempt get
// another name, <name>-b to -z, and bytes that are stored already are found. It may therefore be called again, whatever
// the source sends this time.
func (m *Media) KeepRaw(ctx context.Context, name string, r io.Reader) (stored, sha string, size int64, err error) {
	if !rawForm.MatchString(name) {
		return "", "", 0, errors.New("store raw bytes: the name has characters that it may not have")
	}
	name = rawPrefix + name
	kept := map[string]string{} // name by hash
	free := name
	for _, suffix := range nameSuffixes() {
		props, err := m.blob(free).GetProperties(ctx, nil)
		if err = translateError(ctx, err); errors.Is(err, ErrNotFound) {
			break
		}
		if err != nil {
			return "", "", 0, fmt.Errorf("store raw bytes: %w", err)
		}
		kept[metadataValue(props.Metadata, metaSHA256)] = free
		free = name + suffix
	}
	head, whole, err := readHead(r, m.store.block)
	if err != nil {
		return "", "", 0, err
	}
	sum := sha256.New()
	sum.Write(head)
	if whole {
		sha, size = hexSum(sum), int64(len(head))
		if there, ok := kept[sha]; ok {
			return there, sha, size, nil
		}
		err = m.putWhole(ctx, free, head, sha)
	} else {
		sha, size, err = m.putBlocks(ctx, free, head, r, sum, func(sha string) error {
			if _, ok := kept[sha]; ok {
				return errKept
			}
			return nil
		})
		if errors.Is(err, errKept) {
			return kept[sha], sha, size, nil
		}
	}
	if errors.Is(err, ErrExists) { // the bytes may be this call's own, if its answer was lost
		err = m.compare(ctx, free, sha)
	}
	if err != nil {
		return "", sha, size, fmt.Errorf("store raw bytes: %w", err)
	}
	return free, sha, size, nil
}
