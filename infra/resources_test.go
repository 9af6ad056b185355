package infra

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/settings"
)

func TestStorageAccounts(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		accounts := p.of("Microsoft.Storage/storageAccounts")
		if len(accounts) != 3 {
			t.Errorf("%d storage accounts, want the archive's and a host's for each app", len(accounts))
		}
		for _, a := range accounts {
			a.want(t, "allowSharedKeyAccess", false)
			a.want(t, "allowBlobPublicAccess", false)
			a.want(t, "allowCrossTenantReplication", false)
			a.want(t, "minimumTlsVersion", "TLS1_2")
			a.want(t, "supportsHttpsTrafficOnly", true)
			a.want(t, "isLocalUserEnabled", false)
			for _, service := range []string{"blob", "queue", "table"} {
				a.want(t, "encryption.services."+service+".keyType", "Account")
			}
		}
		for _, c := range p.of("Microsoft.Storage/storageAccounts/blobServices/containers") {
			c.want(t, "publicAccess", "None")
		}
	})
}

func TestKeyVault(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		vaults := p.of("Microsoft.KeyVault/vaults")
		if len(vaults) != 1 {
			t.Fatalf("%d vaults", len(vaults))
		}
		vaults[0].want(t, "enableRbacAuthorization", true)
		vaults[0].want(t, "enablePurgeProtection", true)
		if len(p.of("Microsoft.KeyVault/vaults/secrets")) > 0 {
			t.Error("a secret passes through the deployment")
		}
	})
}

func TestMonitoringTakesNoKeys(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		p.of("Microsoft.Insights/components")[0].want(t, "DisableLocalAuth", true)
		p.of("Microsoft.OperationalInsights/workspaces")[0].want(t, "features.disableLocalAuth", true)
		// What holds data or a secret, or decides what is delivered, is logged.
		logged := map[string]bool{}
		for _, r := range p.of("Microsoft.Insights/diagnosticSettings") {
			on, _, _ := strings.Cut(r.ID, "/providers/Microsoft.Insights/diagnosticSettings")
			logged[on] = true
		}
		for _, r := range p.Resources {
			archive := strings.Contains(r.ID, "/starchive")
			switch r.Type {
			case "Microsoft.Storage/storageAccounts/blobServices", "Microsoft.KeyVault/vaults", "Microsoft.EventGrid/systemTopics":
			case "Microsoft.Storage/storageAccounts/queueServices", "Microsoft.Storage/storageAccounts/tableServices":
				if !archive {
					continue
				}
			default:
				continue
			}
			if !logged[r.ID] {
				t.Errorf("%s %s has no diagnostic settings", r.Type, r.Name)
			}
		}
	})
}

// No value of the deployment can hold a key or a password.
func TestNoSecrets(t *testing.T) {
	secret := regexp.MustCompile(`(?i)listkeys|listAccountSas|listServiceSas|listCredentials|AccountKey=|SharedAccessSignature|sig=`)
	each(t, func(t *testing.T, p *prediction) {
		if found := secret.FindString(p.raw); found != "" {
			t.Errorf("%q occurs in what is deployed", found)
		}
		for name, value := range p.Outputs {
			raw, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(strings.ToLower(string(raw)), "connectionstring") || strings.Contains(strings.ToLower(name), "password") {
				t.Errorf("output %s: %s", name, raw)
			}
		}
	})
}

// Hosts are the cloud's: none is written down.
func TestNoHostIsHardCoded(t *testing.T) {
	host := regexp.MustCompile(`[a-z0-9.{}-]*\.(windows\.net|azure\.net|azurewebsites\.net|usgovcloudapi\.net|azure\.us|chinacloudapi\.cn|azure\.cn|azure\.com)\b`)
	each(t, func(t *testing.T, p *prediction) {
		for _, found := range host.FindAllString(p.raw, -1) {
			if found != "contoso-keys.vault.azure.net" { // of a parameters file
				t.Errorf("%s is in the deployment", found)
			}
		}
	})
}

// appSettings of each app.
func appSettings(t *testing.T, p *prediction) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	for _, site := range p.of("Microsoft.Web/sites") {
		of := map[string]string{}
		list, _ := site.at("siteConfig.appSettings").([]any)
		for _, s := range list {
			pair := s.(map[string]any)
			of[pair["name"].(string)] = pair["value"].(string)
		}
		all[site.Tags["azd-service-name"]] = of
	}
	return all
}

// What the Functions host reads, and nothing that Flex Consumption refuses.
var hostSettings = []string{
	"APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "APPLICATIONINSIGHTS_CONNECTION_STRING", "AzureWebJobsStorage__blobServiceUri",
	"AzureWebJobsStorage__clientId", "AzureWebJobsStorage__credential", "AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__tableServiceUri",
}

