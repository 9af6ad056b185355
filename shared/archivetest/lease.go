package archivetest

import (
	"crypto/rand"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// lease is the state of a blob's lease. Lease Blob, "Outcomes of lease operations on blobs by lease state".
type lease struct {
	id       string        // "": available
	duration time.Duration // infinite: it never expires
	ends     time.Time     // unless it is infinite and not breaking
	breaking bool          // breaking until ends, broken from then on
}

const infinite = time.Duration(math.MaxInt64)

// The states of a lease.
const (
	available   = "available"
	leased      = "leased"
	expired     = "expired"
	breaking    = "breaking"
	brokenLease = "broken"
)

func (l *lease) state(now time.Time) string {
	over := !now.Before(l.ends)
	switch {
	case l.id == "":
		return available
	case l.breaking && over:
		return brokenLease
	case l.breaking:
		return breaking
	case l.duration != infinite && over:
		return expired
	}
	return leased
}

// locked reports whether a write needs the lease's ID.
func (l *lease) locked(now time.Time) bool {
	state := l.state(now)
	return state == leased || state == breaking
}

var (
	errLeasePresent  = refused(409, "LeaseAlreadyPresent", "There is already a lease present.")
	errLeaseMismatch = refused(409, "LeaseIdMismatchWithLeaseOperation",
		"The lease ID specified did not match the lease ID for the blob.")
	errNoLease = refused(409, "LeaseNotPresentWithLeaseOperation", "There is currently no lease on the blob.")
)

// checkLease checks the lease ID of an operation on a blob. Lease Blob, "Outcomes of use attempts on blobs by lease
// state".
func checkLease(q *request, b *blob, writes bool) error {
	id := q.header.Get("X-Ms-Lease-Id")
	if id != "" && !guidForm.MatchString(id) {
		return errHeaderValue
	}
	locked := b != nil && b.lease.locked(q.at)
	switch {
	case id == "" && locked && writes:
		return refused(412, "LeaseIdMissing",
			"There is currently a lease on the blob and no lease ID was specified in the request.")
	case id == "":
		return nil
	case !locked:
		return refused(412, "LeaseNotPresentWithBlobOperation", "There is currently no lease on the blob.")
	case !strings.EqualFold(id, b.lease.id):
		return refused(412, "LeaseIdMismatchWithBlobOperation",
			"The lease ID specified did not match the lease ID for the blob.")
	}
	return nil
}

// written clears a lease that has expired or was broken: once the blob has changed, such a lease can't be renewed any
// more.
func (l *lease) written(now time.Time) {
	if !l.locked(now) {
		*l = lease{}
	}
}

var guidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$`)

// leaseBlob implements Lease Blob. No action changes the blob's ETag or Last-Modified.
func (s *Storage) leaseBlob(q *request, c *container, name string) (*answer, error) {
	headers := append([]string{"X-Ms-Lease-Action", "X-Ms-Lease-Duration", "X-Ms-Proposed-Lease-Id",
		"X-Ms-Lease-Break-Period"},
		conditionHeaders...)
	if err := checkNames(q, []string{"comp"}, headers); err != nil {
		return nil, err
	}
	b := c.there(name)
	if b == nil {
		return nil, errBlobMissing
	}
	if match, noneMatch, err := q.conditions(); err != nil || match != "" || noneMatch != "" {
		return nil, unimplemented("a conditional lease")
	}
	for _, header := range []string{"X-Ms-Lease-Id", "X-Ms-Proposed-Lease-Id"} {
		if id := q.header.Get(header); id != "" && !guidForm.MatchString(id) {
			return nil, errHeaderValue
		}
	}
	id := q.header.Get("X-Ms-Lease-Id")
	action := q.header.Get("X-Ms-Lease-Action")
	if id == "" && (action == "renew" || action == "release") {
		return nil, errMissingHeader
	}
	switch action {
	case "acquire":
		return b.acquireLease(q)
	case "renew":
		return b.renewLease(q, id)
	case "release":
		return b.releaseLease(id)
	case "break":
		return b.breakLease(q)
	case "":
		return nil, errMissingHeader
	case "change":
		return nil, unimplemented("changing a lease")
	}
	return nil, errHeaderValue
}

func (b *blob) acquireLease(q *request) (*answer, error) {
	// The duration is 15 to 60 seconds, or -1 for a lease that never expires.
	seconds, err := strconv.Atoi(q.header.Get("X-Ms-Lease-Duration"))
	if err != nil || seconds != -1 && (seconds < 15 || seconds > 60) {
		return nil, errHeaderValue
	}
	id := q.header.Get("X-Ms-Proposed-Lease-Id")
	switch state := b.lease.state(q.at); {
	case state == leased && !strings.EqualFold(id, b.lease.id):
		return nil, errLeasePresent
	case state == breaking && strings.EqualFold(id, b.lease.id):
		return nil, refused(409, "LeaseIsBreakingAndCannotBeAcquired",
			"The lease ID matched, but the lease is currently in breaking "+
				"state and cannot be acquired until it is broken.")
	case state == breaking:
		return nil, errLeasePresent
	}
	if id == "" {
		id = newGUID()
	}
	b.lease = lease{id: id, duration: infinite}
	if seconds != -1 {
		b.lease.duration = time.Duration(seconds) * time.Second
		b.lease.ends = q.at.Add(b.lease.duration)
	}
	return newAnswer(201).tag(b).set("X-Ms-Lease-Id", id), nil
}

// renewLease renews a lease. One that has expired can be renewed if the blob has been neither changed nor leased since.
func (b *blob) renewLease(q *request, id string) (*answer, error) {
	state := b.lease.state(q.at)
	switch {
	case state == available || !strings.EqualFold(id, b.lease.id):
		return nil, errLeaseMismatch // as Azurite for a lease that was released
	case state == breaking || state == brokenLease:
		return nil, refused(409, "LeaseIsBrokenAndCannotBeRenewed",
			"The lease ID matched, but the lease has been broken explicitly "+
				"and cannot be renewed.")
	}
	if b.lease.duration != infinite {
		b.lease.ends = q.at.Add(b.lease.duration)
	}
	return newAnswer(200).tag(b).set("X-Ms-Lease-Id", b.lease.id), nil
}

func (b *blob) releaseLease(id string) (*answer, error) {
	if b.lease.id == "" || !strings.EqualFold(id, b.lease.id) {
		return nil, errLeaseMismatch
	}
	b.lease = lease{}
	return newAnswer(200).tag(b), nil
}

// breakLease breaks a lease. Without a period it ends when it would have expired, an infinite one at once.
func (b *blob) breakLease(q *request) (*answer, error) {
	period := time.Duration(-1)
	if v := q.header.Get("X-Ms-Lease-Break-Period"); v != "" {
		seconds, err := strconv.Atoi(v)
		if err != nil || seconds < 0 || seconds > 60 {
			return nil, errHeaderValue
		}
		period = time.Duration(seconds) * time.Second
	}
	left := time.Duration(0)
	switch b.lease.state(q.at) {
	case available:
		return nil, errNoLease
	case leased, breaking:
		switch {
		case b.lease.duration == infinite && !b.lease.breaking:
			left = max(0, period)
		case period < 0:
			left = b.lease.ends.Sub(q.at)
		default:
			left = min(period, b.lease.ends.Sub(q.at))
		}
	}
	b.lease.breaking, b.lease.ends = true, q.at.Add(left)
	return newAnswer(202).tag(b).set("X-Ms-Lease-Time", fmt.Sprint(int(left.Seconds()))), nil
}

func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
