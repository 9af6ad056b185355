package client

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"o2archiver/shared/source/telemessage"
)

// Attachment opens the bytes of an attachment at its ContentURL, which is resolved against the origin of the base
// URL. It returns their number, -1 if the site does not state it. The caller MUST close the reader. After any failure
// it may be called again, and starts from the beginning.
//
// It returns ErrGone for status 404 or 410, and for an address or redirect outside the site's origin, which is never
// requested. ErrUnavailable, also returned while reading, means that the attachment cannot be reached at present.
// That includes an HTML page in place of an attachment of another type, and an empty answer in place of a non-empty
// one.
func (c *Client) Attachment(ctx context.Context, src telemessage.AttachmentSource) (io.ReadCloser, int64, error) {
	body, extent, err := c.AttachmentFrom(ctx, src, 0, "")
	return body, extent.Total, err
}

// Extent is the part of an attachment that an answer has.
type Extent struct {
	Offset int64  // of its first byte; 0 if the site sends the whole attachment
	Total  int64  // bytes of the whole attachment; -1 if the site does not state it
	Tag    string // strong entity tag; "" if there is none
}

// AttachmentFrom is Attachment for one whose first offset bytes have been read already, when its entity tag was tag.
// With a tag, the site sends the rest only if the bytes are still the same (RFC 9110 section 13.1.5). Without a tag,
// the caller has to verify the whole attachment against a digest. A site that does not support ranges sends the whole
// attachment, and Extent.Offset is 0. ErrOther means that it has to be read from its beginning.
func (c *Client) AttachmentFrom(
	ctx context.Context, src telemessage.AttachmentSource, offset int64, tag string,
) (io.ReadCloser, Extent, error) {
	root := *c.base
	root.Path, root.RawPath = "/", ""
	u, ok := c.resolve(&root, src.ContentURL)
	if !ok {
		return nil, Extent{}, fmt.Errorf("open an attachment: %w",
			&failure{kind: ErrGone, text: "its address lies outside the site's origin"})
	}
	what := forContent
	var header []string
	if offset > 0 {
		what, header = forRest, []string{"Range", fmt.Sprintf("bytes=%d-", offset)}
		if tag != "" {
			header = append(header, "If-Range", tag)
		}
	}
	var extent Extent
	answer, err := c.get(ctx, u, what, func(r *reply) (err error) {
		if extent, err = extentOf(r, offset); err != nil {
			return err
		}
		switch {
		case isHTML(r.header.Get("Content-Type")) && !isHTML(src.Type):
			return unavailableError("a page of HTML in place of the attachment")
		case r.size == 0 && src.Size > 0:
			return unavailableError("an empty answer in place of the attachment")
		}
		return nil
	}, header...)
	if err != nil {
		return nil, Extent{}, fmt.Errorf("open an attachment: %w", err)
	}
	if answer.endless && src.Size > 0 {
		return &announced{reply: answer, left: src.Size - extent.Offset}, extent, nil
	}
	return answer, extent, nil
}

// extentOf returns the part of the attachment that an answer has. In a 206, Content-Range states the first byte (RFC
// 9110 section 14.4).
func extentOf(r *reply, offset int64) (Extent, error) {
	e := Extent{Total: r.size}
	if tag := r.header.Get("ETag"); strings.HasPrefix(tag, `"`) && len(tag) <= 200 {
		e.Tag = tag // a weak tag, W/"…", does not guarantee that the bytes are the same
	}
	if r.status != http.StatusPartialContent {
		return e, nil
	}
	var last int64
	n, err := fmt.Sscanf(r.header.Get("Content-Range"), "bytes %d-%d/%d", &e.Offset, &last, &e.Total)
	if n < 3 || err != nil || e.Offset != offset || last != e.Total-1 || r.size >= 0 && r.size != e.Total-offset {
		return e, &failure{kind: ErrUnavailable, text: ErrOther.Error(), cause: ErrOther}
	}
	return e, nil
}

// isHTML reports whether a content type is that of an HTML page.
func isHTML(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		t, _, _ = strings.Cut(strings.ToLower(contentType), ";")
	}
	t = strings.TrimSpace(t)
	return t == "text/html" || t == "application/xhtml+xml"
}

// announced is a body whose transfer does not show whether it is complete. It returns an error if the body ends
// before the size that the item announced.
type announced struct {
	*reply
	left int64
}

func (a *announced) Read(p []byte) (int, error) {
	n, err := a.reply.Read(p)
	a.left -= int64(n)
	if err == io.EOF && a.left > 0 {
		err = unavailableError("the answer was cut off")
	}
	return n, err
}
