// The private DNS zones in which the names of the private endpoints are found, linked with the virtual network.

@description('Tags of every resource.')
param tags { *: string }

@description('Names of the private DNS zones.')
param zoneNames string[]

@description('Resource id of the virtual network.')
param networkId string

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in zoneNames: {
    name: zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, i) in zoneNames: {
    parent: zones[i]
    name: 'archiver'
    location: 'global'
    tags: tags
    properties: { registrationEnabled: false, virtualNetwork: { id: networkId } }
  }
]
