package infra

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPreprovision(t *testing.T) {
	r := script(t, "", nil, "hooks/preprovision.sh")
	r.good(t)
	if len(r.with("provider register")) != 0 {
		t.Error("a provider is registered that is not needed")
	}
	r = script(t, "", []string{"PRIVATE_NETWORK=true"}, "hooks/preprovision.sh")
	r.good(t)
	if len(r.with("provider register", "Microsoft.App")) != 1 {
		t.Error("Microsoft.App is not registered")
	}
	script(t, "", []string{"FAKE_SIGNED_OUT=1"}, "hooks/preprovision.sh").bad(t, "az login")

	// `azd provision` in a new environment asks for the subscription after this hook.
	for _, network := range []string{"false", "true"} {
		r = script(t, "", []string{"AZURE_SUBSCRIPTION_ID=", "AZURE_RESOURCE_GROUP=", "PRIVATE_NETWORK=" + network},
			"hooks/preprovision.sh")
		r.good(t)
		if len(r.with("account show")) != 1 || len(r.with("--subscription")) != 0 {
			t.Errorf("a new environment: %v", r.calls)
		}
	}
	script(t, "", []string{"AZURE_SUBSCRIPTION_ID=", "FAKE_SIGNED_OUT=1"}, "hooks/preprovision.sh").bad(t, "az login")

	// The region has to offer Flex Consumption; an older az can't list them.
	asked := []string{"AZURE_LOCATION=uksouth"}
	r = script(t, "", asked, "hooks/preprovision.sh")
	r.good(t)
	if len(r.with("list-flexconsumption-locations", "--subscription s1")) != 1 {
		t.Errorf("the regions were not asked for: %v", r.calls)
	}
	script(t, "", []string{"AZURE_LOCATION=ukwest"}, "hooks/preprovision.sh").bad(t,
		"ukwest does not offer Flex Consumption. These regions do: eastus uksouth")
	r = script(t, "", append(asked, "FAKE_OLD_AZ=1"), "hooks/preprovision.sh")
	r.good(t)
	if !strings.Contains(r.out, "uksouth is not checked") {
		t.Errorf("it says %q", r.out)
	}
}

// With deliveries as the source nothing is deployed that could not fetch.
func TestPreprovisionOfDeliveries(t *testing.T) {
	sftp := []string{"SOURCE=delivery", "DELIVERY_SFTP_HOST=sftp.contoso.example", "DELIVERY_SFTP_USERNAME=archive",
		"DELIVERY_SFTP_HOST_KEYS=ssh-ed25519 AAAA"}
	landing := []string{"SOURCE=delivery", "LANDING=true"}
	for _, tt := range []struct {
		env  []string
		says string // "": it is deployed
	}{
		{sftp, ""}, {landing, ""}, {[]string{"LANDING=true"}, ""}, {[]string{"SOURCE=telemessage"}, ""},
		{[]string{"SOURCE=(an expression)"}, ""},
		{[]string{"SOURCE=delivery"}, "needs a place to look for ZIPs"},
		{append(slices.Clone(sftp), "LANDING=true"), "both set"},
		{append(slices.Clone(sftp), "DELIVERY_SFTP_USERNAME="), "DELIVERY_SFTP_USERNAME is missing"},
		{[]string{"SOURCE=sftp"}, "neither telemessage nor delivery"},
		{[]string{"TELEMESSAGE_URL=none"}, "SOURCE is not delivery"},
	} {
		r := script(t, "", tt.env, "hooks/preprovision.sh")
		if tt.says == "" {
			r.good(t)
		} else if r.bad(t, tt.says); len(r.calls) != 0 {
			t.Errorf("%v: %v", tt.env, r.calls)
		}
	}
	// What may be meant so is said, and deployed.
	for _, keys := range []string{"", "ssh-ed25519 AAAA"} {
		r := script(t, "", append(slices.Clone(sftp), "DELIVERY_SFTP_HOST_KEYS="+keys), "hooks/preprovision.sh")
		r.good(t)
		if strings.Contains(r.out, "DELIVERY_SFTP_HOST_KEYS is empty") != (keys == "") {
			t.Errorf("with the host keys %q it says\n%s", keys, r.out)
		}
	}
	private := append(landing, "PRIVATE_NETWORK=true")
	for _, addresses := range []string{"", "203.0.113.7/32"} {
		r := script(t, "", append(private, "VENDOR_ADDRESSES="+addresses), "hooks/preprovision.sh")
		r.good(t)
		if strings.Contains(r.out, "VENDOR_ADDRESSES is empty") != (addresses == "") {
			t.Errorf("with the addresses %q it says\n%s", addresses, r.out)
		}
	}
}

