package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"o2archiver/shared/record"
)

// firstSuffix sets the row of a message apart from the rows of its copies: no key of a copy ends so.
const firstSuffix = "-first"

// First is the record whose content a message has in every mailbox: the first that was collected with its id.
type First struct {
	record.Place
	Fingerprint string // record.Record.Fingerprint
	Parties     string // record.Record.Parties
	Gone        int    // attachments that can't be had, so that its message only names them
}

// DecideFirst returns the record that counts as the first of its message: candidate, if the message has none yet, otherwise the
// one that was decided on before. It is one insert-if-absent, so that of two instances one decides and both know.
// It must be called before the first copy of the message is claimed, and may be called any number of times.
//
// message is the message's key: 64 hex digits. A message that was imported before these rows were written has none.
func (l *Ledger) DecideFirst(ctx context.Context, message string, candidate First) (First, error) {
	if len(message) < 2 {
		return First{}, errors.New("decide which record is the first: the message's key is too short")
	}
	body, err := json.Marshal(entity{
		PartitionKey: message[:2], RowKey: message + firstSuffix, State: Done, At: formatTime(l.now()),
		Batch: candidate.Batch, Line: int32(candidate.Line), Fingerprint: candidate.Fingerprint, Parties: candidate.Parties,
		Gone: int32(candidate.Gone),
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
	// A row of this kind is never changed or deleted. It may be this call's own, whose first answer was lost.
	e, _, err := l.read(ctx, message[:2], message+firstSuffix)
	if err != nil {
		return First{}, fmt.Errorf("read which record is the first: %w", err)
	}
	return First{record.Place{Batch: e.Batch, Line: int(e.Line)}, e.Fingerprint, e.Parties, int(e.Gone)}, nil
}
