package infra

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Built-in roles by id, with the names that Azure shows:
// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
var roleNames = map[string]string{
	"b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
	"ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
	"2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
	"974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
	"0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
	"76199698-9eea-4c19-bc75-cec21354c6b6": "Storage Table Data Reader",
	"4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
	"3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}

// Where a role is given, in the words of the table.
var scopes = []struct {
	id   *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`/storageAccounts/starchive[a-z0-9]+/blobServices/default/containers/([a-z]+)$`),
		"archive, container `$1`"},
	{regexp.MustCompile(`/storageAccounts/starchive[a-z0-9]+/queueServices/default/queues/([a-z-]+)$`),
		"archive, queue `$1`"},
	{regexp.MustCompile(`/storageAccounts/starchive[a-z0-9]+/tableServices/default/tables/([a-z]+)$`),
		"archive, table `$1`"},
	{regexp.MustCompile(`/storageAccounts/stlanding[a-z0-9]+/blobServices/default/containers/([a-z]+)$`),
		"landing account, container `$1`"},
	{regexp.MustCompile(`/storageAccounts/st(` + strings.Join(appNames(), "|") + `)[a-z0-9]{13}$`),
		"host account of `$1`"},
	{regexp.MustCompile(`/vaults/kv-([a-z]+)-[a-z0-9]+$`), "vault of `$1`"},
	{regexp.MustCompile(`/components/appi-archiver-[a-z0-9]+$`), "Application Insights"},
}

var (
	// The name is made of the object id of the identity, which is known only when it is there.
	assignment = regexp.MustCompile(`^\[extensionResourceId\('([^']+)', 'Microsoft\.Authorization/roleAssignments', ` +
		`guid\('([^']+)', (reference\('[^)]*\)\.[a-zA-Z.]*principalId), '([0-9a-f-]{36})'\)\)\]$`)
	holder = regexp.MustCompile(
		`/(?:userAssignedIdentities/id-([a-z]+)-[a-z0-9]+'|systemTopics/(evgt)-archiver-[a-z0-9]+')`)
)

const secretWriter = "O2 archive secret writer"

// portalMay matches every right that the portal can have.
var portalMay = regexp.MustCompile("^portal \\| (archive, container `(status|reports)` \\| Storage Blob Data Reader|" +
	"archive, container `(settings|commands|audit)` \\| Storage Blob Data Contributor|" +
	"archive, table `totals` \\| Storage Table Data Reader|vault of `fetch` \\| " + secretWriter + "|" +
	"vault of `portal` \\| .*|host account of `portal` \\| .*|Application Insights \\| .*)$")

// condition returns the condition of a role: fetch reads one document of the settings, and not the mapping; the portal
// stores the secrets that fetch reads, and no others. The forms are those of Microsoft's documentation:
// https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-examples and
// https://learn.microsoft.com/azure/key-vault/general/abac-conditions-reference
func (p *prediction) condition(row string) any {
	const (
		blob = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
		name = "@Request[Microsoft.KeyVault/vaults/secrets:name] StringEquals "
	)
	switch {
	case strings.HasPrefix(row, "fetch | archive, container `settings` |"):
		return "((!(ActionMatches{'" + blob + "/read'} AND NOT SubOperationMatches{'Blob.List'})) OR (@Resource[" +
			blob + ":path] StringEquals 'connector.json'))"
	case strings.HasPrefix(row, "portal | vault of `fetch` |"):
		secrets := name + "'telemessage-password'"
		if p.environment == "delivery-sftp" {
			secrets = name + "'delivery-sftp-key' OR " + name + "'delivery-sftp-password'"
		}
		return "((!(ActionMatches{'Microsoft.KeyVault/vaults/secrets/setSecret/action'})) OR (" + secrets + "))"
	}
	return nil
}