// The zips are made anew before whatever deploys them, and their checksums are looked at.
func TestPrepackage(t *testing.T) {
	need(t, "bash")
	need(t, "make")
	root := t.TempDir()
	for name, text := range map[string]string{
		"infra/hooks/prepackage.sh": read(t, "hooks/prepackage.sh"),
		"infra/environment.sh":      read(t, "environment.sh"),
		"Makefile": "package:\n\tmkdir -p build\n\tprintf new >build/fetch.zip\n" +
			"\techo \"$(SUM)  fetch.zip\" >build/SHA256SUMS\n",
		"build/fetch.zip": "stale",
	} {
		file := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700),
			os.WriteFile(file, []byte(text), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	for sum, good := range map[string]bool{sha("new"): true, sha("stale"): false} {
		cmd := exec.Command(filepath.Join(root, "infra/hooks/prepackage.sh"))
		cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "SUM="+sum)
		if said, err := cmd.CombinedOutput(); (err == nil) != good {
			t.Errorf("checksum of the new zip: %t; %v\n%s", good, err, said)
		}
		if got := read(t, filepath.Join(root, "build/fetch.zip")); got != "new" {
			t.Errorf("the zip is %s", got)
		}
	}
}

// `azd up --no-prompt` closes standard input. With the password as a secret of the environment everything is done;
// without it the hook says what is left to do, and the deployment goes on.
func TestHooksWithoutATerminal(t *testing.T) {
	azd := []string{"AZURE_LOCATION=uksouth", "PRIVATE_NETWORK=true", "TELEMESSAGE_PASSWORD=secret"}
	for _, name := range []string{"hooks/preprovision.sh", "hooks/postprovision.sh", "hooks/postdeploy.sh"} {
		withoutTerminal(t, azd, name).good(t)
	}
	r := withoutTerminal(t, azd, "hooks/postprovision.sh")
	if puts := r.with("--method put", "/vaults/kv1/secrets/secret1"); len(puts) != 1 ||
		puts[0].Input != `{"properties":{"value":"secret"}}` {
		t.Errorf("written: %v", puts)
	}
	// A variable that is not set comes from azd with its own name as its value.
	for _, unset := range []string{"", "TELEMESSAGE_PASSWORD"} {
		r = withoutTerminal(t, []string{"TELEMESSAGE_PASSWORD=" + unset}, "hooks/postprovision.sh")
		r.good(t)
		if !strings.Contains(r.out, "not set; run infra/password") || len(r.with("--method put")) != 0 {
			t.Errorf("without a password: %v\n%s", r.calls, r.out)
		}
	}
	r = withoutTerminal(t, []string{"TELEMESSAGE_PASSWORD=akvs://s1/keys/telemessage"}, "hooks/postprovision.sh")
	r.bad(t, "azd did not resolve")
	if len(r.with("--method put")) != 0 {
		t.Error("a reference was written in place of the password")
	}
	// Typed or piped in by hand, the environment does not count.
	r = script(t, "typed\n", azd, "password")
	r.good(t)
	if puts := r.with("--method put"); len(puts) != 1 || puts[0].Input != `{"properties":{"value":"typed"}}` {
		t.Errorf("written: %v", puts)
	}
}
