package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/retry"
)

// errClaimHeld says that another holder may still be at work on the copy. As a rule it is about to be done with it, so it is
// asked again soon, and then ever more rarely.
var errClaimHeld = errors.New("the copy is held by another delivery that may be alive")

// errMayStillLand says that a request whose answer was lost may still have its effect.
var errMayStillLand = errors.New("nothing is in the mailbox yet of a message whose creation may still be under way")

// settleError wraps a failure that may hide a success, with the time that Graph gets to finish before it is asked.
type settleError struct {
	err  error
	wait time.Duration
}

func (s settleError) Error() string { return s.err.Error() }
func (s settleError) Unwrap() error { return s.err }

// judgeError is the patience of the importer: what is away is waited for, until the invocation's time is up; what
// is wrong with the item or the mailbox is not.
func judgeError(err error) (again_ bool, after time.Duration) {
	var (
		settle settleError
		graph  *mailbox.Error
	)
	switch {
	case errors.Is(err, errNoFinalAnswer):
		return false, 0
	case errors.As(err, &settle):
		return true, settle.wait
	case errors.As(err, &graph) && graph.Kind != mailbox.Content:
		return isTransient(graph), graph.RetryAfter
	case errors.Is(err, errRetryWithoutAttachments), errors.Is(err, errClaimHeld), errors.Is(err, journal.ErrLost), errors.Is(err, ledger.ErrLost),
		errors.Is(err, ledger.ErrUnavailable), errors.Is(err, archive.ErrUnavailable):
		return true, 0
	}
	return false, 0
}

// errRetryWithoutAttachments asks for another try, without the attachments.
var errRetryWithoutAttachments = errors.New("the mailbox does not take the message's size: it is made again without its attachments")

// isTransient says which answers of Graph pass by themselves. 401 is among them: a token expires, and a permission that was
// only just granted takes its time.
func isTransient(err *mailbox.Error) bool {
	switch err.Kind {
	case mailbox.Throttled, mailbox.Unavailable, mailbox.Unauthorized, mailbox.FolderGone, mailbox.MessageGone, mailbox.Lost, mailbox.Unclear:
		return true
	}
	return false
}

// unclearTries is how often one invocation asks for what Graph refuses without a final answer.
const unclearTries = 5

// errNoFinalAnswer ends the tries of one invocation where Graph refuses again and again without a final answer. Nothing is decided by
// it: the batch stays open, the next sweep tries again, and the log names status and code each time.
var errNoFinalAnswer = errors.New("no final answer from Microsoft Graph, which refuses the request again and again; it stays pending")

// retryImport repeats op as retry.Do does with judge, and ends with errUnsettled after unclearTries unclear refusals.
// An outage is waited for; a refusal that may never pass must not keep the mailbox, and the sweep, from other work.
func retryImport(ctx context.Context, op func(context.Context) error) error {
	unclear := 0
	return retry.Do(ctx, judgeError, func(ctx context.Context) error {
		err := op(ctx)
		var graph *mailbox.Error
		if !errors.As(err, &graph) || graph.Kind != mailbox.Unclear {
			return err
		}
		if unclear++; unclear == unclearTries {
			return fmt.Errorf("%w: %w", errNoFinalAnswer, err)
		}
		return err
	})
}
