package main

import (
	"errors"
	"time"

	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/staging"
)

// errHeld says that another holder may still be at work on the copy. As a rule it is about to be done with it, so it is
// asked again soon, and then ever more rarely.
var errHeld = errors.New("the copy is held by another delivery that may be alive")

// errLate says that a request whose answer was lost may still have its effect.
var errLate = errors.New("nothing is in the mailbox yet of a message whose creation may still be under way")

// settleError wraps a failure that may hide a success, with the time that Graph gets to finish before it is asked.
type settleError struct {
	err  error
	wait time.Duration
}

func (s settleError) Error() string { return s.err.Error() }
func (s settleError) Unwrap() error { return s.err }

// judge is the patience of the importer: what is away is waited for, until the invocation's time is up; what
// is wrong with the item or the mailbox is not.
func judge(err error) (again_ bool, after time.Duration) {
	var (
		settle settleError
		graph  *mailbox.Error
	)
	switch {
	case errors.As(err, &settle):
		return true, settle.wait
	case errors.As(err, &graph) && graph.Kind != mailbox.Content:
		return again(graph), graph.RetryAfter
	case errors.Is(err, errBare), errors.Is(err, errHeld), errors.Is(err, journal.ErrLost), errors.Is(err, ledger.ErrLost),
		errors.Is(err, ledger.ErrUnavailable), errors.Is(err, staging.ErrUnavailable):
		return true, 0
	}
	return false, 0
}

// errBare asks for another try, without the attachments.
var errBare = errors.New("the mailbox does not take the message's size: it is made again without its attachments")

// again says which answers of Graph pass by themselves. 401 is among them: a token expires, and a permission that was
// only just granted takes its time.
func again(err *mailbox.Error) bool {
	switch err.Kind {
	case mailbox.Throttled, mailbox.Unavailable, mailbox.Unauthorized, mailbox.FolderGone, mailbox.Lost:
		return true
	}
	return false
}
