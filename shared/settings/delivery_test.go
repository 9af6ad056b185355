package settings

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hunter2 is what no error may repeat.
func TestDeliveryConfig(t *testing.T) {
	const (
		key   = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----\n"
		vault = "https://contoso-fetch.vault.azure.net/secrets/sftp"
		blob  = "https://contosolanding.blob.core.windows.net"
	)
	server := func(more ...string) map[string]string {
		env := map[string]string{sftpHost: "sftp.contoso.com", sftpUsername: "o2"}
		for i := 0; i < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		return env
	}
	for _, tt := range []struct {
		name string
		env  map[string]string
		says string
	}{
		{name: "a key", env: server(sftpKey, key)},
		{name: "a password in the vault", env: server(sftpPasswordSecret, vault)},
		{name: "both", env: server(sftpKeySecret, vault, sftpPassphraseSecret, vault, sftpPassword, "hunter2")},
		{name: "a landing container", env: map[string]string{landingBlob: blob}},
		{name: "on this machine", env: map[string]string{
			landing: "AccountName=a;AccountKey=bm90;DefaultEndpointsProtocol=http;BlobEndpoint=http://127.0.0.1:1/a"}},
		{name: "no store", env: map[string]string{deliveryFolder: "hunter2"},
			says: "DELIVERY_SFTP_HOST is missing, and so is DELIVERY_LANDING__blobServiceUri"},
		{name: "two stores", env: server(sftpKey, key, landingBlob, blob),
			says: "DELIVERY_SFTP_HOST is set beside DELIVERY_LANDING"},
		{name: "two accounts", env: map[string]string{landingBlob: blob, landing: "AccountName=a;AccountKey=bm90"},
			says: "DELIVERY_LANDING is set beside DELIVERY_LANDING__blobServiceUri"},
		{name: "no user name", env: map[string]string{sftpHost: "sftp.contoso.com", sftpKey: key},
			says: "DELIVERY_SFTP_USERNAME is missing beside DELIVERY_SFTP_HOST"},
		{name: "no credentials", env: server(), says: "DELIVERY_SFTP_KEY_SECRET is missing"},
		{name: "a key twice", env: server(sftpKey, key, sftpKeySecret, vault),
			says: "DELIVERY_SFTP_KEY is set beside DELIVERY_SFTP_KEY_SECRET"},
		{name: "a passphrase alone", env: server(sftpPassword, "hunter2", sftpPassphrase, "hunter2"),
			says: "DELIVERY_SFTP_KEY_PASSPHRASE is set, and there is no private key"},
		{name: "a public key", env: server(sftpKey, "ssh-ed25519 hunter2"), says: "DELIVERY_SFTP_KEY is a public key"},
		{name: "PuTTY's form", env: server(sftpKey, "PuTTY-User-Key-File-3: hunter2"),
			says: "DELIVERY_SFTP_KEY is a key in PuTTY's form"},
		{name: "no key", env: server(sftpKey, "hunter2"), says: "DELIVERY_SFTP_KEY does not have the line -----BEGIN"},
		{name: "text before a key", env: server(sftpKey, "Bag Attributes\n"+key)},
		{name: "encrypted PKCS #8", env: server(sftpKey, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhunter2"),
			says: "DELIVERY_SFTP_KEY is encrypted in the form PKCS #8; convert it with ssh-keygen -p -f FILE"},
		{name: "an address as host", env: server(sftpKey, key, sftpHost, "sftp://hunter2"),
			says: "DELIVERY_SFTP_HOST begins with a scheme"},
		{name: "a user in the host", env: server(sftpKey, key, sftpHost, "hunter2@sftp.contoso.com"),
			says: "DELIVERY_SFTP_HOST is no host"},
		{name: "a bad port", env: server(sftpKey, key, sftpHost, "sftp.contoso.com:0"),
			says: "DELIVERY_SFTP_HOST has a bad port"},
		{name: "a fingerprint", env: server(sftpKey, key, sftpHostKeys, "SHA256:hunter2"),
			says: "DELIVERY_SFTP_HOST_KEYS is a fingerprint"},
		{name: "a folder of Windows", env: server(sftpKey, key, deliveryFolder, `out\hunter2`),
			says: "DELIVERY_FOLDER is no path of a folder"},
		{name: "a vault of no cloud", env: server(sftpKeySecret, "https://hunter2.example/secrets/p"),
			says: "DELIVERY_SFTP_KEY_SECRET is the address of no cloud's Key Vault"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := from(tt.env)
			d := DeliveryConfig(r)
			err := r.Err()
			if tt.says != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") ||
					strings.Contains(err.Error(), "hunter2") {
					t.Errorf("error %v, want one of %q", err, tt.says)
				}
				return
			}
			if err != nil || (d.SFTP != nil) != (tt.env[sftpHost] != "") || (d.Landing != nil) == (d.SFTP != nil) {
				t.Errorf("%+v, error %v", d, err)
			}
			if d.SFTP != nil && d.SFTP.Key.Value.Reveal() != tt.env[sftpKey] {
				t.Errorf("the key is another one")
			}
		})
	}
}

