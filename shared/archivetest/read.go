package archivetest

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
)

// getBlob implements Get Blob and, for HEAD, Get Blob Properties.
func (s *Storage) getBlob(q *request, c *container, name string) (*answer, error) {
	headers := conditionHeaders
	if q.method == http.MethodGet {
		headers = slices.Concat(conditionHeaders, []string{"Range", "X-Ms-Range"})
	}
	if err := checkNames(q, nil, headers); err != nil {
		return nil, err
	}
	b := c.there(name)
	if err := checkRead(q, b); err != nil {
		return nil, err
	}
	a := newAnswer(200).tag(b).set("Content-Type", b.contentType).set("Accept-Ranges", "bytes").set("X-Ms-Blob-Type",
		b.kind).
		set("X-Ms-Creation-Time", httpTime(b.created)).set("X-Ms-Server-Encrypted", "true")
	for key, value := range b.metadata {
		a.set("X-Ms-Meta-"+key, value) // HTTP clients lose the case, which the service preserves
	}
	state := b.lease.state(q.at)
	a.set("X-Ms-Lease-State", state).set("X-Ms-Lease-Status", leaseStatus(b.lease.locked(q.at)))
	if state == leased {
		a.set("X-Ms-Lease-Duration", leaseDuration(b.lease))
	}
	if b.kind == appendBlob {
		a.set("X-Ms-Blob-Committed-Block-Count", strconv.Itoa(b.appended))
	}
	if q.method == http.MethodHead {
		return a.set("Content-Md5", b.contentMD5()).set("Content-Length", strconv.Itoa(len(b.data))), nil
	}
	first, last, ranged := readRange(q)
	if !ranged {
		a.body = b.data
		return a.set("Content-Md5", b.contentMD5()), nil
	}
	// Get Blob: a range that begins at or after the end of the blob can't be satisfied. An empty blob thus has none.
	size := int64(len(b.data))
	if first >= size {
		r := refused(http.StatusRequestedRangeNotSatisfiable, "InvalidRange",
			"The range specified is invalid for the current size of "+
				"the resource.")
		r.header.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		return nil, r
	}
	last = min(last, size-1)
	a.status, a.body = http.StatusPartialContent, b.data[first:last+1]
	return a.set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, size)).set("X-Ms-Blob-Content-Md5",
		b.contentMD5()), nil
}

func leaseStatus(locked bool) string {
	if locked {
		return "locked"
	}
	return "unlocked"
}

func leaseDuration(l lease) string {
	if l.duration == infinite {
		return "infinite"
	}
	return "fixed"
}

var rangeForm = regexp.MustCompile(`^bytes=(\d{1,18})-(\d{1,18})?$`)

// readRange returns the range of a request. Specifying the range header: x-ms-range precedes Range, the end may be
// omitted, and a header of another form is ignored.
func readRange(q *request) (first, last int64, ok bool) {
	value := q.header.Get("X-Ms-Range")
	if value == "" {
		value = q.header.Get("Range")
	}
	m := rangeForm.FindStringSubmatch(value)
	if m == nil {
		return 0, 0, false
	}
	first, _ = strconv.ParseInt(m[1], 10, 64) // 18 digits fit
	last = 1<<62 - 1
	if m[2] != "" {
		if last, _ = strconv.ParseInt(m[2], 10, 64); last < first {
			return 0, 0, false
		}
	}
	return first, last, true
}
