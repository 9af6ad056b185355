package collector

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
	"o2archiver/shared/source/telemessage"
	"o2archiver/shared/source/telemessage/client"
)

// mediaReuse is how long a stored attachment may be named by new entries. The storage's lifecycle rules keep media 30
// days longer than the batches that name them (mediaMargin in infra/modules/archive.bicep): 20 days for this, and 10
// for a fetch that stands still between selecting an item and writing its batch.
const mediaReuse = 20 * 24 * time.Hour

// mediaDay returns the day under which the media of a window are stored: the day on which it was planned, so that a
// page that is read again finds them. A window that has been open for long stores them under the present day. Otherwise
// its batches would name blobs that are much older than they are, and are tiered and deleted before them.
func (c *Collector) mediaDay(win *schedule.Window) string {
	if day := layout.DayOf(win.Folder); c.reusable(day) {
		return day
	}
	return layout.Day(c.now())
}

// reusable reports whether a blob of that day is recent enough for a new entry.
func (c *Collector) reusable(day string) bool {
	t, err := layout.ParseDay(day)
	return err == nil && c.now().Before(t.Add(mediaReuse))
}

// requestMode is how an attachment is requested, and what follows if it is unavailable.
type requestMode int

const (
	requestAgain requestMode = iota // requested; if unavailable, it is requested again later
	requestLast                     // requested; if unavailable, it is recorded as permanently unavailable
	requestNone                     // not requested any more: recorded as permanently unavailable
)

// neverDelivered is the reason recorded for an attachment that the source did not deliver in time.
const neverDelivered = goneError("the source did not give its bytes for 14 days")

// storeMedia stores those attachments of an item that have no result in known, and returns the results of all. away
// reports whether one of them is unavailable for now, or there is no time for it. waits is the item if it is a deferred
// one.
func (c *Collector) storeMedia(ctx context.Context, win *activeWindow, raw []byte,
	sources []telemessage.AttachmentSource, known []record.Media, how requestMode,
	waits ...*requestedItem) (media []record.Media, away bool, err error) {
	media = make([]record.Media, len(sources))
	copy(media, known)
	files := &mediaWriter{c: c, s: win, raw: raw, day: c.mediaDay(win.Window), how: how}
	if len(waits) > 0 {
		files.waiting = waits[0]
	}
	for i, src := range sources {
		if media[i] != (record.Media{}) {
			continue
		}
		stored, err := files.storeOne(ctx, i, src)
		var gone goneError
		switch {
		case err == nil:
			media[i] = stored
		case errors.As(err, &gone):
			media[i] = record.Media{Size: src.Size, Gone: string(gone)}
		case errors.Is(err, errNotAsked), errors.Is(err, errNoTime):
			away = true
		case errors.Is(err, client.ErrUnavailable) && !errors.Is(err, archive.ErrUnavailable) &&
			how == requestLast && ctx.Err() == nil:
			media[i] = record.Media{Size: src.Size, Gone: string(neverDelivered)}
		case errors.Is(err, client.ErrUnavailable) && ctx.Err() == nil:
			win.mediaUnavailable++
			away = true
		default:
			return nil, false, fmt.Errorf("store an attachment: %w", err)
		}
	}
	return media, away, nil
}

// errNotAsked reports that the attachment is at the site, from which this turn requests no further attachments.
var errNotAsked = errors.New("the site is not asked for attachments any more by this run")

// mediaWriter stores the attachments of one item.
type mediaWriter struct {
	c   *Collector
	s   *activeWindow
	raw []byte
	day string
	how requestMode

	waiting  *requestedItem        // nil: the item comes from a page
	contents *telemessage.Contents // of raw; nil until it is read
}

// storeOne stores one attachment: the content in the item itself, or if there is none or it can't be used, the content
// at the attachment's address, within a time limit.
func (fs *mediaWriter) storeOne(ctx context.Context, i int, src telemessage.AttachmentSource) (record.Media, error) {
	var first goneError
	if src.Inline {
		m, err := fs.putMedia(ctx, src, func(context.Context) (io.ReadCloser, error) { return fs.openInline(i) })
		if !errors.As(err, &first) || src.ContentURL == "" {
			return m, err
		}
	}
	m, err := fs.askSource(ctx, i, src)
	var second goneError
	if errors.As(err, &second) && first != "" {
		return record.Media{}, first + "; and of its address: " + second
	}
	return m, err
}

