package infra

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/ledger"
	"o2archiver/shared/tally"
)

const policyType = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies"

// The containers and the table are those that the handlers know.
func TestContainers(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		var archived, hosts, landed []string
		for _, c := range p.of("Microsoft.Storage/storageAccounts/blobServices/containers") {
			switch {
			case strings.HasPrefix(c.Name, "starchive"):
				archived = append(archived, path.Base(c.Name))
			case strings.HasPrefix(c.Name, "stlanding"):
				landed = append(landed, path.Base(c.Name))
			default:
				hosts = append(hosts, path.Base(c.Name))
			}
		}
		want := []string{archive.BatchesContainer, archive.MediaContainer, archive.DeliveriesContainer,
			archive.JournalContainer, archive.CheckpointsContainer, archive.SettingsContainer, archive.SweepsContainer,
			archive.CommandsContainer, archive.StatusContainer, archive.ReportsContainer, auditContainer, "deadletters"}
		slices.Sort(want)
		slices.Sort(archived)
		if diff := cmp.Diff(want, archived); diff != "" {
			t.Errorf("containers of the archive, -want +got:\n%s", diff)
		}
		if diff := cmp.Diff(slices.Repeat([]string{"deployment"}, len(p.apps())), hosts); diff != "" {
			t.Errorf("containers of the hosts, -want +got:\n%s", diff)
		}
		if want := map[bool][]string{true: {archive.LandingContainer}}[p.hasLanding()]; !slices.Equal(landed, want) {
			t.Errorf("containers of the landing account: %v, want %v", landed, want)
		}
		tables := p.of("Microsoft.Storage/storageAccounts/tableServices/tables")
		if len(tables) != 2 || path.Base(tables[0].Name) != ledger.Table ||
			path.Base(tables[1].Name) != tally.TableName {
			t.Errorf("tables: %v", tables)
		}
	})
}

// Originals and journal can be written once; nothing else is made immutable, for what changes could not go on.
func TestImmutability(t *testing.T) {
	for environment, days := range map[string]float64{"default": terms[5], "private-network": terms[7],
		"us-government": terms[5]} {
		appends := map[string]any{}
		for _, r := range predict(t, environment).of(policyType) {
			if !strings.HasPrefix(r.Name, "starchive") {
				t.Errorf("%s: a policy on %s", environment, r.Name)
			}
			appends[path.Base(path.Dir(r.Name))] = r.at("allowProtectedAppendWrites")
			r.want(t, "allowProtectedAppendWritesAll", nil) // block blobs too: more than the journal needs
			r.want(t, "immutabilityPeriodSinceCreationInDays", days+margin(path.Base(path.Dir(r.Name))))
			r.want(t, "state", nil) // unlocked
		}
		if diff := cmp.Diff(map[string]any{archive.BatchesContainer: false, archive.MediaContainer: false,
			archive.DeliveriesContainer: false, archive.JournalContainer: true,
			auditContainer: true}, appends); diff != "" {
			t.Errorf("%s: policies, and whether one may append, -want +got:\n%s", environment, diff)
		}
	}
}

func TestNothingGetsLost(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		for _, s := range p.of("Microsoft.Storage/storageAccounts/blobServices") {
			landing := strings.HasPrefix(s.Name, "stlanding")
			archive := strings.HasPrefix(s.Name, "starchive")
			if landing { // a hierarchical namespace has no versions
				s.want(t, "isVersioningEnabled", nil)
			} else {
				s.want(t, "isVersioningEnabled", archive)
			}
			for _, policy := range []string{"deleteRetentionPolicy", "containerDeleteRetentionPolicy"} {
				s.want(t, policy+".enabled", archive || landing)
				s.want(t, policy+".days", map[bool]any{true: 30.0, false: nil}[archive || landing])
			}
		}
		var locked []string
		for _, lock := range p.of("Microsoft.Authorization/locks") {
			lock.want(t, "level", "CanNotDelete")
			on, _, _ := strings.Cut(lock.ID, "/providers/Microsoft.Authorization/")
			locked = append(locked, strings.TrimRight(path.Base(on), "abcdefghijklmnopqrstuvwxyz0123456789")+
				path.Base(path.Dir(on)))
		}
		want := []string{"storageAccounts", "log-archiver-workspaces"}
		if p.environment == "existing-monitoring" { // the workspace is not ours
			want = want[:1]
		}
		slices.Sort(locked)
		slices.Sort(want)
		if diff := cmp.Diff(want, locked); diff != "" {
			t.Errorf("locks, -want +got:\n%s", diff)
		}
	})
	if locks := predict(t, "default", later...).of("Microsoft.Authorization/locks"); len(locks) != 0 {
		t.Error("a lock is set that nobody wants")
	}
}

