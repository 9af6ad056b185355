package infra

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"o2archiver/shared/settings"
)

func TestStorageAccounts(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		accounts := p.of("Microsoft.Storage/storageAccounts")
		want := 1 + len(p.apps())
		if p.hasLanding() {
			want++
		}
		if len(accounts) != want {
			t.Errorf("%d storage accounts, want the archive's, each host's, and the landing account, if any",
				len(accounts))
		}
		for _, a := range accounts {
			// SFTP, its local users and its namespace are the landing account's alone: where they are, Azure takes no
			// immutability policy.
			landing := strings.HasPrefix(a.Name, "stlanding")
			a.want(t, "isLocalUserEnabled", landing)
			a.want(t, "isSftpEnabled", landing)
			a.want(t, "isHnsEnabled", map[bool]any{true: true, false: nil}[landing])
			a.want(t, "allowSharedKeyAccess", false)
			a.want(t, "allowBlobPublicAccess", false)
			a.want(t, "allowCrossTenantReplication", false)
			a.want(t, "minimumTlsVersion", "TLS1_2")
			a.want(t, "supportsHttpsTrafficOnly", true)
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
		if want := map[bool]int{false: 1, true: 2}[p.bySecret()]; len(vaults) != want {
			t.Fatalf("%d vaults, want %d", len(vaults), want)
		}
		for _, vault := range vaults {
			vault.want(t, "enableRbacAuthorization", true)
			vault.want(t, "enablePurgeProtection", true)
		}
		if len(p.of("Microsoft.KeyVault/vaults/secrets")) > 0 {
			t.Error("a secret passes through the deployment")
		}
	})
}

func TestMonitoringTakesNoKeys(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		p.of("Microsoft.Insights/components")[0].want(t, "DisableLocalAuth", true)
		for app, of := range appSettings(t, p) {
			if by := of["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]; !strings.Contains(by, ";Authorization=AAD") {
				t.Errorf("%s writes its logs by %q", app, by)
			}
		}
		const operations = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/operations/providers/" +
			"Microsoft.OperationalInsights/workspaces/log-operations"
		name, workspaces := "/workspaces/log-archiver-", p.of("Microsoft.OperationalInsights/workspaces")
		if p.environment == "existing-monitoring" {
			p.of("Microsoft.Insights/components")[0].want(t, "WorkspaceResourceId", operations)
			name = operations
			if len(workspaces) != 0 {
				t.Error("a workspace is made although one is given")
			}
		} else {
			workspaces[0].want(t, "features.disableLocalAuth", true)
		}
		// What holds data or a secret, or decides what is delivered, is logged.
		logged := map[string]string{}
		for _, r := range p.of("Microsoft.Insights/diagnosticSettings") {
			on, _, _ := strings.Cut(r.ID, "/providers/Microsoft.Insights/diagnosticSettings")
			var categories []string
			for _, l := range r.at("logs").([]any) {
				log := l.(map[string]any)
				if log["enabled"] == true {
					categories = append(categories, fmt.Sprint(cmp.Or(log["category"], log["categoryGroup"])))
				}
			}
			logged[on] = strings.Join(categories, " ")
			if id, _ := r.at("workspaceId").(string); !strings.Contains(id, name) {
				t.Errorf("%s: logs go to %q", on, id)
			}
		}
		for _, r := range p.Resources {
			archive := strings.Contains(r.ID, "/starchive")
			landed := strings.Contains(r.ID, "/stlanding")
			var want string
			switch r.Type {
			case "Microsoft.Storage/storageAccounts/blobServices":
				want = "StorageWrite StorageDelete"
				if archive || landed {
					want = "StorageRead StorageWrite StorageDelete"
				}
			case "Microsoft.Storage/storageAccounts/queueServices", "Microsoft.Storage/storageAccounts/tableServices":
				if archive {
					want = "StorageRead StorageWrite StorageDelete"
				}
			case "Microsoft.KeyVault/vaults", "Microsoft.EventGrid/systemTopics":
				want = "allLogs"
			case "Microsoft.OperationalInsights/workspaces":
				want = "audit"
			case "Microsoft.Web/sites":
				want = "FunctionAppLogs"
			}
			if logged[r.ID] != want {
				t.Errorf("%s %s logs %q, want %q", r.Type, r.Name, logged[r.ID], want)
			}
		}
	})
}

