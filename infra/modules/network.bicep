// The virtual network, if one is wanted: a subnet for each app, and one for the private endpoints.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('Name of the virtual network.')
param name string

@description('The apps, in the order in which their subnets were given: add new ones at the end.')
param apps string[]

@description('Of the virtual network; each subnet is a /27 of it.')
param addressSpace string

@description('Give the apps one address that stays for what they call outside.')
param natGateway bool

resource guard 'Microsoft.Network/networkSecurityGroups@2025-09-01' = {
  name: 'nsg-${name}'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'nothing-from-outside'
        properties: {
          description: 'The apps and the endpoints are called from inside of the network only.'
          direction: 'Inbound'
          access: 'Deny'
          priority: 4000
          protocol: '*'
          sourceAddressPrefix: 'Internet'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

// New networks have no way out of their own: without this the apps depend on what the platform happens to give them.
resource address 'Microsoft.Network/publicIPAddresses@2025-09-01' = if (natGateway) {
  name: 'pip-${name}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static', publicIPAddressVersion: 'IPv4' }
}

resource nat 'Microsoft.Network/natGateways@2025-09-01' = if (natGateway) {
  name: 'nat-${name}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIpAddresses: [{ id: address.id }], idleTimeoutInMinutes: 10 }
}

resource net 'Microsoft.Network/virtualNetworks@2025-09-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressSpace] }
    // In the network itself, not as resources of their own: those would be made at the same time, which Azure refuses.
    subnets: concat(
      [
        {
          name: 'endpoints'
          properties: {
            addressPrefix: cidrSubnet(addressSpace, 27, 0)
            networkSecurityGroup: { id: guard.id }
            privateEndpointNetworkPolicies: 'Enabled'
          }
        }
      ],
      map(range(0, length(apps)), i => {
        name: apps[i]
        properties: {
          addressPrefix: cidrSubnet(addressSpace, 27, i + 1)
          networkSecurityGroup: { id: guard.id }
          natGateway: natGateway ? { id: nat.id } : null
          delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      })
    )
  }
}

@description('The address from which the apps call outside.')
output egress string = natGateway ? address!.properties.ipAddress : ''
