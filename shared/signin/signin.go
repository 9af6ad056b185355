// Package signin returns the credentials with which storage and Microsoft Graph are called. It is the only package
// that uses azidentity.
package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"o2archiver/shared/azure"
)

// timeout is the maximum time for one token, with azidentity's own retries.
const timeout = time.Minute

// Credential returns the identity of the function app. With a clientID it is the user-assigned managed identity with
// that ID. With "" it is the one that azidentity finds by default: in Azure the app's own identity, on a developer's
// machine the person who is signed in. cloudName is worldwide, usgov-high, usgov-dod or china.
//
// No request is sent before the first token is needed. Tokens are cached and renewed. The credential is safe for
// concurrent use. The errors of GetToken are an *Error or the context's error.
func Credential(cloudName, clientID string) (azcore.TokenCredential, error) {
	where, err := cloudConfiguration(cloudName)
	if err != nil {
		return nil, err
	}
	options := azcore.ClientOptions{Cloud: where, PerCallPolicies: []policy.Policy{uncompressed{}}}
	var inner azcore.TokenCredential
	if clientID != "" {
		inner, err = azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
			ClientOptions: options, ID: azidentity.ClientID(clientID),
		})
	} else {
		inner, err = azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: options,
		})
	}
	if err != nil {
		return nil, reduceError(err)
	}
	return careful{inner}, nil
}

// uncompressed is a policy that requests uncompressed answers, because net/http would decompress an answer to any
// size.
type uncompressed struct{}

func (uncompressed) Do(r *policy.Request) (*http.Response, error) {
	r.Raw().Header.Set("Accept-Encoding", "identity")
	return r.Next()
}

// cloudConfiguration returns the endpoints of a cloud for the Azure SDK.
func cloudConfiguration(cloudName string) (cloud.Configuration, error) {
	switch cloudName {
	case "worldwide":
		return cloud.AzurePublic, nil
	case "usgov-high", "usgov-dod": // two clouds of Graph, one sign-in service
		return cloud.AzureGovernment, nil
	case "china":
		return cloud.AzureChina, nil
	}
	return cloud.Configuration{}, errors.New("sign in: the cloud is none of worldwide, usgov-high, usgov-dod, china")
}

// careful is a credential that limits the time for a token and replaces azidentity's errors, which contain addresses
// and whole bodies of answers.
type careful struct{ inner azcore.TokenCredential }

// GetToken implements azcore.TokenCredential.
func (c careful) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	token, err := c.inner.GetToken(bounded, o)
	switch {
	case err == nil:
		return token, nil
	case ctx.Err() != nil:
		return azcore.AccessToken{}, fmt.Errorf("sign in: %w", ctx.Err())
	}
	return azcore.AccessToken{}, reduceError(err)
}

// Error is a failed sign-in.
type Error struct {
	Status int    // status of the answer; 0 if there was none
	Code   string // such as AADSTS700016 or invalid_request; "" if there was none
}

// Error returns a text with the status and the code.
func (e *Error) Error() string {
	text := "sign in: no answer, or no identity on this machine"
	if e.Status != 0 {
		text = fmt.Sprintf("sign in: status %d", e.Status)
	}
	if e.Code != "" {
		text += ", " + e.Code
	}
	return text
}

// NonRetriable marks the error as final for the pipelines of the Azure SDK, because azidentity has already retried.
func (e *Error) NonRetriable() {}

var (
	entraCode = regexp.MustCompile(`\bAADSTS[0-9]{3,10}\b`)
	oauthCode = regexp.MustCompile(`^[a-z_]{1,40}$`) // RFC 6749 section 5.2
)

// reduceError returns the status and code of an error of azidentity, and nothing else of it.
func reduceError(err error) *Error {
	e := &Error{}
	if failed := (*azidentity.AuthenticationFailedError)(nil); errors.As(err, &failed) && failed.RawResponse != nil {
		e.Status = failed.RawResponse.StatusCode
		var answer struct {
			Error string `json:"error"`
		}
		if body, err := runtime.Payload(failed.RawResponse); err == nil && json.Unmarshal(body, &answer) == nil &&
			oauthCode.MatchString(answer.Error) {
			e.Code = answer.Error
		}
	}
	if code := entraCode.FindString(err.Error()); code != "" {
		e.Code = code
	}
	return e
}

// FixedFor returns a credential that always has this token, for a stand-in on this machine. It refuses an address of
// any other machine, because a fixed token is not secret.
func FixedFor(u *url.URL, token string) (azcore.TokenCredential, error) {
	switch {
	case u == nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || !azure.IsLoopback(u.Hostname()):
		return nil, errors.New("sign in: a fixed token is for this machine only")
	case token == "":
		return nil, errors.New("sign in: the fixed token is empty")
	}
	return fixed(func() string { return token }), nil
}

// fixed is a closure, so that the token is never printed.
type fixed func() string

// GetToken implements azcore.TokenCredential.
func (f fixed) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return azcore.AccessToken{}, fmt.Errorf("sign in: %w", err)
	}
	return azcore.AccessToken{Token: f(), ExpiresOn: time.Now().Add(time.Hour)}, nil
}
