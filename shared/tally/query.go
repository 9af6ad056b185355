package tally

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// maxRows bounds the rows of one query.
const maxRows = 1_000_000

// Keyed is a row of a batch with its key.
type Keyed struct {
	Row string
	Batch
	Written time.Time // by the clock of the service; zero: not read
}

// Property is a property of the rows of batches that Listed reads by itself: a page needs one of them, and a row is
// mostly the others.
type Property string

// The properties.
const (
	PropertyLines    Property = "Lines"    // Batch.Lines
	PropertyNotes    Property = "Totals"   // Batch.Notes and MoreNotes, with Totals and Head, which share the property
	PropertyUnmapped Property = "Unmapped" // Batch.Unmapped

	PropertyMoves Property = "Totals,Timestamp" // Batch.Totals, and Keyed.Written
)

// Listed returns an iterator over the rows of a run's batches, by the batches' row keys, with one property each. A row
// that cannot be read is left out: sweep writes it anew. An error is the last thing that it yields.
func (t *Table) Listed(ctx context.Context, run string, p Property) iter.Seq2[Keyed, error] {
	return func(yield func(Keyed, error) bool) {
		for data, err := range t.query(ctx, runPartition(run), "RowKey,V,"+string(p)) {
			if err != nil {
				yield(Keyed{}, fmt.Errorf("read the rows of a run's batches: %w", err))
				return
			}
			e, b, err := decodeProperties(data)
			if err != nil {
				continue
			}
			written, _ := time.Parse(time.RFC3339, e.Timestamp) // without it, the time is not known
			if !yield(Keyed{e.RowKey, b, written}, nil) {
				return
			}
		}
	}
}

// query returns an iterator over the entities of a partition.
func (t *Table) query(ctx context.Context, partition, properties string) iter.Seq2[[]byte, error] {
	return t.queryFrom(ctx, partition, "", properties)
}

// queryFrom returns an iterator over the entities of a partition from the row key least on ("": all), in the order of
// their keys. An error is the last thing that it yields. One answer of the service has at most 1,000 of them.
func (t *Table) queryFrom(ctx context.Context, partition, least, properties string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		filter := "PartitionKey eq " + quoteText(partition)
		if least != "" {
			filter += " and RowKey ge " + quoteText(least)
		}
		o := &aztables.ListEntitiesOptions{Filter: &filter}
		if properties != "" {
			o.Select = &properties
		}
		pages := t.client.NewListEntitiesPager(o)
		for n := 0; pages.More(); {
			entities, err := nextPage(ctx, pages)
			if err == nil && n > maxRows {
				err = fmt.Errorf("a query has more than %d rows", maxRows)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range entities {
				if !yield(e, nil) {
					return
				}
			}
			n += len(entities)
		}
	}
}

// nextPage returns the entities of the next answer to a query, as the service encodes them.
//
// QUIRK: the pager of aztables 1.4 decodes each entity into a map and encodes it again. That takes as long as all that
// this package does with them, so keepAnswer keeps the answer from it.
func nextPage(ctx context.Context, pages *runtime.Pager[aztables.ListEntitiesResponse]) ([]json.RawMessage, error) {
	var answer []byte
	_, err := pages.NextPage(context.WithValue(ctx, answerKey{}, &answer))
	if err = translateError(ctx, err); err != nil {
		return nil, err
	}
	var page struct {
		Value []json.RawMessage `json:"value"`
	}
	if json.Unmarshal(answer, &page) != nil || page.Value == nil {
		return nil, tableService.Unavailable("the answer of the table service cannot be read")
	}
	return page.Value, nil
}

// answerKey is the key of a context's value of type *[]byte, into which keepAnswer puts the answer.
type answerKey struct{}

// keepAnswer is the policy that hands the body of a successful answer to the caller, if the context asks for that, and
// an empty object to the SDK.
type keepAnswer struct{}

// Do implements policy.Policy.
func (keepAnswer) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	kept, asked := req.Raw().Context().Value(answerKey{}).(*[]byte)
	if !asked || err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	if *kept, err = runtime.Payload(resp); err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(strings.NewReader("{}"))
	return resp, nil
}

// quoteText returns a text as a literal of a filter.
func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
