// Package vault is a stand-in for Azure Key Vault: one vault with its secrets, for reading and for storing. It refuses
// what the real one refuses, and says so in the same form.
//
// What it rests on:
//   - recordings of the real service in the Azure SDK for Go (azsecrets, TestCRUD): the challenge, the members and
//     headers of the answers, the code of a secret that is missing;
//   - azsecrets 1.5.1 itself: the first request goes out without a token and without a body, GET asks for
//     /secrets/<name>/ with a slash at the end, and nothing is sent without TLS;
//   - answers quoted in issues of Azure's SDKs: the inner codes SecretDisabled (azure-sdk-for-js#24756),
//     ForbiddenByRbac and ForbiddenByConnection;
//   - Microsoft's documentation: names and sizes of secrets, and that a secret is returned after its expiry date and
//     before its activation date too.
package vault

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// The rights of a token, as the vault's roles grant them.
const (
	MayRead  = 1 << iota // Microsoft.KeyVault/vaults/secrets/getSecret/action: Key Vault Secrets User
	MayStore             // Microsoft.KeyVault/vaults/secrets/setSecret/action
)

const (
	tenant   = "00000000-0000-0000-0000-000000000002"
	maxValue = 25 << 10 // bytes of a value
	maxBody  = 64 << 10
)

var (
	nameForm = regexp.MustCompile(`^[0-9A-Za-z-]{1,127}$`)
	apiForm  = regexp.MustCompile(`^7\.[0-9](-preview\.[0-9])?$|^20[0-9]{2}-[0-9]{2}-[0-9]{2}(-preview)?$`)
)

// Attributes are what a version of a secret has besides its value. The zero value is an enabled version without dates.
type Attributes struct {
	Disabled           bool
	NotBefore, Expires time.Time // zero: no date
}

// Vault is an http.Handler that answers as a Key Vault does. It is safe for concurrent use.
type Vault struct {
	now func() time.Time

	mu      sync.Mutex
	rights  map[string]int // by token
	secrets map[string][]version
	reads   int
	faults  []fault
}

// version is one version of a secret.
type version struct {
	id      string
	value   string
	created time.Time
	Attributes
}

// fault is an answer in place of the vault's own.
type fault struct {
	status int
	code   string // inner code
}

// New returns a vault without secrets. rights has what the holder of each token may do; now is time.Now if it is nil.
func New(rights map[string]int, now func() time.Time) *Vault {
	if now == nil {
		now = time.Now
	}
	return &Vault{now: now, rights: maps.Clone(rights), secrets: map[string][]version{}}
}

// Put stores a new version of a secret and returns its id.
func (v *Vault) Put(name, value string, a Attributes) (id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.put(name, value, a).id
}

func (v *Vault) put(name, value string, a Attributes) version {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails
	created := v.now().UTC().Truncate(time.Second)
	made := version{id: hex.EncodeToString(raw), value: value, created: created, Attributes: a}
	v.secrets[name] = append(v.secrets[name], made)
	return made
}

// Delete deletes a secret with all its versions.
func (v *Vault) Delete(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.secrets, name)
}

// Allow replaces what the holder of a token may do; with 0 the token is known and has no role.
func (v *Vault) Allow(token string, rights int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rights[token] = rights
}

// Fail answers the next n requests that carry a token with a status and an inner code, whatever they ask for.
func (v *Vault) Fail(n, status int, code string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for range n {
		v.faults = append(v.faults, fault{status, code})
	}
}

// Reads returns how many secrets were returned so far.
func (v *Vault) Reads() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reads
}

