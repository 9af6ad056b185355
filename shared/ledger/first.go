package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"o2archiver/shared/record"
)

// firstSuffix distinguishes the row of a message from the rows of its copies: no key of a copy ends with it.
const firstSuffix = "-first"

// First is the first record of a message: the record that was collected first with the message's id. Its content is
// what every mailbox has.
type First struct {
	record.Place
	Fingerprint string // record.Record.Fingerprint
	Parties     string // record.Record.Parties
	Gone        int    // number of attachments that the source no longer has; its message only names them
}

// DecideFirst returns the first record of a message: candidate if none was decided on before, otherwise the earlier
// decision. The decision is one insert-if-absent, so of two concurrent instances exactly one decides, and both return
// the same record. It MUST be called before the first copy of the message is claimed. It is safe to call any number of
// times.
//
// message is the message's key: 64 hex digits. A message that was imported before these rows existed has no decision.
func (l *Ledger) DecideFirst(ctx context.Context, message string, candidate First) (First, error) {
	if len(message) < 2 {
		return First{}, errors.New("decide which record is the first: the message's key is too short")
	}
	body, err := json.Marshal(entity{
		PartitionKey: message[:2], RowKey: message + firstSuffix, State: Done, At: formatTime(l.now()),
		Batch: candidate.Batch, Line: int32(candidate.Line),
		Fingerprint: candidate.Fingerprint, Parties: candidate.Parties, Gone: int32(candidate.Gone),
	})
	if err != nil {
		return First{}, fmt.Errorf("decide which record is the first: %w", err)
	}
	_, err = l.table.AddEntity(ctx, body, nil)
	if err = translateError(ctx, err); err == nil {
		return candidate, nil
	}
	if !errors.Is(err, errExists) {
		return First{}, fmt.Errorf("decide which record is the first: %w", err)
	}
	// A row of this kind is never changed or deleted. It may be the row of this call, if the answer to its insert was
	// lost.
	e, _, err := l.read(ctx, message[:2], message+firstSuffix)
	if err != nil {
		return First{}, fmt.Errorf("read which record is the first: %w", err)
	}
	return First{record.Place{Batch: e.Batch, Line: int(e.Line)}, e.Fingerprint, e.Parties, int(e.Gone)}, nil
}
