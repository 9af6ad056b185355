package infra

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Only Event Grid can call an app, and only import, and only operators the portal: a rule more, or one for every
// address, is a door. What an administrator wants of the other apps is a document in storage.
func TestCallers(t *testing.T) {
	type callers map[string][]map[string]any
	events := map[string]any{"name": "events", "tag": "ServiceTag", "ipAddress": "AzureEventGrid", "action": "Allow",
		"priority": 100.0}
	operators := map[string][]string{"private-network": {"203.0.113.7/32", "203.0.113.8/32"},
		"us-government": {"203.0.113.7/32"}, "existing-network": {"203.0.113.0/24"},
		"delivery-sftp": {"203.0.113.7/32"}}
	check := func(p *prediction) {
		t.Helper()
		got := callers{}
		for _, site := range p.of("Microsoft.Web/sites") {
			list, ok := site.at("siteConfig.ipSecurityRestrictions").([]any)
			if !ok {
				t.Errorf("%s: %s has no list of callers", p.environment, site.Name)
			}
			var rules []map[string]any
			for _, rule := range list {
				rules = append(rules, rule.(map[string]any))
			}
			got[site.Tags["azd-service-name"]] = rules
		}
		want := callers{"fetch": nil, "import": {events}}
		for i, address := range operators[p.environment] {
			want[portalApp] = append(want[portalApp], map[string]any{"name": fmt.Sprintf("operators-%d", i),
				"tag": "Default", "ipAddress": address, "action": "Allow", "priority": 100.0 + float64(i)})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: callers, -want +got:\n%s", p.environment, diff)
		}
	}
	for _, environment := range environments {
		check(predict(t, environment))
	}
	check(predict(t, "default", later...)) // with operators
}

