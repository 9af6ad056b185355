package staging

import (
	"context"
	"errors"
	"fmt"
	"time"
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

// WriteManifest writes the run's manifest beside its batches. The first one stays: where there is one already,
// nothing is written and nothing is wrong.
func (s *Store) WriteManifest(ctx context.Context, folder string, m Manifest) error {
	if !folderForm.MatchString(folder) {
		return errors.New("write a manifest: its folder is not of the form yyyy/mm/dd/run")
	}
	_, err := s.PutJSON(ctx, Batches, manifestName(folder), m, "", nil)
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// ReadManifest reads it. ErrNotFound: the run is not finished.
func (s *Store) ReadManifest(ctx context.Context, folder string) (Manifest, error) {
	var m Manifest
	if !folderForm.MatchString(folder) {
		return m, errors.New("read a manifest: its folder is not of the form yyyy/mm/dd/run")
	}
	// A run of 99,999 batches has a manifest of some 20 MB.
	if _, err := s.getJSON(ctx, Batches, manifestName(folder), &m, 64<<20); err != nil {
		return m, fmt.Errorf("read a manifest: %w", err)
	}
	return m, nil
}