// ServeHTTP answers one request.
func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	w.Header().Set("x-ms-request-id", rand.Text())
	w.Header().Set("x-ms-keyvault-service-version", "1.9.501.1")
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	rights, known := v.rights[token]
	name, id, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/secrets/"), "/")
	switch {
	case !bearer:
		challengeCaller(w, "AKV10000: Request is missing a Bearer or PoP token.")
		return
	case !known:
		challengeCaller(w, "AKV10022: Invalid audience.")
		return
	case len(v.faults) > 0:
		f := v.faults[0]
		v.faults = v.faults[1:]
		refuseRequest(w, f.status, http.StatusText(f.status), "Not now.", f.code)
		return
	case !apiForm.MatchString(r.URL.Query().Get("api-version")):
		refuseRequest(w, http.StatusBadRequest, "BadParameter", "api-version must be specified", "")
		return
	case !strings.HasPrefix(r.URL.Path, "/secrets/"):
		refuseRequest(w, http.StatusNotFound, "NotFound", "The stand-in has secrets only.", "")
		return
	case !nameForm.MatchString(name):
		refuseRequest(w, http.StatusBadRequest, "BadParameter", "The request URI contains an invalid name.", "")
		return
	}
	switch {
	case r.Method == http.MethodGet && rights&MayRead != 0:
		v.serveGet(w, r, name, id)
	case r.Method == http.MethodPut && !ok && rights&MayStore != 0:
		v.servePut(w, r, name)
	case r.Method == http.MethodGet || r.Method == http.MethodPut && !ok:
		refuseRequest(w, http.StatusForbidden, "Forbidden",
			"Caller is not authorized to perform action on resource.", "ForbiddenByRbac")
	default:
		refuseRequest(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "The stand-in knows GET and PUT.", "")
	}
}

// serveGet answers with a version of a secret: with the latest if the address names none.
func (v *Vault) serveGet(w http.ResponseWriter, r *http.Request, name, id string) {
	for i, all := len(v.secrets[name])-1, v.secrets[name]; i >= 0; i-- {
		found := all[i]
		if id != "" && id != found.id {
			continue
		}
		if found.Disabled {
			refuseRequest(w, http.StatusForbidden, "Forbidden", "Operation get is not allowed on a disabled secret.",
				"SecretDisabled")
			return
		}
		v.reads++
		writeSecret(w, r, name, found)
		return
	}
	refuseRequest(w, http.StatusNotFound, "SecretNotFound",
		"A secret with (name/id) "+name+" was not found in this key vault.", "")
}

// servePut stores a new version.
func (v *Vault) servePut(w http.ResponseWriter, r *http.Request, name string) {
	var body struct {
		Value      *string `json:"value"`
		Attributes struct {
			Enabled *bool  `json:"enabled"`
			Nbf     *int64 `json:"nbf"`
			Exp     *int64 `json:"exp"`
		} `json:"attributes"`
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case err != nil || json.Unmarshal(raw, &body) != nil || body.Value == nil:
		refuseRequest(w, http.StatusBadRequest, "BadParameter", "The body is no secret.", "")
		return
	case len(*body.Value) > maxValue:
		refuseRequest(w, http.StatusBadRequest, "BadParameter", "The value is too long.", "")
		return
	}
	a := Attributes{Disabled: body.Attributes.Enabled != nil && !*body.Attributes.Enabled}
	if at := body.Attributes.Nbf; at != nil {
		a.NotBefore = time.Unix(*at, 0)
	}
	if at := body.Attributes.Exp; at != nil {
		a.Expires = time.Unix(*at, 0)
	}
	writeSecret(w, r, name, v.put(name, *body.Value, a))
}

// writeSecret answers with a version of a secret.
func writeSecret(w http.ResponseWriter, r *http.Request, name string, found version) {
	attributes := map[string]any{
		"enabled": !found.Disabled, "created": found.created.Unix(), "updated": found.created.Unix(),
		"recoveryLevel": "Recoverable", "recoverableDays": 90,
	}
	for member, at := range map[string]time.Time{"nbf": found.NotBefore, "exp": found.Expires} {
		if !at.IsZero() {
			attributes[member] = at.Unix()
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"value": found.value, "attributes": attributes,
		"id": fmt.Sprintf("https://%s/secrets/%s/%s", r.Host, name, found.id),
	})
}

// challengeCaller answers that a token is missing, or is not one for this vault, and where to get one.
func challengeCaller(w http.ResponseWriter, message string) {
	w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/`+tenant+
		`", resource="https://vault.azure.net"`)
	refuseRequest(w, http.StatusUnauthorized, "Unauthorized", message, "")
}

// refuseRequest answers with an error.
func refuseRequest(w http.ResponseWriter, status int, code, message, inner string) {
	refusal := map[string]any{"code": code, "message": message}
	if inner != "" {
		refusal["innererror"] = map[string]any{"code": inner}
	}
	writeJSON(w, status, map[string]any{"error": refusal})
}

// writeJSON answers with a JSON object.
func writeJSON(w http.ResponseWriter, status int, object any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object) // fails if the client is gone
}
