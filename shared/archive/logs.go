package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/appendblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
)

// Logs is the set of append blobs in the container journal. It implements journal.Logs, which documents the contract.
type Logs struct{ blobs }

// LogLease is the exclusive right to append to one log. It is the same type as journal.Lease.
type LogLease = interface {
	Context() context.Context // canceled as soon as the lease may be lost
	Append(ctx context.Context, at int64, data []byte) error
	Release() // safe to call twice
}

// logLease implements LogLease.
type logLease struct {
	*Lease
	logs *Logs
	name string
}

func (l *Logs) log(name string) *appendblob.Client { return l.client.NewAppendBlobClient(name) }

// Acquire creates the log if there is none and acquires its lease, which is renewed until Release. The lease is nil,
// without an error, if there is another holder. empty reports whether the log is known to be empty.
func (l *Logs) Acquire(ctx context.Context, name string) (_ LogLease, empty bool, err error) {
	created, err := l.log(name).Create(ctx, &appendblob.CreateOptions{
		HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: to.Ptr("application/x-ndjson")},
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: ifAbsent()},
	})
	// 412 LeaseIdMissing: the log exists and is leased.
	err = translateCreateError(ctx, err)
	if err != nil && !errors.Is(err, ErrExists) && !errors.Is(err, ErrLeased) {
		return nil, false, fmt.Errorf("create a log: %w", err)
	}
	lease, etag, err := l.lease(ctx, name)
	if errors.Is(err, ErrLeased) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("acquire the lease of a log: %w", err)
	}
	// A lease leaves the ETag unchanged, an append does not: the same ETag means that no append came in between.
	return &logLease{lease, l, name}, created.ETag != nil && string(*created.ETag) == etag, nil
}

// Append appends data, at most 4 MiB, to the log, whose length must be at. It may be repeated with the same arguments
// after any error: data that was already appended is not appended twice. It returns ErrChanged if the log has another
// length or the lease is lost.
func (l *logLease) Append(ctx context.Context, at int64, data []byte) error {
	if err := l.append(ctx, at, data); err != nil {
		return fmt.Errorf("append to a log: %w", err)
	}
	return nil
}

func (l *logLease) append(ctx context.Context, at int64, data []byte) error {
	return l.logs.appendAt(ctx, l.name, at, data,
		&blob.AccessConditions{LeaseAccessConditions: &blob.LeaseAccessConditions{LeaseID: &l.id}})
}

// appendAt implements LogLease.Append, with further conditions.
func (l *Logs) appendAt(ctx context.Context, name string, at int64, data []byte, on *blob.AccessConditions) error {
	_, err := l.log(name).AppendBlock(ctx, streaming.NopCloser(bytes.NewReader(data)),
		&appendblob.AppendBlockOptions{
			AppendPositionAccessConditions: &appendblob.AppendPositionAccessConditions{AppendPosition: &at},
			AccessConditions:               on,
			TransactionalValidation:        blob.TransferValidationTypeComputeCRC64(),
		})
	if err = translateError(ctx, err); !errors.Is(err, ErrChanged) || len(data) == 0 {
		return err
	}
	// The log is longer than at. If these very bytes are its end, this call's append was done and its answer lost.
	there, rerr := l.readAt(ctx, name, at, int64(len(data))+1, on)
	switch {
	case errors.Is(rerr, ErrUnavailable):
		return rerr
	case rerr == nil && bytes.Equal(there, data):
		return nil
	}
	return err
}

// readAt returns up to n bytes of a log, from position at.
func (l *Logs) readAt(ctx context.Context, name string, at, n int64, on *blob.AccessConditions) ([]byte, error) {
	r, err := l.blob(name).DownloadStream(ctx, &blob.DownloadStreamOptions{
		Range: blob.HTTPRange{Offset: at, Count: n}, AccessConditions: on})
	if err = translateError(ctx, err); err != nil {
		return nil, err
	}
	body := r.NewRetryReader(ctx, nil)
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, n))
	return data, translateError(ctx, err)
}

// LogInfo describes a log as far as a listing does.
type LogInfo struct {
	Name string
	Size int64 // bytes
}

// logPage is the number of logs per answer of a listing: the most that the service gives.
const logPage = 5000

// InRun returns an iterator over the logs of a run's batches, in the order of their names. An error is the last thing
// that it yields.
func (l *Logs) InRun(ctx context.Context, folder string) iter.Seq2[LogInfo, error] {
	return func(yield func(LogInfo, error) bool) {
		for item, err := range l.list(ctx, folder+"/", logPage) {
			if err != nil {
				yield(LogInfo{}, fmt.Errorf("list the logs of a run: %w", err))
				return
			}
			info := LogInfo{Name: textOf(item.Name)}
			if p := item.Properties; p != nil {
				info.Size = valueOf(p.ContentLength)
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

// Read opens a log, which may grow meanwhile: body ends at size. If there is no log, size is -1 and body nil.
func (l *Logs) Read(ctx context.Context, name string) (body io.ReadCloser, size int64, err error) {
	p, err := l.openChunks(ctx, name, false)
	if errors.Is(err, ErrNotFound) {
		return nil, -1, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open a log: %w", err)
	}
	return p, p.size, nil
}

// Tail returns the last n bytes of a log, or all if it has fewer, and its size; -1 if there is no log.
func (l *Logs) Tail(ctx context.Context, name string, n int64) (data []byte, size int64, err error) {
	client := l.blob(name)
	props, err := client.GetProperties(ctx, nil)
	if err = translateError(ctx, err); errors.Is(err, ErrNotFound) {
		return nil, -1, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("ask for a log's length: %w", err)
	}
	size = valueOf(props.ContentLength)
	if n = min(n, size); n == 0 {
		return nil, size, nil
	}
	r, err := client.DownloadStream(ctx,
		&blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: size - n, Count: n}})
	if err = translateError(ctx, err); err != nil {
		return nil, 0, fmt.Errorf("read a log's end: %w", err)
	}
	body := r.NewRetryReader(ctx, nil)
	defer body.Close()
	data = make([]byte, n)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, 0, fmt.Errorf("read a log's end: %w", translateError(ctx, err))
	}
	return data, size, nil
}
