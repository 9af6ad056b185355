package archivetest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// container is one container with its blobs.
type container struct {
	etag     string
	modified time.Time
	blobs    map[string]*blob
	names    []string // names of blobs, sorted
}

// The types of blobs.
const (
	blockBlob  = "BlockBlob"
	appendBlob = "AppendBlob"
)

// blob is one blob, or the uncommitted blocks of one that does not exist yet.
type blob struct {
	kind      string
	committed bool
	data      []byte // only appended to or replaced, so that a concurrent reader keeps its content
	blocks    []block
	staged    []block // uncommitted blocks
	stagedAt  time.Time
	appended  int // number of blocks of an append blob

	contentType string
	hasMD5      bool   // Put Blob: the service computes the Content-MD5 of a block blob that is written whole
	md5         string // base64; "" until it is read
	metadata    map[string]string
	created     time.Time
	modified    time.Time
	etag        string
	lease       lease
}

// contentMD5 returns the property Content-MD5, or "".
func (b *blob) contentMD5() string {
	if b.hasMD5 && b.md5 == "" {
		b.md5 = md5Of(b.data)
	}
	return b.md5
}

type block struct {
	id   string
	data []byte
}

// serveBlob answers a request to the Blob service.
func (s *Storage) serveBlob(q *request) (*answer, error) {
	path := strings.TrimPrefix(q.url.Path, "/")
	name, blobName, inContainer := strings.Cut(path, "/")
	restype, comp := q.query.Get("restype"), q.query.Get("comp")
	if name == "" || strings.HasPrefix(name, "$") {
		return nil, unimplemented("an operation of the account, or of a container of the service's own")
	}
	if err := checkContainerName(name); err != nil {
		return nil, err
	}
	if !inContainer || blobName == "" {
		switch {
		case q.method == "PUT" && restype == "container" && comp == "":
			return s.createContainer(q, name)
		case q.method == "GET" && restype == "container" && comp == "list":
			return s.listBlobs(q, name)
		}
		return nil, unimplemented("the operation on a container")
	}
	if err := checkBlobName(blobName); err != nil {
		return nil, err
	}
	operation := s.blobOperation(q, restype, comp)
	if operation == nil {
		return nil, unimplemented("the operation on a blob")
	}
	c := s.containers[name]
	if c == nil {
		return nil, errContainerMissing
	}
	return operation(q, c, blobName)
}

// blobOperation returns the operation that a request to a blob specifies, nil if it is not implemented.
func (s *Storage) blobOperation(q *request, restype, comp string) func(*request, *container, string) (*answer, error) {
	if restype != "" {
		return nil
	}
	switch q.method + " " + comp {
	case "PUT ":
		return s.putBlob
	case "PUT block":
		return s.putBlock
	case "PUT blocklist":
		return s.putBlockList
	case "PUT appendblock":
		return s.appendBlock
	case "PUT lease":
		return s.leaseBlob
	case "PUT metadata":
		return s.setMetadata
	case "GET ", "HEAD ":
		return s.getBlob
	case "DELETE ":
		return s.deleteBlob
	}
	return nil
}

var containerForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// checkContainerName checks a name. Naming and referencing containers, blobs, and metadata.
func checkContainerName(name string) error {
	if len(name) < 3 || len(name) > 63 {
		return errNameLength
	}
	if !containerForm.MatchString(name) {
		return errResourceName
	}
	return nil
}

// checkBlobName checks a name. Naming and referencing containers, blobs, and metadata: a name has at most 1,024
// characters, and a path at most 254 segments. Names that the service accepts and HTTP clients alter are not
// implemented.
func checkBlobName(name string) error {
	if len([]rune(name)) > 1024 || strings.Count(name, "/") >= 254 {
		return errNameLength
	}
	for _, segment := range strings.Split(name, "/") {
		if segment == "" || strings.HasSuffix(segment, ".") {
			return unimplemented("a name with an empty segment, or with one that ends with a dot")
		}
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == 0xfffd }) {
		return unimplemented("a name with a control character or a backslash")
	}
	return nil
}

var metadataForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// readMetadata checks and returns a request's metadata. Setting and retrieving properties and metadata: names are C#
// identifiers, compared without regard to case, and the total size is at most 8 KiB.
func readMetadata(q *request) (map[string]string, error) {
	size, seen := 0, map[string]bool{}
	for name, value := range q.metadata {
		if name == "" {
			return nil, refused(400, "EmptyMetadataKey", "The key for one of the metadata key-value pairs is empty.")
		}
		lower := strings.ToLower(name)
		if !metadataForm.MatchString(name) || seen[lower] {
			return nil, errInvalidMetadata
		}
		seen[lower] = true
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return nil, errInvalidMetadata
		}
		size += len(name) + len(value)
	}
	if size > 8<<10 {
		return nil, refused(400, "MetadataTooLarge",
			"The size of the specified metadata exceeds the maximum size permitted.")
	}
	return q.metadata, nil
}

// newETag returns an ETag that was not issued before.
func (s *Storage) newETag() string {
	s.etags++
	return fmt.Sprintf(`"0x8DE%012X"`, s.etags)
}

// createContainer implements Create Container.
func (s *Storage) createContainer(q *request, name string) (*answer, error) {
	if err := checkNames(q, []string{"restype"}, nil); err != nil {
		return nil, err
	}
	if s.containers[name] != nil {
		return nil, refused(409, "ContainerAlreadyExists", "The specified container already exists.")
	}
	c := &container{etag: s.newETag(), modified: q.at, blobs: map[string]*blob{}}
	s.containers[name] = c
	return newAnswer(201).set("Etag", c.etag).set("Last-Modified", httpTime(c.modified)), nil
}

// there returns the blob, or nil if there is none: uncommitted blocks are not a blob.
func (c *container) there(name string) *blob {
	if b := c.blobs[name]; b != nil && b.committed {
		return b
	}
	return nil
}

// put stores the blob under the name and replaces an existing one.
func (c *container) put(name string, b *blob) {
	if c.blobs[name] == nil {
		at, _ := slices.BinarySearch(c.names, name)
		c.names = slices.Insert(c.names, at, name)
	}
	c.blobs[name] = b
}

func (c *container) remove(name string) {
	if at, ok := slices.BinarySearch(c.names, name); ok {
		c.names = slices.Delete(c.names, at, at+1)
	}
	delete(c.blobs, name)
}

// changed sets a new ETag and the time of the change on the blob.
func (s *Storage) changed(q *request, b *blob) {
	b.etag, b.modified = s.newETag(), q.at
}

// tag sets the headers of the blob's version.
func (a *answer) tag(b *blob) *answer {
	return a.set("Etag", b.etag).set("Last-Modified", httpTime(b.modified))
}

func httpTime(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }
