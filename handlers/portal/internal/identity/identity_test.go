package identity

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	tenant = "11111111-2222-3333-4444-555555555555"
	object = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
)

// header returns the header of App Service Authentication with these claims, each a type and a value in turn.
func header(t *testing.T, kind, roleType string, claims ...string) string {
	t.Helper()
	p := principal{Type: kind, RoleType: roleType}
	for i := 0; i < len(claims); i += 2 {
		p.Claims = append(p.Claims, claim{claims[i], claims[i+1]})
	}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func TestPlatform(t *testing.T) {
	ours := []string{"tid", tenant, "oid", object}
	longTenant, longObject := tenantClaims[1], objectClaims[1]
	of := func(more ...string) []string { return append(append([]string{}, ours...), more...) }
	tests := []struct {
		name   string
		values []string
		want   Person
		err    error
	}{
		{"an administrator",
			[]string{header(t, "aad", "", of("preferred_username", "ann@contoso.com", "roles", "Archive.Admin")...)},
			Person{ID: object, Name: "ann@contoso.com", Role: Admin}, nil},
		{"both roles", []string{header(t, "aad", "", of("roles", "Archive.Admin", "roles", "Archive.Reader")...)},
			Person{ID: object, Role: Admin}, nil},
		{"a reader, by role_typ", []string{header(t, "aad", "urn:role", of("urn:role", "Archive.Reader")...)},
			Person{ID: object, Role: Reader}, nil},
		{"renamed claims",
			[]string{header(t, "aad", "", longTenant, tenant, longObject, object, "roles", "Archive.Reader")},
			Person{ID: object, Role: Reader}, nil},
		{"another application's role", []string{header(t, "aad", "", of("roles", "Other.Admin")...)},
			Person{ID: object}, nil},
		{"a role in another claim",
			[]string{header(t, "aad", "", of("groups", "Archive.Admin")...)}, Person{ID: object}, nil},
		{"another tenant", []string{header(t, "aad", "", "tid", object, "oid", object, "roles", "Archive.Admin")},
			Person{}, ErrSignedOut},
		{"two tenants", []string{header(t, "aad", "", of(longTenant, object, "roles", "Archive.Admin")...)},
			Person{}, ErrSignedOut},
		{"no tenant", []string{header(t, "aad", "", "oid", object)}, Person{}, ErrSignedOut},
		{"no object", []string{header(t, "aad", "", "tid", tenant)}, Person{}, ErrSignedOut},
		{"an object that is no id",
			[]string{header(t, "aad", "", "tid", tenant, "oid", "../x")}, Person{}, ErrSignedOut},
		{"another provider",
			[]string{header(t, "google", "", of("roles", "Archive.Admin")...)}, Person{}, ErrSignedOut},
		{"two headers",
			[]string{header(t, "aad", "", ours...), header(t, "aad", "", ours...)}, Person{}, ErrSignedOut},
		{"no header", nil, Person{}, ErrSignedOut},
		{"no base64", []string{"abc"}, Person{}, ErrSignedOut},
		{"no JSON", []string{base64.StdEncoding.EncodeToString([]byte("abc"))}, Person{}, ErrSignedOut},
		{"wrong types", []string{base64.StdEncoding.EncodeToString([]byte(`{"auth_typ":"aad","claims":{"tid":1}}`))},
			Person{}, ErrSignedOut},
		{"too long",
			[]string{header(t, "aad", "", of("x", strings.Repeat("x", maxPrincipal))...)}, Person{}, ErrSignedOut},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			for _, v := range test.values {
				r.Header.Add(principalHeader, v)
			}
			got, err := Platform(tenant)(r)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A client of the host can send the platform's header. So the header counts only where the platform overwrites it.
func TestChoose(t *testing.T) {
	azure := []string{"WEBSITE_SITE_NAME=x", "WEBSITE_HOSTNAME=x.azurewebsites.net"}
	tests := []struct {
		name        string
		way, tenant string
		environment []string
		host        string
		want        Role
		err         error
	}{
		{"platform, confirmed", ByPlatform, tenant, append(azure, "WEBSITE_AUTH_ENABLED=True"), "x", Admin, nil},
		{"platform, not confirmed", ByPlatform, tenant, azure, "x", None, ErrRefused},
		{"platform, off", ByPlatform, tenant, append(azure, "WEBSITE_AUTH_ENABLED=False"), "x", None, ErrRefused},
		{"platform, no tenant", ByPlatform, "", append(azure, "WEBSITE_AUTH_ENABLED=True"), "x", None, ErrRefused},
		{"deployment, nothing said", ByDeployment, tenant, azure, "x", Admin, nil},
		{"deployment, off", ByDeployment, tenant, append(azure, "WEBSITE_AUTH_ENABLED=false"), "x", None, ErrRefused},
		{"nothing that is known", "", tenant, append(azure, "WEBSITE_AUTH_ENABLED=True"), "x", None, ErrRefused},
		{"local", OnMachine, "", nil, "127.0.0.1:7071", Admin, nil},
		{"local, IPv6", OnMachine, "", nil, "[::1]:7071", Admin, nil},
		{"local, Core Tools", OnMachine, "", []string{"WEBSITE_HOSTNAME=localhost:7071"}, "localhost:7071", Admin, nil},
		{"local, by another name", OnMachine, "", nil, "rebound.example", None, ErrRefused},
		{"local, in Azure", OnMachine, "", azure, "127.0.0.1", None, ErrRefused},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			who, chosen := Choose(test.way, test.tenant, test.environment)
			r := httptest.NewRequest("GET", "/", nil)
			r.Host = test.host
			r.Header.Set(principalHeader, header(t, "aad", "", "tid", tenant, "oid", object, "roles", "Archive.Admin"))
			got, err := who(r)
			if got.Role != test.want || !errors.Is(err, test.err) {
				t.Errorf("%v, %v, want %v, %v", got.Role, err, test.want, test.err)
			}
			if refused := chosen != nil; refused != (test.err != nil) && test.host != "rebound.example" {
				t.Errorf("the reason is %v", chosen)
			}
		})
	}
}

// A host that listens on all interfaces passes on Host as a client of the network has sent it, and names the client.
func TestLocalRefusesOtherMachines(t *testing.T) {
	for sender, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "::ffff:127.0.0.1": true, "127.0.0.1:50123": true, "[::1]:50123": true,
		"127.0.0.1, ::1": true, "192.0.2.7": false, "127.0.0.1, 192.0.2.7": false, "192.0.2.7, 127.0.0.1": false,
		"[2001:db8::1]:50123": false, "::ffff:192.0.2.7": false, "": false, "unknown": false, "127.0.0.1,": false,
		"localhost": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = "localhost:7071"
		r.Header.Set(senderHeader, sender)
		if _, err := Local()(r); (err == nil) != want {
			t.Errorf("%q: %v", sender, err)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Host = "localhost:7071"
	r.Header.Add(senderHeader, "127.0.0.1")
	r.Header.Add(senderHeader, "192.0.2.7")
	if _, err := Local()(r); !errors.Is(err, ErrRefused) {
		t.Errorf("a second header: %v", err)
	}
	r.Header.Del(senderHeader)
	if _, err := Local()(r); err != nil {
		t.Errorf("no header: %v", err)
	}
}
