package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
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
	Mark         string
}

func (r Row) encode(key string) ([]byte, error) {
	return json.Marshal(entity{
		PartitionKey: key[:2], RowKey: key,
		State: r.State, Batch: r.Batch, Line: int32(r.Line), Invocation: r.Invocation, At: r.At.UTC().Format(time.RFC3339Nano),
		GraphID: r.GraphID, Outcome: r.Outcome, Fingerprint: r.Fingerprint, Mark: r.mark,
	})
}

// get reads the copy's row, or returns errNotFound.
func (l *Ledger) get(ctx context.Context, key string) (*Row, error) {
	r, err := l.table.GetEntity(ctx, key[:2], key, nil)
	if err = fault(ctx, err); err != nil {
		return nil, err
	}
	var e entity
	if err := json.Unmarshal(r.Value, &e); err != nil {
		return nil, errors.New("decode a row of the ledger: it is not one of its own")
	}
	at, err := time.Parse(time.RFC3339Nano, e.At)
	if err != nil || e.State != Pending && e.State != Done {
		return nil, errors.New("decode a row of the ledger: its state or time is not one of its own")
	}
	return &Row{
		State: e.State, Batch: e.Batch, Line: int(e.Line), Invocation: e.Invocation, At: at,
		GraphID: e.GraphID, Outcome: e.Outcome, Fingerprint: e.Fingerprint, mark: e.Mark, etag: r.ETag,
	}, nil
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
