package funchost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// What a function wraps to say how its failure is to be answered; see Status.
var (
	// ErrInput: what the administrator sent with the invocation is not understood.
	ErrInput = errors.New("bad input")
	// ErrBusy: another invocation holds what this one needs.
	ErrBusy = errors.New("busy")
	// ErrSettings: a setting is missing or wrong; trying again does not help, a person has to.
	ErrSettings = errors.New("bad settings")
	// ErrUnavailable: a service that the function needs is away.
	ErrUnavailable = errors.New("unavailable")

	// ErrDeadline is the cause of an invocation's context when its time is up.
	ErrDeadline = fmt.Errorf("the invocation's time is up: %w", context.DeadlineExceeded)
	// ErrStopped is the cause of an invocation's context, and what Serve returns, when the process was asked to stop.
	ErrStopped = errors.New("the handler was asked to stop")
)

// Status is the HTTP status of an invocation's outcome: the one table of it. The host knows success (2xx) and
// failure only, and tries every failure again: a timer by the retry of its function.json, a blob four more times at once.
// So a failure that no repetition mends has to be recorded by the function, which then returns nil. The different
// numbers are for the people who read the log.
func Status(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, ErrInput):
		return http.StatusBadRequest // 400: tried again in vain, three times at most
	case errors.Is(err, ErrBusy):
		return http.StatusConflict // 409: the next try may find it free
	case errors.Is(err, ErrSettings):
		return http.StatusInternalServerError // 500: until somebody mends the settings
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrStopped), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable // 503: the next try goes on where this one ended
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout // 504: the same
	}
	return http.StatusInternalServerError // 500: a fault of ours, or one that nobody thought of
}

// ExitCode is what the process ends with after Serve; it is never 0.
//
// Functions host 4.1045: a handler that exits with 0 is never started again; one that exits with 200 is, without limit; the
// third other exit in 30 minutes stops the host. So an ordinary end is 200, and a handler that can't even
// listen is 1: after three times somebody has to see it.
func ExitCode(err error) int {
	if err == nil || errors.Is(err, ErrStopped) {
		return 200
	}
	return 1
}
