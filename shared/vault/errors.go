package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"o2archiver/shared/azure"
	"o2archiver/shared/signin"
)

// Error is a secret that could not be read or stored. Its texts hold no address, no name and no value.
type Error struct {
	Says string // what is wrong, in plain words
	Do   string // what an administrator does about it

	// Away reports that the vault did not answer, or not for now: a later try may succeed. If it is false, a person has
	// to act. An Error is never transient for package retry: Read and Store have retried already.
	Away bool
}

// Error returns what is wrong, and what to do about it.
func (e *Error) Error() string { return e.Says + ": " + e.Do }

// service translates the SDK's errors. explainError has a word for each refusal of the vault itself, so that the
// service needs no kinds.
var service = azure.Service{Name: "Key Vault", Kind: func(int, string) error { return nil }}

// words are what the errors of a secret say about it.
type words struct {
	thing   string // that the secret holds
	setting string // that has the secret's address
	script  string // that stores it
	storing bool   // it was to be stored, not to be read
}

// explainError returns an SDK error in plain words. The SDK's own text quotes the request and the answer, so it is
// dropped.
func (w words) explainError(err error) *Error {
	if answer, ok := errors.AsType[*azcore.ResponseError](err); ok && isVaults(answer) {
		return w.explainAnswer(answer.StatusCode, innerCode(answer))
	}
	if failed, ok := errors.AsType[*signin.Error](err); ok {
		return &Error{
			Says: "the app gets no token for the vault (" + failed.Error() + ")",
			Do: "see that the app has its managed identity, and that ARCHIVE_STORAGE__clientId is the identity's " +
				"client ID",
			Away: failed.Status == 0 || failed.Status == http.StatusTooManyRequests || failed.Status >= 500,
		}
	}
	// What is final for the SDK, and neither a token's failure nor a time-out, is the challenge: its resource is not
	// the domain of the vault's host, or there is none.
	var final interface{ NonRetriable() }
	if errors.As(err, &final) && !errors.Is(err, context.DeadlineExceeded) {
		return &Error{
			Says: "what answers at the vault's address is not a Key Vault of that cloud",
			Do:   "look at the name resolution of the vault's host, its private DNS zone above all, and at proxies",
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return w.unavailableError("no answer in time")
	}
	e, ok := errors.AsType[*azure.Error](service.Translate(context.Background(), err))
	switch {
	case !ok: // Translate returns nothing else in a context that has not ended
		return w.unavailableError("no answer")
	case e.Status != 0:
		return w.unavailableError(fmt.Sprintf("another server answered in its place, %d", e.Status))
	}
	return w.unavailableError(e.How)
}

// unavailableError returns the error of a vault that does not answer, or not for now.
func (w words) unavailableError(how string) *Error {
	again := "a later try reads it again"
	if w.storing {
		again = "try again in a minute"
	}
	return &Error{
		Says: "the vault that holds the " + w.thing + " is not available (" + how + ")",
		Do: again + "; if it stays so, look at the vault's network settings, its private endpoint " +
			"and the health of Key Vault in Azure",
		Away: true,
	}
}

// explainAnswer returns a refusal of the vault in plain words. Azure Key Vault REST API error codes: 403 has one of
// several reasons, and only the inner code tells them apart.
func (w words) explainAnswer(status int, code string) *Error {
	answered := fmt.Sprintf("%d", status)
	if code != "" {
		answered += " " + code
	}
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		return w.unavailableError("it answered " + answered)
	case status == http.StatusNotFound:
		return &Error{
			Says: "the vault does not have the secret of the " + w.thing + " (" + answered + ")",
			Do: "store the " + w.thing + " with " + w.script + ", or correct the name in " + w.setting +
				"; a deleted secret has to be recovered first",
		}
	case status == http.StatusForbidden && code == "SecretDisabled":
		return w.disabledError()
	case status == http.StatusForbidden && (code == "ForbiddenByFirewall" || code == "ForbiddenByConnection"):
		return &Error{
			Says: "the vault takes no requests from the app's network (" + answered + ")",
			Do: "let the app reach the vault: by its private endpoint and private DNS zone, or by " +
				"the vault's firewall",
		}
	case status == http.StatusForbidden && w.storing:
		return &Error{
			Says: "the vault does not let the app store the " + w.thing + " (" + answered + ")",
			Do: "assign the app's identity, on the vault, a role with the one data action " +
				"Microsoft.KeyVault/vaults/secrets/setSecret/action; a new role may need ten minutes to take effect",
		}
	case status == http.StatusConflict && w.storing:
		return &Error{
			Says: "the vault has a deleted secret of the same name (" + answered + ")",
			Do:   "recover the deleted secret, then store the " + w.thing + " again",
		}
	case status == http.StatusForbidden:
		return &Error{
			Says: "the vault does not let the app read the " + w.thing + " (" + answered + ")",
			Do: "assign the app's identity the role Key Vault Secrets User on the vault; a new role " +
				"may need ten minutes to take effect",
		}
	case status == http.StatusUnauthorized:
		return &Error{
			Says: "the vault does not accept the app's token (" + answered + ")",
			Do: "see that the vault belongs to the same tenant and cloud as the app's identity, and " +
				"AZURE_CLOUD names it",
		}
	}
	return &Error{
		Says: "the vault refuses the request (" + answered + ")",
		Do:   "compare " + w.setting + " with the address of the secret in the vault",
	}
}

// disabledError returns the error of a secret that is turned off.
func (w words) disabledError() *Error {
	return &Error{
		Says: "the " + w.thing + " in the vault is disabled",
		Do:   "enable the secret, or store the " + w.thing + " again with " + w.script,
	}
}

// isVaults reports whether a refusal is Key Vault's own, and not a proxy's: every answer of Key Vault has this header.
func isVaults(answer *azcore.ResponseError) bool {
	return answer.RawResponse != nil && answer.RawResponse.Header.Get("x-ms-request-id") != ""
}

var codeForm = regexp.MustCompile(`^[A-Za-z]{1,64}$`)

// innerCode returns the code that tells why, or else the code of the error; "" if there is none of that form.
func innerCode(answer *azcore.ResponseError) string {
	var body struct {
		Error struct {
			Code       string
			InnerError struct{ Code string } // its name is written innererror and innerError
		}
	}
	raw, err := runtime.Payload(answer.RawResponse) // the SDK has read it
	if err != nil || json.Unmarshal(raw, &body) != nil {
		return ""
	}
	for _, code := range []string{body.Error.InnerError.Code, body.Error.Code} {
		if codeForm.MatchString(code) {
			return code
		}
	}
	return ""
}
