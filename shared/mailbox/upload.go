package mailbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"o2archiver/shared/azure"
	"o2archiver/shared/retry"
)

// Microsoft Graph: an attachment under 3 MB is sent in one POST, one of 3 to 150 MB through an upload session, in
// parts of at most 4 MB that are multiples of 320 KiB. Whether its MB is 1,000,000 bytes or 1,048,576 is not
// documented, so for the sizes in between a session is tried first.
const (
	maxEasyPost   = 2_990_000 // bytes; always accepted in one POST: the JSON is under 4,000,000 bytes
	maxSinglePost = MaxSinglePost
	maxUpload     = 150 << 20      // bytes
	uploadPart    = 12 * 320 << 10 // bytes: 3,932,160
)

// MaxSinglePost is the size in bytes of the largest attachment that one request, and so a cloud without upload
// sessions, accepts: its JSON is under 4 MiB.
const MaxSinglePost = 3_140_000

// addAttachments adds one attachment to an existing message, in one POST or through an upload session.
func (s *Session) addAttachments(k *claimRenewer, id string, a *Attachment, held *holding) error {
	defer held.releaseTo(small)
	if err := k.renewIfOld(); err != nil {
		return err
	}
	if a.Size > maxEasyPost && s.c.uploadSessions {
		link, err := s.createUploadSession(k, id, a)
		if err == nil {
			if err := held.acquire(k.ctx, medium); err != nil {
				return err
			}
			return s.upload(k, link, a)
		}
		if e, ok := errors.AsType[*Error](err); !ok || a.Size > maxSinglePost || e.Code != tooSmallForSession {
			return err
		}
	}
	if err := held.acquire(k.ctx, levelOf(a.jsonSize())); err != nil {
		return err
	}
	return s.postAttachment(k, id, a)
}

// postAttachment adds an attachment with one POST.
func (s *Session) postAttachment(k *claimRenewer, id string, a *Attachment) error {
	content, err := a.read()
	if err != nil {
		return err
	}
	model := fileAttachment(a, content)
	return s.retryStep(k, false, func(ctx context.Context) (*exchange, error) {
		x, err := s.sendWithToken(ctx, opAttach, a.jsonSize(), func(ctx context.Context) error {
			_, err := s.c.userRequest(s.user).Messages().ByMessageId(id).Attachments().Post(ctx, model, nil)
			return err
		})
		if err == nil && x.status != http.StatusCreated {
			err = unreadableAnswer(x, true)
		}
		return x, err
	})
}

// createUploadSession returns the link to which the attachment can be uploaded. The link is as secret as a token: it
// is never logged, and nothing but the attachment's bytes is sent to it.
func (s *Session) createUploadSession(k *claimRenewer, id string, a *Attachment) (*url.URL, error) {
	item, kind := models.NewAttachmentItem(), models.FILE_ATTACHMENTTYPE
	item.SetAttachmentType(&kind)
	item.SetName(&a.Name)
	item.SetSize(&a.Size)
	item.SetIsInline(&a.Inline)
	if a.Type != "" {
		item.SetContentType(&a.Type)
	}
	body := users.NewItemMessagesItemAttachmentsCreateUploadSessionPostRequestBody()
	body.SetAttachmentItem(item)
	var link *url.URL
	// Repeatable: an upload session that is not used has no effect.
	err := s.retryStep(k, true, func(ctx context.Context) (*exchange, error) {
		var made models.UploadSessionable
		x, err := s.sendWithToken(ctx, opSession, smallRequest.Bytes, func(ctx context.Context) (err error) {
			made, err = s.c.userRequest(s.user).Messages().ByMessageId(id).Attachments().
				CreateUploadSession().Post(ctx, body, nil)
			return err
		})
		if err != nil {
			return x, err
		}
		if made == nil || made.GetUploadUrl() == nil {
			return x, unreadableAnswer(x, true)
		}
		if link, err = url.Parse(*made.GetUploadUrl()); err != nil || !s.c.mayUploadTo(link) {
			return x, &Error{Kind: Unavailable, Status: x.status, Code: "UnusualUploadURL", RequestID: x.id}
		}
		return x, nil
	})
	return link, err
}

// mayUploadTo reports whether the attachment may be sent to an upload link. https is allowed to any host, because
// upload links have other hosts than Graph. Plain http is allowed only on loopback, for a Graph on loopback.
func (c *Client) mayUploadTo(u *url.URL) bool {
	switch {
	case u.Host == "" || u.User != nil:
		return false
	case u.Scheme == "http":
		return azure.IsLoopback(u.Hostname()) && azure.IsLoopback(c.base.Hostname())
	}
	return u.Scheme == "https"
}

