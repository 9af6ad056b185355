package azure

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// requestID is the header of every answer of Azure Storage.
const requestID = "x-ms-request-id"

// Body is the body of a request whose bytes never change, not even after the request. Each try reads them where they
// are, and needs no copy of them.
type Body struct {
	*bytes.Reader
	bytes []byte
}

// NewBody returns a Body. The bytes MUST NOT be changed afterwards.
func NewBody(content []byte) *Body { return &Body{bytes.NewReader(content), content} }

// Close implements io.Closer.
func (*Body) Close() error { return nil }

// Policies returns the policies to apply to every try of a request to the service, in their order.
func (s Service) Policies() []policy.Policy {
	return []policy.Policy{bodyPerAttempt{}, requireServiceHeader{s}}
}

// bodyPerAttempt is the policy that every try of a request has a body of its own.
//
// QUIRK: azcore 1.23 rewinds one reader for all tries. If the answer comes before the whole body has been sent, such as
// a 503 of a busy service, net/http still reads that reader for the old try while the new try sends from it.
type bodyPerAttempt struct{}

// Do implements policy.Policy.
func (bodyPerAttempt) Do(req *policy.Request) (*http.Response, error) {
	raw := req.Raw()
	if raw.Body == nil || raw.Body == http.NoBody {
		return req.Next()
	}
	if body, ok := req.Body().(*Body); ok {
		raw.Body = io.NopCloser(bytes.NewReader(body.bytes))
		return req.Next()
	}
	data := bytes.NewBuffer(make([]byte, 0, max(raw.ContentLength, 0)+bytes.MinRead))
	if _, err := data.ReadFrom(raw.Body); err != nil {
		return nil, fmt.Errorf("read a request's body: %w", err)
	}
	raw.Body = io.NopCloser(bytes.NewReader(data.Bytes()))
	return req.Next()
}

// requireServiceHeader turns a success that is not the service's own, such as a proxy's sign-in page, into
// ErrUnavailable. Otherwise a row would count as written, and a blob as present. Storage services, every operation: an
// answer has the header x-ms-request-id.
type requireServiceHeader struct{ service Service }

// Do implements policy.Policy.
func (p requireServiceHeader) Do(req *policy.Request) (*http.Response, error) {
	req.Raw().Header.Set("Accept-Encoding", "identity") // net/http would decompress an answer to any size
	resp, err := req.Next()
	if err != nil || resp.StatusCode >= http.StatusMultipleChoices || resp.Header.Get(requestID) != "" {
		return resp, err
	}
	resp.Body.Close()
	return nil, p.service.Unavailable("the answer is not the " + p.service.Name + "'s")
}
