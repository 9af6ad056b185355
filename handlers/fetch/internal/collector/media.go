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
	"o2archiver/shared/record"
	"o2archiver/shared/telemessage"
)

// mediaReuse is for how long a blob of a medium is used for further entries. The storage's rules keep media for 30 days longer
// than the batches that name them (mediaMargin in infra/modules/archive.bicep): 20 for this, and 10 for a fetch that stands
// still between choosing an item and writing its batch.
const mediaReuse = 20 * 24 * time.Hour

// mediaDay returns the day under which the media of a window are stored: that of its plan, so that a page that is read again
// finds what is there. A window that has been open for long stores them under the present day, or its batches would name blobs
// much older than they are, which are tiered and deleted before them.
func (c *Collector) mediaDay(s *schedule.Window) string {
	if day := s.Folder[:min(len(s.Folder), len(dayForm))]; c.reusable(day) {
		return day
	}
	return c.now().UTC().Format(dayForm)
}

// dayForm is the form of record.Media.Day.
const dayForm = "2006/01/02"

// reusable reports whether a blob of that day is young enough for a new entry.
func (c *Collector) reusable(day string) bool {
	t, err := time.Parse(dayForm, day)
	return err == nil && c.now().Before(t.Add(mediaReuse))
}

// askMode is how an attachment is asked for that may be out of reach.
type askMode int

const (
	patientWith askMode = iota // out of reach: for now
	lastTime                   // out of reach: gone for good
	givenUp                    // not asked for any more: gone for good
)

// neverCame is the reason of an attachment that the source owed for too long.
const neverCame = goneError("the source did not give its bytes for 14 days")

// storeMedia stores the attachments of which known does not have yet what became of them, and returns it. away: one of them is
// out of reach for now, or there is no time for it.
func (c *Collector) storeMedia(ctx context.Context, s *activeWindow, raw []byte, sources []telemessage.AttachmentSource, known []record.Media, how askMode,
	waits ...*deferredAt) (media []record.Media, away bool, err error) {
	media = make([]record.Media, len(sources))
	copy(media, known)
	files := &mediaWriter{c: c, s: s, raw: raw, day: c.mediaDay(s.Window), how: how}
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
		case errors.Is(err, telemessage.ErrUnavailable) && !errors.Is(err, archive.ErrUnavailable) && how == lastTime && ctx.Err() == nil:
			media[i] = record.Media{Size: src.Size, Gone: string(neverCame)}
		case errors.Is(err, telemessage.ErrUnavailable) && ctx.Err() == nil:
			s.contentAway++
			away = true
		default:
			return nil, false, fmt.Errorf("store an attachment: %w", err)
		}
	}
	return media, away, nil
}

// errNotAsked: the attachment is at the site, which this run asks for no further attachments.
var errNotAsked = errors.New("the site is not asked for attachments any more by this run")

// mediaWriter stores the attachments of one item.
type mediaWriter struct {
	c   *Collector
	s   *activeWindow
	raw []byte
	day string
	how askMode

	waiting  *deferredAt           // nil: the item comes from a page
	contents *telemessage.Contents // of raw, once it has been read
}

// storeOne stores one attachment: what lies in the item at once, and where that can't be used, or is none, what the site has at its
// address, within a time.
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

// askSource stores one attachment from the site.
func (fs *mediaWriter) askSource(ctx context.Context, i int, src telemessage.AttachmentSource) (record.Media, error) {
	switch {
	case src.ContentURL == "":
		return record.Media{}, goneError("the source sent neither its content nor its address")
	case fs.s.onlyTexts, fs.s.contentAway >= contentTries && fs.how == patientWith:
		return record.Media{}, errNotAsked
	case fs.how == givenUp:
		return record.Media{}, neverCame
	}
	open := func(ctx context.Context) (io.ReadCloser, error) { return fs.c.openAtSite(ctx, src) }
	if r := fs.resumedFile(i, src); r != nil {
		open = r.openWhole
	}
	m, err := fs.c.askWithinBudget(ctx, fs.s, src, func(ctx context.Context) (record.Media, error) {
		return fs.putMedia(ctx, src, open)
	})
	if err == nil {
		fs.s.contentAway = 0
	}
	return m, err
}

