package archivetest

import (
	"net/http"
	"sync"
)

// Death is a rule for Through under which a process dies in the middle of its work: the (n+1)-th request that counts
// and all later requests do not reach the storage, and kill is called. Only leases are still released, or the next
// process would have to wait until they expire. It is safe for concurrent use.
type Death struct {
	n      int
	counts func(*http.Request) bool
	kill   func()

	mu   sync.Mutex
	done int
	dead bool
}

// DieAfter returns the Death after n requests that count. kill ends what the process does itself: usually it cancels a
// context.
func DieAfter(n int, counts func(*http.Request) bool, kill func()) *Death {
	return &Death{n: n, counts: counts, kill: kill}
}

// Rule is the rule for Through.
func (d *Death) Rule(r *http.Request) Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts := d.counts(r)
	switch {
	case r.Header.Get("X-Ms-Lease-Action") == "release":
		return Pass
	case d.dead, counts && d.done == d.n:
		d.dead = true
		d.kill()
		return Reset
	case counts:
		d.done++
	}
	return Pass
}

// Dead reports whether the process died. If it did not, it made no more than n requests that count.
func (d *Death) Dead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// Done returns the number of requests that count and reached the storage.
func (d *Death) Done() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

// IsWrite reports whether a request that Through shows is a write, other than one of a lease.
func IsWrite(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Header.Get("X-Ms-Lease-Action") == ""
}
