// Package identity tells who sends a request: a person whom the platform has signed in, or on one machine the person
// who started it.
package identity

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"o2archiver/shared/azure"
	"o2archiver/shared/settings"
)

// Role is what a person may do. A higher role includes the lower ones.
type Role int

// The roles.
const (
	None   Role = iota // signed in, without a role of this application
	Reader             // may look at everything but whole numbers and addresses of the people in the archive
	Admin              // may change settings, give commands, and see numbers and addresses
)

// Names of the roles in the app registration.
const (
	readerRole = "Archive.Reader"
	adminRole  = "Archive.Admin"
)

// String returns the role in words for a page.
func (r Role) String() string {
	switch r {
	case Admin:
		return "administrator"
	case Reader:
		return "reader"
	default:
		return "no role"
	}
}

// Person is who sends a request.
type Person struct {
	ID    string // object id in the tenant
	Name  string // user principal name; personal data, for pages and the audit log only
	Role  Role
	Local bool // on one machine: not signed in
}

// The errors of a Func. Their texts hold nothing of the request.
var (
	ErrSignedOut = errors.New("you are not signed in")
	ErrRefused   = errors.New("sign-in is not set up on this address, so every request is refused")
)

// Func returns who sends a request. The error is ErrSignedOut or ErrRefused.
type Func func(*http.Request) (Person, error)

const (
	principalHeader = "X-MS-CLIENT-PRINCIPAL"
	maxPrincipal    = 16 << 10 // characters of the header
	maxName         = 320      // bytes of an address
)

// principal is the content of the header. App Service Authentication sets it, and replaces what a client sends.
type principal struct {
	Type     string  `json:"auth_typ"`
	Claims   []claim `json:"claims"`
	RoleType string  `json:"role_typ"`
}

type claim struct {
	Type  string `json:"typ"`
	Value string `json:"val"`
}

// The types of the claims, in the short form and in the one to which App Service Authentication renames some.
var (
	tenantClaims = []string{"tid", "http://schemas.microsoft.com/identity/claims/tenantid"}
	objectClaims = []string{"oid", "http://schemas.microsoft.com/identity/claims/objectidentifier"}
	nameClaims   = []string{"preferred_username", "upn",
		"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
		"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"}
)

// Platform returns a Func that trusts App Service Authentication and accepts people of one tenant. It MUST be used only
// where the platform sets the header: elsewhere a client can send any.
func Platform(tenant string) Func {
	return func(r *http.Request) (Person, error) {
		values := r.Header.Values(principalHeader)
		if len(values) != 1 || len(values[0]) > maxPrincipal {
			return Person{}, ErrSignedOut
		}
		raw, err := base64.StdEncoding.DecodeString(values[0])
		var p principal
		if err != nil || json.Unmarshal(raw, &p) != nil || p.Type != "aad" {
			return Person{}, ErrSignedOut
		}
		id, ok := p.only(objectClaims)
		of, known := p.only(tenantClaims)
		if !ok || !known || tenant == "" || !strings.EqualFold(of, tenant) || !settings.IsID(id) {
			return Person{}, ErrSignedOut
		}
		return Person{ID: strings.ToLower(id), Name: p.name(), Role: p.role()}, nil
	}
}

// only returns the value of a claim. A claim that is there twice with different values has none.
func (p principal) only(types []string) (value string, ok bool) {
	for _, c := range p.Claims {
		for _, t := range types {
			if c.Type != t {
				continue
			}
			if ok && value != c.Value {
				return "", false
			}
			value, ok = c.Value, true
		}
	}
	return value, ok
}

// name returns the first name that is of use for a page.
func (p principal) name() string {
	for _, t := range nameClaims {
		for _, c := range p.Claims {
			if c.Type == t && c.Value != "" && len(c.Value) <= maxName {
				return c.Value
			}
		}
	}
	return ""
}

// role returns the highest role. App roles come as claims of the type roles, whatever role_typ says.
func (p principal) role() (role Role) {
	for _, c := range p.Claims {
		if c.Type != "roles" && (p.RoleType == "" || c.Type != p.RoleType) {
			continue
		}
		switch c.Value {
		case adminRole:
			role = Admin
		case readerRole:
			role = max(role, Reader)
		}
	}
	return role
}

// Local returns a Func for one machine: every request is an administrator's. A request is refused if it was sent to
// another name than this machine's: a page of the internet can let its name point to 127.0.0.1. It is refused too if
// the host names another machine as its sender: a host that listens on all interfaces passes on the client's Host.
func Local() Func {
	return func(r *http.Request) (Person, error) {
		if !isLoopback(r.Host) || !isFromHere(r.Header.Values(senderHeader)) {
			return Person{}, ErrRefused
		}
		return Person{ID: "00000000-0000-0000-0000-000000000000", Name: "this machine", Role: Admin, Local: true}, nil
	}
}

// senderHeader has the addresses that a request came by. The host overwrites it with that of its peer.
const senderHeader = "X-Forwarded-For"

// isFromHere reports whether all addresses of a header's values are this machine's. One that can't be read is not.
func isFromHere(values []string) bool {
	for _, value := range values {
		for text := range strings.SplitSeq(value, ",") {
			text = strings.TrimSpace(text)
			ip, err := netip.ParseAddr(strings.Trim(text, "[]"))
			if err != nil {
				var with netip.AddrPort
				with, err = netip.ParseAddrPort(text)
				ip = with.Addr()
			}
			if err != nil || !azure.IsLoopback(ip.String()) {
				return false
			}
		}
	}
	return true
}

// isLoopback reports whether a Host header, with a port or without one, names this machine.
func isLoopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return azure.IsLoopback(strings.Trim(host, "[]"))
}

// Refuse returns a Func that refuses every request.
func Refuse() Func {
	return func(*http.Request) (Person, error) { return Person{}, ErrRefused }
}