func TestNetwork(t *testing.T) {
	for environment, private := range map[string]bool{"default": false, "private-network": true,
		"us-government": true, "delivery-sftp": false, "delivery-landing": true} {
		p := predict(t, environment)
		operators := map[string][]string{"private-network": {"203.0.113.7", "203.0.113.8"},
			"us-government": {"203.0.113.7"}}[environment]
		// Each account and the vault, by what is reached of it, with the zone in which its name is found.
		got, want := map[string]string{}, map[string]string{}
		for _, e := range p.of("Microsoft.Network/privateEndpoints") {
			for _, c := range e.at("privateLinkServiceConnections").([]any) {
				to := resource{Properties: c.(map[string]any)["properties"].(map[string]any)}
				target, _ := to.at("privateLinkServiceId").(string)
				service := to.at("groupIds").([]any)[0].(string)
				subnet, _ := e.at("subnet.id").(string)
				got[path.Base(target)+" "+service] = path.Base(subnet)
			}
		}
		for _, r := range slices.Concat(p.of("Microsoft.Storage/storageAccounts"), p.of("Microsoft.KeyVault/vaults")) {
			access, rule := "Enabled", "Allow"
			if private {
				access, rule = "Disabled", "Deny"
				services := []string{"blob", "queue", "table"}
				switch {
				case strings.Contains(r.Type, "KeyVault"):
					services = []string{"vault"}
				case isLanding(r): // SFTP is a service of the blob endpoint
					services = []string{"blob"}
				}
				for _, service := range services {
					want[r.Name+" "+service] = "endpoints"
				}
			}
			// Administrators reach the archive's own account: the mapping, the poison queue, an export.
			var admitted []any
			if strings.HasPrefix(r.Name, "starchive") && len(operators) > 0 {
				access = "Enabled"
				for _, address := range operators {
					admitted = append(admitted, map[string]any{"value": address, "action": "Allow"})
				}
			}
			if isLanding(r) { // the vendor's, and no administrator's
				access, admitted = "Enabled", []any{map[string]any{"value": "203.0.113.7", "action": "Allow"},
					map[string]any{"value": "198.51.100.0/24", "action": "Allow"}}
			}
			r.want(t, "publicNetworkAccess", access)
			r.want(t, "networkAcls.defaultAction", rule)
			rules, _ := r.at("networkAcls.ipRules").([]any)
			if diff := cmp.Diff(admitted, rules, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: %s lets in, -want +got:\n%s", environment, r.Name, diff)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: private endpoints, -want +got:\n%s", environment, diff)
		}
		// https://learn.microsoft.com/azure/private-link/private-endpoint-dns
		zones := p.of("Microsoft.Network/privateDnsZones")
		for _, c := range clouds {
			var names, wanted []string
			for _, z := range zones {
				names = append(names, c.resolve(t, z.Name))
			}
			if private {
				vault := map[string]string{"AzureCloud": "azure.net", "AzureUSGovernment": "usgovcloudapi.net",
					"AzureChinaCloud": "azure.cn"}[c.name]
				wanted = []string{"privatelink.blob." + c.storage, "privatelink.queue." + c.storage,
					"privatelink.table." + c.storage, "privatelink.vaultcore." + vault}
			}
			slices.Sort(names)
			if diff := cmp.Diff(wanted, names); diff != "" {
				t.Errorf("%s in %s: DNS zones, -want +got:\n%s", environment, c.name, diff)
			}
		}
		for _, link := range p.of("Microsoft.Network/privateDnsZones/virtualNetworkLinks") {
			if id, _ := link.at("virtualNetwork.id").(string); !strings.Contains(id,
				"/virtualNetworks/vnet-archiver-") {
				t.Errorf("%s: a zone is linked with %q", environment, id)
			}
		}
		if links := len(p.of("Microsoft.Network/privateDnsZones/virtualNetworkLinks")); links != len(zones) {
			t.Errorf("%s: %d of %d DNS zones are linked with the network", environment, links, len(zones))
		}
		inside := map[string]string{}
		for _, site := range p.of("Microsoft.Web/sites") {
			if subnet, ok := site.at("virtualNetworkSubnetId").(string); ok {
				inside[site.Tags["azd-service-name"]] = path.Base(subnet)
			}
		}
		apps := map[string]string{}
		for _, name := range p.apps() {
			if private {
				apps[name] = name
			}
		}
		if diff := cmp.Diff(apps, inside); diff != "" {
			t.Errorf("%s: subnets of the apps, -want +got:\n%s", environment, diff)
		}
		subnets(t, p, private)
	}
	if nat := predict(t, "us-government", plainer...).of("Microsoft.Network/natGateways"); len(nat) != 0 {
		t.Error("a NAT gateway is made that nobody wants")
	}
}

// subnets looks at each: its own range, the guard, and the way out of the apps.
func subnets(t *testing.T, p *prediction, private bool) {
	t.Helper()
	nets, gateways, addresses := p.of("Microsoft.Network/virtualNetworks"), p.of("Microsoft.Network/natGateways"), p.of(
		"Microsoft.Network/publicIPAddresses")
	if !private {
		if len(nets)+len(gateways)+len(addresses) > 0 {
			t.Errorf("a network is made that nobody wants: %v", nets)
		}
		return
	}
	if len(nets) != 1 || len(gateways) != 1 || len(addresses) != 1 {
		t.Fatalf("%d networks, %d NAT gateways, %d addresses", len(nets), len(gateways), len(addresses))
	}
	addresses[0].want(t, "publicIPAllocationMethod", "Static")
	if ips, _ := gateways[0].at("publicIpAddresses").([]any); len(ips) != 1 ||
		ips[0].(map[string]any)["id"] != addresses[0].ID {
		t.Errorf("the NAT gateway has the addresses %v", ips)
	}
	ranges := map[any]bool{}
	for _, s := range nets[0].at("subnets").([]any) {
		subnet := resource{Name: s.(map[string]any)["name"].(string),
			Properties: s.(map[string]any)["properties"].(map[string]any)}
		ranges[subnet.at("addressPrefix")] = true
		if guard, _ := subnet.at("networkSecurityGroup.id").(string); !strings.Contains(guard,
			"/networkSecurityGroups/") {
			t.Errorf("subnet %s has no guard", subnet.Name)
		}
		if subnet.Name == "endpoints" {
			subnet.want(t, "natGateway", nil)
			continue
		}
		subnet.want(t, "natGateway.id", gateways[0].ID)
		if d, _ := subnet.at("delegations").([]any); len(d) != 1 ||
			d[0].(map[string]any)["properties"].(map[string]any)["serviceName"] != "Microsoft.App/environments" {
			t.Errorf("subnet %s is handed over to %v", subnet.Name, d)
		}
	}
	if len(ranges) != 1+len(appNames()) {
		t.Errorf("the subnets have the ranges %v", ranges)
	}
}

