package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"o2archiver/shared/archive"
)

// maxFacts is the maximum size in bytes of the facts of a document: metadata of a blob end at 8 KiB.
const maxFacts = 4 << 10

// errFacts reports a run whose facts no listing can have.
var errFacts = errors.New("the document of a run is too large, or not ASCII")

// factsOf returns the document of a run as the facts with which a listing returns it, so that a page with many runs
// reads none of them by itself.
func factsOf(r Run) (string, error) {
	facts, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode the document of a run: %w", err)
	}
	if len(facts) > maxFacts {
		return "", errFacts
	}
	for _, c := range facts {
		if c < ' ' || c > '~' {
			return "", errFacts
		}
	}
	return string(facts), nil
}

// Reader reads the documents. It is safe for concurrent use.
type Reader struct{ documents *archive.Documents }

// NewReader returns a Reader of the container status. It makes no request.
func NewReader(d *archive.Documents) *Reader { return &Reader{d} }

// Progress returns the progress of fetch. The error matches archive.ErrNotFound if fetch has never run, and
// archive.ErrContent if the document is not what it should be.
func (r *Reader) Progress(ctx context.Context) (Progress, error) {
	var p Progress
	if _, err := r.documents.GetLarge(ctx, progressName, &p, maxSize); err != nil {
		return Progress{}, fmt.Errorf("read the progress of fetch: %w", err)
	}
	return p.clean(), nil
}

// Run returns what became of a run. The error matches archive.ErrNotFound if it is not closed, or its document is not
// written yet.
func (r *Reader) Run(ctx context.Context, folder string) (Run, error) {
	var run Run
	if _, err := r.documents.GetLarge(ctx, nameOf(folder), &run, maxSize); err != nil {
		return Run{}, fmt.Errorf("read the document of a run: %w", err)
	}
	return run, nil
}

// Runs returns the closed runs whose folders begin with prefix, such as 2026/11 or 2026/11/29, in the order of their
// names, at most limit of them. more reports whether there are further ones. It costs one request for every thousand.
// Of a document that can't be read, there is only the folder, and the Version is 0.
func (r *Reader) Runs(ctx context.Context, prefix string, limit int) (runs []Run, more bool, err error) {
	documents, more, err := r.documents.List(ctx, runsFolder+prefix, limit)
	if err != nil {
		return nil, false, fmt.Errorf("list the documents of runs: %w", err)
	}
	for _, d := range documents {
		folder, ok := runIn(d.Name)
		if !ok {
			continue
		}
		var run Run
		if json.Unmarshal([]byte(d.Facts), &run) != nil || run.Run != folder {
			run, err = r.Run(ctx, folder)
			switch {
			case errors.Is(err, archive.ErrNotFound): // deleted since
				continue
			case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge),
				err == nil && run.Run != folder:
				run = Run{Run: folder}
			case err != nil:
				return nil, false, err
			}
		}
		runs = append(runs, run)
	}
	return runs, more, nil
}
