package settings

import (
	"strings"
	"testing"
)

func TestPasswordConfig(t *testing.T) {
	const (
		password = "hunter2"
		vault    = "https://contoso-fetch.vault.azure.net/secrets/site"
	)
	for _, tt := range []struct{ name, password, vault, says string }{
		{name: "the password itself", password: password},
		{name: "in the vault", vault: vault},
		{name: "neither", says: "TELEMESSAGE_PASSWORD_SECRET is missing; on one machine TELEMESSAGE_PASSWORD"},
		{name: "both", password: password, vault: vault,
			says: "TELEMESSAGE_PASSWORD is set beside TELEMESSAGE_PASSWORD_SECRET: leave one of the two empty"},
		{name: "a bad password", password: "hunter2\n", says: "TELEMESSAGE_PASSWORD holds a control character"},
		{name: "a bad address", vault: "https://hunter2.example/secrets/site",
			says: "TELEMESSAGE_PASSWORD_SECRET is the address of no cloud's Key Vault"},
		{name: "both, one of them bad", password: password, vault: "https://hunter2.example/secrets/site",
			says: "TELEMESSAGE_PASSWORD_SECRET is the address of no cloud's Key Vault"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := from(map[string]string{sitePassword: tt.password, sitePasswordSecret: tt.vault})
			p := PasswordConfig(r)
			err := r.Err()
			if tt.says != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") ||
					strings.Contains(err.Error(), password) {
					t.Errorf("error %v, want one of %q", err, tt.says)
				}
				return
			}
			if err != nil || p.Value.Reveal() != tt.password || (p.Address != nil) != (tt.vault != "") ||
				p.Address != nil && p.Address.String() != tt.vault {
				t.Errorf("%+v, error %v", p, err)
			}
		})
	}
}

// Only a Key Vault gets the token that opens one.
func TestAddressOfASecret(t *testing.T) {
	for _, tt := range []struct{ value, want string }{
		{" https://Contoso-Fetch.vault.azure.net/secrets/telemessage-Password/ ",
			"https://Contoso-Fetch.vault.azure.net/secrets/telemessage-Password"},
		{"https://kv1.vault.azure.net:443/secrets/p",
			"https://kv1.vault.azure.net:443/secrets/p"},
		{"https://kv1.vault.usgovcloudapi.net/secrets/p",
			"https://kv1.vault.usgovcloudapi.net/secrets/p"},
		{"https://kv1.vault.azure.cn/secrets/p", "https://kv1.vault.azure.cn/secrets/p"},
		{"https://127.0.0.1:8443/secrets/p", "https://127.0.0.1:8443/secrets/p"},
	} {
		r := from(map[string]string{sitePasswordSecret: tt.value})
		if u := r.URL(sitePasswordSecret); r.Err() != nil || u.String() != tt.want {
			t.Errorf("%q = %v, %v; want %q", tt.value, u, r.Err(), tt.want)
		}
	}
	for _, tt := range []struct{ value, says string }{
		{"hunter2", "has no host"},
		{"http://127.0.0.1:8443/secrets/hunter2", "is not encrypted"},
		{"http://kv1.vault.azure.net/secrets/hunter2", "is not encrypted"},
		{"https://hunter2.example.com/secrets/p", "no cloud's Key Vault"},
		{"https://vault.azure.net/secrets/hunter2", "no cloud's Key Vault"},
		{"https://a.b.vault.azure.net/secrets/hunter2", "no cloud's Key Vault"},
		{"https://kv1.vault.azure.net.example.com/secrets/hunter2",
			"no cloud's Key Vault"},
		{"https://kv1.managedhsm.azure.net/secrets/hunter2", "no cloud's Key Vault"},
		{"https://kv1.vault.azure.net:8443/secrets/hunter2", "a port"},
		{"https://kv1.vault.azure.net/secrets/hunter2/0123456789abcdef",
			"names a version"},
		{"https://kv1.vault.azure.net", "does not end with"},
		{"https://kv1.vault.azure.net/keys/hunter2", "does not end with"},
		{"https://kv1.vault.azure.net/secrets/hunter%2f2", "does not end with"},
		{"https://kv1.vault.azure.net/secrets/hunter2?api-version=7.5", "query"},
		{"@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/hunter2)", "Key Vault"},
	} {
		r := from(map[string]string{sitePasswordSecret: tt.value})
		u, err := r.URL(sitePasswordSecret), r.Err()
		if u != nil || err == nil || !strings.Contains(err.Error(), tt.says) ||
			strings.Contains(err.Error(), "hunter") {
			t.Errorf("%q = %v, %v; want %q", tt.value, u, err, tt.says)
		}
	}
}

func TestParsePassword(t *testing.T) {
	for text, says := range map[string]string{
		" p:a=ß; ": "", "": "is empty", "hunter2\n": "a line break", "hunter2\xff": "control character",
	} {
		got, err := ParsePassword(text)
		if says == "" {
			if err != nil || got.Reveal() != text {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err == nil || got.Set() || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}
