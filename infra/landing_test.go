package infra

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hasLanding reports whether the deployment makes a landing account.
func (p *prediction) hasLanding() bool {
	return slices.ContainsFunc(p.of("Microsoft.Storage/storageAccounts"), isLanding)
}

func isLanding(r resource) bool { return strings.HasPrefix(r.Name, "stlanding") }

// aside are parameters of a landing account that fetch does not read yet: the vendor is connected first. It signs in
// with a password, renames what it uploads, and what it landed is never deleted.
var aside = []string{"param landing = true", "param vendorRenames = true", "param landingDays = 0"}

// The vendor puts files there and lists them. It reads none, also none of its own, and deletes none unless it is said
// to rename: so a stolen key of the vendor's opens no message. Azure's local users are no one else's.
func TestVendorOfTheLandingAccount(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		users, want := p.of("Microsoft.Storage/storageAccounts/localUsers"), map[bool]int{true: 1}[p.hasLanding()]
		if len(users) != want ||
			slices.ContainsFunc(users, func(r resource) bool { return !isLanding(r) }) {
			t.Errorf("%d local users: %v", len(users), users)
		}
	})
	for _, tt := range []struct {
		p           *prediction
		permissions string
		keys        int
	}{
		{predict(t, "delivery-landing"), "cwl", 2},
		{predict(t, "private-network", aside...), "cwld", 0},
	} {
		users := tt.p.of("Microsoft.Storage/storageAccounts/localUsers")
		if len(users) != 1 {
			t.Fatalf("%s: %d local users", tt.p.environment, len(users))
		}
		user := users[0]
		if diff := cmp.Diff([]any{map[string]any{"service": "blob", "resourceName": "landing",
			"permissions": tt.permissions}}, user.at("permissionScopes")); diff != "" {
			t.Errorf("%s: rights, -want +got:\n%s", tt.p.environment, diff)
		}
		user.want(t, "homeDirectory", "landing")
		user.want(t, "hasSharedKey", false)
		user.want(t, "hasSshKey", tt.keys > 0)
		user.want(t, "hasSshPassword", tt.keys == 0)
		keys, _ := user.at("sshAuthorizedKeys").([]any)
		if len(keys) != tt.keys {
			t.Errorf("%s: keys %v", tt.p.environment, keys)
		}
		for _, key := range keys {
			text, _ := key.(map[string]any)["key"].(string)
			if kind, rest, ok := strings.Cut(text, " "); !ok || kind != "ssh-ed25519" || len(rest) != 68 {
				t.Errorf("%s: a key is %q", tt.p.environment, text)
			}
		}
	}
}

// In a private network without addresses of the vendor nothing from outside reaches the account; without a network
// every address reaches its sign-in, because fetch has no address to admit.
func TestNetworkOfTheLandingAccount(t *testing.T) {
	for access, p := range map[string]*prediction{"Disabled Deny": predict(t, "private-network", aside...),
		"Enabled Allow": predict(t, "default", "param landing = true", "param vendorAddresses = '203.0.113.7/32'")} {
		for _, account := range p.of("Microsoft.Storage/storageAccounts") {
			if !isLanding(account) {
				continue
			}
			public, rule, _ := strings.Cut(access, " ")
			account.want(t, "publicNetworkAccess", public)
			account.want(t, "networkAcls.defaultAction", rule)
			if rules, _ := account.at("networkAcls.ipRules").([]any); len(rules) != 0 {
				t.Errorf("%s lets in %v", p.environment, rules)
			}
		}
		if !p.hasLanding() {
			t.Errorf("%s has no landing account", p.environment)
		}
	}
	// It holds content, as the archive does, so a key of the customer's is for both.
	for _, account := range predict(t, "private-network", aside...).of("Microsoft.Storage/storageAccounts") {
		if isLanding(account) {
			account.want(t, "encryption.keySource", "Microsoft.Keyvault")
		}
	}
}

