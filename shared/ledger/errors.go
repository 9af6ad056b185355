package ledger

import (
	"context"
	"errors"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"o2archiver/shared/azure"
	"o2archiver/shared/retry"
)

// What an error of this package can be asked for with errors.Is. None of their texts holds an address or a key.
var (
	ErrLost        = retry.NewTransient("claim lost to another holder")
	ErrDenied      = azure.ErrDenied
	ErrUnavailable = azure.ErrUnavailable // it may be asked again
)

// For this package only: callers get a Row, or ErrLost.
var (
	errExists   = errors.New("exists already")
	errNoTable  = errors.New("the ledger's table is missing")
	errNotFound = errors.New("not found")
	errChanged  = errors.New("changed by another writer")
)

// tableService translates the errors of the table service.
var tableService = azure.Service{Name: "table service", Kind: errorKind}

// translateError returns an SDK's error as an *azure.Error with one of this package's kinds.
func translateError(ctx context.Context, err error) error { return tableService.Translate(ctx, err) }

// errorKind returns the kind of a refusal by the table service itself.
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
	case status == http.StatusNotFound, status == http.StatusConflict, status == http.StatusPreconditionFailed: // by no code that is known
		return ErrUnavailable
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		return ErrUnavailable
	}
	return nil
}
