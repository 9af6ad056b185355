package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"o2archiver/shared/record"
	"o2archiver/shared/staging"
	"o2archiver/shared/telemessage"
)

// maxMedia bounds what one attachment may send: the source is not trusted to end.
const maxMedia = 2 << 30

// contentTries is after how many attachments in a row that are out of reach a run stops asking for them: each
// costs the time of all the client's tries, and the texts of the day shall not wait for them.
const contentTries = 5

// errTooMuch ends the reading of an attachment beyond maxMedia.
var errTooMuch = errors.New("the attachment is larger than 2 GiB")

// item makes the entry of one item and puts it where it belongs: into a batch, or, if something
// that it needs is missing for now, into the waiting room. index is its place in the page.
func (f *fetcher) item(ctx context.Context, s *slice, p *progress, w *writer, parts *pieces, it telemessage.Item, index int) error {
	if it.Big != nil {
		return f.bigItem(ctx, s, w, it, index)
	}
	entry := record.Entry{Version: 1, Items: []record.Item{{SHA256: it.SHA256, Raw: it.Raw}}}
	outline, err := telemessage.Peek(it.Raw)
	if err != nil {
		return w.add(ctx, entry) // import quarantines it and says why
	}
	if outline.MessageID == "" {
		p.Derived++
	}
	if outline.Segment != nil && len(outline.Attachments) == 0 && len(it.Raw) <= maxPiece {
		part := newPiece(outline, entry.Items[0])
		part.index = index
		parts.add(part)
		return nil
	}
	if outline.Kind == record.System || len(outline.Attachments) == 0 {
		return w.add(ctx, entry)
	}
	if known := s.past.media[it.SHA256]; len(known) == len(outline.Attachments) {
		entry.Media = known
		return w.add(ctx, entry)
	}
	if s.isAside(p, index, waitsForMedia, it.SHA256) {
		p.SetAside++
		return nil
	}
	tries := 0
	if !s.onlyTexts && s.contentAway < contentTries && s.inv.allowance(s, 1) > 0 {
		tries = 1
	}
	media, away, err := f.media(ctx, s, it.Raw, outline.Attachments, nil, patientWith)
	if err != nil {
		return err
	}
	entry.Media = media
	if away {
		return f.setAside(ctx, s, p, index, waiting{Reason: waitsForMedia, Tries: tries, Entry: entry})
	}
	return w.add(ctx, entry)
}

// bigItem keeps the bytes of an item that is too large, or too deeply nested, to be a record; import quarantines it.
func (f *fetcher) bigItem(ctx context.Context, s *slice, w *writer, it telemessage.Item, index int) error {
	// The name counts within the page, and pages within the run, so that the same page again gives the same name. Should
	// the page have changed, the hash of the item's beginning keeps its bytes from those that are there.
	body := bufio.NewReaderSize(it.Big, 64<<10)
	head, _ := body.Peek(64 << 10) // shorter, or broken off: PutRaw will see
	sum := sha256.Sum256(head)
	name := fmt.Sprintf("%s/%05d-%04d-%s", s.Folder, s.Progress.Batches, index, hex.EncodeToString(sum[:8]))
	sha, size, err := f.store.PutRaw(ctx, name, body)
	if err != nil {
		return fmt.Errorf("keep the bytes of an item that is too large: %w", err)
	}
	return w.add(ctx, record.Entry{Version: 1, RawBlob: "raw/" + name, RawHash: sha,
		Fault: fmt.Sprintf("%s; its %d bytes are kept", it.Why, size)})
}

// manner is how an attachment is asked for that may be out of reach.
type manner int

const (
	patientWith manner = iota // out of reach: for now
	lastTime                  // out of reach: gone for good
	givenUp                   // not asked for any more: gone for good
)

// neverCame is the reason of an attachment that the source owed for too long.
const neverCame = goneError("the source did not give its bytes for 14 days")