func TestDeliveryDomains(t *testing.T) {
	for _, tt := range []struct {
		value, says string
		want        []string
	}{
		{value: ""},
		{value: " , "},
		{value: "Contoso.COM, contoso.co.uk;xn--bcher-kva.example",
			want: []string{"contoso.com", "contoso.co.uk", "xn--bcher-kva.example"}},
		{value: "contoso.com, jane@hunter2.example", says: "DELIVERY_DOMAINS part 2: is no domain"},
		{value: "*.hunter2.example", says: "DELIVERY_DOMAINS part 1: is no domain"},
		{value: "hunter2.example.", says: "DELIVERY_DOMAINS part 1: is no domain"},
		{value: "hunter2", says: "DELIVERY_DOMAINS part 1: is no domain"},
		{value: "b\u00fccher.hunter2.example", says: "DELIVERY_DOMAINS part 1: is no domain"},
	} {
		r := from(map[string]string{landingBlob: "https://contosolanding.blob.core.windows.net",
			deliveryDomains: tt.value})
		got := DeliveryConfig(r).Domains
		err := r.Err()
		if diff := cmp.Diff(tt.want, got); diff != "" || (err == nil) != (tt.says == "") {
			t.Errorf("%q: error %v (-want +got):\n%s", tt.value, err, diff)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%q: error %v, want one of %q", tt.value, err, tt.says)
		}
	}
}

// What another source needs is not asked for, and what is set for it is not read.
func TestCheckIsOfOneSource(t *testing.T) {
	storageOnly := map[string]string{storage: "AccountName=a;AccountKey=bm90"}
	site := map[string]string{"TELEMESSAGE_URL": "https://rest.telemessage.example", "TELEMESSAGE_USERNAME": "contoso",
		sitePassword: "hunter2"}
	delivered := map[string]string{source: "Delivery", landingBlob: "https://contosolanding.blob.core.windows.net"}
	for _, tt := range []struct {
		name  string
		more  []map[string]string
		wrong []string
	}{
		{"the site", []map[string]string{site}, nil},
		{"deliveries", []map[string]string{delivered}, nil},
		{"both are set", []map[string]string{site, delivered}, nil},
		{"the other one's mistake", []map[string]string{delivered, {"TELEMESSAGE_URL": "hunter2"}}, nil},
		{"nothing", nil, []string{"TELEMESSAGE_PASSWORD_SECRET", "TELEMESSAGE_URL", "TELEMESSAGE_USERNAME"}},
		{"deliveries without a store", []map[string]string{{source: "delivery"}}, []string{sftpHost}},
		{"no such source", []map[string]string{site, {source: "hunter2"}}, []string{source}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := maps.Clone(storageOnly)
			for _, more := range tt.more {
				maps.Copy(env, more)
			}
			err := Check(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
			var wrong []string
			if err != nil {
				for line := range strings.Lines(err.Error()) {
					name, _, _ := strings.Cut(line, " ")
					wrong = append(wrong, name)
				}
			}
			if strings.Join(wrong, " ") != strings.Join(tt.wrong, " ") {
				t.Errorf("error %v\nnames %v, want %v", err, wrong, tt.wrong)
			}
		})
	}
}
