// A storage account as all of them are here: no keys, no public blobs, TLS 1.2, logged. What differs is a parameter.

import { network as networkType, customerKey as customerKeyType } from 'types.bicep'

@description('Region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('Its name.')
param name string

@description('How many copies are kept, and where.')
param sku string

@description('The virtual network, or none.')
param network networkType

@description('Address ranges that may reach it beside the virtual network.')
param admitted string[] = []

@description('Whether it has an SFTP endpoint for local users, and the hierarchical namespace that this needs.')
param sftp bool = false

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Blob containers.')
param containers string[] = []

@description('Queues.')
param queues string[] = []

@description('Tables.')
param tables string[] = []

@description('Keep former versions, and what was deleted for so many days. 0: neither.')
param softDeleteDays int = 0

@description('Which categories of requests to its data are logged.')
param logged ('StorageRead' | 'StorageWrite' | 'StorageDelete')[]

@description('A key of the customer. None: Microsoft\'s.')
param customerKey customerKeyType?

// SFTP is a service of the blob endpoint: nothing asks for the others, nor for dfs.
var services = sftp ? ['blob'] : ['blob', 'queue', 'table']
var keep = softDeleteDays > 0
// Storage takes a single address without its /32.
var ranges = network.private ? map(admitted, range => replace(range, '/32', '')) : []

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  identity: customerKey == null
    ? null
    : { type: 'UserAssigned', userAssignedIdentities: { '${customerKey!.identityId}': {} } }
  properties: {
    accessTier: 'Hot'
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowedCopyScope: 'AAD'
    isHnsEnabled: sftp ? true : null // of an account that exists it can't be changed
    isLocalUserEnabled: sftp
    isSftpEnabled: sftp
    publicNetworkAccess: network.private && empty(ranges) ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: network.private ? 'Deny' : 'Allow'
      ipRules: [for range in ranges: { value: range, action: 'Allow' }]
      // Event Grid is such a service: it writes dead letters with its identity.
      bypass: 'AzureServices'
    }
    encryption: {
      keySource: customerKey == null ? 'Microsoft.Storage' : 'Microsoft.Keyvault'
      keyvaultproperties: customerKey == null
        ? null
        : { keyvaulturi: customerKey!.vaultUri, keyname: customerKey!.keyName }
      identity: customerKey == null ? null : { userAssignedIdentity: customerKey!.identityId }
      services: {
        blob: { enabled: true, keyType: 'Account' }
        // For queues and tables this can only be chosen when the account is made, so that a key can still be brought later.
        queue: { enabled: true, keyType: 'Account' }
        table: { enabled: true, keyType: 'Account' }
      }
    }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      isVersioningEnabled: sftp ? null : keep // there are none in a hierarchical namespace
      deleteRetentionPolicy: keep ? { enabled: true, days: softDeleteDays } : { enabled: false }
      containerDeleteRetentionPolicy: keep ? { enabled: true, days: softDeleteDays } : { enabled: false }
    }

    resource each 'containers' = [
      for container in containers: {
        name: container
        properties: { publicAccess: 'None' }
      }
    ]
  }

  resource queueService 'queueServices' = {
    name: 'default'

    resource each 'queues' = [for queue in queues: { name: queue }]
  }

  resource tableService 'tableServices' = {
    name: 'default'

    resource each 'tables' = [for table in tables: { name: table }]
  }
}

#disable-next-line use-recent-api-versions // the newest that has diagnostic settings as they are now
resource blobLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'archiver'
  scope: account::blobs
  properties: { workspaceId: workspaceId, logs: [for category in logged: { category: category, enabled: true }] }
}

#disable-next-line use-recent-api-versions // the newest that has diagnostic settings as they are now
resource queueLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(queues)) {
  name: 'archiver'
  scope: account::queueService
  properties: { workspaceId: workspaceId, logs: [for category in logged: { category: category, enabled: true }] }
}

#disable-next-line use-recent-api-versions // the newest that has diagnostic settings as they are now
resource tableLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(tables)) {
  name: 'archiver'
  scope: account::tableService
  properties: { workspaceId: workspaceId, logs: [for category in logged: { category: category, enabled: true }] }
}

module endpoints 'endpoint.bicep' = [
  for service in services: if (network.private) {
    params: {
      location: location
      tags: tags
      name: 'pe-${name}-${service}'
      target: account.id
      service: service
      subnet: network.endpointSubnet
      zone: network.zones[service]
    }
  }
]
