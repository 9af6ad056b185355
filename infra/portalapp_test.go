package infra

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	registration = "00000000-0000-4000-8000-00000000a99d"
	someone      = "00000000-0000-4000-8000-0000000a0001" // an object id
	adminRole    = "5f0e7a3b-6f1c-4f0e-9d55-0c6a5b7b2a11"
	readerRole   = "b1a4c8de-2f7d-4c8b-8a43-7d1f0e9c6b22"
)

// fakeEntra is what `az ad` answers. Registrations and enterprise applications are kept from call to call; those that
// were there before, and what is refused, stand in the environment.
func fakeEntra(dir, command string, flags map[string]string) (string, int) {
	if os.Getenv("FAKE_ENTRA_REFUSES") == command {
		fmt.Fprintln(os.Stderr, "Insufficient privileges to complete the operation.")
		return "", 1
	}
	if id, ok := flags["--id"]; ok && id != registration && id != "sp1" && command != "user show" {
		fmt.Fprintf(os.Stderr, "az ad %s: --id %s\n", command, id)
		return "", 1
	}
	for _, name := range []string{"--app-roles", "--parameters"} {
		if text, ok := flags[name]; ok && !json.Valid([]byte(text)) {
			fmt.Fprintf(os.Stderr, "az ad %s: %s is not JSON: %s\n", command, name, text)
			return "", 1
		}
	}
	switch command {
	case "app list":
		return os.Getenv("FAKE_SAME_NAME"), 0
	case "app create":
		return registration + "\n", 0
	case "app show":
		return "https://archive.contoso.example/.auth/login/aad/callback\n", 0
	case "app credential reset":
		return "client s\"cret\n", 0
	case "app federated-credential list":
		return os.Getenv("FAKE_TRUSTED") + "\n", 0
	case "app federated-credential create", "app federated-credential update", "app update", "sp update":
		return "", 0
	case "sp list":
		if count(dir, "sp", 0) > 0 || os.Getenv("FAKE_HAS_PRINCIPAL") != "" {
			return "sp1\n", 0
		}
		return "", 0
	case "sp create":
		if count(dir, "sp-tried", 1) == 1 {
			return "", 1 // the registration is not known everywhere yet
		}
		count(dir, "sp", 1)
		return "sp1\n", 0
	case "user show":
		if flags["--id"] != "jane@contoso.example" {
			return "", 1
		}
		return someone + "\n", 0
	}
	return "", 2
}

// fakeSignIn takes the deployment of the sign-in alone.
func fakeSignIn(flags map[string]string) (string, int) {
	if _, err := os.Stat(flags["--template-file"]); err != nil || flags["--resource-group"] != "rg1" {
		fmt.Fprintf(os.Stderr, "az deployment group create: %v: %v\n", flags, err)
		return "", 1
	}
	return "", setting("FAKE_DEPLOYMENT_FAILS")
}

// fakePortalRoles is Graph's list of who has a role in the portal: jane is a reader.
func fakePortalRoles(flags map[string]string, path string) (string, int) {
	switch method := flags["--method"]; {
	case method == "get" && strings.Contains(flags["--query"], "principalDisplayName"):
		return readerRole + "\tUser\tJane Example\n" + adminRole + "\tGroup\tRecords\n", 0
	case method == "get" &&
		flags["--query"] == "value[?principalId=='"+someone+"' && appRoleId=='"+readerRole+"'].id | [0]":
		return "given1\n", 0
	case method == "get", method == "post" && path == "" && json.Valid([]byte(flags["--body"])),
		method == "delete" && path == "/given1":
		return "", 0
	}
	fmt.Fprintf(os.Stderr, "az rest: %v %s\n", flags, path)
	return "", 1
}

var portalNames = []string{"PORTAL_APP=portal1", "PORTAL_HOST=portal1.host.example", "PORTAL_PRINCIPAL_ID=p2"}

// written are the calls that change something, in their order.
func (r ran) written() (all []string) {
	for _, c := range r.calls {
		command, flags, _ := split(c.Args)
		reads := strings.HasSuffix(command, " list") || strings.HasSuffix(command, " show") ||
			flags["--method"] == "get"
		if !reads && c.Tool == "az" {
			all = append(all, strings.TrimSpace(command+" "+flags["--method"]))
		}
	}
	return all
}

