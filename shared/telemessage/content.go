package telemessage

import (
	"context"
	"fmt"
	"io"
	"mime"
	"strings"
)

// Attachment opens the bytes of an attachment at its ContentURL, which is resolved against the origin of the base URL, and gives
// their number, -1 if the site does not say. The caller closes. It may be called again from the start after any failure.
//
// ErrGone: status 404 or 410, or an address or a redirect outside the site's origin, which is never called. ErrUnavailable, also
// from reading: out of reach for now. A page of HTML in place of an attachment of another type
// counts as that, and so does nothing in place of something.
func (c *Client) Attachment(ctx context.Context, src AttachmentSource) (io.ReadCloser, int64, error) {
	root := *c.base
	root.Path, root.RawPath = "/", ""
	u, ok := c.resolve(&root, src.ContentURL)
	if !ok {
		return nil, 0, fmt.Errorf("open an attachment: %w", &failure{kind: ErrGone, text: "its address lies outside the site's origin"})
	}
	answer, err := c.get(ctx, u, forContent, func(r *reply) error {
		switch {
		case isHTML(r.header.Get("Content-Type")) && !isHTML(src.Type):
			return unavailable("a page of HTML in place of the attachment")
		case r.size == 0 && src.Size > 0:
			return unavailable("an empty answer in place of the attachment")
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("open an attachment: %w", err)
	}
	if answer.endless && src.Size > 0 {
		return &announced{reply: answer, left: src.Size}, answer.size, nil
	}
	return answer, answer.size, nil
}

func isHTML(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		t, _, _ = strings.Cut(strings.ToLower(contentType), ";")
	}
	t = strings.TrimSpace(t)
	return t == "text/html" || t == "application/xhtml+xml"
}

// announced is a body whose transfer does not show whether it is whole: it must not end before the announced size.
type announced struct {
	*reply
	left int64
}

func (a *announced) Read(p []byte) (int, error) {
	n, err := a.reply.Read(p)
	a.left -= int64(n)
	if err == io.EOF && a.left > 0 {
		err = unavailable("the answer was cut off")
	}
	return n, err
}
