package azure

import "net/http"

// TableErrors are a package's own errors for what the table service answers, as kinds of an *Error.
type TableErrors struct {
	NoTable  error // the table is missing
	NotFound error // the row is missing
	Exists   error // the row or the table exists already
	Changed  error // the row is not as the condition of the write demands
}

// TableService translates the errors of the table service.
func TableService(own TableErrors) Service { return Service{Name: "table service", Kind: own.kind} }

// kind returns the kind of an answer with which the table service itself refused a request; nil for one that is not
// known.
func (own TableErrors) kind(status int, code string) error {
	switch code {
	case "TableNotFound":
		return own.NoTable
	case "ResourceNotFound", "EntityNotFound":
		return own.NotFound
	case "EntityAlreadyExists", "TableAlreadyExists":
		return own.Exists
	case "UpdateConditionNotSatisfied", "ConditionNotMet":
		return own.Changed
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