// media stores the attachments of which known does not have yet what became of them, and returns it. away: one of them is
// out of reach for now, or there is no time for it.
func (f *fetcher) media(ctx context.Context, s *slice, raw []byte, sources []telemessage.AttachmentSource, known []record.Media, how manner) (media []record.Media, away bool, err error) {
	media = make([]record.Media, len(sources))
	copy(media, known)
	for i, src := range sources {
		if media[i] != (record.Media{}) {
			continue
		}
		if !src.Inline && (s.onlyTexts || s.contentAway >= contentTries && how == patientWith) {
			away = true
			continue
		}
		stored, err := f.oneMedium(ctx, s, raw, i, src, how)
		var gone goneError
		switch {
		case err == nil:
			media[i] = stored
			if !src.Inline {
				s.contentAway = 0
			}
		case errors.As(err, &gone):
			media[i] = record.Media{Size: src.Size, Gone: string(gone)}
		case errors.Is(err, errNoTime):
			away = true
		case errors.Is(err, telemessage.ErrUnavailable) && !errors.Is(err, staging.ErrUnavailable) && how == lastTime && ctx.Err() == nil:
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

// oneMedium stores one attachment: what lies in the item at once, what the site has to be asked for within a time.
func (f *fetcher) oneMedium(ctx context.Context, s *slice, raw []byte, i int, src telemessage.AttachmentSource, how manner) (record.Media, error) {
	store := func(ctx context.Context) (record.Media, error) { return f.attachment(ctx, raw, i, src) }
	switch {
	case src.Inline:
		return store(ctx)
	case how == givenUp:
		return record.Media{}, neverCame
	}
	return f.ask(ctx, s, src, store)
}

// goneError is the reason, in plain words, why an attachment can never be had.
type goneError string

func (g goneError) Error() string { return string(g) }

// attachment stores one attachment under its SHA-256. Content inside the item comes first, its address second.
func (f *fetcher) attachment(ctx context.Context, raw []byte, i int, src telemessage.AttachmentSource) (record.Media, error) {
	if !src.Inline && src.ContentURL == "" {
		return record.Media{}, goneError("the source sent neither its content nor its address")
	}
	digest := strings.ToLower(strings.TrimSpace(src.Digest))
	var m record.Media
	begun := false
	store := func(ctx context.Context) error {
		body, err := f.open(ctx, raw, i, src)
		if err != nil {
			return err
		}
		defer body.Close()
		begun = true
		m.SHA256, m.Size, err = f.store.PutMedia(ctx, digest, &limitedReader{r: body, left: maxMedia})
		return err
	}
	err := onStorage(ctx, store)
	if wrong := errors.Is(err, staging.ErrDigest); !src.Inline && begun && (wrong || errors.Is(err, telemessage.ErrUnavailable)) && ctx.Err() == nil {
		// It broke off, or something on the way cut it short. Only bytes that are wrong in the same way twice are what the source has.
		before := m.SHA256
		if err = onStorage(ctx, store); errors.Is(err, staging.ErrDigest) && !(wrong && m.SHA256 == before) {
			return record.Media{}, fmt.Errorf("%w: an attachment had other bytes when it was read again", telemessage.ErrUnavailable)
		}
	}
	if errors.Is(err, staging.ErrNeedDigest) {
		// Large and without a digest: the first reading gave the hash that names the blob, the second one stores it.
		digest = m.SHA256
		if err = onStorage(ctx, store); errors.Is(err, staging.ErrDigest) {
			return record.Media{}, fmt.Errorf("%w: an attachment had other bytes when it was read again", telemessage.ErrUnavailable)
		}
	}
	var corrupt base64.CorruptInputError
	switch {
	case err == nil:
		return m, nil
	case errors.Is(err, staging.ErrDigest):
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

func (f *fetcher) open(ctx context.Context, raw []byte, i int, src telemessage.AttachmentSource) (io.ReadCloser, error) {
	if !src.Inline {
		body, _, err := f.site.Attachment(ctx, src)
		if err != nil {
			return nil, err
		}
		l := f.limits.withDefaults()
		return &pacedReader{ReadCloser: body, least: l.leastRate, judged: l.judged}, nil
	}
	content, err := telemessage.InlineContent(raw, i)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(content), nil
}

// limitedReader fails with errTooMuch, instead of ending, where there is more than left.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, errTooMuch
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left+1)])
	l.left -= int64(n)
	return n, err
}