// A cloud that knows no conditions on Key Vault refuses the role, and with it the deployment: they can be left out.
func TestRolesWithoutConditions(t *testing.T) {
	for _, r := range predict(t, "us-government", plainer...).of("Microsoft.Authorization/roleAssignments") {
		r.want(t, "condition", nil)
		r.want(t, "conditionVersion", nil)
	}
}

// The portal stores secrets by a role of this deployment, which can do that and nothing else.
func TestSecretWriter(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		roles := p.of("Microsoft.Authorization/roleDefinitions")
		if len(roles) != map[bool]int{true: 1}[p.hasPortal()] {
			t.Fatalf("%d roles are made", len(roles))
		}
		for _, role := range roles {
			// The name has to be unique in the tenant.
			if name, _ := role.at("roleName").(string); !regexp.MustCompile(
				`^O2 archive secret writer \([a-z0-9]{13}\)$`).MatchString(name) {
				t.Errorf("its name is %q", name)
			}
			want := []any{map[string]any{"actions": []any{}, "notActions": []any{}, "notDataActions": []any{},
				"dataActions": []any{"Microsoft.KeyVault/vaults/secrets/setSecret/action"}}}
			if diff := cmp.Diff(any(want), role.at("permissions")); diff != "" {
				t.Errorf("it may, -want +got:\n%s", diff)
			}
			if scopes, _ := role.at("assignableScopes").([]any); len(scopes) != 1 {
				t.Errorf("it can be given at %v", scopes)
			}
		}
	})
}

// assignments lists what a deployment gives to whom: "fetch | archive, container `batches` | Storage Blob Data
// Contributor".
func assignments(t *testing.T, p *prediction) (all []string) {
	t.Helper()
	for _, r := range p.of("Microsoft.Authorization/roleAssignments") {
		at := assignment.FindStringSubmatch(r.ID)
		principal, _ := r.Properties["principalId"].(string)
		definition, _ := r.Properties["roleDefinitionId"].(string)
		who := holder.FindStringSubmatch(principal)
		id := path.Base(definition)
		role := roleNames[id]
		if own := p.of("Microsoft.Authorization/roleDefinitions"); len(own) == 1 && path.Base(own[0].ID) == id {
			role = secretWriter
		}
		if at == nil || who == nil || role == "" {
			t.Errorf("a role that the test can't read: %s to %s at %s", definition, principal, r.ID)
			continue
		}
		if at[1] != at[2] || "["+at[3]+"]" != principal || !strings.HasSuffix(definition, "/"+at[4]) {
			t.Errorf("the name is not made of the scope, the identity's object id and the role: %s", r.ID)
		}
		if r.Properties["principalType"] != "ServicePrincipal" {
			t.Errorf("%s: principalType is %v", r.ID, r.Properties["principalType"])
		}
		name, known := who[1], false
		if who[2] != "" {
			name = "events"
		}
		for _, s := range scopes {
			if m := s.id.FindStringSubmatchIndex(at[1]); m != nil {
				row := name + " | " + string(s.id.ExpandString(nil, s.name, at[1], m)) + " | " + role
				all = append(all, row)
				known = true
				r.want(t, "condition", p.condition(row))
				r.want(t, "conditionVersion", map[bool]any{true: "2.0"}[p.condition(row) != nil])
			}
		}
		if !known {
			t.Errorf("%s has %s at %s: too wide, or unknown to this test", name, role, at[1])
		}
	}
	slices.Sort(all)
	return all
}

