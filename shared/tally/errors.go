package tally

import (
	"context"
	"errors"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"o2archiver/shared/azure"
)

// The errors that callers compare with errors.Is. No error text of this package holds an address or a key.
var (
	ErrExists      = errors.New("the row exists already")
	ErrNotFound    = errors.New("the row is not found")
	ErrChanged     = errors.New("the row was changed by another writer")
	ErrNoTable     = errors.New("the table totals is missing: run azd provision again")
	ErrDenied      = azure.ErrDenied
	ErrUnavailable = azure.ErrUnavailable // transient: the call may be repeated
)

// tableService translates the errors of the table service.
var tableService = azure.Service{Name: "table service", Kind: errorKind}

// translateError returns an SDK's error as an *azure.Error with one of this package's errors as its kind.
func translateError(ctx context.Context, err error) error { return tableService.Translate(ctx, err) }

// errorKind returns the kind of an answer with which the table service itself refused a request; nil for one that is
// not known.
func errorKind(status int, code string) error {
	switch aztables.TableErrorCode(code) {
	case aztables.TableNotFound:
		return ErrNoTable
	case aztables.TableBeingDeleted:
		return ErrUnavailable
	case aztables.ResourceNotFound, aztables.EntityNotFound:
		return ErrNotFound
	case aztables.EntityAlreadyExists, aztables.TableAlreadyExists:
		return ErrExists
	case aztables.UpdateConditionNotSatisfied, "ConditionNotMet":
		return ErrChanged
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ErrDenied
	case status == http.StatusNotFound, status == http.StatusConflict, status == http.StatusPreconditionFailed,
		status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		// A code that is none of the above does not mean that a row exists, is missing or has changed.
		return ErrUnavailable
	}
	return nil
}
