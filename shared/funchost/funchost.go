// Package funchost speaks the protocol between the Azure Functions host and a custom handler: the host
// posts an invocation to the route of the function's name and reads an HTTP status and a JSON object.
//
// It knows no function. A handler gives it one Func per function folder.
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
	// Deadline is how long an invocation may take: 80 % of functionTimeout in host.json. At functionTimeout the
	// host kills the whole handler, and every other invocation dies with the late one.
	Deadline = 24 * time.Minute

	maxBody  = 4 << 20
	bodyTime = 30 * time.Second
)

// Func does one invocation. The result goes to the host as the return value and must not hold any message's content, for the
// host's log may show it. The error decides the status, see Status; its text goes to the log. The context ends, with
// ErrDeadline or ErrStopped as its cause, before the host would lose patience, or when the host hangs up.
type Func func(ctx context.Context, inv *Invocation) (result any, err error)

// Server answers the host. It is safe for concurrent use.
type Server struct {
	log      *slog.Logger
	deadline time.Duration
	routes   map[string]Func
}

// New returns a server of the functions in routes, by folder name. No invocation gets longer than deadline.
func New(log *slog.Logger, deadline time.Duration, routes map[string]Func) *Server {
	return &Server{log: log, deadline: deadline, routes: routes}
}

// answer is the form that the host understands. It is sent with failures, too, though the host drops it then.
type answer struct {
	Outputs     map[string]any
	Logs        []string // nothing: what there is to say is on stdout, with level and ids
	ReturnValue any
}

// problem is the ReturnValue of a failure.
type problem struct {
	Error string `json:"error"`
}

// ServeHTTP answers GET / (the host's question whether the handler is up) and POST /<function>.
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

// readBody reads the host's request, with a length or chunked. The time-out is for the body only: http.Server's
// own ReadTimeout would go on running and end the context of a long invocation.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // refused only by a test's recorder
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	_ = control.SetReadDeadline(time.Time{})
	if err != nil {
		return nil, fmt.Errorf("read the invocation: %w", err)
	}
	return raw, nil
}

// callFunc runs f. A panic fails this invocation and no other; its value may hold a message's text, so the log shows only
// its type and where it came from (a stack has addresses in place of values).
func callFunc(ctx context.Context, f Func, inv *Invocation) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			inv.Log.Error("panic", "event", "host.panic", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			result, err = nil, fmt.Errorf("panic of type %T", p)
		}
	}()
	return f(ctx, inv)
}

// encodeResult makes sure that the result is JSON before a status is sent.
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

// writeReply always sends a JSON object. Functions host 4.1045: an empty body, 204 or null hangs the invocation until the
// time-out, and then the handler is killed.
func writeReply(w http.ResponseWriter, status int, value any) {
	raw, err := json.Marshal(answer{Outputs: map[string]any{}, Logs: []string{}, ReturnValue: value})
	if err != nil { // not by what this package passes
		status, raw = http.StatusInternalServerError, []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", fmt.Sprint(len(raw)))
	w.WriteHeader(status)
	_, _ = w.Write(raw) // a host that hung up hears nothing more
}
