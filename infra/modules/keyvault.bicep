// The vault of the secrets with which an app reads its source, and of nothing else. A vault for each app that needs one, so that its role
// reaches no other's.

import { network as networkType } from 'types.bicep'

@description('Region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('Its name.')
param name string

@description('The virtual network, or none.')
param network networkType

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Bring a vault of this name back that was deleted within the last 90 days.')
param recover bool

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    createMode: recover ? 'recover' : 'default'
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: network.private ? 'Disabled' : 'Enabled'
    networkAcls: { defaultAction: network.private ? 'Deny' : 'Allow', bypass: 'AzureServices' }
  }
}

#disable-next-line use-recent-api-versions // the newest that has diagnostic settings as they are now
resource log 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'archiver'
  scope: vault
  properties: {
    workspaceId: workspaceId
    // Who read a secret is in AuditEvent.
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
  }
}

module endpoint 'endpoint.bicep' = if (network.private) {
  params: {
    location: location
    tags: tags
    name: 'pe-${name}'
    target: vault.id
    service: 'vault'
    subnet: network.endpointSubnet
    zone: network.zones.vault
  }
}
