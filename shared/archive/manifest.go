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

// Manifest says what a finished run of fetch received and what it left behind.
type Manifest struct {
	Version  int       `json:"v"`    // 1
	Kind     string    `json:"kind"` // daily or backfill
	From     time.Time `json:"from"`
	To       time.Time `json:"to"` // not included
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`

	Received    int    `json:"received"`              // items that the site sent
	SourceTotal *int64 `json:"sourceTotal,omitempty"` // what the site says it holds; nil if it does not say
	SetAside    int    `json:"setAside"`              // of the received, items put into the waiting room
	Taken       int    `json:"taken"`                 // items of earlier runs taken out of it
	Records     int    `json:"records"`               // received − setAside + taken
	Derived     int    `json:"derived"`               // items without a messageId
	Incomplete  int    `json:"incomplete"`            // attachments that are gone for good
	Restarts    int    `json:"restarts"`              // how often the cursor expired

	Batches []BatchInfo `json:"batches"`
	Staged  int         `json:"staged"` // the sum of the batches' records
}

func manifestName(folder string) string { return folder + "/manifest.json" }

// WriteManifest writes the run's manifest beside its batches, and says how many these are and how many records they have: m's own Batches and
// Staged are not looked at. The first manifest stays: where there is one already, nothing is written and nothing is wrong.
//
// A day of a million items has ten thousand batches. They are written as they are listed, so that none of it is in memory.
func (s *Store) WriteManifest(ctx context.Context, folder string, m Manifest) (batches, staged int, err error) {
	if !folderForm.MatchString(folder) {
		return 0, 0, errors.New("write a manifest: its folder is not of the form yyyy/mm/dd/run")
	}
	r, w := io.Pipe()
	listed := make(chan error, 1)
	go func() {
		var err error
		batches, staged, err = s.encodeManifest(ctx, w, folder, m)
		w.CloseWithError(err)
		listed <- err
	}()
	_, err = s.container(Batches).NewBlockBlobClient(manifestName(folder)).UploadStream(ctx, r, &blockblob.UploadStreamOptions{
		BlockSize: manifestBlock, Concurrency: 1,
		HTTPHeaders:             &blob.HTTPHeaders{BlobContentType: to.Ptr("application/json")},
		AccessConditions:        &blob.AccessConditions{ModifiedAccessConditions: ifAbsent()},
		TransactionalValidation: blob.TransferValidationTypeComputeCRC64(),
	})
	r.CloseWithError(errUploaded) // whatever the reader has not taken
	lerr := <-listed
	switch err = translateCreateError(ctx, err); {
	case lerr != nil && !errors.Is(lerr, errUploaded):
		return 0, 0, fmt.Errorf("write a manifest: list the batches: %w", lerr)
	case err != nil && !errors.Is(err, ErrExists):
		return 0, 0, fmt.Errorf("write a manifest: %w", err)
	}
	return batches, staged, nil
}

const manifestBlock = 256 << 10

// errUploaded: the upload has ended, and with it the reading of what is to be uploaded.
var errUploaded = errors.New("the upload has ended")

// encodeManifest writes m as JSON, with the batches and the sum of their records at its end.
func (s *Store) encodeManifest(ctx context.Context, w io.Writer, folder string, m Manifest) (batches, staged int, err error) {
	m.Batches, m.Staged = nil, 0
	whole, err := json.Marshal(m)
	if err != nil {
		return 0, 0, err
	}
	head, _, ok := bytes.Cut(whole, []byte("null,\"staged\":0}"))
	if !ok {
		return 0, 0, errors.New("the manifest does not end in its batches and their records")
	}
	b := bufio.NewWriterSize(w, 32<<10) // keeps its first error
	b.Write(append(head, '['))
	err = s.eachBatch(ctx, folder, func(info BatchInfo) {
		if batches > 0 {
			b.WriteByte(',')
		}
		batches++
		staged += info.Records
		line, _ := json.Marshal(info) // of texts, numbers and a time
		b.Write(line)
	})
	if err != nil {
		return 0, 0, err
	}
	fmt.Fprintf(b, "],\"staged\":%d}\n", staged)
	return batches, staged, b.Flush()
}

// ManifestWritten returns when the run's manifest was written, by the service's clock. ErrNotFound: the run is not finished.
func (s *Store) ManifestWritten(ctx context.Context, folder string) (time.Time, error) {
	if !folderForm.MatchString(folder) {
		return time.Time{}, errors.New("look for a manifest: its folder is not of the form yyyy/mm/dd/run")
	}
	props, err := s.blob(Batches, manifestName(folder)).GetProperties(ctx, nil)
	if err = translateError(ctx, err); err != nil {
		return time.Time{}, fmt.Errorf("look for a manifest: %w", err)
	}
	return valueOf(props.LastModified).UTC(), nil
}

// ReadManifest reads it. ErrNotFound: the run is not finished.
func (s *Store) ReadManifest(ctx context.Context, folder string) (Manifest, error) {
	var m Manifest
	if !folderForm.MatchString(folder) {
		return m, errors.New("read a manifest: its folder is not of the form yyyy/mm/dd/run")
	}
	// A run of maxBatches batches has a manifest of some 200 MB.
	if _, err := s.getJSON(ctx, Batches, manifestName(folder), &m, 256<<20); err != nil {
		return m, fmt.Errorf("read a manifest: %w", err)
	}
	return m, nil
}
