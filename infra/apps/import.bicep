// import: turns batches into mail, and sweeps up those whose event was lost. It holds no outside credentials.

import { platform as platformType, size as sizeType, roles } from '../modules/types.bicep'

@description('What the app finds around it.')
param platform platformType

@description('How much the app may use.')
param size sizeType

@description('Further settings, docs/settings.md.')
param settings { *: string }

@description('Address ranges from which administrators may call the app, to run it by hand.')
param operators string[]

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
  journal: roles.blobContributor
  sweeps: roles.blobContributor
}

resource archive 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: platform.archive

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource container 'containers' existing = [for c in items(may): { name: c.key }]
  }

  resource queues 'queueServices' existing = {
    name: 'default'

    resource poison 'queues' existing = { name: 'webjobs-blobtrigger-poison' }
  }

  resource tables 'tableServices' existing = {
    name: 'default'

    resource ledger 'tables' existing = { name: 'ledger' }
  }
}

resource mayUseContainer 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (c, i) in items(may): {
    name: guid(archive::blobs::container[i].id, identity.id, c.value)
    scope: archive::blobs::container[i]
    properties: {
      description: 'import'
      principalId: identity.properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', c.value)
    }
  }
]

resource mayGiveUpEvents 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(archive::queues::poison.id, identity.id, roles.queueContributor)
  scope: archive::queues::poison
  properties: {
    description: 'import'
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.queueContributor)
  }
}

resource mayUseLedger 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(archive::tables::ledger.id, identity.id, roles.tableContributor)
  scope: archive::tables::ledger
  properties: {
    description: 'import'
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.tableContributor)
  }
}

// The blob trigger keeps its queue and its receipts at the host's account.
var mayOnHost = [roles.blobOwner, roles.queueContributor, roles.tableContributor]

resource ownHost 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: hostName
}

resource mayUseHost 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in mayOnHost: {
    name: guid(ownHost.id, identity.id, role)
    scope: ownHost
    properties: {
      description: 'import'
      principalId: identity.properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
    dependsOn: [host]
  }
]

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: platform.insights
}

resource mayLog 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, identity.id, roles.metricsPublisher)
  scope: insights
  properties: {
    description: 'import'
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.metricsPublisher)
  }
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
    callers: concat(
      [{ name: 'events', tag: 'ServiceTag', address: 'AzureEventGrid' }],
      map(range(0, length(operators)), i => { name: 'operator-${i}', tag: 'Default', address: operators[i] })
    )
    settings: union(settings, {
      // For the host's blob trigger, which knows the connection by the same name.
      ARCHIVE_STORAGE__queueServiceUri: 'https://${platform.archive}.queue.${environment().suffixes.storage}'
      ARCHIVE_STORAGE__credential: 'managedidentity'
    })
  }
  // An app that starts before its roles are there fails until they are.
  dependsOn: [host, mayUseContainer, mayGiveUpEvents, mayUseLedger, mayUseHost, mayLog]
}

@description('Name of the function app.')
output name string = app.outputs.name

@description('Host name of the function app.')
output host string = app.outputs.host

@description('Client id of its identity.')
output identityClientId string = identity.properties.clientId

@description('Object id of its identity.')
output identityPrincipalId string = identity.properties.principalId
