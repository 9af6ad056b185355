// fetch: asks the TeleMessage site, once a day, and writes what it gets. It can reach no mailbox.

import { platform as platformType, size as sizeType, roles } from '../modules/types.bicep'

@description('What the app finds around it.')
param platform platformType

@description('How much the app may use.')
param size sizeType

@description('Address of the TeleMessage site.')
param telemessageUrl string

@description('User name at the TeleMessage site.')
param telemessageUsername string

@description('When the daily run starts: NCRONTAB with six fields, in UTC.')
param schedule string

@description('Further settings, docs/settings.md.')
param settings { *: string }

@description('Address ranges from which administrators may call the app, to run it by hand.')
param operators string[]

@description('Bring its deleted vault back.')
param recoverVault bool

// Who it is.
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: identityName
  location: platform.location
  tags: platform.tags
}

// What it may do. The table in infra/README.md says why.
var may = {
  batches: roles.blobContributor
  media: roles.blobContributor
  checkpoints: roles.blobContributor
}

resource archive 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: platform.archive

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource container 'containers' existing = [for c in items(may): { name: c.key }]
  }
}

resource mayUseContainer 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (c, i) in items(may): {
    name: guid(archive::blobs::container[i].id, identity.id, c.value)
    scope: archive::blobs::container[i]
    properties: {
      description: 'fetch'
      principalId: identity.properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', c.value)
    }
  }
]

resource ownVault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: vaultName
}

resource mayReadSecret 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(ownVault.id, identity.id, roles.secretsUser)
  scope: ownVault
  properties: {
    description: 'fetch'
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.secretsUser)
  }
  dependsOn: [vault]
}

// A timer needs no queue.
var mayOnHost = [roles.blobOwner, roles.tableContributor]

resource ownHost 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: hostName
}

resource mayUseHost 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in mayOnHost: {
    name: guid(ownHost.id, identity.id, role)
    scope: ownHost
    properties: {
      description: 'fetch'
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
    description: 'fetch'
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.metricsPublisher)
  }
}

// What it is.
var identityName = 'id-fetch-${platform.token}'
var hostName = 'stfetch${platform.token}'
var vaultName = 'kv-fetch-${platform.token}'
var secretName = 'telemessage-password'

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

module vault '../modules/keyvault.bicep' = {
  params: {
    location: platform.location
    tags: platform.tags
    name: vaultName
    network: platform.network
    workspaceId: platform.workspaceId
    recover: recoverVault
  }
}

module app '../modules/app.bicep' = {
  params: {
    app: 'fetch'
    platform: platform
    identityName: identityName
    hostName: hostName
    size: size
    callers: map(range(0, length(operators)), i => { name: 'operator-${i}', tag: 'Default', address: operators[i] })
    settings: union(settings, {
      TELEMESSAGE_URL: telemessageUrl
      TELEMESSAGE_USERNAME: telemessageUsername
      TELEMESSAGE_PASSWORD_SECRET: 'https://${vaultName}${environment().suffixes.keyvaultDns}/secrets/${secretName}'
      FETCH_SCHEDULE: schedule
    })
  }
  // An app that starts before its roles are there fails until they are.
  dependsOn: [host, mayUseContainer, mayReadSecret, mayUseHost, mayLog]
}

@description('Name of the function app.')
output name string = app.outputs.name

@description('Host name of the function app.')
output host string = app.outputs.host

@description('Name of the Key Vault.')
output vault string = vaultName

@description('Name of the secret that holds the password.')
output secret string = secretName
