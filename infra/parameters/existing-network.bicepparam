// In a virtual network and with private DNS zones that are there already, for example those of a landing zone.
using '../main.bicep'

param environmentName = 'contoso-landing-zone'
param location = 'uksouth'
param telemessageUrl = 'https://rest.telemessage.example'
param telemessageUsername = 'archive-contoso'
param alertEmail = 'archive-alerts@contoso.com'
param privateNetwork = true
// Each app's subnet is delegated to Microsoft.App/environments, and used by nothing else.
param existingSubnets = {
  endpoints: '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/network/providers/Microsoft.Network/virtualNetworks/spoke/subnets/endpoints'
  fetch: '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/network/providers/Microsoft.Network/virtualNetworks/spoke/subnets/archive-fetch'
  import: '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/network/providers/Microsoft.Network/virtualNetworks/spoke/subnets/archive-import'
  portal: '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/network/providers/Microsoft.Network/virtualNetworks/spoke/subnets/archive-portal'
}
param portal = true
param operators = '203.0.113.0/24'
// Leave this out, and zones are made and linked with the network. With '' in place of an id no entry is made: for an
// organization whose policy makes the entries.
param existingZones = {
  blob: '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/dns/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net'
  queue: '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/dns/providers/Microsoft.Network/privateDnsZones/privatelink.queue.core.windows.net'
  table: '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/dns/providers/Microsoft.Network/privateDnsZones/privatelink.table.core.windows.net'
  vault: '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/dns/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net'
}
