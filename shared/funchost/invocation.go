package funchost

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
)

// Invocation is one call of one function by the host.
type Invocation struct {
	Function string                     // the function's folder name
	ID       string                     // the host's id of this attempt; "" if it sent none of the known form
	TraceID  string                     // trace id of the traceparent header, 32 hex digits; "" if there is none
	Data     map[string]json.RawMessage // what triggered the invocation, by binding name
	Log      *slog.Logger               // adds function, invocation and trace to every line

	metadata map[string]json.RawMessage
}

// Meta returns a string of the invocation's metadata, e.g. Uri or a token of a blob trigger's path, and whether there
// is one of that name that is a string.
//
// Functions host 4.1045: a string in Metadata is JSON inside a JSON string ("\"x\""). A string that is not is returned
// as it is.
func (i *Invocation) Meta(name string) (string, bool) {
	var outer, inner string
	// null is not a string, although Unmarshal accepts it as one.
	if raw := i.metadata[name]; len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &outer) != nil {
		return "", false
	}
	if len(outer) == 0 || outer[0] != '"' || json.Unmarshal([]byte(outer), &inner) != nil {
		return outer, true
	}
	return inner, true
}

// Input returns the input with which an administrator ran the function by hand (POST /admin/functions/<name> with
// {"input":"..."}), or "" and false if the trigger started it. binding is the trigger's name in function.json.
func (i *Invocation) Input(binding string) (string, bool) { return i.Meta(binding) }

// body is the host's request. Other members are ignored.
type body struct {
	Data     map[string]json.RawMessage
	Metadata map[string]json.RawMessage
}

var (
	errBody    = errors.New("the body is no invocation")
	invocation = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)
	traceID    = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}`)
)

// newInvocation parses the host's request. Its errors never hold the body's content.
func newInvocation(function string, header http.Header, raw []byte, log *slog.Logger) (*Invocation, error) {
	var b body
	// Unmarshal refuses JSON that is nested deeper than 10,000 levels, before it recurses further.
	if err := json.Unmarshal(raw, &b); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, fmt.Errorf("%w: a member has the wrong type", errBody)
		}
		return nil, fmt.Errorf("%w: it is not JSON", errBody)
	}
	if b.Data == nil && b.Metadata == nil {
		return nil, fmt.Errorf("%w: it has neither Data nor Metadata", errBody)
	}
	i := &Invocation{Function: function, Data: b.Data, metadata: b.Metadata}
	if id := header.Get("X-Azure-Functions-InvocationId"); invocation.MatchString(id) {
		i.ID = id
	}
	// W3C Trace Context, section 3.2: the trace id; all zeros is invalid. Functions host 4.1045: the sampled flag means
	// nothing.
	if m := traceID.FindStringSubmatch(header.Get("Traceparent")); m != nil &&
		m[1] != "00000000000000000000000000000000" {
		i.TraceID = m[1]
	}
	i.Log = log.With("function", i.Function, "invocation", i.ID, "trace", i.TraceID)
	return i, nil
}
