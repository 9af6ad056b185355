package mailbox

import (
	"fmt"
	"net/http"
)

// Partial is the error of a look-up that has answers for only some of the addresses. All addresses that it does not
// name are answered.
type Partial struct {
	Open    map[string]error  // addresses without an answer after several attempts: their users are unknown
	Refused map[string]*Error // addresses that the directory refuses to look up: they belong to no user
}

func (p *Partial) Error() string {
	var first error
	for _, err := range p.Open {
		first = err
		break
	}
	if first == nil {
		return fmt.Sprintf("the directory refuses to look up %d addresses", len(p.Refused))
	}
	return fmt.Sprintf("the directory has no answer about %d addresses: %v", len(p.Open), first)
}

// control is an address that cannot exist (RFC 2606). If the directory answers its look-up, a refusal of another
// look-up is about that look-up's address and not about all look-ups.
const control = "control@example.com"

// answers collects the answers of one or several $batch requests.
type answers struct {
	found   map[string]User
	refused map[string]*Error
	sound   bool // at least one look-up was answered
}

// refusedAlone reports whether the directory refuses this one look-up with an answer that is final.
func (a *innerAnswer) refusedAlone() bool {
	return a.Status >= http.StatusBadRequest && ofAnswer(opLookUp, a.Status, errorCode(a.Body)) == Refused
}
