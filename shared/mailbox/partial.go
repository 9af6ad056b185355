package mailbox

import (
	"fmt"
	"net/http"
)

// Partial is the error of a look-up that has answers for some of the addresses only. All others are answered.
type Partial struct {
	Open    map[string]error  // addresses that got no answer in several tries: whose they are is not known
	Refused map[string]*Error // addresses that the directory looks up for no one: they belong to no user
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

// control is an address of no one, by RFC 2606. That the directory answers about it proves that a refusal beside it
// is of the other address, and not of all look-ups.
const control = "control@example.com"

// answers are those of one $batch or several.
type answers struct {
	found   map[string]User
	refused map[string]*Error
	sound   bool // a look-up was answered
}

// refusedAlone reports whether the directory refuses this one look-up, by an answer that is known to be final.
func (a *innerAnswer) refusedAlone() bool {
	return a.Status >= http.StatusBadRequest && ofAnswer(opLookUp, a.Status, errorCode(a.Body)) == Refused
}
