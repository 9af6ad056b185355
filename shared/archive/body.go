package archive

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// bodyPerAttempt gives every try of a request a body of its own.
//
// QUIRK: azcore 1.23 rewinds one reader for all tries. Where the answer comes before the body is all sent, as a 503 of a
// busy service does, net/http still reads that reader for the old try while the new one is being sent from it.
type bodyPerAttempt struct{}

func (bodyPerAttempt) Do(req *policy.Request) (*http.Response, error) {
	raw := req.Raw()
	if raw.Body == nil || raw.Body == http.NoBody {
		return req.Next()
	}
	data := bytes.NewBuffer(make([]byte, 0, max(raw.ContentLength, 0)+bytes.MinRead))
	if _, err := data.ReadFrom(raw.Body); err != nil {
		return nil, fmt.Errorf("read a request's body: %w", err)
	}
	raw.Body = io.NopCloser(bytes.NewReader(data.Bytes()))
	return req.Next()
}
