package funchost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// The errors that a function wraps to choose the HTTP status of its failure; see Status.
var (
	// ErrInput means that the input of an administrator cannot be parsed.
	ErrInput = errors.New("bad input")
	// ErrBusy means that another invocation holds a resource that this one needs.
	ErrBusy = errors.New("busy")
	// ErrSettings means that a setting is missing or wrong. A retry does not help; a person has to correct it.
	ErrSettings = errors.New("bad settings")
	// ErrUnavailable means that a service that the function needs is unavailable.
	ErrUnavailable = errors.New("unavailable")

	// ErrDeadline is the cause of an invocation's context when its time is up.
	ErrDeadline = fmt.Errorf("the invocation's time is up: %w", context.DeadlineExceeded)
	// ErrStopped is the cause of an invocation's context, and what Serve returns, when the process was asked to stop.
	ErrStopped = errors.New("the handler was asked to stop")
)

// Status returns the HTTP status for the outcome of an invocation. It is the only place where that is decided.
//
// The host distinguishes only success (2xx) and failure, and retries every failure: a timer by the retry policy of its
// function.json, a blob event four more times at once. A function therefore has to record a failure that no retry can
// change, and return nil. The different numbers are for the people who read the log.
func Status(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, ErrInput):
		return http.StatusBadRequest // 400: retried without effect, three times at most
	case errors.Is(err, ErrBusy):
		return http.StatusConflict // 409: the next attempt may find the resource free
	case errors.Is(err, ErrSettings):
		return http.StatusInternalServerError // 500: fails until the settings are corrected
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrStopped), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable // 503: the next attempt continues where this one ended
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout // 504: likewise
	}
	return http.StatusInternalServerError // 500: a defect of the program, or an unforeseen error
}

// ExitCode returns the exit code of the process after Serve returned err. It is never 0.
//
// Functions host 4.1045: a handler that exits with 0 is never started again. One that exits with 200 is restarted
// without limit. At the third other exit code in 30 minutes the host stops. An ordinary end is therefore 200. A
// handler that cannot listen exits with 1, so that the host stops after three attempts and the failure is noticed.
func ExitCode(err error) int {
	if err == nil || errors.Is(err, ErrStopped) {
		return 200
	}
	return 1
}
