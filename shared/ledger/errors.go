package ledger

import (
	"context"
	"errors"

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
var tableService = azure.TableService(azure.TableErrors{
	NoTable: errNoTable, NotFound: errNotFound, Exists: errExists, Changed: errChanged})

// translateError returns an SDK's error as an *azure.Error with one of this package's errors as its kind.
func translateError(ctx context.Context, err error) error { return tableService.Translate(ctx, err) }
