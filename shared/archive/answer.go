package archive

import (
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// requireServiceHeader takes a success that is not the blob service's, as a proxy gives it that asks people to sign in, for no answer at all.
// Blob service, every operation: an answer carries x-ms-request-id. Without that a blob would be taken for being there, or for
// having another content.
type requireServiceHeader struct{}

// Do implements policy.Policy.
func (requireServiceHeader) Do(r *policy.Request) (*http.Response, error) {
	r.Raw().Header.Set("Accept-Encoding", "identity") // net/http would unpack an answer to any size
	resp, err := r.Next()
	if err != nil || resp.StatusCode >= http.StatusMultipleChoices || resp.Header.Get("x-ms-request-id") != "" {
		return resp, err
	}
	resp.Body.Close()
	return nil, &Error{Kind: ErrUnavailable, How: "the answer is not the blob service's"}
}
