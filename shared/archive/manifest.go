package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
)

// Manifest describes what a finished run of fetch received and wrote.
type Manifest struct {
	Version  int       `json:"v"`    // 1
	Kind     string    `json:"kind"` // daily or backfill; delivery or import for a ZIP
	From     time.Time `json:"from"`
	To       time.Time `json:"to"` // exclusive
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`

	Received    int    `json:"received"`              // items that the site sent
	SourceTotal *int64 `json:"sourceTotal,omitempty"` // the source's own count, of the window or ZIP; nil if unknown
	Deferred    int    `json:"setAside"`              // of the received, items that were deferred
	Taken       int    `json:"taken"`                 // items that earlier runs deferred, and this one wrote
	Records     int    `json:"records"`               // received − deferred + taken
	Derived     int    `json:"derived"`               // items without a messageId
	Incomplete  int    `json:"incomplete"`            // attachments that are permanently unavailable
	Restarts    int    `json:"restarts"`              // how often the window was restarted from its beginning

	Batches []BatchInfo `json:"batches"`
	Staged  int         `json:"staged"` // the sum of the batches' records
}

// WriteManifest writes the run's manifest beside its batches, and returns how many batches there are and how many
// records they hold: m's own Batches and Staged are ignored. The first manifest stays: if there is one already, nothing
// is written and no error is returned, so it may be called again.
//
// A day of a million items has ten thousand batches. Their lines are streamed as they are listed, not held in memory.
func (b *Batches) WriteManifest(ctx context.Context, folder string, m Manifest) (batches, staged int, err error) {
	if !folderForm.MatchString(folder) {
		return 0, 0, errors.New("write a manifest: its folder is not of the form yyyy/mm/dd/run")
	}
	r, w := io.Pipe()
	listed := make(chan error, 1)
	go func() {
		var err error
		batches, staged, err = b.encodeManifest(ctx, w, folder, m)
		w.CloseWithError(err)
		listed <- err
	}()
	_, err = b.client.NewBlockBlobClient(manifestName(folder)).UploadStream(ctx, r,
		&blockblob.UploadStreamOptions{
			BlockSize: manifestBlock, Concurrency: 1,
			HTTPHeaders:             &blob.HTTPHeaders{BlobContentType: to.Ptr("application/json")},
			AccessConditions:        &blob.AccessConditions{ModifiedAccessConditions: ifAbsent()},
			TransactionalValidation: blob.TransferValidationTypeComputeCRC64(),
		})
	r.CloseWithError(errUploaded) // unblocks the writer if not everything was read
	lerr := <-listed
	switch err = translateCreateError(ctx, err); {
	case lerr != nil && !errors.Is(lerr, errUploaded):
		return 0, 0, fmt.Errorf("write a manifest: list the batches: %w", lerr)
	case err != nil && !errors.Is(err, ErrExists):
		return 0, 0, fmt.Errorf("write a manifest: %w", err)
	}
	return batches, staged, nil
}

// manifestBlock is the size in bytes of one block of the manifest's upload.
const manifestBlock = 256 << 10

// errUploaded ends the encoding of the manifest when its upload has ended.
var errUploaded = errors.New("the upload has ended")

// encodeManifest writes m as JSON, with the run's batches and the sum of their records at its end.
func (b *Batches) encodeManifest(ctx context.Context, w io.Writer, folder string, m Manifest) (
	batches, staged int, err error) {
	m.Batches, m.Staged = nil, 0
	whole, err := json.Marshal(m)
	if err != nil {
		return 0, 0, err
	}
	head, _, ok := bytes.Cut(whole, []byte("null,\"staged\":0}"))
	if !ok {
		return 0, 0, errors.New("the manifest does not end in its batches and their records")
	}
	out := bufio.NewWriterSize(w, 32<<10) // Flush returns its first error
	out.Write(append(head, '['))
	for info, err := range b.InRun(ctx, folder) {
		if err != nil {
			return 0, 0, err
		}
		if batches > 0 {
			out.WriteByte(',')
		}
		batches++
		staged += info.Records
		line, _ := json.Marshal(info) // strings, numbers and a time: it can't fail
		out.Write(line)
	}
	fmt.Fprintf(out, "],\"staged\":%d}\n", staged)
	return batches, staged, out.Flush()
}

// ManifestWritten returns when the run's manifest was written, by the service's clock, or ErrNotFound if the run is not
// finished.
func (b *Batches) ManifestWritten(ctx context.Context, folder string) (time.Time, error) {
	if !folderForm.MatchString(folder) {
		return time.Time{}, errors.New("look for a manifest: its folder is not of the form yyyy/mm/dd/run")
	}
	props, err := b.blob(manifestName(folder)).GetProperties(ctx, nil)
	if err = translateError(ctx, err); err != nil {
		return time.Time{}, fmt.Errorf("look for a manifest: %w", err)
	}
	return valueOf(props.LastModified).UTC(), nil
}

// ReadManifest returns the run's manifest without its Batches, of which a run may have a million, and calls each,
// unless it is nil, for them in their order. It returns ErrNotFound if the run is not finished.
func (b *Batches) ReadManifest(ctx context.Context, folder string, each func(BatchInfo)) (Manifest, error) {
	if !folderForm.MatchString(folder) {
		return Manifest{}, errors.New("read a manifest: its folder is not of the form yyyy/mm/dd/run")
	}
	body, err := b.openChunks(ctx, manifestName(folder), true)
	if err != nil {
		return Manifest{}, fmt.Errorf("read a manifest: %w", err)
	}
	defer body.Close()
	if each == nil {
		each = func(BatchInfo) {}
	}
	m, err := DecodeManifest(body, each)
	if err != nil {
		return Manifest{}, fmt.Errorf("read a manifest: %w", err)
	}
	return m, nil
}
