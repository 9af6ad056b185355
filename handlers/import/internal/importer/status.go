package importer

import (
	"context"
	"errors"
	"fmt"

	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/journal"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/retry"
)

var (
	// errClaimHeld means that another holder may still be processing the copy. Usually it is about to finish, so the
	// ledger is read again soon, and then at growing intervals.
	errClaimHeld = retry.NewTransient("the copy is held by another delivery that may be alive")

	// errMaySucceed means that a request whose answer was lost may still create the message.
	errMaySucceed = errors.New("nothing is in the mailbox yet of a message whose creation may still be under way")

	// errRetryWithoutAttachments requests another attempt without the attachments.
	errRetryWithoutAttachments = retry.NewTransient(
		"the mailbox does not take the message's size: it is made again without its attachments")
)

// Status wraps err with the error of funchost that decides the status for the host. It returns nil for nil.
func Status(err error) error {
	if err == nil {
		return nil
	}
	again, _ := retry.IsTransient(err)
	switch {
	case errors.Is(err, funchost.ErrSettings), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, journal.ErrHeld):
		return fmt.Errorf("%w: %w", funchost.ErrBusy, err)
	case again, errors.Is(err, mailbox.ErrNoFinalAnswer), errors.Is(err, archive.ErrArchived):
		return fmt.Errorf("%w: %w", funchost.ErrUnavailable, err)
	}
	return err
}