// The settings are those of docs/settings.md, with values of the form that the handlers take.
func TestAppSettings(t *testing.T) {
	known := map[string]settings.Setting{}
	for _, s := range settings.Table() {
		known[s.Name] = s
	}
	each(t, func(t *testing.T, p *prediction) {
		all := appSettings(t, p)
		if diff := cmp.Diff([]string{"fetch", "import"}, slices.Sorted(maps.Keys(all))); diff != "" {
			t.Fatalf("apps:\n%s", diff)
		}
		for app, of := range all {
			for name, value := range of {
				s, ours := known[name]
				trigger := app == "import" && (name == "ARCHIVE_STORAGE__queueServiceUri" || name == "ARCHIVE_STORAGE__credential")
				switch {
				case value == "":
					t.Errorf("%s: %s is empty", app, name)
				case slices.Contains(hostSettings, name) || trigger:
				case !ours || !slices.Contains(s.Apps, app):
					t.Errorf("%s: nothing reads the setting %s", app, name)
				}
			}
			for _, name := range hostSettings {
				if _, ok := of[name]; !ok {
					t.Errorf("%s: the host's setting %s is missing", app, name)
				}
			}
			for name, s := range known {
				if _, ok := of[name]; !ok && s.Required && slices.Contains(s.Apps, app) {
					t.Errorf("%s: %s is missing", app, name)
				}
			}
			if _, keyed := of["ARCHIVE_STORAGE"]; keyed || of["AzureWebJobsStorage"] != "" {
				t.Errorf("%s: storage is used with a key", app)
			}
		}
		if got := all["fetch"]["TELEMESSAGE_PASSWORD"]; !regexp.MustCompile(`^@Microsoft\.KeyVault\(VaultName=kv-fetch-[a-z0-9]{13};SecretName=telemessage-password\)$`).MatchString(got) {
			t.Errorf("TELEMESSAGE_PASSWORD is %q", got)
		}
		for _, name := range []string{"TELEMESSAGE_PASSWORD", "TELEMESSAGE_URL", "TELEMESSAGE_USERNAME"} {
			if _, ok := all["import"][name]; ok {
				t.Errorf("import has %s", name)
			}
		}
	})
	if got := appSettings(t, predict(t, "us-government"))["import"]["AZURE_CLOUD"]; got != "usgov-high" {
		t.Errorf("US Government: AZURE_CLOUD is %q", got)
	}
}

func TestApps(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		owners := map[string]bool{}
		for _, site := range p.of("Microsoft.Web/sites") {
			site.want(t, "httpsOnly", true)
			site.want(t, "siteConfig.minTlsVersion", "1.2")
			site.want(t, "siteConfig.ftpsState", "Disabled")
			site.want(t, "siteConfig.ipSecurityRestrictionsDefaultAction", "Deny")
			site.want(t, "siteConfig.linuxFxVersion", nil)
			site.want(t, "functionAppConfig.runtime.name", "custom")
			site.want(t, "functionAppConfig.runtime.version", "1.0")
			site.want(t, "functionAppConfig.deployment.storage.authentication.type", "UserAssignedIdentity")
			identities, _ := site.Identity["userAssignedIdentities"].(map[string]any)
			if site.Identity["type"] != "UserAssigned" || len(identities) != 1 {
				t.Errorf("%s: identity %v", site.Name, site.Identity)
			}
			for id := range identities {
				owners[id] = true
				site.want(t, "keyVaultReferenceIdentity", id)
				site.want(t, "functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId", id)
			}
		}
		if len(owners) != 2 || len(p.of("Microsoft.Web/serverfarms")) != 2 {
			t.Errorf("%d identities of %d plans, want 2 and 2", len(owners), len(p.of("Microsoft.Web/serverfarms")))
		}
		for _, plan := range p.of("Microsoft.Web/serverfarms") {
			if plan.SKU["name"] != "FC1" {
				t.Errorf("%s: plan %v", plan.Name, plan.SKU)
			}
		}
		for _, policy := range p.of("Microsoft.Web/sites/basicPublishingCredentialsPolicies") {
			policy.want(t, "allow", false)
		}
	})
	for _, site := range predict(t, "private-network").of("Microsoft.Web/sites") {
		if site.Tags["azd-service-name"] == "import" {
			site.want(t, "functionAppConfig.scaleAndConcurrency.instanceMemoryMB", 4096.0)
			site.want(t, "functionAppConfig.scaleAndConcurrency.maximumInstanceCount", 100.0)
		}
	}
}

func TestTags(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		for _, r := range p.Resources {
			if r.Location != "" && (r.Tags["azd-env-name"] == "" || r.Tags["application"] == "") {
				t.Errorf("%s %s: tags %v", r.Type, r.Name, r.Tags)
			}
		}
	})
}

func TestNetwork(t *testing.T) {
	for environment, private := range map[string]bool{"default": false, "private-network": true, "us-government": true} {
		p := predict(t, environment)
		endpoints := map[string]int{}
		for _, e := range p.of("Microsoft.Network/privateEndpoints") {
			for _, c := range e.at("privateLinkServiceConnections").([]any) {
				endpoints[c.(map[string]any)["properties"].(map[string]any)["groupIds"].([]any)[0].(string)]++
			}
		}
		want := map[string]int{}
		access, rule := "Enabled", "Allow"
		if private {
			want = map[string]int{"blob": 3, "queue": 3, "table": 3, "vault": 1}
			access, rule = "Disabled", "Deny"
		}
		if diff := cmp.Diff(want, endpoints); diff != "" {
			t.Errorf("%s: private endpoints, -want +got:\n%s", environment, diff)
		}
		for _, r := range slices.Concat(p.of("Microsoft.Storage/storageAccounts"), p.of("Microsoft.KeyVault/vaults")) {
			r.want(t, "publicNetworkAccess", access)
			r.want(t, "networkAcls.defaultAction", rule)
		}
		subnets := map[any]bool{}
		for _, site := range p.of("Microsoft.Web/sites") {
			if subnet := site.at("virtualNetworkSubnetId"); subnet != nil {
				subnets[subnet] = true
			}
		}
		if private && len(subnets) != 2 || !private && len(subnets) != 0 {
			t.Errorf("%s: the apps lie in %v", environment, subnets)
		}
		if zones := len(p.of("Microsoft.Network/privateDnsZones")); zones != len(want) {
			t.Errorf("%s: %d DNS zones", environment, zones)
		}
	}
}
