package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// entity is a Row as the table service keeps it. The key's first two digits, evenly spread, are its partition: 256 of them
// take their writes independently of each other.
type entity struct {
	PartitionKey string
	RowKey       string
	State        string
	Batch        string
	Line         int32
	Invocation   string
	At           string // RFC 3339 with nanoseconds
	GraphID      string
	Outcome      string
	Fingerprint  string
	Parties      string `json:",omitempty"` // of the row of a message only, as Gone
	Gone         int32  `json:",omitempty"`
	Mark         string

	Timestamp string        `json:",omitempty"` // the service's own, never sent
	age       time.Duration // by the service's clock; negative if it isn't known
}

func (r Row) encode(key string) ([]byte, error) {
	return json.Marshal(entity{
		PartitionKey: key[:2], RowKey: key,
		State: r.State, Batch: r.Batch, Line: int32(r.Line), Invocation: r.Invocation, At: formatTime(r.At),
		GraphID: r.GraphID, Outcome: r.Outcome, Fingerprint: r.Fingerprint, Mark: r.mark,
	})
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// read reads one entity, or returns errNotFound. age is how long ago the table service wrote it, by that service's own clock, and
// negative where its answer does not say.
func (l *Ledger) read(ctx context.Context, partition, row string) (e entity, etag azcore.ETag, err error) {
	var answer *http.Response
	r, err := l.table.GetEntity(policy.WithCaptureResponse(ctx, &answer), partition, row, nil)
	if err = translateError(ctx, err); err != nil {
		return entity{}, "", err
	}
	if err := json.Unmarshal(r.Value, &e); err != nil {
		return entity{}, "", errors.New("decode a row of the ledger: it is not one of its own")
	}
	e.age = serverAge(answer, e.Timestamp)
	return e, r.ETag, nil
}

// serverAge is the time from the service's write of an entity to its answer. The header has whole seconds, cut off: the age is up to a
// second too short, never too long.
func serverAge(answer *http.Response, written string) time.Duration {
	if answer == nil {
		return -1
	}
	now, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return -1
	}
	at, err := time.Parse(time.RFC3339Nano, written)
	if err != nil {
		return -1
	}
	return max(0, now.Sub(at))
}

// get reads the copy's row, or returns errNotFound.
func (l *Ledger) get(ctx context.Context, key string) (*Row, error) {
	e, etag, err := l.read(ctx, key[:2], key)
	if err != nil {
		return nil, err
	}
	at, err := time.Parse(time.RFC3339Nano, e.At)
	if err != nil || e.State != Pending && e.State != Done {
		return nil, errors.New("decode a row of the ledger: its state or time is not one of its own")
	}
	row := &Row{
		State: e.State, Batch: e.Batch, Line: int(e.Line), Invocation: e.Invocation, At: at, Age: e.age,
		GraphID: e.GraphID, Outcome: e.Outcome, Fingerprint: e.Fingerprint, mark: e.Mark, etag: etag,
	}
	if row.Age < 0 {
		row.Age = l.now().Sub(at)
	}
	return row, nil
}

// Look reads the row of a copy without claiming it. nil if there is none.
func (l *Ledger) Look(ctx context.Context, key string) (*Row, error) {
	if len(key) < 2 {
		return nil, errors.New("look a copy up: its key is too short")
	}
	row, err := l.get(ctx, key)
	if errors.Is(err, errNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look a copy up: %w", err)
	}
	return row, nil
}
