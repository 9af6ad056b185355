package archivetest

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const maxListed = 5000 // List Blobs: maximum number of names and prefixes in one answer

// listing holds the parameters of a List Blobs request.
type listing struct {
	prefix, delimiter string
	from              string // the first name that the answer may contain
	limit             int
	metadata          bool
}

func readListing(q *request) (l listing, err error) {
	l = listing{prefix: q.query.Get("prefix"), delimiter: q.query.Get("delimiter"), limit: maxListed}
	if v := q.query.Get("maxresults"); v != "" {
		limit, err := strconv.Atoi(v)
		if err != nil {
			return l, errQueryValue
		}
		if limit < 1 {
			return l, refused(400, "OutOfRangeQueryParameterValue",
				"One of the query parameters specified in the request URI is outside "+
					"the permissible range.")
		}
		l.limit = min(limit, maxListed) // "up to 5,000, even if you specify a larger value"
	}
	if marker := q.query.Get("marker"); marker != "" {
		raw, err := base64.URLEncoding.DecodeString(strings.TrimPrefix(marker, "2!"))
		if err != nil || !strings.HasPrefix(marker, "2!") {
			return l, errQueryValue // the marker is opaque
		}
		l.from = string(raw)
	}
	switch include := q.query.Get("include"); include {
	case "":
	case "metadata":
		l.metadata = true
	default:
		return l, unimplemented("a listing that includes %s", include)
	}
	return l, nil
}

// listBlobs implements List Blobs, sorted by name. It leaves out uncommitted blobs.
func (s *Storage) listBlobs(q *request, name string) (*answer, error) {
	parameters := []string{"restype", "comp", "prefix", "delimiter", "marker", "maxresults", "include"}
	if err := checkNames(q, parameters, nil); err != nil {
		return nil, err
	}
	l, err := readListing(q)
	if err != nil {
		return nil, err
	}
	c := s.containers[name]
	if c == nil {
		return nil, errContainerMissing
	}
	var out strings.Builder
	next, n, group := "", 0, ""
	at, _ := slices.BinarySearch(c.names, max(l.prefix, l.from))
	for _, blobName := range c.names[at:] {
		if !strings.HasPrefix(blobName, l.prefix) {
			break
		}
		b := c.there(blobName)
		if b == nil || group != "" && strings.HasPrefix(blobName, group) {
			continue
		}
		if n == l.limit {
			next = blobName
			break
		}
		n++
		rest := blobName[len(l.prefix):]
		if i := strings.Index(rest, l.delimiter); l.delimiter != "" && i >= 0 {
			group = l.prefix + rest[:i+len(l.delimiter)]
			out.WriteString("<BlobPrefix>" + element("Name", group) + "</BlobPrefix>")
			continue
		}
		out.WriteString(b.listed(q, blobName, l.metadata))
	}
	a := newAnswer(200).set("Content-Type", "application/xml")
	marker := ""
	if next != "" {
		marker = "2!" + base64.URLEncoding.EncodeToString([]byte(next))
	}
	a.body = []byte(xml.Header + fmt.Sprintf(`<EnumerationResults ServiceEndpoint="https://%s/" ContainerName="%s">`,
		blobHost, name) +
		element("Prefix", l.prefix) + element("MaxResults", strconv.Itoa(l.limit)) + element("Delimiter", l.delimiter) +
		"<Blobs>" + out.String() + "</Blobs>" + element("NextMarker", marker) + "</EnumerationResults>")
	return a, nil
}

// listed returns a blob's element in a listing. Its ETag is without quotes.
func (b *blob) listed(q *request, name string, metadata bool) string {
	state := b.lease.state(q.at)
	text := "<Blob>" + element("Name", name) + "<Properties>" +
		element("Creation-Time", httpTime(b.created)) + element("Last-Modified", httpTime(b.modified)) +
		element("Etag", strings.Trim(b.etag, `"`)) + element("Content-Length", strconv.Itoa(len(b.data))) +
		element("Content-Type", b.contentType) + element("Content-MD5", b.contentMD5()) + element("BlobType", b.kind) +
		element("LeaseStatus", leaseStatus(b.lease.locked(q.at))) + element("LeaseState", state)
	if state == leased {
		text += element("LeaseDuration", leaseDuration(b.lease))
	}
	text += "<ServerEncrypted>true</ServerEncrypted></Properties>"
	if metadata {
		text += "<Metadata>"
		for _, key := range slices.Sorted(maps.Keys(b.metadata)) {
			text += element(key, b.metadata[key])
		}
		text += "</Metadata>"
	}
	return text + "</Blob>"
}

func element(name, text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // writing to a strings.Builder never fails
	return "<" + name + ">" + b.String() + "</" + name + ">"
}