// In clouds whose Application Insights the host has no token for, its key opens it: then the component has to take the
// key, and the host must not ask for a token first.
func TestLogsByKey(t *testing.T) {
	p := predict(t, "us-government", plainer...)
	p.of("Microsoft.Insights/components")[0].want(t, "DisableLocalAuth", false)
	p.of("Microsoft.OperationalInsights/workspaces")[0].want(t, "features.disableLocalAuth", true)
	all := appSettings(t, p)
	if len(all) != len(p.apps()) {
		t.Errorf("%d apps", len(all))
	}
	for app, of := range all {
		if by, ok := of["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]; ok {
			t.Errorf("%s asks for a token: %q", app, by)
		}
		if of["APPLICATIONINSIGHTS_CONNECTION_STRING"] == "" {
			t.Errorf("%s writes no logs", app)
		}
	}
}

// No value of the deployment can hold a key or a password.
func TestNoSecrets(t *testing.T) {
	secret := regexp.MustCompile(
		`(?i)listkeys|listAccountSas|listServiceSas|listCredentials|AccountKey=|SharedAccessSignature|sig=`)
	each(t, func(t *testing.T, p *prediction) {
		if found := secret.FindString(p.raw); found != "" {
			t.Errorf("%q occurs in what is deployed", found)
		}
		for name, value := range p.Outputs {
			raw, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(strings.ToLower(string(raw)), "connectionstring") ||
				strings.Contains(strings.ToLower(name), "password") {
				t.Errorf("output %s: %s", name, raw)
			}
		}
	})
}

