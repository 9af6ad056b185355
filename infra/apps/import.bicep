// import: turns batches into mail, and sweeps up those whose event was lost. It holds no outside credentials.

import { platform as platformType, size as sizeType, roles } from '../modules/types.bicep'

@description('What the app finds around it.')
param platform platformType

@description('How much the app may use.')
param size sizeType

@description('Instances that always wait for events.')
param alwaysReady int

@description('Further settings, docs/settings.md.')
param settings { *: string }

// Who it is. Its rights in Microsoft Graph are given to this identity by hand: infra/graph/.
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: identityName
  location: platform.location
  tags: platform.tags
}

// What it may do. The table in infra/README.md says why.
var may = {
  batches: roles.blobReader
  media: roles.blobReader
  settings: roles.blobReader
  commands: roles.blobReader
  journal: roles.blobContributor
  sweeps: roles.blobContributor
  reports: roles.blobContributor
}

module rights '../modules/rights.bicep' = {
  params: {
    app: 'import'
    #disable-next-line what-if-short-circuiting // the name of a role has to be made of it
    principalId: identity.properties.principalId
    archive: platform.archive
    containers: may
    queues: { 'webjobs-blobtrigger-poison': roles.queueContributor }
    tables: { ledger: roles.tableContributor, totals: roles.tableContributor }
    host: hostName
    onHost: [roles.blobOwner, roles.queueContributor, roles.tableContributor] // the blob trigger's queue and receipts
    insights: platform.insights
  }
  dependsOn: [host]
}

// What it is.
var identityName = 'id-import-${platform.token}'
var hostName = 'stimport${platform.token}'

module host '../modules/account.bicep' = {
  params: {
    location: platform.location
    tags: platform.tags
    name: hostName
    sku: 'Standard_LRS'
    network: platform.network
    workspaceId: platform.workspaceId
    containers: ['deployment']
    logged: ['StorageWrite', 'StorageDelete']
  }
}

module app '../modules/app.bicep' = {
  params: {
    app: 'import'
    platform: platform
    identityName: identityName
    hostName: hostName
    size: size
    alwaysReady: alwaysReady > 0 ? [{ name: 'blob', instanceCount: alwaysReady }] : []
    callers: [{ name: 'events', tag: 'ServiceTag', address: 'AzureEventGrid' }]
    settings: union(settings, {
      // For the host's blob trigger, which knows the connection by the same name.
      ARCHIVE_STORAGE__queueServiceUri: 'https://${platform.archive}.queue.${environment().suffixes.storage}'
      ARCHIVE_STORAGE__credential: 'managedidentity'
    })
  }
  // An app that starts before its roles are there fails until they are.
  dependsOn: [rights]
}

@description('Name of the function app.')
output name string = app.outputs.name

@description('Host name of the function app.')
output host string = app.outputs.host

@description('Client id of its identity.')
output identityClientId string = identity.properties.clientId

@description('Object id of its identity.')
output identityPrincipalId string = identity.properties.principalId
