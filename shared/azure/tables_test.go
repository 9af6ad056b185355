package azure

import (
	"errors"
	"fmt"
	"testing"
)

// Each code of the table service has one meaning, and a code that is not known never means that a row exists, is
// missing or has changed.
func TestTableErrors(t *testing.T) {
	t.Parallel()
	own := TableErrors{NoTable: errors.New("no table"), NotFound: errors.New("not found"),
		Exists: errors.New("exists"), Changed: errors.New("changed")}
	kind := TableService(own).Kind
	for answer, want := range map[string]error{
		"404 TableNotFound": own.NoTable, "409 TableBeingDeleted": ErrUnavailable,
		"404 ResourceNotFound": own.NotFound, "404 EntityNotFound": own.NotFound,
		"409 EntityAlreadyExists": own.Exists, "409 TableAlreadyExists": own.Exists,
		"412 UpdateConditionNotSatisfied": own.Changed, "412 ConditionNotMet": own.Changed,
		"401 Other": ErrDenied, "403 Other": ErrDenied,
		"404 Other": ErrUnavailable, "409 Other": ErrUnavailable, "412 Other": ErrUnavailable,
		"408 Other": ErrUnavailable, "429 Other": ErrUnavailable, "500 Other": ErrUnavailable,
		"503 Other": ErrUnavailable,
		"400 Other": nil, "413 Other": nil,
	} {
		var status int
		var code string
		_, _ = fmt.Sscan(answer, &status, &code)
		if got := kind(status, code); got != want {
			t.Errorf("%s: %v, want %v", answer, got, want)
		}
	}
}
