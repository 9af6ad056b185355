// A private endpoint and its entry in the service's private DNS zone, unless a policy makes the entry.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('Its name.')
param name string

@description('Resource id of what is reached through it.')
param target string

@description('The service of the target: blob, queue, table or vault.')
param service string

@description('Resource id of the subnet that it lies in.')
param subnet string

@description('Resource id of the private DNS zone. Empty: no entry is made.')
param zone string

resource endpoint 'Microsoft.Network/privateEndpoints@2025-09-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnet }
    privateLinkServiceConnections: [
      { name: service, properties: { privateLinkServiceId: target, groupIds: [service] } }
    ]
  }

  resource dns 'privateDnsZoneGroups' = if (!empty(zone)) {
    name: 'default'
    properties: { privateDnsZoneConfigs: [{ name: service, properties: { privateDnsZoneId: zone } }] }
  }
}
