package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/telemessage"
)

const (
	// minResumed is the size from which on an attachment of an item that waits is kept in parts, so that a later run goes on
	// where an earlier one ended.
	minResumed = 4 << 20

	partSize  = 4 << 20
	saveEvery = 16 // parts: how often it is noted how far an attachment has come
)

// partialState is how far an attachment of an item that waits has come. Its parts lie beside the waiting room.
type partialState struct {
	Got   int64  `json:"got"`
	Parts int    `json:"parts"`
	Total int64  `json:"total,omitempty"` // -1: not known
	Tag   string `json:"tag,omitempty"`   // the strong entity tag of what was read
	Whole bool   `json:"whole,omitempty"` // it has come to its end
}

// isPartlyRead reports whether some attachment of the item has come in part.
func (w *deferred) isPartlyRead() bool {
	for _, p := range w.Partial {
		if p.Got > 0 {
			return true
		}
	}
	return false
}

// partialDownload collects an attachment in parts. Only bytes that are surely of the same content are put together: the site
// confirms the entity tag, or the whole is held against the digest of the source, and thrown away where it does not match.
type partialDownload struct {
	c     *Collector
	key   string // of the item
	file  int
	src   telemessage.AttachmentSource
	state *partialState
	save  func(context.Context) error // notes the state in the waiting room

	readToEnd bool // the whole was handed out, and read
}

// resumedFile returns the i-th attachment's collection; nil if it is not kept in parts. A small one is quickly read again, and so is
// one of an unknown size until it has proved otherwise.
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

// openWhole returns the whole attachment, after it has read from the site what is still missing.
func (r *partialDownload) openWhole(ctx context.Context) (io.ReadCloser, error) {
	if r.readToEnd && r.src.SHA256() != "" {
		r.deleteStored() // it did not have the digest: what was put together is not it
	}
	if !r.state.Whole {
		if err := r.collectRest(ctx); err != nil {
			return nil, err
		}
	}
	whole := r.c.store.OpenParts(ctx, r.key, r.file, r.state.Parts)
	return io.NopCloser(readerFunc(func(b []byte) (int, error) {
		n, err := whole.Read(b)
		r.readToEnd = r.readToEnd || err == io.EOF
		if errors.Is(err, archive.ErrNotFound) || errors.Is(err, archive.ErrTooLarge) {
			// The parts are not what was kept: it begins again.
			r.deleteStored()
			err = fmt.Errorf("%w: parts of an attachment are missing", telemessage.ErrUnavailable)
		}
		return n, err
	})), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func (r *partialDownload) deleteStored() {
	*r.state = partialState{}
	r.readToEnd = false
}

// collectRest reads from where the parts end. What has come by the time that the way or the time is at its end is kept.
func (r *partialDownload) collectRest(ctx context.Context) error {
	if r.state.Tag == "" && r.src.SHA256() == "" {
		r.deleteStored() // nothing tells whether the rest would be of the same bytes
	}
	body, extent, err := r.c.site.AttachmentFrom(ctx, r.src, r.state.Got, r.state.Tag)
	if errors.Is(err, telemessage.ErrOther) {
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
		r.deleteStored() // QUIRK: a site that sends a part of something else, though it was asked not to
		return fmt.Errorf("%w: %w", telemessage.ErrUnavailable, telemessage.ErrOther)
	}
	l := r.c.limits.withDefaults()
	return r.readParts(ctx, &pacedReader{ReadCloser: body, least: l.leastRate, judged: l.judged})
}

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
			return fmt.Errorf("%w: an attachment has not the length that was announced", telemessage.ErrUnavailable)
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

// storePart stores a part.
func (r *partialDownload) storePart(ctx context.Context, data []byte) error {
	// The attachment's time may be over, and what has come shall not be lost; the storage has a minute for it.
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := onStorage(own, func(ctx context.Context) error { return r.c.store.PutPart(ctx, r.key, r.file, r.state.Parts, data) })
	if err != nil {
		return err
	}
	r.state.Got += int64(len(data))
	r.state.Parts++
	return nil
}