// The registration is made once, and completed whenever the script runs: whatever broke off before. The page is opened
// last.
func TestPortalApp(t *testing.T) {
	made := []string{"ad app create", "ad sp create", "ad sp create", "ad sp update",
		"ad app federated-credential create", "deployment group create"}
	known := "PORTAL_CLIENT_ID=" + registration
	for _, tt := range []struct {
		name    string
		env     []string
		written []string
	}{
		{"nothing is there", nil, made},
		{"only the registration", []string{known}, slices.Concat([]string{"ad app update"}, made[1:])},
		{"all is there", []string{known, "FAKE_HAS_PRINCIPAL=1", "FAKE_TRUSTED=p2"},
			[]string{"ad app update", "ad sp update", "deployment group create"}},
		{"the identity was made anew", []string{known, "FAKE_HAS_PRINCIPAL=1", "FAKE_TRUSTED=p1"},
			[]string{"ad app update", "ad sp update", "ad app federated-credential update", "deployment group create"}},
		{"a client secret", []string{"PORTAL_CREDENTIAL=secret", "PORTAL_VAULT=kv2", "FAKE_CLOUD=AzureUSGovernment"},
			[]string{"ad app create", "ad sp create", "ad sp create", "ad sp update", "ad app credential reset",
				"rest put", "rest post", "deployment group create"}},
		{"a client secret that is there", []string{"PORTAL_CREDENTIAL=secret", "PORTAL_VAULT=kv2",
			"FAKE_SECRETS=portal-client-secret"},
			[]string{"ad app create", "ad sp create", "ad sp create", "ad sp update", "deployment group create"}},
	} {
		r := script(t, "", slices.Concat(portalNames, tt.env), "portal-app")
		r.good(t)
		if diff := cmp.Diff(tt.written, r.written()); diff != "" {
			t.Errorf("%s: calls that write, -want +got:\n%s", tt.name, diff)
		}
		if !strings.Contains(r.out, "Next: infra/portal-app grant Archive.Admin") ||
			strings.Contains(r.out, "client s\"") {
			t.Errorf("%s: it says\n%s", tt.name, r.out)
		}
		for _, c := range r.calls {
			command, flags, _ := split(c.Args)
			switch command {
			case "ad app create", "ad app update":
				uris := "https://portal1.host.example/.auth/login/aad/callback"
				if command == "ad app update" { // a name of the page that someone added stays
					uris += " https://archive.contoso.example/.auth/login/aad/callback"
				}
				var roles []struct{ ID, Value string }
				err := json.Unmarshal([]byte(flags["--app-roles"]), &roles)
				if err != nil || len(roles) != 2 || roles[0].ID != adminRole || roles[0].Value != "Archive.Admin" ||
					roles[1].ID != readerRole || roles[1].Value != "Archive.Reader" {
					t.Errorf("%s: roles %v: %v", tt.name, roles, err)
				}
				if flags["--web-redirect-uris"] != uris || flags["--enable-id-token-issuance"] != "true" {
					t.Errorf("%s: %v", tt.name, flags)
				}
			case "ad sp update":
				if flags["--set"] != "appRoleAssignmentRequired=true" {
					t.Errorf("%s: %v", tt.name, flags)
				}
			case "ad app federated-credential create", "ad app federated-credential update":
				var trust map[string]any
				want := map[string]any{"subject": "p2", "audiences": []any{"api://AzureADTokenExchange"},
					"issuer": "https://login.microsoftonline.com/" + testTenant + "/v2.0"}
				if command == "ad app federated-credential create" { // it can't be changed later
					want["name"] = "portal"
				}
				if err := json.Unmarshal([]byte(flags["--parameters"]), &trust); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(want, trust); diff != "" {
					t.Errorf("%s: what is trusted, -want +got:\n%s", tt.name, diff)
				}
			case "deployment group create":
				want := "app=portal1 clientId=" + registration + " credential=identity"
				if got := flags["--parameters"]; got != want && got != strings.Replace(want, "identity", "secret", 1) {
					t.Errorf("%s: deployed with %s", tt.name, got)
				}
			}
			if strings.Contains(strings.Join(c.Args, " "), "client s\"") {
				t.Errorf("%s: the client secret is an argument: %v", tt.name, c.Args)
			}
		}
		set := len(r.with("env set PORTAL_CLIENT_ID " + registration))
		if first := !slices.Contains(tt.env, known); set != map[bool]int{true: 1}[first] {
			t.Errorf("%s: azd is told %d times", tt.name, set)
		}
	}
	// Without azd the next deployment takes it from the parameters file.
	r := script(t, "", append(portalNames, "ARCHIVER_PARAMETERS=/p/contoso.bicepparam"), "portal-app")
	r.good(t)
	if !strings.Contains(r.out, "param portalClientId = '"+registration+"'") || len(r.with("env set")) != 0 {
		t.Errorf("without azd: %v\n%s", r.calls, r.out)
	}
}