// upload sends the attachment in parts, through one buffer.
func (s *Session) upload(k *claimRenewer, link *url.URL, a *Attachment) error {
	buffer := make([]byte, min(uploadPart, a.Size))
	for from := int64(0); from < a.Size; {
		part := buffer[:min(uploadPart, a.Size-from)]
		if err := fillBuffer(a.Body, part); err != nil {
			return err
		}
		last := from+int64(len(part)) == a.Size
		if last {
			if err := atEnd(a.Body); err != nil { // checked before the last part, which completes the attachment
				return err
			}
		}
		if err := k.renewIfOld(); err != nil {
			return err
		}
		err := s.retryStep(k, false, func(ctx context.Context) (*exchange, error) {
			return s.sendAdmitted(ctx, int64(len(part)),
				func() (*exchange, error) { return s.c.putPart(ctx, link, part, from, a.Size, last) })
		})
		if err != nil {
			return err
		}
		from += int64(len(part))
	}
	return nil
}

// putPart sends the bytes of the attachment from offset from on, without a token and without following a redirect.
// size is that of the attachment; last is whether this part completes it.
func (c *Client) putPart(
	ctx context.Context, link *url.URL, part []byte, from, size int64, last bool,
) (*exchange, error) {
	x := &exchange{size: int64(len(part))}
	inner, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(context.WithValue(withTrace(inner, x), exchangeKey{}, x),
		http.MethodPut, link.String(), bytes.NewReader(part))
	if err != nil {
		return x, &Error{Kind: Unavailable, Code: "UnusualUploadURL"}
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from+int64(len(part))-1, size))
	if !mayWrite(ctx) {
		x.stopped.Store(true)
		return x, errorFrom(ctx, x, nil, opPart, c.now())
	}
	x.tried.Store(true)
	resp, err := c.plain.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		x.broken = err
		return x, errorFrom(ctx, x, nil, opPart, c.now())
	}
	defer resp.Body.Close()
	x.status, x.retryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	switch {
	case x.status >= 400:
		failed := errorFrom(ctx, x, nil, opPart, c.now())
		failed.Code = errorCode(answer)
		failed.Kind = ofAnswer(opPart, x.status, failed.Code)
		failed.Ambiguous = mayHaveHadEffect(opPart, failed.Kind, failed.Code)
		return x, failed
	case last && x.status != http.StatusCreated, !last && x.status != http.StatusOK && x.status != http.StatusAccepted:
		return x, unreadableAnswer(x, true)
	case !last && (err != nil || !expectedRange(answer, from+int64(len(part)))):
		return x, &Error{Kind: Unavailable, Status: x.status, Code: "UploadOutOfStep", Ambiguous: true}
	}
	return x, nil
}

// errorCode returns the code in Graph's error object, "" without one.
func errorCode(answer []byte) string {
	var body struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(answer, &body) != nil {
		return ""
	}
	return plainCode(body.Error.Code)
}

// expectedRange reports whether the answer to a part asks for the byte at next, as it has to.
func expectedRange(answer []byte, next int64) bool {
	var body struct {
		NextExpectedRanges []string `json:"nextExpectedRanges"`
	}
	if json.Unmarshal(answer, &body) != nil || len(body.NextExpectedRanges) == 0 {
		return false
	}
	start, _, _ := strings.Cut(body.NextExpectedRanges[0], "-")
	return start == strconv.FormatInt(next, 10)
}

// stepTries is the number of attempts at one step after the create.
const stepTries = 6

// isPassing reports whether an error of the kind may pass within a moment.
func isPassing(k Kind) bool { return k == Unavailable || k == Unclear }

// retryStep repeats a step of a message that has been created, but only if that cannot do harm: after a 429, which
// means that nothing was done, after a failure that had no effect, and after any outage if the step is repeatable. To
// give up would lose what is uploaded so far.
func (s *Session) retryStep(k *claimRenewer, repeatable bool, step func(context.Context) (*exchange, error)) error {
	pauses := retry.Policy{First: 500 * time.Millisecond, Max: 16 * time.Second, Tries: stepTries,
		Judge: func(err error) (bool, time.Duration) {
			e, ok := errors.AsType[*Error](err)
			again := ok && k.ctx.Err() == nil &&
				(e.Kind == Throttled || isPassing(e.Kind) && (repeatable || !e.Ambiguous))
			if again && e.RetryAfter > 0 {
				return true, time.Nanosecond // the mailbox is paused for that time, and step waits for it
			}
			return again, 0
		}}
	var last error
	_ = pauses.Do(k.ctx, func(ctx context.Context) error {
		if last = k.renewIfOld(); last != nil { // the pause before may have been long
			return last
		}
		_, last = step(ctx)
		return last
	})
	return last
}
