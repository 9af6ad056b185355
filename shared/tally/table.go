package tally

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
)

// TableName is the table's name.
const TableName = "totals"

// Config names the table service: by a connection string or, without one, by its address with a credential.
type Config struct {
	ConnectionString string
	TableURL         *url.URL               // e.g. https://<account>.table.core.windows.net
	Credential       azcore.TokenCredential // with TableURL
	HTTP             *http.Client           // nil: the SDK's own
}

// Table is a client of the table. It is safe for concurrent use.
type Table struct{ client *aztables.Client }

// Open returns a client of the table. It makes no request. Its errors never repeat the connection string.
func Open(c Config) (*Table, error) {
	options := &aztables.ClientOptions{ClientOptions: policy.ClientOptions{
		Retry: policy.RetryOptions{MaxRetries: 2, RetryDelay: 250 * time.Millisecond, MaxRetryDelay: 2 * time.Second,
			TryTimeout: 10 * time.Second},
		PerRetryPolicies: append(tableService.Policies(), keepAnswer{}),
	}}
	if c.HTTP != nil {
		options.Transport = c.HTTP
	}
	var service *aztables.ServiceClient
	var err error
	switch {
	case c.ConnectionString != "":
		// The SDK's error may repeat parts of the string, which is a secret, so it is not passed on.
		if service, err = aztables.NewServiceClientFromConnectionString(c.ConnectionString, options); err != nil {
			return nil, errors.New("open the table totals: the storage connection string cannot be read")
		}
	case c.TableURL != nil && c.Credential != nil && c.TableURL.Scheme != "https":
		return nil, errors.New("open the table totals: a token is sent to an https address only")
	case c.TableURL != nil && c.Credential != nil:
		if service, err = aztables.NewServiceClient(
			strings.TrimRight(c.TableURL.String(), "/"), c.Credential, options); err != nil {
			return nil, errors.New("make the client of the table service: its address cannot be used")
		}
	default:
		return nil, errors.New(
			"open the table totals: neither a connection string nor an address with a credential is given")
	}
	return &Table{client: service.NewClient(TableName)}, nil
}

// CreateTable creates the table if it is missing. It is used on one machine; in Azure the deployment creates the
// table. It is safe to call again.
func (t *Table) CreateTable(ctx context.Context) error {
	_, err := t.client.CreateTable(ctx, nil)
	if err = translateError(ctx, err); err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("create the table totals: %w", err)
	}
	return nil
}

// Stored is a row of a batch as it was read. Its mailboxes are those of the batch's own row only.
type Stored struct {
	Batch
	ETag string

	own []byte // the row's own properties, to be compared
}

// Same reports whether the row has what b encodes to.
func (s *Stored) Same(batch string, b Batch) bool {
	own, _, err := b.encode(batch)
	return err == nil && bytes.Equal(s.own, own)
}

// Get returns the row of a batch, or ErrNotFound.
func (t *Table) Get(ctx context.Context, batch string) (*Stored, error) {
	r, err := t.client.GetEntity(ctx, runPartition(archive.RunOf(batch)), rowOf(batch), nil)
	if err = translateError(ctx, err); err != nil {
		return nil, fmt.Errorf("read the row of a batch: %w", err)
	}
	s := &Stored{ETag: string(r.ETag)}
	// A row that cannot be read is as good as one of no length: it is replaced.
	if _, s.Batch, _, err = decodeBatch(r.Value); err != nil {
		s.Batch = Batch{}
		return s, nil
	}
	s.own = withoutService(r.Value)
	return s, nil
}

// withoutService returns an entity without the properties that the service adds, in the order of json.Marshal.
func withoutService(data []byte) []byte {
	var all map[string]any
	if json.Unmarshal(data, &all) != nil {
		return nil
	}
	for name := range all {
		if strings.Contains(name, "odata.") || name == "Timestamp" {
			delete(all, name)
		}
	}
	own, err := json.Marshal(all)
	if err != nil {
		return nil
	}
	return own
}

// Add writes the row of a batch that has none, or returns ErrExists.
func (t *Table) Add(ctx context.Context, batch string, b Batch) error {
	return t.write(ctx, batch, b, func(own []byte) error {
		_, err := t.client.AddEntity(ctx, own, nil)
		return err
	})
}

// Replace writes the row of a batch in place of the one with that ETag, or returns ErrChanged or ErrNotFound.
func (t *Table) Replace(ctx context.Context, batch string, b Batch, etag string) error {
	return t.write(ctx, batch, b, func(own []byte) error { return t.replace(ctx, own, etag) })
}

// write writes the rows that continue that of the batch, and then the batch's own. If it is interrupted in between, the
// batch's own row has its earlier length, and is written again.
func (t *Table) write(ctx context.Context, batch string, b Batch, writeOwn func([]byte) error) error {
	own, parts, err := b.encode(batch)
	if err != nil {
		return err
	}
	for i, part := range parts {
		if err := t.putPart(ctx, batch, i+1, part, b.Length); err != nil {
			return fmt.Errorf("write the row of a batch: %w", err)
		}
	}
	if err := translateError(ctx, writeOwn(own)); err != nil {
		return fmt.Errorf("write the row of a batch: %w", err)
	}
	return nil
}

func (t *Table) replace(ctx context.Context, row []byte, etag string) error {
	_, err := t.client.UpdateEntity(ctx, row, &aztables.UpdateEntityOptions{
		IfMatch: to.Ptr(azcore.ETag(etag)), UpdateMode: aztables.UpdateModeReplace})
	return err
}

