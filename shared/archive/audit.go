package archive

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/appendblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
)

// AuditLogs is the set of append blobs in the container audit, one for each day. A day is of the form yyyy/mm/dd. No
// lease is held: an append states the length that the log has.
type AuditLogs struct{ logs Logs }

// auditEnding is the end of the name of each log.
const auditEnding = ".jsonl"

var auditForm = regexp.MustCompile(`^\d{4}/\d\d/\d\d\.jsonl$`)

// Create creates the log of a day, unless there is one.
func (a *AuditLogs) Create(ctx context.Context, day string) error {
	if !dayForm.MatchString(day) {
		return errors.New("create a log: the day is not of the form yyyy/mm/dd")
	}
	_, err := a.logs.log(day+auditEnding).Create(ctx, &appendblob.CreateOptions{
		HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: to.Ptr("application/x-ndjson")},
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: ifAbsent()},
	})
	if err = translateCreateError(ctx, err); err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("create a log: %w", err)
	}
	return nil
}

// Append appends data to the log of a day, whose length MUST be at. It may be repeated with the same arguments after
// any error, as LogLease.Append. It returns ErrChanged if the log has another length.
func (a *AuditLogs) Append(ctx context.Context, day string, at int64, data []byte) error {
	if err := a.logs.appendAt(ctx, day+auditEnding, at, data, nil); err != nil {
		return fmt.Errorf("append to a log: %w", err)
	}
	return nil
}

// Tail returns the last n bytes of the log of a day, or all if it has fewer, and its size; -1 if there is no log.
func (a *AuditLogs) Tail(ctx context.Context, day string, n int64) (data []byte, size int64, err error) {
	return a.logs.Tail(ctx, day+auditEnding, n)
}

// AuditDay describes the log of a day.
type AuditDay struct {
	Day  string // yyyy/mm/dd
	Size int64  // bytes
}

// Days returns the days that have a log, in their order, of a year, a month or, with the prefix "", all.
func (a *AuditLogs) Days(ctx context.Context, prefix string) (days []AuditDay, err error) {
	for item, err := range a.logs.list(ctx, prefix, logPage) {
		if err != nil {
			return nil, fmt.Errorf("list the days: %w", err)
		}
		if name := textOf(item.Name); auditForm.MatchString(name) {
			d := AuditDay{Day: strings.TrimSuffix(name, auditEnding)}
			if p := item.Properties; p != nil {
				d.Size = valueOf(p.ContentLength)
			}
			days = append(days, d)
		}
	}
	return days, nil
}
