package ledger

import (
	"context"
	"errors"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"o2archiver/shared/azure"
	"o2archiver/shared/retry"
)

// The errors that callers compare with errors.Is. No error text of this package holds an address or a key.
var (
	ErrLost        = retry.NewTransient("claim lost to another holder")
	ErrDenied      = azure.ErrDenied
	ErrUnavailable = azure.ErrUnavailable // transient: the call may be repeated
)

// The errors inside this package: callers get a Row or ErrLost instead.
var (
	errExists   = errors.New("exists already")
	errNoTable  = errors.New("the ledger's table is missing")
	errNotFound = errors.New("not found")
	errChanged  = errors.New("changed by another writer")
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
		return errNoTable
	case aztables.TableBeingDeleted:
		return ErrUnavailable
	case aztables.ResourceNotFound, aztables.EntityNotFound:
		return errNotFound
	case aztables.EntityAlreadyExists, aztables.TableAlreadyExists:
		return errExists
	case aztables.UpdateConditionNotSatisfied, "ConditionNotMet":
		return errChanged
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ErrDenied
	case status == http.StatusNotFound, status == http.StatusConflict, status == http.StatusPreconditionFailed:
		// None of the codes above: it does not mean that the row exists, is missing or has changed.
		return ErrUnavailable
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		return ErrUnavailable
	}
	return nil
}