// What was landed is deleted after a year, or never; the archive has a copy of it for the whole term.
func TestLifecycleOfTheLandingAccount(t *testing.T) {
	const kind = "Microsoft.Storage/storageAccounts/managementPolicies"
	policies := slices.DeleteFunc(predict(t, "delivery-landing").of(kind),
		func(r resource) bool { return !isLanding(r) })
	if len(policies) != 1 {
		t.Fatalf("%d policies", len(policies))
	}
	want := []any{map[string]any{"name": "landing", "enabled": true, "type": "Lifecycle", "definition": map[string]any{
		"filters": map[string]any{"blobTypes": []any{"blockBlob"}, "prefixMatch": []any{"landing/"}},
		"actions": map[string]any{"baseBlob": map[string]any{"delete": map[string]any{
			"daysAfterModificationGreaterThan": 365.0}}}}}}
	if diff := cmp.Diff(any(want), policies[0].at("policy.rules")); diff != "" {
		t.Errorf("rules, -want +got:\n%s", diff)
	}
	if slices.ContainsFunc(predict(t, "private-network", aside...).of(kind), isLanding) {
		t.Error("something is deleted although it shall not be")
	}
}

// An app has the settings of its source and of no other: an account that is made but not read gives fetch no right.
func TestSettingsOfTheSource(t *testing.T) {
	const vault, landing = "https://kv-fetch-*.vault.azure.net/secrets/", "https://stlanding*.blob.core.windows.net"
	site := map[string]string{"SOURCE": "telemessage", "TELEMESSAGE_URL": "https://rest.telemessage.example",
		"TELEMESSAGE_USERNAME": "archive-contoso", "TELEMESSAGE_PASSWORD_SECRET": vault + "telemessage-password"}
	for _, tt := range []struct {
		name    string
		p       *prediction
		want    map[string]string
		secrets string
	}{
		{"the site", predict(t, "default"), site, "telemessage-password"},
		{"the site, with an account for later", predict(t, "private-network", aside...), site, "telemessage-password"},
		{"an SFTP server", predict(t, "delivery-sftp"), map[string]string{"SOURCE": "delivery",
			"DELIVERY_SFTP_HOST": "sftp.contoso.com:2222", "DELIVERY_SFTP_USERNAME": "archive",
			"DELIVERY_SFTP_HOST_KEYS":       hostKey(t),
			"DELIVERY_SFTP_KEY_SECRET":      vault + "delivery-sftp-key",
			"DELIVERY_SFTP_PASSWORD_SECRET": vault + "delivery-sftp-password",
			"DELIVERY_FOLDER":               "telemessage", "DELIVERY_FROM": "2026-11-01",
			"DELIVERY_DOMAINS": "contoso.com, contoso.co.uk"},
			"delivery-sftp-key,delivery-sftp-password"},
		{"the landing account", predict(t, "delivery-landing"), map[string]string{"SOURCE": "delivery",
			"DELIVERY_LANDING__blobServiceUri": landing}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.p.Outputs["FETCH_SECRETS"]; got != tt.secrets {
				t.Errorf("the hook is told of the secrets %v, want %q", got, tt.secrets)
			}
			got := map[string]string{}
			for name, value := range appSettings(t, tt.p)["fetch"] {
				if name == "SOURCE" || strings.HasPrefix(name, "DELIVERY_") || strings.HasPrefix(name, "TELEMESSAGE_") {
					got[name] = unique.ReplaceAllString(clouds[0].resolve(t, value), "$1*")
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("settings, -want +got:\n%s", diff)
			}
			for name := range maps.Keys(appSettings(t, tt.p)["import"]) {
				if name == "SOURCE" || strings.HasPrefix(name, "DELIVERY_") {
					t.Errorf("import has %s", name)
				}
			}
			reads := slices.ContainsFunc(assignments(t, tt.p),
				func(a string) bool { return strings.Contains(a, "landing account") })
			if _, ok := tt.want["DELIVERY_LANDING__blobServiceUri"]; ok != reads {
				t.Errorf("fetch may read the landing account: %t", reads)
			}
		})
	}
}

// unique is what makes a name unique.
var unique = regexp.MustCompile(`\b(kv-fetch-|stlanding)[a-z0-9]{13}`)

// hostKey returns the host key of the example.
func hostKey(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^param deliverySftpHostKeys = '(.*)'$`).FindStringSubmatch(
		read(t, "parameters/delivery-sftp.bicepparam"))
	if m == nil {
		t.Fatal("the example has no host key")
	}
	return m[1]
}
