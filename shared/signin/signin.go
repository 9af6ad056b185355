// Package signin gives the credentials with which storage and Microsoft Graph are called. It is
// the only package that knows azidentity.
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

	"o2archiver/shared/azure"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// timeout is for one token, with the tries that azidentity makes by itself.
const timeout = time.Minute

// Credential gives the identity of the function app: the user-assigned one with that client id, or with
// "" whatever azidentity finds by default, which in Azure is the app's own and on a desk the
// person who is signed in. cloudName is worldwide, usgov-high, usgov-dod or china.
//
// No request is made before the first token is needed. Tokens are kept and renewed; any number of
// goroutines may use the credential. A failure of GetToken is an *Error, or the context's error.
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
		inner, err = azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: options})
	}
	if err != nil {
		return nil, reduceError(err)
	}
	return careful{inner}, nil
}

// uncompressed asks for answers as they are: net/http would unpack a compressed one to any size.
type uncompressed struct{}

func (uncompressed) Do(r *policy.Request) (*http.Response, error) {
	r.Raw().Header.Set("Accept-Encoding", "identity")
	return r.Next()
}

func cloudConfiguration(cloudName string) (cloud.Configuration, error) {
	switch cloudName {
	case "worldwide":
		return cloud.AzurePublic, nil
	case "usgov-high", "usgov-dod": // two Graphs, one sign-in
		return cloud.AzureGovernment, nil
	case "china":
		return cloud.AzureChina, nil
	}
	return cloud.Configuration{}, errors.New("sign in: the cloud is none of worldwide, usgov-high, usgov-dod, china")
}

// careful bounds the time for a token and lets nothing of an answer into an error: azidentity's own
// errors hold addresses and whole bodies.
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

// Error is a sign-in that failed.
type Error struct {
	Status int    // of the answer; 0: there was none
	Code   string // such as AADSTS700016 or invalid_request; "" if none was given
}

// Error gives the status and the code.
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

// NonRetriable tells the pipelines of the Azure SDK that azidentity has made its tries already.
func (e *Error) NonRetriable() {}

// Temporary reports whether the same sign-in may succeed later without anyone's doing.
func (e *Error) Temporary() bool {
	switch e.Status {
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusGone: // the instance metadata service says so while it is updated
		return true
	}
	return e.Status >= 500
}

var (
	entraCode = regexp.MustCompile(`\bAADSTS[0-9]{3,10}\b`)
	oauthCode = regexp.MustCompile(`^[a-z_]{1,40}$`) // RFC 6749 section 5.2
)

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

// FixedFor gives a credential that always has this token, for a stand-in on this machine. Any address
// that is not of this machine is refused: a fixed token is no secret.
func FixedFor(u *url.URL, token string) (azcore.TokenCredential, error) {
	switch {
	case u == nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || !azure.IsLoopback(u.Hostname()):
		return nil, errors.New("sign in: a fixed token is for this machine only")
	case token == "":
		return nil, errors.New("sign in: the fixed token is empty")
	}
	return fixed(func() string { return token }), nil
}

// fixed is a closure so that nothing prints the token.
type fixed func() string

// GetToken implements azcore.TokenCredential.
func (f fixed) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return azcore.AccessToken{}, fmt.Errorf("sign in: %w", err)
	}
	return azcore.AccessToken{Token: f(), ExpiresOn: time.Now().Add(time.Hour)}, nil
}
