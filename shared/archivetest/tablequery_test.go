package archivetest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// A query of a partition has its entities in the order of their keys, page by page, with the properties it asks for.
func TestQueriesAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newTable(t)
		const rows = 1002
		var batch []aztables.TransactionAction
		for n := range rows {
			// It is inserted in another order.
			key := fmt.Sprintf("%05d", rows-n)
			body, _ := json.Marshal(map[string]any{"PartitionKey": "it's", "RowKey": key, "N": n, "Text": "x"})
			if account.name == "archivetest" { // it has no transactions
				if _, err := c.AddEntity(t.Context(), body, nil); err != nil {
					t.Fatal(err)
				}
				continue
			}
			batch = append(batch, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: body})
		}
		for part := range slices.Chunk(batch, 100) {
			if _, err := c.SubmitTransaction(t.Context(), part, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.AddEntity(t.Context(), row("other", nil), nil); err != nil {
			t.Fatal(err)
		}
		query := func(table *aztables.Client, o *aztables.ListEntitiesOptions) (
			pages int, keys []string, last string, err error) {
			p := table.NewListEntitiesPager(o)
			for p.More() {
				page, err := p.NextPage(t.Context())
				if err != nil {
					return pages, keys, last, err
				}
				pages++
				for _, e := range page.Entities {
					var key struct{ RowKey string }
					if err := json.Unmarshal(e, &key); err != nil {
						t.Fatal(err)
					}
					keys, last = append(keys, key.RowKey), string(e)
				}
			}
			return pages, keys, last, nil
		}
		of := to.Ptr("PartitionKey eq 'it''s'")
		pages, keys, last, err := query(c, &aztables.ListEntitiesOptions{Filter: of})
		if err != nil || pages != 2 || len(keys) != rows || !slices.IsSorted(keys) ||
			!strings.Contains(last, `"Text":"x"`) || !strings.Contains(last, "Timestamp") {
			t.Errorf("%d pages, %d keys, %v: %s", pages, len(keys), err, last)
		}
		_, keys, last, err = query(c, &aztables.ListEntitiesOptions{Filter: of, Select: to.Ptr("RowKey,N")})
		if err != nil || len(keys) != rows || strings.Contains(last, "Text") || !strings.Contains(last, `"N":0`) {
			t.Errorf("selected: %d keys, %v: %s", len(keys), err, last)
		}
		_, keys, _, err = query(c, &aztables.ListEntitiesOptions{Filter: to.Ptr("PartitionKey eq 'none'")})
		if err != nil || len(keys) != 0 {
			t.Errorf("of none: %d keys, %v", len(keys), err)
		}
		_, _, _, err = query(account.tables.NewClient("none"), &aztables.ListEntitiesOptions{Filter: of})
		if got := outcome(nil, err); got != "404 TableNotFound" {
			t.Errorf("of no table: %s", got)
		}
	})
}
