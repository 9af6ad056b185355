package archivetest_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/appendblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

func stage(c *container.Client, name, id, text string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := c.NewBlockBlobClient(name).StageBlock(ctx, id, content(text), nil)
		return err
	}
}

func commit(c *container.Client, name string, o *blockblob.CommitBlockListOptions,
	ids ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := c.NewBlockBlobClient(name).CommitBlockList(ctx, ids, o)
		return err
	}
}

func TestBlocksAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newContainer(t)
		id := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
		once := &blockblob.CommitBlockListOptions{AccessConditions: on("", "*")}
		account.run(t, []call{
			{name: "stage", do: stage(c, "x", id("2"), "two"), want: "201", has: "X-Ms-Content-Crc64"},
			{name: "stage another", do: stage(c, "x", id("1"), "one,"), want: "201"},
			{name: "stage over", do: stage(c, "x", id("2"), "TWO"), want: "201"},
			{name: "an id of another length", do: stage(c, "x", id("10"), "ten"), want: "400 InvalidBlobOrBlock"},
			{name: "no base64", do: stage(c, "x", "?", "ten"), want: "400 InvalidQueryParameterValue"},
			{name: "a long id", do: stage(c, "y", id(strings.Repeat("x", 65)), "x"),
				want:    "400 InvalidQueryParameterValue",
				azurite: "400 OutOfRangeInput"}, // Put Block names no code
			{name: "not there yet", do: download(c, "x", nil), want: "404 BlobNotFound"},
			{name: "nor its properties", do: properties(c, "x", nil), want: "404 BlobNotFound"},
			{name: "an unknown block", do: commit(c, "x", once, id("3")), want: "400 InvalidBlockList"},
			{name: "of no blocks at all", do: commit(c, "none", once, id("3")), want: "400 InvalidBlockList"},
			{name: "commit", do: commit(c, "x", once, id("1"), id("2")), want: "201", has: "Etag Last-Modified"},
			{name: "commit again", do: commit(c, "x", once, id("1"), id("2")), want: "409 BlobAlreadyExists"},
			{name: "there", do: download(c, "x", nil), want: "200"},
			{name: "stage where a blob is", do: stage(c, "x", id("9"), "nine"), want: "201"},
			{name: "replace", do: commit(c, "x", nil, id("9"), id("1")), want: "201"},
			{name: "a list of nothing", do: commit(c, "nothing", nil), want: "201"},
			{name: "no XML", do: func(ctx context.Context) error {
				return upload(c, "x", "<BlockList", nil)(edited(ctx, func(r *http.Request) {
					r.URL.RawQuery = "comp=blocklist"
					r.Header.Del("x-ms-blob-type")
					delete(r.Header, "x-ms-blob-type")
				}))
			}, want: "400 InvalidXmlDocument", azurite: "400"},
		})
		r, err := c.NewBlobClient("x").DownloadStream(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if got, err := io.ReadAll(r.Body); string(got) != "nineone," || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// appendTo appends at a position, up to a size and with a lease, each only if it is given.
func appendTo(c *container.Client, name, text string, at, limit int64, lease string) func(context.Context) error {
	return func(ctx context.Context) error {
		position := &appendblob.AppendPositionAccessConditions{}
		if at >= 0 {
			position.AppendPosition = &at
		}
		if limit >= 0 {
			position.MaxSize = &limit
		}
		o := &appendblob.AppendBlockOptions{AppendPositionAccessConditions: position}
		if lease != "" {
			o.AccessConditions = with(lease)
		}
		_, err := c.NewAppendBlobClient(name).AppendBlock(ctx, content(text), o)
		return err
	}
}

func createLog(c *container.Client, name string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := c.NewAppendBlobClient(name).Create(ctx, &appendblob.CreateOptions{AccessConditions: on("", "*")})
		return err
	}
}

func TestAppendAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newContainer(t)
		const has = "Etag Last-Modified X-Ms-Blob-Append-Offset X-Ms-Blob-Committed-Block-Count X-Ms-Content-Crc64"
		account.run(t, []call{
			{name: "to none", do: appendTo(c, "log", "x", -1, -1, ""), want: "404 BlobNotFound"},
			{name: "create", do: createLog(c, "log"), want: "201", has: "Etag Last-Modified"},
			{name: "create again", do: createLog(c, "log"), want: "409 BlobAlreadyExists"},
			{name: "append", do: appendTo(c, "log", "one\n", 0, -1, ""), want: "201", has: has},
			{name: "append there again", do: appendTo(c, "log", "one\n", 0, -1, ""),
				want: "412 AppendPositionConditionNotMet"},
			{name: "append too far", do: appendTo(c, "log", "one\n", 9, -1, ""),
				want: "412 AppendPositionConditionNotMet"},
			{name: "append wherever it ends", do: appendTo(c, "log", "two\n", -1, 8, ""), want: "201"},
			{name: "append past the size", do: appendTo(c, "log", "x", 8, 8, ""),
				want: "412 MaxBlobSizeConditionNotMet"},
			{name: "append nothing", do: appendTo(c, "log", "", -1, -1, ""), want: "400 InvalidHeaderValue"},
			{name: "write blocks of it", do: stage(c, "log", "AAAA", "x"), want: "409 InvalidBlobType"},
			{name: "a block blob", do: upload(c, "text", "x", nil), want: "201"},
			{name: "append to it", do: appendTo(c, "text", "x", -1, -1, ""), want: "409 InvalidBlobType"},
			{name: "another CRC64", do: func(ctx context.Context) error {
				return appendTo(c, "log", "x", -1, -1, "")(withHeader(ctx, "x-ms-content-crc64", "AAAAAAAAAAA="))
			}, want: "400 Crc64Mismatch"},
		})
		r, err := c.NewBlobClient("log").DownloadStream(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if got, err := io.ReadAll(r.Body); string(got) != "one\ntwo\n" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}
