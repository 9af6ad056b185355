// Package transient decides which failures of Microsoft Graph and of the archive's storage pass by themselves.
//
// The engines of this app share it, so that an outage has one meaning in all of them.
package transient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/retry"
)

// IsTransient reports whether an answer of Graph passes by itself. 401 is among them: a token expires, and a permission
// that was only just granted takes its time.
func IsTransient(err *mailbox.Error) bool {
	switch err.Kind {
	case mailbox.Throttled, mailbox.Unavailable, mailbox.Unauthorized, mailbox.FolderGone, mailbox.MessageGone,
		mailbox.Lost, mailbox.Unclear:
		return true
	}
	return false
}

// Judge reports whether another attempt can succeed, and which pause the service asked for. An outage is waited for
// until the invocation's time is up; what is wrong with an item or a mailbox is not. also are errors of the caller's own
// that another attempt can resolve. An answer of Graph in the same chain decides before they do.
func Judge(err error, also ...error) (again bool, after time.Duration) {
	var graph *mailbox.Error
	switch {
	case errors.Is(err, ErrNoFinalAnswer):
		return false, 0
	case errors.As(err, &graph) && graph.Kind != mailbox.Content:
		return IsTransient(graph), graph.RetryAfter
	case errors.Is(err, journal.ErrLost), errors.Is(err, ledger.ErrLost), errors.Is(err, ledger.ErrUnavailable),
		errors.Is(err, archive.ErrUnavailable):
		return true, 0
	}
	return slices.ContainsFunc(also, func(target error) bool { return errors.Is(err, target) }), 0
}

// unclearAttempts is the number of attempts of one invocation at what Graph refuses without a final answer.
const unclearAttempts = 5

// ErrNoFinalAnswer ends the attempts of one invocation where Graph refuses again and again without a final answer.
// Nothing is decided by it: the batch stays open, the next sweep tries again, and the log names status and code each
// time.
var ErrNoFinalAnswer = errors.New("no final answer from Microsoft Graph, which refuses the request again and again; it stays pending")

// RetryGraph repeats op as retry.Do does with judge, and returns ErrNoFinalAnswer after five refusals without a final
// answer. An outage is waited for; a refusal that may never pass must not keep the mailbox, and the sweep, from other
// work.
func RetryGraph(ctx context.Context, judge retry.Judge, op func(context.Context) error) error {
	unclear := 0
	return retry.Do(ctx, judge, func(ctx context.Context) error {
		err := op(ctx)
		var graph *mailbox.Error
		if !errors.As(err, &graph) || graph.Kind != mailbox.Unclear {
			return err
		}
		if unclear++; unclear == unclearAttempts {
			return fmt.Errorf("%w: %w", ErrNoFinalAnswer, err)
		}
		return err
	})
}
