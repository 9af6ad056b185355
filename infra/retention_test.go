package infra

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/ledger"
	"o2archiver/shared/staging"
)

const policyType = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies"

// The containers and the table are those that the handlers know.
func TestContainers(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		var archive, hosts []string
		for _, c := range p.of("Microsoft.Storage/storageAccounts/blobServices/containers") {
			if strings.HasPrefix(c.Name, "starchive") {
				archive = append(archive, path.Base(c.Name))
			} else {
				hosts = append(hosts, path.Base(c.Name))
			}
		}
		want := []string{staging.Batches, staging.Media, staging.Journal, staging.Checkpoints, staging.Settings, staging.Sweeps, "deadletters"}
		slices.Sort(want)
		slices.Sort(archive)
		if diff := cmp.Diff(want, archive); diff != "" {
			t.Errorf("containers of the archive, -want +got:\n%s", diff)
		}
		if diff := cmp.Diff([]string{"deployment", "deployment"}, hosts); diff != "" {
			t.Errorf("containers of the hosts, -want +got:\n%s", diff)
		}
		tables := p.of("Microsoft.Storage/storageAccounts/tableServices/tables")
		if len(tables) != 1 || path.Base(tables[0].Name) != ledger.Table {
			t.Errorf("tables: %v", tables)
		}
	})
}

// Originals and journal can be written once; nothing else is made immutable, for what changes could not go on.
func TestImmutability(t *testing.T) {
	for environment, days := range map[string]float64{"default": 5*365 + 2, "private-network": 7*365 + 2, "us-government": 5*365 + 2} {
		appends := map[string]any{}
		for _, r := range predict(t, environment).of(policyType) {
			if !strings.HasPrefix(r.Name, "starchive") {
				t.Errorf("%s: a policy on %s", environment, r.Name)
			}
			appends[path.Base(path.Dir(r.Name))] = r.at("allowProtectedAppendWritesAll")
			r.want(t, "immutabilityPeriodSinceCreationInDays", days)
			r.want(t, "state", nil) // unlocked
		}
		if diff := cmp.Diff(map[string]any{staging.Batches: false, staging.Media: false, staging.Journal: true}, appends); diff != "" {
			t.Errorf("%s: policies, and whether one may append, -want +got:\n%s", environment, diff)
		}
	}
}

func TestNothingGetsLost(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		for _, s := range p.of("Microsoft.Storage/storageAccounts/blobServices") {
			archive := strings.HasPrefix(s.Name, "starchive")
			s.want(t, "isVersioningEnabled", archive)
			s.want(t, "deleteRetentionPolicy.enabled", archive)
			s.want(t, "containerDeleteRetentionPolicy.enabled", archive)
		}
		locks := p.of("Microsoft.Authorization/locks")
		if len(locks) != 1 || !strings.Contains(locks[0].ID, "/starchive") {
			t.Errorf("locks: %v", locks)
		}
	})
}

// Nothing is deleted while a policy protects it, only originals change their tier, and state keeps its newest form for ever.
func TestLifecycle(t *testing.T) {
	for environment, term := range map[string]float64{"default": 5*365 + 2, "private-network": 7*365 + 2} {
		p := predict(t, environment)
		policies := p.of("Microsoft.Storage/storageAccounts/managementPolicies")
		if len(policies) != 1 || !strings.HasPrefix(policies[0].Name, "starchive") {
			t.Fatalf("%s: lifecycle policies %v", environment, policies)
		}
		got := map[string]string{}
		for _, r := range policies[0].at("policy.rules").([]any) {
			rule := resource{Properties: r.(map[string]any)}
			for _, prefix := range rule.at("definition.filters.prefixMatch").([]any) {
				var actions []string
				base, _ := rule.at("definition.actions.baseBlob").(map[string]any)
				for action, when := range base {
					actions = append(actions, action)
					days := when.(map[string]any)["daysAfterModificationGreaterThan"].(float64)
					if action == "delete" && days != term {
						t.Errorf("%s: %v is deleted after %v days, want %v", environment, prefix, days, term)
					}
				}
				if rule.at("definition.actions.version") != nil {
					actions = append(actions, "version")
				}
				slices.Sort(actions)
				got[prefix.(string)] = strings.Join(actions, " ")
			}
		}
		originals := "delete tierToArchive tierToCool version"
		if environment == "private-network" { // zone-redundant: no archive tier
			originals = "delete tierToCool version"
		}
		want := map[string]string{"batches/": originals, "media/": originals, "journal/": "delete"}
		for _, state := range []string{"checkpoints/", "settings/", "sweeps/", "deadletters/"} {
			want[state] = "version"
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: lifecycle, -want +got:\n%s", environment, diff)
		}
	}
}

func TestCustomersKey(t *testing.T) {
	for environment, own := range map[string]bool{"default": false, "private-network": true} {
		for _, a := range predict(t, environment).of("Microsoft.Storage/storageAccounts") {
			source := "Microsoft.Storage"
			if own && strings.HasPrefix(a.Name, "starchive") {
				source = "Microsoft.Keyvault"
			}
			a.want(t, "encryption.keySource", source)
		}
	}
}

// The state of the policies is a parameter, for a locked one can't be deployed again.
func TestLockedPoliciesAreLeftAlone(t *testing.T) {
	text := read(t, "modules/archive.bicep")
	if !regexp.MustCompile(`in immutable: if \(!immutabilityLocked\)`).MatchString(text) {
		t.Error("modules/archive.bicep deploys the policies whether they are locked or not")
	}
	if !slices.Contains(slices.Collect(maps.Keys(parameters(t))), "immutabilityLocked") {
		t.Error("main.parameters.json does not pass immutabilityLocked on, which infra/lock sets")
	}
}