// askSource downloads one attachment from the site and stores it.
func (fs *mediaWriter) askSource(ctx context.Context, i int, src telemessage.AttachmentSource) (record.Media, error) {
	switch {
	case src.ContentURL == "":
		return record.Media{}, goneError("the source sent neither its content nor its address")
	case fs.s.onlyTexts, fs.s.mediaUnavailable >= contentTries && fs.how == requestAgain:
		return record.Media{}, errNotAsked
	case fs.how == requestNone:
		return record.Media{}, neverDelivered
	}
	open := func(ctx context.Context) (io.ReadCloser, error) { return fs.c.openAtSite(ctx, src) }
	if r := fs.resumedFile(i, src); r != nil {
		open = r.openWhole
	}
	m, err := fs.c.askWithinBudget(ctx, fs.s, src, func(ctx context.Context) (record.Media, error) {
		return fs.putMedia(ctx, src, open)
	})
	if err == nil {
		fs.s.mediaUnavailable = 0
	}
	return m, err
}

// openAtSite requests an attachment from the site. Reading it fails if it arrives too slowly.
func (c *Collector) openAtSite(ctx context.Context, src telemessage.AttachmentSource) (io.ReadCloser, error) {
	body, _, err := c.site.Attachment(ctx, src)
	if err != nil {
		return nil, err
	}
	l := c.limits.withDefaults()
	return &pacedReader{ReadCloser: body, least: l.leastRate, judged: l.judged}, nil
}

// openInline opens the content that the item itself holds for its i-th attachment.
func (fs *mediaWriter) openInline(i int) (_ io.ReadCloser, err error) {
	if fs.contents == nil {
		if fs.contents, err = telemessage.ReadContents(fs.raw); err != nil {
			return nil, err
		}
	}
	content, err := fs.contents.Open(i)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(content), nil
}

// putMedia stores the bytes that open returns, under their SHA-256. A goneError means that another try would fail too.
func (fs *mediaWriter) putMedia(ctx context.Context, src telemessage.AttachmentSource,
	open func(context.Context) (io.ReadCloser, error)) (record.Media, error) {
	digest := src.SHA256() // "" if the source sent no usable digest
	m := record.Media{Day: fs.day}
	begun := false
	store := func(ctx context.Context) error {
		body, err := open(ctx)
		if err != nil {
			return err
		}
		defer body.Close()
		begun = true
		m.SHA256, m.Size, err = fs.c.media.Put(ctx, fs.day, digest, &limitedReader{r: body, left: maxMedia})
		return err
	}
	err := retry.DoFor(ctx, storagePatience, store)
	if wrong := errors.Is(err, archive.ErrDigest); begun && (wrong || errors.Is(err, client.ErrUnavailable)) &&
		ctx.Err() == nil {
		// The transfer broke off, or something on the way cut it short. Only if two readings yield the same wrong bytes
		// are those what the source has.
		before := m.SHA256
		err = retry.DoFor(ctx, storagePatience, store)
		if errors.Is(err, archive.ErrDigest) && !(wrong && m.SHA256 == before) {
			return record.Media{}, fmt.Errorf("%w: an attachment had other bytes when it was read again",
				client.ErrUnavailable)
		}
	}
	if errors.Is(err, archive.ErrNeedDigest) {
		// It is large and has no digest: the first reading yielded the hash that names the blob, the second one stores
		// it.
		digest = m.SHA256
		if err = retry.DoFor(ctx, storagePatience, store); errors.Is(err, archive.ErrDigest) {
			return record.Media{}, fmt.Errorf("%w: an attachment had other bytes when it was read again",
				client.ErrUnavailable)
		}
	}
	var corrupt base64.CorruptInputError
	switch {
	case err == nil:
		return m, nil
	case errors.Is(err, archive.ErrDigest):
		return record.Media{}, goneError("its bytes do not match the digest that the source gave")
	case errors.Is(err, client.ErrGone):
		return record.Media{}, goneError("the source does not have it, or named an address outside its own origin")
	case errors.As(err, &corrupt):
		return record.Media{}, goneError("its content is not valid Base64")
	case errors.Is(err, errTooMuch):
		return record.Media{}, goneError("it is larger than 2 GiB")
	}
	return record.Media{}, err
}

// renewMedia copies media that are too old for a new entry to the present day, and reports whether there were any. A
// blob that can't be read, for example because it is in the archive tier, keeps its day: import then reports what an
// operator has to do.
func (c *Collector) renewMedia(ctx context.Context, media []record.Media) (renewed bool, err error) {
	day := layout.Day(c.now())
	for i := range media {
		m := &media[i]
		if m.SHA256 == "" || m.Gone != "" || c.reusable(m.Day) {
			continue
		}
		err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) error {
			body, _, err := c.media.Open(ctx, m.Blob())
			if err != nil {
				return err
			}
			defer body.Close()
			_, _, err = c.media.Put(ctx, day, m.SHA256, body)
			return err
		})
		switch {
		case errors.Is(err, archive.ErrArchived), errors.Is(err, archive.ErrNotFound),
			errors.Is(err, archive.ErrDigest):
			continue
		case err != nil:
			return renewed, fmt.Errorf("store an attachment of a deferred item again: %w", err)
		}
		m.Day, renewed = day, true
	}
	return renewed, nil
}