// later are parameters of an environment that has been in use: its policies were locked, the lock on the account is
// gone, the term is the longest, administrators call from two addresses, and a first run has had its beginning. Each
// prediction takes seconds, so tests of one parameter share this one.
var later = []string{"param immutabilityLocked = true", "param deleteLock = false", "param retentionYears = 10",
	"param operators = '203.0.113.7/32, 198.51.100.0/24'", "param fetchFrom = '2026-11-01'"}

// terms are retentions in years, and the days that they have at most: with their leap days.
var terms = map[float64]float64{5: 1827, 7: 2557, 10: 3653}

func TestTerms(t *testing.T) {
	first := time.Date(2024, 2, 28, 0, 0, 0, 0, time.UTC) // from here on as many leap days as can be
	for years, days := range terms {
		if most := first.AddDate(int(years), 0, 0).Sub(first).Hours() / 24; most != days {
			t.Errorf("%v years have %v days at most, not %v", years, most, days)
		}
	}
}

// margin is for how many days longer a container's blobs are kept: a medium may be older than the batches that name it,
// and a delivered ZIP than those that were made of it.
func margin(container string) float64 {
	if container == archive.MediaContainer || container == archive.DeliveriesContainer {
		return 30
	}
	return 0
}

// Nothing is deleted while a policy protects it, or later than the term says (media a margin later, and so is each of
// their tiers, so that none is out of reach before the records that name it); only originals change their tier, and
// state keeps its newest form for ever.
func TestLifecycle(t *testing.T) {
	for environment, years := range map[string]float64{"default": 5, "private-network": 7, "later": 10} {
		p := predict(t, strings.Replace(environment, "later", "default", 1),
			map[bool][]string{true: later}[environment == "later"]...)
		policies := p.of("Microsoft.Storage/storageAccounts/managementPolicies")
		if len(policies) != 1 || !strings.HasPrefix(policies[0].Name, "starchive") {
			t.Fatalf("%s: lifecycle policies %v", environment, policies)
		}
		got := map[string][]string{}
		for _, r := range policies[0].at("policy.rules").([]any) {
			rule := resource{Properties: r.(map[string]any)}
			rule.want(t, "enabled", true)
			var what []string
			for _, kind := range rule.at("definition.filters.blobTypes").([]any) {
				what = append(what, kind.(string))
			}
			for of, actions := range rule.at("definition.actions").(map[string]any) {
				for action, when := range actions.(map[string]any) {
					for since, days := range when.(map[string]any) {
						what = append(what, fmt.Sprintf("%s %s %s %v", of, action, since, days))
					}
				}
			}
			slices.Sort(what)
			for _, prefix := range rule.at("definition.filters.prefixMatch").([]any) {
				got[prefix.(string)] = append(got[prefix.(string)], what...)
			}
		}
		// With versioning on, what is deleted is a former version from then on: without the second rule it stays for
		// ever.
		rule := func(container string, more ...string) []string {
			return slices.Sorted(slices.Values(append(more,
				fmt.Sprintf("baseBlob delete daysAfterModificationGreaterThan %v", terms[years]+margin(container)),
				fmt.Sprintf("version delete daysAfterCreationGreaterThan %v", terms[years]+margin(container)))))
		}
		original := func(container string) []string {
			tiers := []string{"blockBlob",
				fmt.Sprintf("baseBlob tierToCool daysAfterModificationGreaterThan %v", 30+margin(container))}
			if environment != "private-network" { // zone-redundant: no archive tier
				tiers = append(tiers,
					fmt.Sprintf("baseBlob tierToArchive daysAfterModificationGreaterThan %v", 365+margin(container)))
			}
			return rule(container, tiers...)
		}
		want := map[string][]string{
			"batches/": original(archive.BatchesContainer), "media/": original(archive.MediaContainer),
			"deliveries/":  original(archive.DeliveriesContainer),
			"journal/":     rule(archive.JournalContainer, "appendBlob"),
			"audit/":       rule(auditContainer, "appendBlob"),
			"deadletters/": rule("deadletters", "appendBlob", "blockBlob"),
		}
		for _, state := range []string{"checkpoints/", "settings/", "sweeps/", "commands/", "status/", "reports/"} {
			want[state] = []string{"blockBlob", "version delete daysAfterCreationGreaterThan 30"}
		}
		// A command, and what became of it, is of use for as long as sweep reads batches.
		for _, used := range []string{"commands/", "status/answers/", "reports/answers/", "reports/unmapped/",
			"settings/drafts/"} {
			want[used] = append([]string{"baseBlob delete daysAfterModificationGreaterThan 92", "blockBlob"},
				want[used]...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: lifecycle, -want +got:\n%s", environment, diff)
		}
	}
}

func TestCustomersKey(t *testing.T) {
	for environment, own := range map[string]bool{"default": false, "private-network": true} {
		for _, a := range predict(t, environment).of("Microsoft.Storage/storageAccounts") {
			if !own || !strings.HasPrefix(a.Name, "starchive") {
				a.want(t, "encryption.keySource", "Microsoft.Storage")
				a.want(t, "encryption.keyvaultproperties", nil)
				a.want(t, "encryption.identity", nil)
				if a.Identity != nil {
					t.Errorf("%s has the identity %v", a.Name, a.Identity)
				}
				continue
			}
			// The account is what uses the key, so it has to have the identity, too. Without a version the newest one
			// is used.
			const identity = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/keys/providers/" +
				"Microsoft.ManagedIdentity/userAssignedIdentities/archive-key"
			a.want(t, "encryption.keySource", "Microsoft.Keyvault")
			a.want(t, "encryption.identity.userAssignedIdentity", identity)
			key, want := a.at(
				"encryption.keyvaultproperties"),
				map[string]any{"keyvaulturi": "https://contoso-keys.vault.azure.net", "keyname": "archive"}
			if diff := cmp.Diff(any(want), key); diff != "" {
				t.Errorf("%s: key, -want +got:\n%s", environment, diff)
			}
			if diff := cmp.Diff(map[string]any{"type": "UserAssigned",
				"userAssignedIdentities": map[string]any{identity: map[string]any{}}}, a.Identity); diff != "" {
				t.Errorf("%s: identity, -want +got:\n%s", environment, diff)
			}
		}
	}
}

// A locked policy can't be deployed again. What is beside it is deployed as ever.
func TestLockedPoliciesAreLeftAlone(t *testing.T) {
	locked, open := predict(t, "default", later...), predict(t, "default")
	if len(open.of(policyType)) != 5 || len(locked.of(policyType)) != 0 {
		t.Errorf("%d policies are deployed before they are locked, %d after", len(open.of(policyType)),
			len(locked.of(policyType)))
	}
	if len(locked.Resources) != len(open.Resources)-5-2 { // nor the locks
		t.Errorf("%d resources with locked policies, %d without", len(locked.Resources), len(open.Resources))
	}
	value, ok := parameters(t)["immutabilityLocked"].(map[string]any)
	if !ok || value["value"] != "${IMMUTABILITY_LOCKED=false}" { // as infra/lock sets it
		t.Errorf("main.parameters.json passes immutabilityLocked on as %v", value)
	}
}
