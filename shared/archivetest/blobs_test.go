package archivetest_test

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// on returns conditions by ETag; "" is none.
func on(match, noneMatch string) *blob.AccessConditions {
	m := &blob.ModifiedAccessConditions{}
	if match != "" {
		m.IfMatch = to.Ptr(azcore.ETag(match))
	}
	if noneMatch != "" {
		m.IfNoneMatch = to.Ptr(azcore.ETag(noneMatch))
	}
	return &blob.AccessConditions{ModifiedAccessConditions: m}
}

// upload puts a block blob.
func upload(c *container.Client, name, text string, o *blockblob.UploadOptions) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := c.NewBlockBlobClient(name).Upload(ctx, content(text), o)
		return err
	}
}

// uploadWith puts a block blob, with a header more.
func uploadWith(c *container.Client, name, text, header, value string) func(context.Context) error {
	return func(ctx context.Context) error { return upload(c, name, text, nil)(withHeader(ctx, header, value)) }
}

func download(c *container.Client, name string, o *blob.DownloadStreamOptions) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := c.NewBlobClient(name).DownloadStream(ctx, o)
		if err == nil && r.Body != nil {
			r.Body.Close()
		}
		return err
	}
}

func properties(c *container.Client, name string, o *blob.GetPropertiesOptions) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := c.NewBlobClient(name).GetProperties(ctx, o)
		return err
	}
}

func TestContainersAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newContainer(t)
		create := func(name string) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := account.blobs.NewContainerClient(name).Create(ctx, nil)
				return err
			}
		}
		list := func(name string) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := account.blobs.NewContainerClient(name).NewListBlobsFlatPager(nil).NextPage(ctx)
				return err
			}
		}
		none := account.blobs.NewContainerClient("there-is-none")
		account.run(t, []call{
			{name: "create", do: create("new" + strings.ToLower(c.URL()[len(c.URL())-20:])), want: "201",
				has: "Etag Last-Modified"},
			{name: "create again", do: create(c.URL()[strings.LastIndex(c.URL(), "/")+1:]),
				want: "409 ContainerAlreadyExists"},
			{name: "a name in capitals", do: create("Capitals"), want: "400 InvalidResourceName"},
			{name: "a name with two hyphens", do: create("a--b"), want: "400 InvalidResourceName"},
			{name: "a name too short", do: create("ab"), want: "400 OutOfRangeInput"},
			{name: "list none", do: list("there-is-none"), want: "404 ContainerNotFound"},
			{name: "read in none", do: download(none, "x", nil), want: "404 ContainerNotFound"},
			{name: "ask in none", do: properties(none, "x", nil), want: "404 ContainerNotFound"},
			{name: "write in none", do: upload(none, "x", "", nil), want: "404 ContainerNotFound"},
			{name: "append in none", do: appendTo(none, "x", "y", -1, -1, ""), want: "404 ContainerNotFound"},
			{name: "stage in none", do: stage(none, "x", "AAAA", "y"), want: "404 ContainerNotFound"},
		})
	})
}

func TestPutBlobAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newContainer(t)
		first, err := c.NewBlockBlobClient("a/b").Upload(t.Context(), content("one"), nil)
		if err != nil {
			t.Fatal(err)
		}
		old := string(*first.ETag)
		options := func(match, noneMatch string) *blockblob.UploadOptions {
			return &blockblob.UploadOptions{AccessConditions: on(match, noneMatch)}
		}
		sum := md5.Sum([]byte("text"))
		right := base64.StdEncoding.EncodeToString(sum[:])
		meta := func(name, value string) *blockblob.UploadOptions {
			return &blockblob.UploadOptions{Metadata: map[string]*string{name: &value}}
		}
		account.run(t, []call{
			{name: "create", do: upload(c, "new", "text", options("", "*")), want: "201",
				has: "Etag Last-Modified Content-Md5"},
			{name: "create again", do: upload(c, "a/b", "two", options("", "*")), want: "409 BlobAlreadyExists"},
			{name: "replace none", do: upload(c, "none", "two", options("*", "")), want: "412 ConditionNotMet"},
			{name: "replace another", do: upload(c, "a/b", "two", options(`"0x8DE0"`, "")),
				want: "412 ConditionNotMet"},
			{name: "replace all but this", do: upload(c, "a/b", "two", options("", old)), want: "412 ConditionNotMet"},
			{name: "replace", do: upload(c, "a/b", "two", options(old, "")), want: "201"},
			{name: "replace what was replaced", do: upload(c, "a/b", "three", options(old, "")),
				want: "412 ConditionNotMet"},
			{name: "replace whatever it is", do: upload(c, "a/b", "three", options("*", "")), want: "201"},
			{name: "two ETags", do: upload(c, "a/b", "x", options(`"0x1","0x2"`, "")),
				want: "400 MultipleConditionHeadersNotSupported"},
			{name: "nothing", do: upload(c, "empty", "", nil), want: "201"},
			{name: "MD5", do: uploadWith(c, "sum", "text", "Content-MD5", right), want: "201"},
			{name: "another MD5", do: uploadWith(c, "sum", "Text", "Content-MD5", right), want: "400 Md5Mismatch"},
			{name: "no MD5", do: uploadWith(c, "sum", "text", "Content-MD5", "AAAA"), want: "400 InvalidMd5"},
			{name: "another CRC64", do: uploadWith(c, "sum", "text", "x-ms-content-crc64", "AAAAAAAAAAA="),
				want: "400 Crc64Mismatch"},
			{name: "no CRC64", do: uploadWith(c, "sum", "text", "x-ms-content-crc64", "AAAA"),
				want: "400 InvalidHeaderValue"},
			{name: "both", do: func(ctx context.Context) error {
				return upload(c, "sum", "text", nil)(edited(ctx, func(r *http.Request) {
					r.Header["Content-MD5"] = []string{right}
					r.Header["x-ms-content-crc64"] = []string{"AAAAAAAAAAA="}
				}))
			}, want: "400 BothCrc64AndMd5HeaderPresent"},
			{name: "CRC64", do: upload(c, "sum", "text", &blockblob.UploadOptions{
				TransactionalValidation: blob.TransferValidationTypeComputeCRC64(),
			}), want: "201"},
			{name: "metadata", do: upload(c, "meta", "x", meta("sha256", "0123")), want: "201"},
			{name: "bad metadata", do: upload(c, "meta", "x", meta("1st", "x")), want: "400 InvalidMetadata"},
			{name: "much metadata", do: upload(c, "meta", "x", meta("long", strings.Repeat("x", 8<<10))),
				want:    "400 MetadataTooLarge",
				azurite: "201"}, // the emulator has no limit
			{name: "long name", do: upload(c, strings.Repeat("x", 1025), "x", nil), want: "400 OutOfRangeInput",
				azurite: "201"}, // nor here
		})
	})
}

func TestGetBlobAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newContainer(t)
		var etags []string
		for _, name := range []string{"text", "empty"} {
			r, err := c.NewBlockBlobClient(name).Upload(t.Context(),
				content(map[string]string{"text": "0123456789"}[name]), nil)
			if err != nil {
				t.Fatal(err)
			}
			etags = append(etags, string(*r.ETag))
		}
		if _, err := c.NewAppendBlobClient("log").Create(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		part := func(first, count int64) *blob.DownloadStreamOptions {
			return &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: first, Count: count}}
		}
		bound := func(match, noneMatch string) *blob.DownloadStreamOptions {
			return &blob.DownloadStreamOptions{AccessConditions: on(match, noneMatch)}
		}
		partOf := func(match string) *blob.DownloadStreamOptions {
			return &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: 2, Count: 3},
				AccessConditions: on(match, "")}
		}
		const all = "Etag Last-Modified Content-Length X-Ms-Blob-Type X-Ms-Creation-Time X-Ms-Lease-State"
		account.run(t, []call{
			{name: "all", do: download(c, "text", nil), want: "200", has: all + " Content-Md5 Accept-Ranges"},
			{name: "properties", do: properties(c, "text", nil), want: "200", has: all + " Content-Md5"},
			{name: "of a log", do: properties(c, "log", nil), want: "200", has: "X-Ms-Blob-Committed-Block-Count"},
			{name: "none", do: download(c, "none", nil), want: "404 BlobNotFound"},
			{name: "properties of none", do: properties(c, "none", nil), want: "404 BlobNotFound"},
			{name: "the middle", do: download(c, "text", part(2, 3)), want: "206", has: all + " Content-Range"},
			{name: "to the end", do: download(c, "text", part(2, 0)), want: "206", has: "Content-Range"},
			{name: "past the end", do: download(c, "text", part(2, 100)), want: "206", has: "Content-Range"},
			{name: "at the end", do: download(c, "text", part(10, 1)), want: "416 InvalidRange",
				azurite: "206"}, // with a body of nothing
			{name: "after the end", do: download(c, "text", part(11, 1)), want: "416 InvalidRange",
				has: "Content-Range"},
			{name: "of nothing", do: download(c, "empty", part(0, 5)), want: "416 InvalidRange"},
			{name: "the middle of the same", do: download(c, "text", partOf(etags[0])), want: "206",
				has: "Content-Range"},
			{name: "the middle of another", do: download(c, "text", partOf(etags[1])), want: "412 ConditionNotMet"},
			{name: "an odd range", do: func(ctx context.Context) error {
				return download(c, "text", nil)(withHeader(ctx, "x-ms-range", "bytes=5-2"))
			}, want: "200"},
			{name: "the same", do: download(c, "text", bound(etags[0], "")), want: "200"},
			{name: "another", do: download(c, "text", bound(etags[1], "")), want: "412 ConditionNotMet"},
			{name: "anything", do: download(c, "text", bound("*", "")), want: "200"},
			{name: "changed", do: download(c, "text", bound("", etags[1])), want: "200"},
			{name: "not changed", do: download(c, "text", bound("", etags[0])), want: "304"},
			{name: "not there", do: download(c, "text", bound("", "*")), want: "400 UnsatisfiableCondition"},
			{name: "properties, not changed", do: properties(c, "text",
				&blob.GetPropertiesOptions{AccessConditions: on("", etags[0])}),
				want: "304 ConditionNotMet"},
			{name: "anything of none", do: download(c, "none", bound("*", "")), want: "412 ConditionNotMet"},
		})
	})
}

// What is read is what was written, whole and in parts, with what was said about it.
func TestContentAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newContainer(t)
		r, err := c.NewBlockBlobClient("text").Upload(t.Context(), content("0123456789"), &blockblob.UploadOptions{
			Metadata:    map[string]*string{"sha256": to.Ptr("abc")},
			HTTPHeaders: &blob.HTTPHeaders{BlobContentType: to.Ptr("text/csv")},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			first, count int64
			want, of     string
		}{{0, 0, "0123456789", ""}, {0, 4, "0123", "bytes 0-3/10"}, {4, 0, "456789", "bytes 4-9/10"}, {8, 9, "89",
			"bytes 8-9/10"}} {
			got, err := c.NewBlobClient("text").DownloadStream(t.Context(), &blob.DownloadStreamOptions{
				Range: blob.HTTPRange{Offset: tt.first, Count: tt.count},
			})
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(got.Body)
			got.Body.Close()
			of := ""
			if got.ContentRange != nil {
				of = *got.ContentRange
			}
			if string(data) != tt.want || err != nil || of != tt.of || *got.ContentLength != int64(len(tt.want)) {
				t.Errorf("from %d, %d bytes: %q, %q, %v", tt.first, tt.count, data, of, err)
			}
			if *got.ETag != *r.ETag || *got.ContentType != "text/csv" || *got.Metadata["Sha256"] != "abc" ||
				!got.LastModified.Equal(*r.LastModified) {
				t.Errorf("from %d: %v %v %v", tt.first, *got.ETag, *got.ContentType, *got.LastModified)
			}
		}
		changed, err := c.NewBlobClient("text").SetMetadata(t.Context(), map[string]*string{"other": to.Ptr("x")}, nil)
		if err != nil || *changed.ETag == *r.ETag {
			t.Errorf("after its metadata were set the blob has the ETag %v: %v", *changed.ETag, err)
		}
	})
}

func TestDeleteAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newContainer(t)
		remove := func(name string) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := c.NewBlobClient(name).Delete(ctx, nil)
				return err
			}
		}
		account.run(t, []call{
			{name: "write", do: upload(c, "x", "x", nil), want: "201"},
			{name: "delete", do: remove("x"), want: "202"},
			{name: "delete again", do: remove("x"), want: "404 BlobNotFound"},
			{name: "read", do: download(c, "x", nil), want: "404 BlobNotFound"},
			{name: "create", do: upload(c, "x", "x", &blockblob.UploadOptions{AccessConditions: on("", "*")}),
				want: "201"},
			{name: "metadata of none", do: func(ctx context.Context) error {
				_, err := c.NewBlobClient("none").SetMetadata(ctx, nil, nil)
				return err
			}, want: "404 BlobNotFound"},
		})
	})
}

// Pages of a listing, flat and by folders, with what they say of each blob.
func TestListingAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newContainer(t)
		for _, name := range []string{"b/2/x", "b/1/y", "a", "b/1/x", "b/10", "b-c", "c/1"} {
			o := &blockblob.UploadOptions{Metadata: map[string]*string{"name": to.Ptr("<" + name + ">")}}
			if err := upload(c, name, name, o)(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := stage(c, "b/1/uncommitted", "AAAA", "x")(t.Context()); err != nil {
			t.Fatal(err)
		}
		flat := func(prefix string, limit int32) (got [][]string) {
			pages := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
				Prefix: &prefix, MaxResults: &limit, Include: container.ListBlobsInclude{Metadata: true},
			})
			for pages.More() {
				page, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, b := range page.Segment.BlobItems {
					names = append(names, *b.Name)
					p := b.Properties
					if *b.Metadata["name"] != "<"+*b.Name+">" || *p.ContentLength != int64(len(*b.Name)) ||
						p.ETag == nil || p.CreationTime == nil {
						t.Errorf("%s: %v, %v", *b.Name, b.Metadata, p)
					}
				}
				got = append(got, names)
			}
			return got
		}
		folders := func(prefix string, limit int32) (got []string) {
			pages := c.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{Prefix: &prefix,
				MaxResults: &limit, Include: container.ListBlobsInclude{Metadata: true}})
			for pages.More() {
				page, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, b := range page.Segment.BlobItems {
					got = append(got, *b.Name)
					p := b.Properties
					if *b.Metadata["name"] != "<"+*b.Name+">" || *p.ContentLength != int64(len(*b.Name)) ||
						p.ETag == nil || p.LastModified == nil {
						t.Errorf("%s: %v, %v", *b.Name, b.Metadata, p)
					}
				}
				for _, p := range page.Segment.BlobPrefixes {
					got = append(got, *p.Name)
				}
			}
			return got
		}
		for _, limit := range []int32{1, 2, 3, 100} {
			want := []string{"b-c", "b/1/x", "b/1/y", "b/10", "b/2/x"}
			if got := slices.Concat(flat("b", limit)...); !slices.Equal(got, want) {
				t.Errorf("in pages of %d: %q", limit, got)
			}
			got := folders("", limit)
			slices.Sort(got)
			if !slices.Equal(got, []string{"a", "b-c", "b/", "c/"}) {
				t.Errorf("folders in pages of %d: %q", limit, got)
			}
			got = folders("b/", limit)
			slices.Sort(got)
			if !slices.Equal(got, []string{"b/1/", "b/10", "b/2/"}) {
				t.Errorf("folders under b/ in pages of %d: %q", limit, got)
			}
		}
		if got := flat("b", 2); len(got) != 3 || len(got[0]) != 2 {
			t.Errorf("pages of two: %q", got)
		}
		if got := slices.Concat(flat("z", 2)...); got != nil {
			t.Errorf("where there is nothing: %q", got)
		}
	})
}