// table reads the table of roles. Rows on Microsoft Graph are not given by the deployment and come apart.
func table(t *testing.T) (azure, graph []string) {
	t.Helper()
	_, rest, ok := strings.Cut(read(t, "README.md"), "<!-- roles -->")
	rows, _, ends := strings.Cut(rest, "<!-- /roles -->")
	if !ok || !ends {
		t.Fatal("README.md has no table between <!-- roles --> and <!-- /roles -->")
	}
	for line := range strings.Lines(rows) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || strings.HasPrefix(strings.TrimSpace(cells[0]), "-") ||
			strings.TrimSpace(cells[0]) == "identity" {
			continue
		}
		if strings.TrimSpace(cells[3]) == "" {
			t.Errorf("no reason is given in: %s", line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		row := strings.Join(cells[:3], " | ")
		if strings.HasPrefix(cells[1], "Microsoft Graph") || strings.HasPrefix(cells[1], "Exchange Online") {
			graph = append(graph, row)
		} else {
			azure = append(azure, row)
		}
	}
	slices.Sort(azure)
	return azure, graph
}

// The table in README.md says exactly what the Bicep gives. What is given on the landing account is given where fetch
// reads it.
func TestRoles(t *testing.T) {
	all, graph := table(t)
	each(t, func(t *testing.T, p *prediction) {
		want := slices.DeleteFunc(slices.Clone(all), func(row string) bool {
			return strings.Contains(row, "landing account") && !p.hasLanding() ||
				strings.HasPrefix(row, portalApp+" |") && !p.hasPortal() ||
				strings.Contains(row, "vault of `portal`") && !p.bySecret()
		})
		if diff := cmp.Diff(want, assignments(t, p)); diff != "" {
			t.Errorf("roles, -README.md +Bicep:\n%s", diff)
		}
	})
	for _, row := range graph {
		if !strings.HasPrefix(row, "import | ") {
			t.Errorf("%s: only import may reach mailboxes", row)
		}
	}
	if len(graph) != 2 {
		t.Errorf("%d rows on Microsoft Graph and Exchange Online, want 2", len(graph))
	}
}

// What must not come about, whatever the table says.
func TestRolesThatNoIdentityHas(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		for _, a := range assignments(t, p) {
			owner := strings.Contains(a, "Owner") || strings.Contains(a, "Contributor")
			switch {
			case strings.HasPrefix(a, "fetch |") &&
				(strings.Contains(a, "journal") || strings.Contains(a, "ledger") || strings.Contains(a, "sweeps")):
				t.Errorf("%s: the app that talks to the outside has no business with what was imported", a)
			case strings.HasPrefix(a, "import |") && owner &&
				(strings.Contains(a, "`batches`") || strings.Contains(a, "`media`") ||
					strings.Contains(a, "`settings`")):
				t.Errorf("%s: the app that writes mail must not be able to change the originals", a)
			case strings.HasPrefix(a, "import |") && strings.Contains(a, "`deliveries`"):
				t.Errorf("%s: what import needs of a delivered ZIP is in batches and media", a)
			case !strings.HasPrefix(a, "portal |") && owner && (strings.Contains(a, "`commands`") ||
				strings.Contains(a, "`settings`") || strings.Contains(a, "`audit`")):
				t.Errorf("%s: commands and settings are the administrator's to write, by hand or on the portal's page",
					a)
			case strings.HasPrefix(a, "portal |") && !portalMay.MatchString(a):
				t.Errorf("%s: a page has no business there", a)
			case strings.HasPrefix(a, "fetch |") && strings.Contains(a, "`reports`") ||
				strings.HasPrefix(a, "import |") && strings.Contains(a, "`status`"):
				t.Errorf("%s: each app answers in its own container", a)
			case strings.Contains(a, "landing account") && (owner || !strings.HasPrefix(a, "fetch |")):
				t.Errorf("%s: what the vendor landed is fetch's to read, and no app's to change", a)
			case strings.Contains(a, "vault of `fetch`") && !strings.HasPrefix(a, "fetch |") &&
				!strings.HasSuffix(a, secretWriter):
				t.Errorf("%s: the password is fetch's alone", a)
			case strings.Contains(a, "Owner") && strings.Contains(a, "archive"):
				t.Errorf("%s: nobody owns the archive", a)
			}
			who, _, _ := strings.Cut(a, " |")
			if strings.Contains(a, "host account of") && !strings.Contains(a, "host account of `"+who+"`") {
				t.Errorf("%s: whoever can write an app's package is that app", a)
			}
		}
	})
}
