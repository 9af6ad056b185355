package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
	"o2archiver/shared/source/telemessage"
	"o2archiver/shared/source/telemessage/client"
)

const (
	// minResumed is the size in bytes from which an attachment of a deferred item is stored in chunks, so that a later
	// run resumes where an earlier one ended.
	minResumed = 4 << 20

	partSize  = 4 << 20 // bytes of one chunk
	saveEvery = 16      // chunks after which the progress of an attachment is saved
)

// partialState is the progress of an attachment of a deferred item. Its chunks are stored beside the deferred items.
type partialState struct {
	Got   int64  `json:"got"`             // bytes stored
	Parts int    `json:"parts"`           // chunks stored
	Total int64  `json:"total,omitempty"` // bytes of the whole; -1: unknown
	Tag   string `json:"tag,omitempty"`   // strong entity tag of the content that was read
	Whole bool   `json:"whole,omitempty"` // all bytes are stored
}

// isPartlyRead reports whether bytes of one of the item's attachments are stored.
func (w *deferred) isPartlyRead() bool {
	for _, p := range w.Partial {
		if p.Got > 0 {
			return true
		}
	}
	return false
}

// partialDownload downloads an attachment in chunks. Chunks are joined only if they are known to be of the same
// content: either the site confirms the entity tag, or the whole is checked against the source's digest and discarded
// if it does not match.
type partialDownload struct {
	c     *Collector
	key   string // of the deferred item
	file  int    // index of the attachment in the item
	src   telemessage.AttachmentSource
	state *partialState
	save  func(context.Context) error // saves the state in the deferred item

	readToEnd bool // the whole was returned by openWhole and read to its end
}

// resumedFile returns the download of the i-th attachment, or nil if the attachment is not stored in chunks. A small
// attachment is quickly read again. One of unknown size is stored in chunks only after minTries tries.
func (fs *mediaWriter) resumedFile(i int, src telemessage.AttachmentSource) *partialDownload {
	w := fs.waiting
	if w == nil {
		return nil
	}
	large := src.Size >= minResumed || src.Size <= 0 && w.item.Tries >= minTries
	if !large && w.item.Partial[i] == nil {
		return nil
	}
	if w.item.Partial == nil {
		w.item.Partial = map[int]*partialState{}
	}
	if w.item.Partial[i] == nil {
		w.item.Partial[i] = &partialState{}
	}
	return &partialDownload{c: fs.c, key: w.key, file: i, src: src, state: w.item.Partial[i], save: w.save}
}

// openWhole reads the missing bytes from the site and returns the whole attachment.
func (r *partialDownload) openWhole(ctx context.Context) (io.ReadCloser, error) {
	if r.readToEnd && r.src.SHA256() != "" {
		r.deleteStored() // it is opened again because it did not match the digest, so the stored chunks are wrong
	}
	if !r.state.Whole {
		if err := r.collectRest(ctx); err != nil {
			return nil, err
		}
	}
	whole := r.c.deferred.OpenParts(ctx, r.key, r.file, r.state.Parts)
	return io.NopCloser(readerFunc(func(b []byte) (int, error) {
		n, err := whole.Read(b)
		r.readToEnd = r.readToEnd || err == io.EOF
		if errors.Is(err, archive.ErrNotFound) || errors.Is(err, archive.ErrTooLarge) {
			// The stored chunks do not match the state: begin again.
			r.deleteStored()
			err = fmt.Errorf("%w: parts of an attachment are missing", client.ErrUnavailable)
		}
		return n, err
	})), nil
}

// readerFunc is a function that implements io.Reader.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// deleteStored resets the state, so that the stored chunks are no longer used and will be overwritten.
func (r *partialDownload) deleteStored() {
	*r.state = partialState{}
	r.readToEnd = false
}

// collectRest reads from the end of the stored chunks. Chunks that arrived before the connection broke or the time ran
// out stay stored.
func (r *partialDownload) collectRest(ctx context.Context) error {
	if r.state.Tag == "" && r.src.SHA256() == "" {
		r.deleteStored() // neither tag nor digest can prove that the rest belongs to the same content
	}
	body, extent, err := r.c.site.AttachmentFrom(ctx, r.src, r.state.Got, r.state.Tag)
	if errors.Is(err, client.ErrOther) {
		r.deleteStored()
		body, extent, err = r.c.site.AttachmentFrom(ctx, r.src, 0, "")
	}
	if err != nil {
		return err
	}
	defer body.Close()
	if extent.Offset == 0 {
		r.deleteStored()
		r.state.Total, r.state.Tag = extent.Total, extent.Tag
	} else if r.state.Tag != "" && extent.Tag != "" && extent.Tag != r.state.Tag {
		r.deleteStored() // QUIRK: a site may send a range of different content in spite of the If-Range header
		return fmt.Errorf("%w: %w", client.ErrUnavailable, client.ErrOther)
	}
	l := r.c.limits.withDefaults()
	return r.readParts(ctx, &pacedReader{ReadCloser: body, least: l.leastRate, judged: l.judged})
}

// readParts stores body chunk by chunk until it ends.
func (r *partialDownload) readParts(ctx context.Context, body io.Reader) error {
	buf := make([]byte, partSize)
	for {
		n, err := io.ReadFull(body, buf)
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if n > 0 {
			if perr := r.storePart(ctx, buf[:n]); perr != nil {
				return perr
			}
		}
		switch {
		case r.state.Got > maxMedia:
			return errTooMuch
		case ended && r.state.Total > 0 && r.state.Got != r.state.Total:
			r.deleteStored()
			return fmt.Errorf("%w: an attachment has not the length that was announced", client.ErrUnavailable)
		case ended:
			r.state.Whole = true
			return r.save(ctx)
		case err != nil:
			return err
		}
		if r.state.Parts%saveEvery == 0 {
			if err := r.save(ctx); err != nil {
				return err
			}
		}
	}
}

// storePart stores one chunk.
func (r *partialDownload) storePart(ctx context.Context, data []byte) error {
	// The attachment's time may be over, but the bytes that have arrived must not be lost: storage has one minute.
	err := retry.DoFor(context.WithoutCancel(ctx), time.Minute, func(ctx context.Context) error {
		return r.c.deferred.PutPart(ctx, r.key, r.file, r.state.Parts, data)
	})
	if err != nil {
		return err
	}
	r.state.Got += int64(len(data))
	r.state.Parts++
	return nil
}