func (c *Collector) openAtSite(ctx context.Context, src telemessage.AttachmentSource) (io.ReadCloser, error) {
	body, _, err := c.site.Attachment(ctx, src)
	if err != nil {
		return nil, err
	}
	l := c.limits.withDefaults()
	return &pacedReader{ReadCloser: body, least: l.leastRate, judged: l.judged}, nil
}

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

// putMedia stores what open returns under its SHA-256. A goneError says that this way will never lead to the bytes.
func (fs *mediaWriter) putMedia(ctx context.Context, src telemessage.AttachmentSource, open func(context.Context) (io.ReadCloser, error)) (record.Media, error) {
	digest := src.SHA256() // "" where the source's digest is none that can be used
	m := record.Media{Day: fs.day}
	begun := false
	store := func(ctx context.Context) error {
		body, err := open(ctx)
		if err != nil {
			return err
		}
		defer body.Close()
		begun = true
		m.SHA256, m.Size, err = fs.c.store.PutMedia(ctx, fs.day, digest, &limitedReader{r: body, left: maxMedia})
		return err
	}
	err := onStorage(ctx, store)
	if wrong := errors.Is(err, archive.ErrDigest); begun && (wrong || errors.Is(err, telemessage.ErrUnavailable)) && ctx.Err() == nil {
		// It broke off, or something on the way cut it short. Only bytes that are wrong in the same way twice are what the source has.
		before := m.SHA256
		if err = onStorage(ctx, store); errors.Is(err, archive.ErrDigest) && !(wrong && m.SHA256 == before) {
			return record.Media{}, fmt.Errorf("%w: an attachment had other bytes when it was read again", telemessage.ErrUnavailable)
		}
	}
	if errors.Is(err, archive.ErrNeedDigest) {
		// Large and without a digest: the first reading gave the hash that names the blob, the second one stores it.
		digest = m.SHA256
		if err = onStorage(ctx, store); errors.Is(err, archive.ErrDigest) {
			return record.Media{}, fmt.Errorf("%w: an attachment had other bytes when it was read again", telemessage.ErrUnavailable)
		}
	}
	var corrupt base64.CorruptInputError
	switch {
	case err == nil:
		return m, nil
	case errors.Is(err, archive.ErrDigest):
		return record.Media{}, goneError("its bytes do not match the digest that the source gave")
	case errors.Is(err, telemessage.ErrGone):
		return record.Media{}, goneError("the source does not have it, or named an address outside its own origin")
	case errors.As(err, &corrupt):
		return record.Media{}, goneError("its content is not valid Base64")
	case errors.Is(err, errTooMuch):
		return record.Media{}, goneError("it is larger than 2 GiB")
	}
	return record.Media{}, err
}

// renewMedia copies media that are too old for a new entry under the present day, and returns whether there were any. What can
// no longer be read, for it lies in the archive tier, stays as it is: import says then what has to be done.
func (c *Collector) renewMedia(ctx context.Context, media []record.Media) (renewed bool, err error) {
	day := c.now().UTC().Format(dayForm)
	for i := range media {
		m := &media[i]
		if m.SHA256 == "" || m.Gone != "" || c.reusable(m.Day) {
			continue
		}
		err := onStorage(ctx, func(ctx context.Context) error {
			body, _, err := c.store.OpenMedia(ctx, m.Blob())
			if err != nil {
				return err
			}
			defer body.Close()
			_, _, err = c.store.PutMedia(ctx, day, m.SHA256, body)
			return err
		})
		switch {
		case errors.Is(err, archive.ErrArchived), errors.Is(err, archive.ErrNotFound), errors.Is(err, archive.ErrDigest):
			continue
		case err != nil:
			return renewed, fmt.Errorf("renew an attachment of the waiting room: %w", err)
		}
		m.Day, renewed = day, true
	}
	return renewed, nil
}