// putPart writes a row that continues that of a batch, unless there is one of a longer journal.
func (t *Table) putPart(ctx context.Context, batch string, number int, row []byte, length int64) error {
	for range writeTries {
		_, err := t.client.AddEntity(ctx, row, nil)
		if err = translateError(ctx, err); !errors.Is(err, ErrExists) {
			return err
		}
		there, err := t.client.GetEntity(ctx, partPartition(archive.RunOf(batch)), partRow(batch, number), nil)
		if err = translateError(ctx, err); err != nil {
			return err
		}
		var has struct {
			Length int64 `json:",string"`
		}
		if json.Unmarshal(there.Value, &has) == nil && has.Length > length {
			return nil
		}
		err = translateError(ctx, t.replace(ctx, row, string(there.ETag)))
		if !errors.Is(err, ErrChanged) {
			return err
		}
	}
	return ErrChanged
}

// writeTries is the number of attempts of a conditional write.
const writeTries = 5

// Rows returns the rows of a run's batches by the batches' row keys, without their mailboxes and lines. Of a row that
// cannot be read only the key is returned.
func (t *Table) Rows(ctx context.Context, run string) (map[string]Batch, error) {
	rows := map[string]Batch{}
	for data, err := range t.query(ctx, runPartition(run), selected) {
		if err != nil {
			return nil, fmt.Errorf("read the rows of a run's batches: %w", err)
		}
		row, b, _, err := decodeBatch(data)
		if err != nil {
			b = Batch{}
		}
		rows[row] = b
	}
	return rows, nil
}

// RowOf returns the key of a batch in the result of Rows.
func RowOf(batch string) string { return rowOf(batch) }

// BatchOf returns the name of the batch of a run with that row key.
func BatchOf(run, row string) string { return archive.BatchAt(run, row) }

// Batches returns an iterator over the complete rows of a run's batches, by the batches' row keys. An error is the last
// thing that it yields.
func (t *Table) Batches(ctx context.Context, run string) iter.Seq2[Keyed, error] {
	return func(yield func(Keyed, error) bool) {
		for data, err := range t.query(ctx, runPartition(run), "") {
			if err != nil {
				yield(Keyed{}, fmt.Errorf("read the rows of a run's batches: %w", err))
				return
			}
			row, b, parts, err := decodeBatch(data)
			for n := 1; err == nil && n <= parts; n++ {
				err = t.addPart(ctx, run, row, n, b)
			}
			if err != nil {
				yield(Keyed{}, fmt.Errorf("read the row of a batch: %w", err))
				return
			}
			if !yield(Keyed{Row: row, Batch: b}, nil) {
				return
			}
		}
	}
}

// errInBetween reports that the rows of a batch are of two lengths of its journal: one of them is being written.
var errInBetween = errors.New("the rows of the batch are being written")

// addPart adds the mailboxes of a row that continues that of a batch.
func (t *Table) addPart(ctx context.Context, run, row string, number int, b Batch) error {
	r, err := t.client.GetEntity(ctx, partPartition(run), fmt.Sprintf("%s.%d", row, number), nil)
	if err = translateError(ctx, err); err != nil {
		return err
	}
	var has struct {
		Length int64 `json:",string"`
	}
	if json.Unmarshal(r.Value, &has) != nil || has.Length != b.Length {
		return errInBetween
	}
	return addMailboxes(r.Value, b.Mailboxes)
}

// GetRun returns the row of a run with its ETag, or ErrNotFound.
func (t *Table) GetRun(ctx context.Context, run string) (r Run, etag string, err error) {
	partition, row := runKeys(run)
	answer, err := t.client.GetEntity(ctx, partition, row, nil)
	if err = translateError(ctx, err); err != nil {
		return r, "", fmt.Errorf("read the row of a run: %w", err)
	}
	if r, err = decodeRun(answer.Value); err != nil {
		r = Run{}
	}
	return r, string(answer.ETag), nil
}

// PutRun writes the row of a run in place of the one with that ETag (ErrChanged); "": if there is none (ErrExists).
func (t *Table) PutRun(ctx context.Context, r Run, etag string) error {
	row, err := r.encode()
	if err != nil {
		return fmt.Errorf("encode the row of a run: %w", err)
	}
	if etag == "" {
		_, err = t.client.AddEntity(ctx, row, nil)
	} else {
		err = t.replace(ctx, row, etag)
	}
	if err = translateError(ctx, err); err != nil {
		return fmt.Errorf("write the row of a run: %w", err)
	}
	return nil
}

// FirstRun returns the row of the run that was planned first in a year; found is false if there is none.
func (t *Table) FirstRun(ctx context.Context, year time.Time) (r Run, found bool, err error) {
	partition, _ := runKeys(layout.Day(year))
	for data, err := range t.queryFrom(ctx, partition, "", "") {
		if err != nil {
			return Run{}, false, fmt.Errorf("read the rows of runs: %w", err)
		}
		if r, err := decodeRun(data); err == nil {
			return r, true, nil
		}
	}
	return Run{}, false, nil
}

// Runs returns the rows of the runs that were planned in the year of first, on its day or later, in the order of the
// runs' names.
func (t *Table) Runs(ctx context.Context, first time.Time) (runs []Run, err error) {
	partition, least := runKeys(layout.Day(first))
	for data, err := range t.queryFrom(ctx, partition, least, "") {
		if err != nil {
			return nil, fmt.Errorf("read the rows of runs: %w", err)
		}
		if r, err := decodeRun(data); err == nil {
			runs = append(runs, r)
		}
	}
	return runs, nil
}
