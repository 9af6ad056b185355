package archivetest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// row is an entity as JSON; more are properties besides its keys.
func row(key string, more map[string]any) []byte {
	all := map[string]any{"PartitionKey": "p", "RowKey": key}
	for name, value := range more {
		all[name] = value
	}
	text, _ := json.Marshal(all) // of JSON
	return text
}

func insert(c *aztables.Client, body []byte) func(context.Context) error {
	return func(ctx context.Context) error { _, err := c.AddEntity(ctx, body, nil); return err }
}

func replace(c *aztables.Client, body []byte, etag string) func(context.Context) error {
	return func(ctx context.Context) error {
		o := &aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeReplace, IfMatch: to.Ptr(azcore.ETag(etag))}
		_, err := c.UpdateEntity(ctx, body, o)
		return err
	}
}

func removeRow(c *aztables.Client, key, etag string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := c.DeleteEntity(ctx, "p", key, &aztables.DeleteEntityOptions{IfMatch: to.Ptr(azcore.ETag(etag))})
		return err
	}
}

func find(c *aztables.Client, key string) func(context.Context) error {
	return func(ctx context.Context) error { _, err := c.GetEntity(ctx, "p", key, nil); return err }
}

func TestTablesAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newTable(t)
		first, err := c.AddEntity(t.Context(), row("one", map[string]any{"N": 1}), nil)
		if err != nil {
			t.Fatal(err)
		}
		old := string(first.ETag)
		none := account.tables.NewClient("none")
		create := func(name string) func(context.Context) error {
			return func(ctx context.Context) error { _, err := account.tables.CreateTable(ctx, name, nil); return err }
		}
		var taken string
		account.run(t, []call{
			{name: "create what is there", do: func(ctx context.Context) error {
				_, err := c.CreateTable(ctx, nil)
				return err
			}, want: "409 TableAlreadyExists"},
			// it names no code
			{name: "a name with a hyphen", do: create("a-b-c"), want: "400 InvalidResourceName", azurite: "400"},
			{name: "insert into none", do: insert(none, row("x", nil)), want: "404 TableNotFound"},
			{name: "find in none", do: find(none, "x"), want: "404 TableNotFound"},
			{name: "replace in none", do: replace(none, row("x", nil), "*"), want: "404 TableNotFound"},
			{name: "delete in none", do: removeRow(none, "x", "*"), want: "404 TableNotFound"},
			{name: "insert", do: insert(c, row("two", map[string]any{"Text": "ü", "N": -3, "D": 1.5, "B": true,
				"Null": nil})), want: "201",
				has: "Etag"},
			{name: "insert again", do: insert(c, row("two", nil)), want: "409 EntityAlreadyExists"},
			{name: "find", do: find(c, "two"), want: "200", has: "Etag"},
			{name: "find nothing", do: find(c, "three"), want: "404 ResourceNotFound"},
			{name: "replace nothing", do: replace(c, row("three", nil), "*"), want: "404 ResourceNotFound"},
			{name: "delete nothing", do: removeRow(c, "three", "*"), want: "404 ResourceNotFound"},
			{name: "replace", do: replace(c, row("one", map[string]any{"N": 2}), old), want: "204", has: "Etag"},
			{name: "replace what was replaced", do: replace(c, row("one", nil), old),
				want: "412 UpdateConditionNotSatisfied"},
			{name: "delete what was replaced", do: removeRow(c, "one", old), want: "412 UpdateConditionNotSatisfied"},
			{name: "replace whatever it is", do: replace(c, row("one", map[string]any{"N": 3}), "*"), want: "204"},
			{name: "an ETag of a blob", do: replace(c, row("one", nil), `"0x8DE0"`), want: "400 InvalidInput"},
			{name: "read the ETag", do: func(ctx context.Context) error {
				r, err := c.GetEntity(ctx, "p", "one", nil)
				taken = string(r.ETag)
				return err
			}, want: "200"},
			{name: "delete", do: func(ctx context.Context) error { return removeRow(c, "one", taken)(ctx) },
				want: "204"},
			{name: "delete again", do: func(ctx context.Context) error { return removeRow(c, "one", taken)(ctx) },
				want: "404 ResourceNotFound"},
			{name: "insert anew", do: insert(c, row("one", nil)), want: "201"},
			{name: "a slash in the key", do: insert(c, row("a/b", nil)), want: "400 OutOfRangeInput",
				azurite: "400 InvalidInput"},
			{name: "a long key", do: insert(c, row(strings.Repeat("k", 513), nil)), want: "400 KeyValueTooLarge",
				azurite: "400 InvalidInput"},
			{name: "a long text", do: insert(c, row("long", map[string]any{"Text": strings.Repeat("x", 32<<10+1)})),
				want: "400 PropertyValueTooLarge"},
			{name: "the longest text", do: insert(c, row("long", map[string]any{"Text": strings.Repeat("x",
				32<<10)})), want: "201"},
			{name: "a large number", do: insert(c, row("large", map[string]any{"N": 1 << 40})),
				want: "400 InvalidInput", azurite: "201"},
			{name: "a list", do: insert(c, row("list", map[string]any{"L": []int{1}})), want: "400 InvalidInput"},
		})
	})
}

var stampForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$`)

// What is found is what was inserted, with the time of the service's write, and each write makes another ETag.
func TestEntitiesAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newTable(t)
		if _, err := c.AddEntity(t.Context(), row("it's", map[string]any{"Text": "ü\"", "N": -3, "D": 1.5, "B": true,
			"Null": nil}), nil); err != nil {
			t.Fatal(err)
		}
		read := func() (map[string]any, azcore.ETag) {
			r, err := c.GetEntity(t.Context(), "p", "it's", nil)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(r.Value, &got); err != nil {
				t.Fatal(err)
			}
			return got, r.ETag
		}
		got, etag := read()
		for name, want := range map[string]any{"PartitionKey": "p", "RowKey": "it's", "Text": "ü\"", "N": -3.0,
			"D": 1.5, "B": true} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
		if _, there := got["Null"]; there || got["odata.etag"] != string(etag) ||
			!stampForm.MatchString(got["Timestamp"].(string)) {
			t.Errorf("%v, %q", got, etag)
		}
		account.wait(2 * time.Millisecond) // the emulator's ETags differ by milliseconds
		body := row("it's", map[string]any{"Other": "x"})
		r, err := c.UpdateEntity(t.Context(), body,
			&aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeReplace, IfMatch: &etag})
		if err != nil {
			t.Fatal(err)
		}
		got, now := read()
		if _, there := got["Text"]; there || got["Other"] != "x" || now != r.ETag || now == etag {
			t.Errorf("%v, %q, before %q", got, now, etag)
		}
	})
}

func TestSignaturesAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c, rows := account.newContainer(t), account.newTable(t)
		other := strings.NewReplacer("AccountKey=", "AccountKey=AAAA").Replace(account.connection)
		stranger := newTarget(t, account.name, other, account.http, account.wait)
		account.run(t, []call{
			{name: "another key", do: download(stranger.blobs.NewContainerClient("ccc"), "x", nil),
				want:    "403 AuthenticationFailed",
				azurite: "403 AuthorizationFailure"},
			{name: "another key, rows", do: find(stranger.tables.NewClient("ttt"), "x"),
				want:    "403 AuthenticationFailed",
				azurite: "403 AuthorizationFailure"},
			{name: "the right one", do: upload(c, "x", "x", nil), want: "201"},
			{name: "the right one, rows", do: insert(rows, row("x", nil)), want: "201"},
			{name: "no version", do: func(ctx context.Context) error {
				return download(c, "x", nil)(edited(ctx, func(r *http.Request) { delete(r.Header, "x-ms-version") }))
			}, want: "400 MissingRequiredHeader", azurite: "200"},
		})
	})
}
