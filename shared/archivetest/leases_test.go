package archivetest_test

import (
	"context"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
)

const (
	ours   = "11111111-2222-3333-4444-555555555555"
	theirs = "99999999-8888-7777-6666-555555555555"
)

// holder is a client that leases one blob under one id.
func holder(t *testing.T, c *container.Client, name, id string) *lease.BlobClient {
	t.Helper()
	l, err := lease.NewBlobClient(c.NewBlobClient(name), &lease.BlobClientOptions{LeaseID: &id})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func acquire(l *lease.BlobClient, seconds int32) func(context.Context) error {
	return func(ctx context.Context) error { _, err := l.AcquireLease(ctx, seconds, nil); return err }
}

func renew(l *lease.BlobClient) func(context.Context) error {
	return func(ctx context.Context) error { _, err := l.RenewLease(ctx, nil); return err }
}

func release(l *lease.BlobClient) func(context.Context) error {
	return func(ctx context.Context) error { _, err := l.ReleaseLease(ctx, nil); return err }
}

// breakIn breaks a lease after some seconds; negative: when it would have expired.
func breakIn(l *lease.BlobClient, seconds int32) func(context.Context) error {
	return func(ctx context.Context) error {
		o := &lease.BlobBreakOptions{}
		if seconds >= 0 {
			o.BreakPeriod = &seconds
		}
		_, err := l.BreakLease(ctx, o)
		return err
	}
}

// with returns conditions by lease, and by If-None-Match: * if the blob is to be created.
func with(id string) *blob.AccessConditions {
	return &blob.AccessConditions{LeaseAccessConditions: &blob.LeaseAccessConditions{LeaseID: to.Ptr(id)}}
}

func uploadLeased(c *container.Client, name, id string) func(context.Context) error {
	o := &blockblob.UploadOptions{}
	if id != "" {
		o.AccessConditions = with(id)
	}
	return upload(c, name, "x", o)
}

func removeLeased(c *container.Client, name, id string) func(context.Context) error {
	return func(ctx context.Context) error {
		o := &blob.DeleteOptions{}
		if id != "" {
			o.AccessConditions = with(id)
		}
		_, err := c.NewBlobClient(name).Delete(ctx, o)
		return err
	}
}

func TestLeasesAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newContainer(t)
		mine, other := holder(t, c, "x", ours), holder(t, c, "x", theirs)
		none := holder(t, c, "none", ours)
		once := &blockblob.UploadOptions{AccessConditions: on("", "*")}
		account.run(t, []call{
			{name: "of none", do: acquire(none, 15), want: "404 BlobNotFound"},
			{name: "write with it what is not there", do: uploadLeased(c, "none", ours),
				want:    "412 LeaseNotPresentWithBlobOperation",
				azurite: "201"}, // Put Blob: the lease must be the blob's
			{name: "write", do: upload(c, "x", "x", nil), want: "201"},
			{name: "too short", do: acquire(mine, 14), want: "400 InvalidHeaderValue"},
			{name: "too long", do: acquire(mine, 61), want: "400 InvalidHeaderValue"},
			{name: "an id that is none", do: func(ctx context.Context) error {
				return acquire(mine, 15)(withHeader(ctx, "x-ms-proposed-lease-id", "me"))
			}, want: "400 InvalidHeaderValue", azurite: "201"},
			{name: "an end to that", do: func(ctx context.Context) error {
				if account.name == "azurite" {
					_ = breakIn(mine, 0)(ctx)
				}
				return upload(c, "x", "x", nil)(ctx)
			}, want: "201"},
			{name: "renew none", do: renew(mine), want: "409 LeaseIdMismatchWithLeaseOperation"},
			{name: "release none", do: release(mine), want: "409 LeaseIdMismatchWithLeaseOperation"},
			{name: "break none", do: breakIn(mine, 0), want: "409 LeaseNotPresentWithLeaseOperation"},
			{name: "write with none", do: uploadLeased(c, "x", ours), want: "412 LeaseNotPresentWithBlobOperation"},
			{name: "acquire", do: acquire(mine, 15), want: "201", has: "Etag Last-Modified X-Ms-Lease-Id"},
			{name: "acquire again", do: acquire(mine, 60), want: "201"},
			{name: "acquire another's", do: acquire(other, 15), want: "409 LeaseAlreadyPresent"},
			{name: "renew", do: renew(mine), want: "200", has: "X-Ms-Lease-Id"},
			{name: "renew another's", do: renew(other), want: "409 LeaseIdMismatchWithLeaseOperation"},
			{name: "release another's", do: release(other), want: "409 LeaseIdMismatchWithLeaseOperation"},
			{name: "write without", do: uploadLeased(c, "x", ""), want: "412 LeaseIdMissing"},
			{name: "write with another", do: uploadLeased(c, "x", theirs),
				want: "412 LeaseIdMismatchWithBlobOperation"},
			// issue 2637
			{name: "create", do: upload(c, "x", "x", once), want: "412 LeaseIdMissing",
				azurite: "409 BlobAlreadyExists"},
			{name: "write with", do: uploadLeased(c, "x", ours), want: "201"},
			{name: "stage without", do: stage(c, "x", "AAAA", "x"), want: "412 LeaseIdMissing"},
			{name: "commit without", do: commit(c, "x", nil), want: "412 LeaseIdMissing"},
			{name: "delete without", do: removeLeased(c, "x", ""), want: "412 LeaseIdMissing"},
			{name: "read", do: download(c, "x", nil), want: "200", has: "X-Ms-Lease-Duration"},
			{name: "read with", do: download(c, "x", &blob.DownloadStreamOptions{AccessConditions: with(ours)}),
				want: "200"},
			{name: "read with another", do: download(c, "x",
				&blob.DownloadStreamOptions{AccessConditions: with(theirs)}),
				want: "412 LeaseIdMismatchWithBlobOperation"},
			{name: "break later", do: breakIn(other, 60), want: "202", has: "X-Ms-Lease-Time"},
			{name: "acquire while it breaks", do: acquire(other, 15), want: "409 LeaseAlreadyPresent"},
			{name: "acquire it again", do: acquire(mine, 15), want: "409 LeaseIsBreakingAndCannotBeAcquired"},
			{name: "renew while it breaks", do: renew(mine), want: "409 LeaseIsBrokenAndCannotBeRenewed"},
			{name: "write while it breaks", do: uploadLeased(c, "x", ours), want: "201"},
			{name: "break now", do: breakIn(other, 0), want: "202"},
			{name: "renew what is broken", do: renew(mine), want: "409 LeaseIsBrokenAndCannotBeRenewed"},
			{name: "write with what is broken", do: uploadLeased(c, "x", ours),
				want: "412 LeaseNotPresentWithBlobOperation"},
			{name: "acquire what is broken", do: acquire(other, -1), want: "201"},
			{name: "break for good", do: breakIn(other, -1), want: "202"},
			{name: "acquire once more", do: acquire(mine, -1), want: "201"},
			{name: "release", do: release(mine), want: "200"},
			{name: "release again", do: release(mine), want: "409 LeaseIdMismatchWithLeaseOperation"},
			{name: "write after it", do: uploadLeased(c, "x", ""), want: "201"},
			{name: "acquire to delete", do: acquire(mine, 15), want: "201"},
			{name: "delete with", do: removeLeased(c, "x", ours), want: "202"},
		})
	})
}

func TestLeasedLogAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newContainer(t)
		mine := holder(t, c, "log", ours)
		account.run(t, []call{
			{name: "create", do: createLog(c, "log"), want: "201"},
			{name: "acquire", do: acquire(mine, 15), want: "201"},
			// issue 2637
			{name: "create again", do: createLog(c, "log"), want: "412 LeaseIdMissing",
				azurite: "409 BlobAlreadyExists"},
			{name: "append without", do: appendTo(c, "log", "x", 0, -1, ""), want: "412 LeaseIdMissing"},
			{name: "append with another", do: appendTo(c, "log", "x", 0, -1, theirs),
				want: "412 LeaseIdMismatchWithBlobOperation"},
			{name: "append elsewhere", do: appendTo(c, "log", "x", 7, -1, ours),
				want: "412 AppendPositionConditionNotMet"},
			{name: "append with", do: appendTo(c, "log", "x", 0, -1, ours), want: "201"},
			{name: "release", do: release(mine), want: "200"},
			{name: "append with what is no lease", do: appendTo(c, "log", "x", 1, -1, ours),
				want: "412 LeaseNotPresentWithBlobOperation"},
		})
	})
}

// A lease that is not renewed ends by itself; it can be renewed until the blob is written or leased anew.
func TestLeasesExpireAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newContainer(t)
		mine := func(name string) *lease.BlobClient { return holder(t, c, name, ours) }
		other := func(name string) *lease.BlobClient { return holder(t, c, name, theirs) }
		for _, name := range []string{"renewed", "late", "written", "taken", "broken"} {
			account.run(t, []call{
				{name: "write " + name, do: upload(c, name, "x", nil), want: "201"},
				{name: "acquire " + name, do: acquire(mine(name), 15), want: "201"},
			})
		}
		account.wait(8 * time.Second)
		account.run(t, []call{
			{name: "renew in time", do: renew(mine("renewed")), want: "200"},
			{name: "acquire too early", do: acquire(other("taken"), 15), want: "409 LeaseAlreadyPresent"},
			{name: "break at its end", do: breakIn(other("broken"), -1), want: "202"},
			{name: "acquire what breaks", do: acquire(other("broken"), 15), want: "409 LeaseAlreadyPresent"},
		})
		account.wait(8 * time.Second)
		account.run(t, []call{
			{name: "write what was renewed", do: uploadLeased(c, "renewed", ""), want: "412 LeaseIdMissing"},
			{name: "write with what is over", do: uploadLeased(c, "late", ours),
				want: "412 LeaseNotPresentWithBlobOperation"},
			{name: "renew late", do: renew(mine("late")), want: "200"},
			{name: "write without after that", do: uploadLeased(c, "late", ""), want: "412 LeaseIdMissing"},
			{name: "write what is over", do: uploadLeased(c, "written", ""), want: "201"},
			{name: "renew what was written", do: renew(mine("written")), want: "409 LeaseIdMismatchWithLeaseOperation"},
			{name: "acquire what is over", do: acquire(other("taken"), 15), want: "201"},
			{name: "renew what was taken", do: renew(mine("taken")), want: "409 LeaseIdMismatchWithLeaseOperation"},
			{name: "acquire what broke", do: acquire(other("broken"), 15), want: "201"},
		})
	})
}

// No action on a lease changes the blob.
func TestLeasesChangeNoETagAsAzurite(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, account *target) {
		c := account.newContainer(t)
		r, err := c.NewBlockBlobClient("x").Upload(t.Context(), content("x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		mine := holder(t, c, "x", ours)
		for _, do := range []func(context.Context) error{acquire(mine, 15), renew(mine), release(mine)} {
			if err := do(t.Context()); err != nil {
				t.Fatal(err)
			}
			got, err := c.NewBlobClient("x").GetProperties(t.Context(), nil)
			if err != nil || *got.ETag != *r.ETag || !got.LastModified.Equal(*r.LastModified) {
				t.Errorf("%v at %v, %v; want %v", *got.ETag, *got.LastModified, err, *r.ETag)
			}
		}
	})
}
