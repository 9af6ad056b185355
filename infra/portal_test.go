package infra

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/appbuild"
	"o2archiver/shared/archive"
	"o2archiver/shared/settings"
)

const (
	portalApp      = "portal"
	auditContainer = archive.AuditContainer
)

// appNames are those of the apps that there can be.
func appNames() (names []string) {
	for _, app := range appbuild.All() {
		names = append(names, app.Name)
	}
	return names
}

// hasPortal reports whether the parameters ask for the portal.
func (p *prediction) hasPortal() bool {
	return slices.Contains([]string{"private-network", "us-government", "existing-network", "delivery-sftp"},
		p.environment)
}

// bySecret reports whether the parameters let the portal sign in with a client secret.
func (p *prediction) bySecret() bool { return p.environment == "us-government" }

// apps are those that the deployment makes.
func (p *prediction) apps() []string {
	if p.hasPortal() {
		return appNames()
	}
	return slices.DeleteFunc(appNames(), func(name string) bool { return name == portalApp })
}

// authSettings are settings of the platform's sign-in, which only the portal has.
func (p *prediction) authSettings() []string {
	secret := "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID"
	if p.bySecret() {
		secret = clientSecretSetting
	}
	return []string{"WEBSITE_AUTH_AAD_ALLOWED_TENANTS", secret}
}

const clientSecretSetting = "MICROSOFT_PROVIDER_AUTHENTICATION_SECRET"

// Without the parameter nothing of the portal is there: no app, no page, no role.
func TestPortalIsLeftOut(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		for _, r := range p.Resources {
			ofPortal := strings.Contains(r.ID, "-portal-") || strings.Contains(r.ID, "/stportal") ||
				r.Type == "Microsoft.Authorization/roleDefinitions"
			if ofPortal && !p.hasPortal() {
				t.Errorf("%s %s is made", r.Type, r.Name)
			}
		}
	})
	if value, _ := parameters(t)["portal"].(map[string]any); value["value"] != "${PORTAL=false}" {
		t.Errorf("azd passes %v", value)
	}
}

// Every path of the page needs a sign-in, at the tenant of the subscription. Until there is a registration all are
// refused.
func TestPortalSignIn(t *testing.T) {
	const registered = "00000000-0000-4000-8000-00000000a99d"
	each(t, func(t *testing.T, p *prediction) {
		config := p.of("Microsoft.Web/sites/config")
		if !p.hasPortal() {
			if len(config) != 0 {
				t.Errorf("settings of a sign-in: %v", config)
			}
			return
		}
		if len(config) != 1 || !strings.Contains(config[0].ID, "/sites/func-portal-") {
			t.Fatalf("settings of a sign-in: %v", config)
		}
		s := config[0]
		open := p.environment == "private-network"
		action, provider := "Return403", any(nil)
		if open {
			action, provider = "RedirectToLoginPage", "azureactivedirectory"
		}
		s.want(t, "platform.enabled", true)
		s.want(t, "globalValidation.requireAuthentication", true)
		s.want(t, "globalValidation.unauthenticatedClientAction", action)
		s.want(t, "globalValidation.redirectToProvider", provider)
		s.want(t, "globalValidation.excludedPaths", nil)
		s.want(t, "httpSettings.requireHttps", true)
		s.want(t, "login.tokenStore.enabled", false)
		s.want(t, "identityProviders.azureActiveDirectory.enabled", open)
		if open {
			const entra = "identityProviders.azureActiveDirectory."
			s.want(t, entra+"registration.clientId", registered)
			s.want(t, entra+"registration.clientSecretSettingName", "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID")
			issuer, _ := s.at(entra + "registration.openIdIssuer").(string)
			for _, c := range clouds {
				if got, want := c.resolve(t, issuer), c.login+testTenant+"/v2.0"; got != want {
					t.Errorf("%s: the issuer is %s, want %s", c.name, got, want)
				}
			}
			if diff := cmp.Diff(any([]any{registered}), s.at(entra+"validation.allowedAudiences")); diff != "" {
				t.Errorf("audiences, -want +got:\n%s", diff)
			}
		}
		of := appSettings(t, p)[portalApp]
		for name, want := range map[string]string{"PORTAL_SIGN_IN": "platform", "PORTAL_TENANT": testTenant,
			"WEBSITE_AUTH_AAD_ALLOWED_TENANTS": testTenant} {
			if of[name] != want {
				t.Errorf("%s is %q, want %q", name, of[name], want)
			}
		}
		for _, c := range clouds {
			got := c.resolve(t, of[p.authSettings()[1]])
			if p.bySecret() {
				if !strings.HasPrefix(got, "@Microsoft.KeyVault(SecretUri=https://kv-portal-") ||
					!strings.HasSuffix(got, c.vault+"/secrets/portal-client-secret)") {
					t.Errorf("%s: the client secret is %s", c.name, got)
				}
			} else if got != clientID {
				t.Errorf("%s: the identity that the registration trusts is %s", c.name, got)
			}
		}
	})
}

// What can be changed in the portal is shown with the value that the other apps have, until it is.
func TestPortalShowsTheSettings(t *testing.T) {
	shown := 0
	each(t, func(t *testing.T, p *prediction) {
		if !p.hasPortal() {
			return
		}
		all := appSettings(t, p)
		for _, s := range settings.Table() {
			for _, app := range s.Apps {
				value, deployed := all[app][s.Name]
				own := strings.HasPrefix(s.Name, "ARCHIVE_STORAGE") // with its identity
				if !deployed || own || !slices.Contains(s.Apps, settings.Portal) {
					continue
				}
				if shown++; all[portalApp][s.Name] != value {
					t.Errorf("%s is %q for %s and %q for the portal", s.Name, value, app, all[portalApp][s.Name])
				}
			}
		}
	})
	if shown < 20 {
		t.Errorf("only %d settings are shown", shown)
	}
}