// Hosts are the cloud's: none is written down.
func TestNoHostIsHardCoded(t *testing.T) {
	host := regexp.MustCompile(
		`[a-z0-9.{}-]*\.(windows\.net|azure\.net|azurewebsites\.net|usgovcloudapi\.net|azure\.us|chinacloudapi\.cn|` +
			`azure\.cn|azure\.com)\b`)
	each(t, func(t *testing.T, p *prediction) {
		for _, found := range host.FindAllString(p.raw, -1) {
			ofAFile := found == "contoso-keys.vault.azure.net" || p.environment == "existing-network" &&
				strings.HasPrefix(found, "privatelink.")
			if !ofAFile {
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
	"APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "APPLICATIONINSIGHTS_CONNECTION_STRING",
	"AzureWebJobsStorage__blobServiceUri",
	"AzureWebJobsStorage__clientId", "AzureWebJobsStorage__credential", "AzureWebJobsStorage__queueServiceUri",
	"AzureWebJobsStorage__tableServiceUri",
}

// forTheTrigger are settings of the host's blob trigger, which knows the archive's storage by the handler's name for
// it.
var forTheTrigger = map[string][]string{"import": {"ARCHIVE_STORAGE__queueServiceUri", "ARCHIVE_STORAGE__credential"}}

// The settings are those of docs/settings.md, with values that the handlers take, in each cloud.
func TestAppSettings(t *testing.T) {
	known := map[string]settings.Setting{}
	for _, s := range settings.Table() {
		known[s.Name] = s
	}
	each(t, func(t *testing.T, p *prediction) {
		all := appSettings(t, p)
		if diff := gocmp.Diff(p.apps(), slices.Sorted(maps.Keys(all))); diff != "" {
			t.Fatalf("apps:\n%s", diff)
		}
		for app, of := range all {
			var ours []string
			for name, value := range of {
				s, known := known[name]
				switch {
				case value == "" || strings.Contains(value, "@Microsoft.KeyVault(") && name != clientSecretSetting:
					t.Errorf("%s: %s is %q", app, name, value)
				case app == portalApp && slices.Contains(p.authSettings(), name): // TestPortalSignIn
				case slices.Contains(hostSettings, name) || slices.Contains(forTheTrigger[app], name):
				case !known || !slices.Contains(s.Apps, app):
					t.Errorf("%s: nothing reads the setting %s", app, name)
				default:
					ours = append(ours, name)
				}
			}
			for _, name := range slices.Concat(hostSettings, forTheTrigger[app]) {
				if _, ok := of[name]; !ok {
					t.Errorf("%s: the host's setting %s is missing", app, name)
				}
			}
			for name, s := range known {
				ours := s.Source == "" || s.Source == of["SOURCE"]
				if _, ok := of[name]; !ok && s.Required && ours && slices.Contains(s.Apps, app) {
					t.Errorf("%s: %s is missing", app, name)
				}
			}
			if _, keyed := of["ARCHIVE_STORAGE"]; keyed || of["AzureWebJobsStorage"] != "" {
				t.Errorf("%s: storage is used with a key", app)
			}
			for _, c := range clouds {
				if err := taken(t, c, of, ours); err != nil {
					t.Errorf("%s in %s does not take its settings:\n%v", app, c.name, err)
				}
			}
		}
		for _, c := range clouds {
			if all["fetch"]["SOURCE"] != settings.Telemessage {
				break // TestSettingsOfTheSource
			}
			form := `^https://kv-fetch-[a-z0-9]{13}` + regexp.QuoteMeta(c.vault) + `/secrets/telemessage-password$`
			got := c.resolve(t, all["fetch"]["TELEMESSAGE_PASSWORD_SECRET"])
			if !regexp.MustCompile(form).MatchString(got) {
				t.Errorf("%s: TELEMESSAGE_PASSWORD_SECRET is %q", c.name, got)
			}
		}
		// After the deployment nothing is imported until the rights to mailboxes have taken effect.
		if fetch, paused := all["fetch"]["PAUSED"], all["import"]["PAUSED"]; fetch != "" || paused != "true" {
			t.Errorf("PAUSED is %q for fetch, and %q for import", fetch, paused)
		}
		// With the portal nothing is fetched before its set-up is finished; without it nothing waits for one.
		want := map[bool]string{true: "true"}[p.hasPortal()]
		if got := all["fetch"]["AWAIT_SETUP"]; got != want {
			t.Errorf("AWAIT_SETUP is %q, want %q", got, want)
		}
		for app, of := range all {
			for _, name := range []string{"TELEMESSAGE_PASSWORD_SECRET", "TELEMESSAGE_URL", "TELEMESSAGE_USERNAME"} {
				if _, ok := of[name]; ok && app == "import" {
					t.Errorf("%s has %s", app, name)
				}
			}
			// A setting is there to read for everyone who may look at the app.
			if _, ok := of["TELEMESSAGE_PASSWORD"]; ok {
				t.Errorf("%s has the password among its settings", app)
			}
		}
	})
	bad := map[string]string{"AZURE_CLOUD": "gcc"}
	if taken(t, clouds[0], bad, []string{"AZURE_CLOUD"}) == nil {
		t.Error("a bad setting is taken")
	}
}

// taken reads settings as a handler does, with the values that they have in a cloud.
func taken(t *testing.T, c cloud, of map[string]string, names []string) error {
	t.Helper()
	r := settings.Read(func(name string) (string, bool) {
		value, ok := of[name]
		return c.resolve(t, value), ok
	})
	for _, name := range names {
		if strings.HasPrefix(name, "DELIVERY_") {
			continue
		}
		switch name {
		case "TELEMESSAGE_URL", "GRAPH_URL":
			r.URL(name)
		case "TELEMESSAGE_PASSWORD_SECRET":
			settings.PasswordConfig(r)
		case "FETCH_FROM":
			r.Time(name)
		case "PAUSED", "AWAIT_SETUP":
			r.Bool(name)
		case "MAX_ITEM_SIZE":
			r.Bytes(name)
		case "ACCEPTED_DOMAINS":
			r.List(name)
		case "ARCHIVE_STORAGE__blobServiceUri", "ARCHIVE_STORAGE__tableServiceUri", "ARCHIVE_STORAGE__clientId":
			if s := settings.StorageConfig(r); s.BlobURL == nil ||
				!strings.HasSuffix(s.BlobURL.Host, ".blob."+c.storage) || s.ClientID != clientID {
				t.Errorf("%s: storage %v, client id %s", c.name, s.BlobURL, s.ClientID)
			}
		default:
			r.String(name)
		}
	}
	if of["SOURCE"] == settings.Deliveries {
		settings.DeliveryConfig(r)
	}
	return r.Err()
}

// Unless it is said otherwise, the tenant is in the cloud of the subscription.
func TestTenantCloud(t *testing.T) {
	for environment, want := range map[string][]string{"default": {"worldwide", "usgov-high", "china"},
		"us-government": {"usgov-high", "usgov-high", "usgov-high"}} {
		for app, of := range appSettings(t, predict(t, environment)) {
			for i, c := range clouds {
				if got := c.resolve(t, of["AZURE_CLOUD"]); got != want[i] {
					t.Errorf("%s, %s in %s: AZURE_CLOUD is %q, want %q", environment, app, c.name, got, want[i])
				}
			}
		}
	}
}

// refusedByFlex are properties of a site that Flex Consumption refuses, in some regions or in all.
var refusedByFlex = []string{"ftpsState", "remoteDebuggingEnabled", "alwaysOn", "linuxFxVersion",
	"use32BitWorkerProcess", "netFrameworkVersion", "functionsRuntimeScaleMonitoringEnabled", "functionAppScaleLimit",
	"preWarmedInstanceCount", "vnetRouteAllEnabled"}

func TestApps(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		owners := map[string]bool{}
		for _, site := range p.of("Microsoft.Web/sites") {
			site.want(t, "httpsOnly", true)
			site.want(t, "siteConfig.minTlsVersion", "1.2")
			site.want(t, "siteConfig.ipSecurityRestrictionsDefaultAction", "Deny")
			for _, name := range refusedByFlex {
				site.want(t, "siteConfig."+name, nil)
				site.want(t, name, nil)
			}
			ready := []any{}
			switch app := site.Tags["azd-service-name"]; {
			case app == "import" && len(p.of("Microsoft.Network/privateEndpoints")) > 0:
				ready = []any{map[string]any{"name": "blob", "instanceCount": 1.0}}
			case app == portalApp && p.environment == "private-network":
				ready = []any{map[string]any{"name": "http", "instanceCount": 1.0}}
			}
			got := site.at("functionAppConfig.scaleAndConcurrency.alwaysReady")
			if diff := gocmp.Diff(any(ready), got); diff != "" {
				t.Errorf("%s: instances that always wait, -want +got:\n%s", site.Name, diff)
			}
			site.want(t, "functionAppConfig.runtime.name", "custom")
			site.want(t, "functionAppConfig.runtime.version", "1.0")
			site.want(t, "functionAppConfig.deployment.storage.authentication.type", "UserAssignedIdentity")
			identities, _ := site.Identity["userAssignedIdentities"].(map[string]any)
			if site.Identity["type"] != "UserAssigned" || len(identities) != 1 {
				t.Errorf("%s: identity %v", site.Name, site.Identity)
			}
			for id := range identities {
				owners[id] = true
				reads := any(nil) // no setting is a reference
				if site.Tags["azd-service-name"] == portalApp && p.bySecret() {
					reads = id
				}
				site.want(t, "keyVaultReferenceIdentity", reads)
				site.want(t, "functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId", id)
			}
		}
		if n := len(p.apps()); len(owners) != n || len(p.of("Microsoft.Web/serverfarms")) != n {
			t.Errorf("%d identities of %d plans, want %d of each", len(owners), len(p.of("Microsoft.Web/serverfarms")),
				n)
		}
		policies := p.of("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
		if len(policies) != 2*len(p.apps()) {
			t.Errorf("%d policies about deployment by password", len(policies))
		}
		for _, plan := range p.of("Microsoft.Web/serverfarms") {
			if plan.SKU["name"] != "FC1" {
				t.Errorf("%s: plan %v", plan.Name, plan.SKU)
			}
		}
		for _, policy := range policies {
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
