package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/handlers/import/internal/transient"
	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/journal"
)

// errClaimHeld means that another holder may still be processing the copy. As a rule it is about to finish, so the
// ledger is asked again soon, and then ever more rarely.
var errClaimHeld = errors.New("the copy is held by another delivery that may be alive")

// errMayStillLand means that a request whose answer was lost may still take effect.
var errMayStillLand = errors.New("nothing is in the mailbox yet of a message whose creation may still be under way")

// errRetryWithoutAttachments asks for another attempt, without the attachments.
var errRetryWithoutAttachments = errors.New("the mailbox does not take the message's size: it is made again without its attachments")

// settleError wraps a failure that may hide a success, with the time that Graph gets to finish before it is asked.
type settleError struct {
	err  error
	wait time.Duration
}

func (s settleError) Error() string { return s.err.Error() }
func (s settleError) Unwrap() error { return s.err }

// Judge is the retry.Judge of the importer: it reports whether another ImportBatch can succeed where one ended with err,
// and after which pause.
func Judge(err error) (again bool, after time.Duration) {
	var settle settleError
	if !errors.Is(err, transient.ErrNoFinalAnswer) && errors.As(err, &settle) {
		return true, settle.wait
	}
	return transient.Judge(err, errRetryWithoutAttachments, errClaimHeld)
}

// retryImport repeats op until it succeeds, fails for good, or Graph refuses without a final answer too often.
func retryImport(ctx context.Context, op func(context.Context) error) error {
	return transient.RetryGraph(ctx, Judge, op)
}

// Status wraps an error with the one of funchost that decides the status for the host.
func Status(err error) error {
	if err == nil {
		return nil
	}
	again, _ := Judge(err)
	switch {
	case errors.Is(err, funchost.ErrSettings), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, journal.ErrHeld):
		return fmt.Errorf("%w: %w", funchost.ErrBusy, err)
	case again, errors.Is(err, transient.ErrNoFinalAnswer), errors.Is(err, archive.ErrArchived):
		return fmt.Errorf("%w: %w", funchost.ErrUnavailable, err)
	}
	return err
}
