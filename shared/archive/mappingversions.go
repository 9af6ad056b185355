package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
)

const (
	mappingVersions = "mapping/" // <sha-256>.csv
	mappingDrafts   = "drafts/"  // <person>-<sha-256>.csv
	mappingEnding   = ".csv"
)

// The metadata of a mapping.
const (
	metaBy   = "by"   // object id
	metaName = "name" // user name, escaped as in a query: metadata are ASCII
	metaAt   = "at"   // RFC 3339
)

var (
	versionForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
	personForm  = regexp.MustCompile(`^[0-9a-f-]{36}$`)
)

// MappingAuthor is who stored a mapping, and when.
type MappingAuthor struct {
	By, Name string    // object id and user name; both "" if the file did not come by way of Replace
	At       time.Time // if the file did not come by way of Replace: when the blob was last written
}

// MappingVersion is a mapping that is, or was, in force.
type MappingVersion struct {
	SHA256 string // of the file, hex
	Size   int64
	MappingAuthor
}

// HashMapping returns the name of a version.
func HashMapping(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// InForce returns the administrator's CSV file, its version and its ETag, or ErrNotFound if there is none.
func (m *Mapping) InForce(ctx context.Context) (data []byte, v MappingVersion, etag string, err error) {
	data, got, err := m.get(ctx, mappingName, maxMapping, nil)
	if err != nil {
		return nil, v, "", err
	}
	v = MappingVersion{HashMapping(data), int64(len(data)), authorOf(got.Metadata, got.LastModified)}
	return data, v, textOf(got.ETag), nil
}

// Replace puts a file in force, if the one in force still has that ETag; with "", if there is none. Otherwise the error
// is ErrChanged or ErrExists. The file and who it is of are written together: at any moment one whole file is in force.
// A lost answer is not mistaken for a conflict.
func (m *Mapping) Replace(ctx context.Context, data []byte, author MappingAuthor, etag string) (newETag string,
	err error) {
	if len(data) > maxMapping {
		return "", fmt.Errorf("replace the mapping: %w: %d bytes, limit %d", ErrTooLarge, len(data), maxMapping)
	}
	return m.putMarked(ctx, mappingName, "text/csv", data, metadataOf(data, author), ifMatch(etag), nil)
}

// KeepVersion stores a file under its hash, unless it is there. It may be called twice.
func (m *Mapping) KeepVersion(ctx context.Context, data []byte, author MappingAuthor) error {
	_, err := m.putMarked(ctx, mappingVersions+HashMapping(data)+mappingEnding, "text/csv", data,
		metadataOf(data, author), ifAbsent(), nil)
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// Versions returns the stored versions, the last one first, at most limit of them. more reports whether there are
// further ones.
func (m *Mapping) Versions(ctx context.Context, limit int) (all []MappingVersion, more bool, err error) {
	for item, err := range m.list(ctx, mappingVersions, documentPage) {
		if err != nil {
			return nil, false, fmt.Errorf("list the mapping's versions: %w", err)
		}
		sha, ok := parseVersionName(strings.TrimPrefix(textOf(item.Name), mappingVersions))
		if !ok || item.Properties == nil {
			continue
		}
		v := MappingVersion{SHA256: sha, MappingAuthor: authorOf(item.Metadata, item.Properties.LastModified)}
		if item.Properties.ContentLength != nil {
			v.Size = *item.Properties.ContentLength
		}
		all = append(all, v)
	}
	slices.SortStableFunc(all, func(a, b MappingVersion) int { return b.At.Compare(a.At) })
	if len(all) > limit {
		return all[:limit], true, nil
	}
	return all, false, nil
}

func parseVersionName(name string) (sha string, ok bool) {
	sha, ok = strings.CutSuffix(name, mappingEnding)
	return sha, ok && versionForm.MatchString(sha)
}

// ReadVersion returns a stored version, or ErrNotFound.
func (m *Mapping) ReadVersion(ctx context.Context, sha string) ([]byte, error) {
	if !versionForm.MatchString(sha) {
		return nil, ErrNotFound
	}
	data, _, err := m.get(ctx, mappingVersions+sha+mappingEnding, maxMapping, nil)
	if err != nil {
		return nil, err
	}
	if HashMapping(data) != sha {
		return nil, fmt.Errorf("read a version of the mapping: %w", ErrDigest)
	}
	return data, nil
}

// PutDraft stores a file that a person has uploaded and not confirmed, beside that person's former ones: whatever
// refers to one of those finds it. Nothing but the pages for setting up reads it.
func (m *Mapping) PutDraft(ctx context.Context, person string, data []byte) error {
	switch {
	case !personForm.MatchString(person):
		return errors.New("store a draft of the mapping: that is no object id")
	case len(data) > maxMapping:
		return fmt.Errorf("store a draft of the mapping: %w: %d bytes, limit %d", ErrTooLarge, len(data), maxMapping)
	}
	sha := HashMapping(data)
	_, err := m.putMarked(ctx, nameDraft(person, sha), "text/csv", data, map[string]*string{metaSHA256: &sha}, nil, nil)
	return err
}

// ReadDraft returns the file with a hash that PutDraft has stored, or ErrNotFound, also if the blob holds another one.
func (m *Mapping) ReadDraft(ctx context.Context, person, sha string) ([]byte, error) {
	if !personForm.MatchString(person) || !versionForm.MatchString(sha) {
		return nil, ErrNotFound
	}
	data, _, err := m.get(ctx, nameDraft(person, sha), maxMapping, nil)
	if err == nil && HashMapping(data) != sha {
		return nil, ErrNotFound
	}
	return data, err
}

func nameDraft(person, sha string) string { return mappingDrafts + person + "-" + sha + mappingEnding }

func metadataOf(data []byte, a MappingAuthor) map[string]*string {
	metadata := map[string]*string{metaSHA256: to.Ptr(HashMapping(data))}
	if a.By != "" {
		metadata[metaBy], metadata[metaName] = &a.By, to.Ptr(url.QueryEscape(a.Name))
	}
	if !a.At.IsZero() {
		metadata[metaAt] = to.Ptr(a.At.UTC().Format(time.RFC3339))
	}
	return metadata
}

func authorOf(metadata map[string]*string, written *time.Time) (a MappingAuthor) {
	a.By = metadataValue(metadata, metaBy)
	a.Name, _ = url.QueryUnescape(metadataValue(metadata, metaName))
	at, err := time.Parse(time.RFC3339, metadataValue(metadata, metaAt))
	if err != nil && written != nil {
		at = *written
	}
	a.At = at.UTC()
	return a
}

// Describe returns what is known of the file in force without reading it, and its ETag. Without one it is ErrNotFound.
// SHA256 is "" if the file did not come by way of Replace.
func (m *Mapping) Describe(ctx context.Context) (v MappingVersion, etag string, err error) {
	p, err := m.blob(mappingName).GetProperties(ctx, nil)
	if err = translateError(ctx, err); err != nil {
		return v, "", err
	}
	v.SHA256, v.MappingAuthor = metadataValue(p.Metadata, metaSHA256), authorOf(p.Metadata, p.LastModified)
	if !versionForm.MatchString(v.SHA256) {
		v.SHA256 = ""
	}
	if p.ContentLength != nil {
		v.Size = *p.ContentLength
	}
	return v, textOf(p.ETag), nil
}
