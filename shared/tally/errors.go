package tally

import (
	"context"
	"errors"

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
var tableService = azure.TableService(azure.TableErrors{
	NoTable: ErrNoTable, NotFound: ErrNotFound, Exists: ErrExists, Changed: ErrChanged})

// translateError returns an SDK's error as an *azure.Error with one of this package's errors as its kind.
func translateError(ctx context.Context, err error) error { return tableService.Translate(ctx, err) }