// What exists already is used: subnets and zones of other resource groups, and none are made beside them. Without
// zones of their own the endpoints get new ones, linked with the existing network; with an empty id no entry is made.
func TestExistingNetwork(t *testing.T) {
	const spoke = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/network/providers/" +
		"Microsoft.Network/virtualNetworks/spoke"
	p := predict(t, "existing-network")
	for _, made := range []string{"virtualNetworks", "networkSecurityGroups", "natGateways", "publicIPAddresses",
		"privateDnsZones", "privateDnsZones/virtualNetworkLinks"} {
		if n := len(p.of("Microsoft.Network/" + made)); n != 0 {
			t.Errorf("%d %s are made", n, made)
		}
	}
	for _, e := range p.of("Microsoft.Network/privateEndpoints") {
		e.want(t, "subnet.id", spoke+"/subnets/endpoints")
	}
	zones := map[string]int{}
	for _, entry := range p.of("Microsoft.Network/privateEndpoints/privateDnsZoneGroups") {
		configs, _ := entry.at("privateDnsZoneConfigs").([]any)
		config := resource{Properties: configs[0].(map[string]any)}
		zone, _ := config.at("properties.privateDnsZoneId").(string)
		if !strings.Contains(zone, "/resourceGroups/dns/providers/Microsoft.Network/privateDnsZones/privatelink.") {
			t.Errorf("%s is entered in %s", entry.Name, zone)
		}
		zones[path.Base(zone)]++
	}
	if diff := cmp.Diff(map[string]int{"privatelink.blob.core.windows.net": 4, "privatelink.queue.core.windows.net": 4,
		"privatelink.table.core.windows.net": 4, "privatelink.vaultcore.azure.net": 1}, zones); diff != "" {
		t.Errorf("entries by zone, -want +got:\n%s", diff)
	}
	for _, site := range p.of("Microsoft.Web/sites") {
		site.want(t, "virtualNetworkSubnetId", spoke+"/subnets/archive-"+site.Tags["azd-service-name"])
	}

	p = predict(t, "private-network", "param existingSubnets = { endpoints: '"+spoke+"/subnets/endpoints', fetch: '"+
		spoke+"/subnets/archive-fetch', import: '"+spoke+"/subnets/archive-import', portal: '"+
		spoke+"/subnets/archive-portal' }")
	links := p.of("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
	if len(links) != 4 || len(p.of("Microsoft.Network/virtualNetworks")) != 0 {
		t.Errorf("%d zones are linked", len(links))
	}
	for _, link := range links {
		link.want(t, "virtualNetwork.id", spoke)
	}
	// Without one for the portal nothing is deployed.
	_, err := predicted("private-network", []string{"param existingSubnets = { endpoints: '" + spoke +
		"/subnets/endpoints', fetch: '" + spoke + "/subnets/archive-fetch', import: '" + spoke +
		"/subnets/archive-import' }"})
	if err == nil || !strings.Contains(err.Error(), "existingSubnets has no subnet for the app of the portal") {
		t.Errorf("no subnet for the portal: %v", err)
	}
	p = predict(t, "us-government", plainer...)
	if entries, zones := p.of("Microsoft.Network/privateEndpoints/privateDnsZoneGroups"),
		p.of("Microsoft.Network/privateDnsZones"); len(entries)+len(zones) != 0 {
		t.Errorf("%d entries and %d zones are made although a policy makes them", len(entries), len(zones))
	}
}
