package archive

import (
	"context"
	"errors"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"o2archiver/shared/azure"
)

// The errors of this package, for use with errors.Is. None of their texts holds an address, an account or a blob's
// name.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("there is one already")
	ErrChanged     = errors.New("changed by another writer") // or its lease was lost
	ErrLeased      = errors.New("leased by another holder")
	ErrNotModified = errors.New("not modified")
	ErrForeign     = errors.New("not an address of a batch of this archive")
	ErrTooLarge    = errors.New("larger than it may be")
	ErrDigest      = errors.New("the bytes do not have the digest that they should")
	ErrContent     = errors.New("its content is not the JSON that is expected")
	ErrNeedDigest  = errors.New("large content has to come with its digest")
	ErrPartial     = errors.New("the earlier part of an upload can't be used: it has to begin anew")
	ErrDenied      = azure.ErrDenied
	ErrUnavailable = azure.ErrUnavailable // a retry may succeed
	// ErrArchived means that the blob exists but cannot be read until an operator has rehydrated it, which takes hours.
	ErrArchived = errors.New(
		"the blob lies in the archive tier and has to be rehydrated (\"Bring originals back\" in infra/operations.md)")
)

// blobService translates the errors of the blob service.
var blobService = azure.Service{Name: "blob service", Kind: errorKind}

// translateError returns an SDK error as an *azure.Error of one of this package's kinds.
func translateError(ctx context.Context, err error) error { return blobService.Translate(ctx, err) }

// translateCreateError is translateError for a write that is made only if there is no such blob. Under an immutability
// policy the service may refuse the write because of the policy before it checks that condition. The policy permits
// every new blob, so the refusal means that the blob exists; so does an answer that it is in the archive tier.
func translateCreateError(ctx context.Context, err error) error {
	err = translateError(ctx, err)
	if answer, ok := errors.AsType[*azure.Error](err); ok &&
		(answer.Code == string(bloberror.BlobImmutableDueToPolicy) || errors.Is(err, ErrArchived)) {
		return &azure.Error{Service: answer.Service, Kind: ErrExists, Status: answer.Status, Code: answer.Code}
	}
	return err
}

// errorKind returns the kind of a refusal by the blob service itself.
func errorKind(status int, code string) error {
	switch bloberror.Code(code) {
	// 409 is the answer to a request for the lease, 412 that to a write without it.
	case bloberror.LeaseAlreadyPresent, bloberror.LeaseIDMissing:
		return ErrLeased
	case bloberror.BlobImmutableDueToPolicy:
		return ErrDenied
	case bloberror.ContainerBeingDeleted, bloberror.MD5Mismatch, bloberror.CRC64Mismatch:
		return ErrUnavailable // a temporary state, or damage in transit
	case bloberror.BlobArchived, bloberror.BlobBeingRehydrated:
		return ErrArchived
	case bloberror.BlobAlreadyExists, bloberror.ContainerAlreadyExists:
		return ErrExists
	}
	switch {
	case status == http.StatusNotModified:
		return ErrNotModified
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ErrDenied
	case status == http.StatusNotFound:
		return ErrNotFound
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		return ErrUnavailable
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return ErrChanged
	case status == http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	}
	return nil
}

// IsUnusable reports whether a batch no longer exists as it was written. A later try reads nothing else until an
// operator has restored it.
func IsUnusable(err error) bool {
	return errors.Is(err, ErrDigest) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrTooLarge) ||
		errors.Is(err, ErrArchived)
}
