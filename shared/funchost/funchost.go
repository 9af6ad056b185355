// Package funchost implements the protocol between the Azure Functions host and a custom handler: the host posts an
// invocation to the route with the function's name, and reads an HTTP status and a JSON object.
//
// The package knows no function. A handler passes one Func per function folder to New.
package funchost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

const (
	// Deadline is the longest time of an invocation: 80 % of functionTimeout in host.json. At functionTimeout the host
	// kills the whole handler, and with the late invocation all others.
	Deadline = 24 * time.Minute

	maxBody  = 4 << 20          // bytes of a request of the host
	bodyTime = 30 * time.Second // to read it
)

// Func runs one invocation. result is sent to the host as the return value and MUST NOT hold any message's content,
// because the host's log may show it. err decides the HTTP status (see Status), and its text is logged. ctx is
// canceled with ErrDeadline or ErrStopped as its cause, before the host's own timeout, or when the host closes the
// connection.
type Func func(ctx context.Context, inv *Invocation) (result any, err error)

// Server answers the requests of the host. It is safe for concurrent use.
type Server struct {
	log      *slog.Logger
	deadline time.Duration
	routes   map[string]Func
}

// New returns a Server of the functions in routes, by folder name. No invocation runs longer than deadline.
func New(log *slog.Logger, deadline time.Duration, routes map[string]Func) *Server {
	return &Server{log: log, deadline: deadline, routes: routes}
}

// answer is the JSON object that the host reads. It is sent with failures too, although the host ignores it then.
type answer struct {
	Outputs     map[string]any
	Logs        []string // always empty: the handler logs to stdout, with level and ids
	ReturnValue any
}

// problem is the ReturnValue of a failed invocation.
type problem struct {
	Error string `json:"error"`
}

// ServeHTTP answers GET / (the host's check that the handler is up) and POST /<function>.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	f, known := s.routes[name]
	switch {
	case name == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		writeReply(w, http.StatusOK, nil)
	case name == "":
		refuseRequest(w, http.StatusMethodNotAllowed, http.MethodGet)
	case !known:
		refuseRequest(w, http.StatusNotFound, "")
	case r.Method != http.MethodPost:
		refuseRequest(w, http.StatusMethodNotAllowed, http.MethodPost)
	default:
		s.invoke(w, r, name, f)
	}
}

func (s *Server) invoke(w http.ResponseWriter, r *http.Request, name string, f Func) {
	raw, err := readBody(w, r)
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		s.log.Error("invocation refused", "event", "host.invocationRefused",
			"function", name, "status", http.StatusRequestEntityTooLarge, "limit", maxBody)
		refuseRequest(w, http.StatusRequestEntityTooLarge, "")
		return
	}
	var inv *Invocation
	if err == nil {
		inv, err = newInvocation(name, r.Header, raw, s.log)
	}
	if err != nil {
		s.log.Error("invocation refused", "event", "host.invocationRefused",
			"function", name, "status", http.StatusBadRequest, "error", err.Error())
		refuseRequest(w, http.StatusBadRequest, "")
		return
	}

	ctx, cancel := context.WithTimeoutCause(r.Context(), s.deadline, ErrDeadline)
	defer cancel()
	start := time.Now()
	result, err := callFunc(ctx, f, inv)
	took := time.Since(start).Milliseconds()
	if err == nil {
		result, err = encodeResult(result)
	}
	status := Status(err)
	if err != nil {
		inv.Log.Error("invocation failed", "event", "host.invocationFailed",
			"status", status, "ms", took, "error", err.Error())
		writeReply(w, status, problem{err.Error()})
		return
	}
	inv.Log.Info("invocation done", "event", "host.invocationDone", "ms", took)
	writeReply(w, status, result)
}

// readBody reads the host's request, with a length or chunked. The read deadline applies to the body only: the
// ReadTimeout of http.Server would continue to run and cancel the context of a long invocation.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // only a test's recorder does not support it
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	_ = control.SetReadDeadline(time.Time{})
	if err != nil {
		return nil, fmt.Errorf("read the invocation: %w", err)
	}
	return raw, nil
}

// callFunc runs f. A panic fails this invocation but no other. The value of the panic may hold a message's text, so
// only its type and the stack are logged; a stack has addresses in place of values.
func callFunc(ctx context.Context, f Func, inv *Invocation) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			inv.Log.Error("panic", "event", "host.panic", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			result, err = nil, fmt.Errorf("panic of type %T", p)
		}
	}()
	return f(ctx, inv)
}

// encodeResult encodes the result as JSON before a status is sent, so that a result that cannot be encoded still fails
// the invocation.
func encodeResult(result any) (json.RawMessage, error) {
	raw, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("encode a result of type %T", result)
	}
	return raw, nil
}

func refuseRequest(w http.ResponseWriter, status int, allow string) {
	if allow != "" {
		w.Header().Set("Allow", allow)
	}
	writeReply(w, status, problem{http.StatusText(status)})
}

// writeReply sends a status and a JSON object, which is never empty. Functions host 4.1045: after an empty body, 204
// or null the invocation hangs until the timeout, and then the host kills the handler.
func writeReply(w http.ResponseWriter, status int, value any) {
	raw, err := json.Marshal(answer{Outputs: map[string]any{}, Logs: []string{}, ReturnValue: value})
	if err != nil { // cannot happen with the values that this package passes
		status, raw = http.StatusInternalServerError, []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", fmt.Sprint(len(raw)))
	w.WriteHeader(status)
	_, _ = w.Write(raw) // fails if the host closed the connection; there is nothing left to do
}
