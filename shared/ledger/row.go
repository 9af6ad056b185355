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

// entity is a Row in the table service's JSON. The partition is the first two digits of the key. The digits are evenly
// distributed, so the writes spread over 256 partitions, which are independent of each other.
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
	Parties      string `json:",omitempty"` // in the row of a message only, as Gone
	Gone         int32  `json:",omitempty"`
	Mark         string

	Timestamp string        `json:",omitempty"` // set by the service, never sent
	age       time.Duration // by the service's clock; negative if unknown
}

func (r Row) encode(key string) ([]byte, error) {
	return json.Marshal(entity{
		PartitionKey: key[:2], RowKey: key,
		State: r.State, Batch: r.Batch, Line: int32(r.Line), Invocation: r.Invocation, At: formatTime(r.At),
		GraphID: r.GraphID, Outcome: r.Outcome, Fingerprint: r.Fingerprint, Mark: r.mark,
	})
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// read reads one entity, or returns errNotFound. e.age is how long ago the table service wrote it, by that service's
// own clock, and negative if its answer does not have the times.
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

// serverAge returns the time between the service's write of an entity and its answer, or -1 if the answer lacks one of
// the times. The Date header has whole seconds, rounded down: the age is up to a second too short, never too long.
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

// get reads the copy's row, or returns errNotFound. Without the service's times, the row's age is computed from the
// writer's clock.
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

// Look reads the row of a copy without claiming it. It returns nil and no error if there is none. key is as in Claim.
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