// What hinders the script is an error with what to do about it; in the hook of a deployment it is said, and the
// deployment goes on.
func TestPortalAppThatIsHindered(t *testing.T) {
	for _, tt := range []struct {
		env, says string
		writes    bool
	}{
		{"FAKE_SIGNED_OUT=1", "az login", false},
		{"FAKE_TENANT=00000000-0000-0000-0000-000000000009", "another tenant", false},
		{"FAKE_CLOUD=AzureUSGovernment", "PORTAL_CREDENTIAL secret", false},
		{"FAKE_SAME_NAME=" + registration, "if not, delete it", false}, // it may be someone else's
		{"FAKE_ENTRA_REFUSES=app create", "Application Administrator", true},
		{"FAKE_ENTRA_REFUSES=sp create", "Application Administrator", true},
		{"FAKE_DEPLOYMENT_FAILS=1", "Contributor", true},
	} {
		r := script(t, "", append(portalNames, tt.env), "portal-app")
		r.bad(t, tt.says)
		if wrote := len(r.written()) > 0; wrote != tt.writes {
			t.Errorf("%s: %v", tt.env, r.written())
		}
		hook := withoutTerminal(t, append(portalNames, tt.env, "FAKE_HAS_SECRET=1"), "hooks/postprovision.sh")
		if tt.env == "FAKE_SIGNED_OUT=1" || hook.err == nil && strings.Contains(hook.out, tt.says) &&
			strings.Contains(hook.out, "The page of the portal is closed: ") {
			continue
		}
		t.Errorf("%s: the hook: %v\n%s", tt.env, hook.err, hook.out)
	}
	// A registration that is known is left to those who run the script.
	for _, env := range [][]string{nil, append(portalNames, "PORTAL_CLIENT_ID="+registration)} {
		r := script(t, "", append(env, "FAKE_HAS_SECRET=1"), "hooks/postprovision.sh")
		r.good(t)
		if len(r.with("ad ")) != 0 || len(r.written()) != 0 {
			t.Errorf("%v: %v", env, r.calls)
		}
	}
}

func TestPortalRoles(t *testing.T) {
	known := append(portalNames, "PORTAL_CLIENT_ID="+registration, "FAKE_HAS_PRINCIPAL=1")
	for _, tt := range []struct{ do, role, person, write, says string }{
		{"grant", "Archive.Admin", "jane@contoso.example", `post {"principalId":"` + someone +
			`","resourceId":"sp1","appRoleId":"` + adminRole + `"}`, "Archive.Admin: granted"},
		{"grant", "Archive.Reader", someone, "", "Archive.Reader: granted"}, // is one already
		{"revoke", "Archive.Reader", "jane@contoso.example", "delete ", "not granted any more"},
		{"revoke", "Archive.Admin", someone, "", "not granted any more"},
		{"show", "", "", "", "Archive.Reader: User Jane Example\nArchive.Admin: Group Records\n"},
	} {
		args := slices.DeleteFunc([]string{tt.do, tt.role, tt.person}, func(s string) bool { return s == "" })
		r := script(t, "", known, "portal-app", args...)
		r.good(t)
		got := ""
		for _, c := range r.with("rest") {
			if _, flags, _ := split(c.Args); flags["--method"] != "get" {
				got += flags["--method"] + " " + flags["--body"]
			}
		}
		if got != tt.write || !strings.Contains(r.out, tt.says) {
			t.Errorf("%v writes %q and says %q", args, got, r.out)
		}
	}
	for _, args := range [][]string{{"grant"}, {"grant", "Archive.Owner", someone}, {"grant", "Archive.Admin", "jane"},
		{"revoke", "Archive.Admin", someone + "' or '1'=='1"}, {"shows"}, {"show", "all"}} {
		if r := script(t, "", known, "portal-app", args...); r.exit() != 2 || len(r.calls) != 0 {
			t.Errorf("%v: exit code %d, %v", args, r.exit(), r.calls)
		}
	}
	script(t, "", known, "portal-app", "grant", "Archive.Admin", "john@contoso.example").bad(t, "no such person")
	script(t, "", portalNames, "portal-app", "show").bad(t, "PORTAL_CLIENT_ID is not set")
	script(t, "", known, "portal-app", "renew-secret").bad(t, "there is no client secret")
	r := script(t, "", append(known, "PORTAL_VAULT=kv2"), "portal-app", "renew-secret")
	r.good(t)
	if puts := r.with("--method put", "/vaults/kv2/secrets/portal-client-secret"); len(puts) != 1 ||
		puts[0].Input != `{"properties":{"value":"client s\"cret"}}` {
		t.Errorf("%v", r.calls)
	}
}
