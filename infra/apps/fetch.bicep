// fetch: asks the TeleMessage site, once a day, or looks for the vendor's ZIPs, and writes what it gets. It can reach no mailbox.

import {
  platform as platformType
  size as sizeType
  delivery as deliveryType
  secretNames
  sourceSettings
  roles
} from '../modules/types.bicep'

@description('What the app finds around it.')
param platform platformType

@description('How much the app may use.')
param size sizeType

@description('Where items come from.')
param source 'telemessage' | 'delivery'

@description('Where the vendor\'s ZIPs are.')
param delivery deliveryType

@description('Address of the TeleMessage site.')
param telemessageUrl string

@description('User name at the TeleMessage site.')
param telemessageUsername string

@description('When the daily run starts: NCRONTAB with six fields, in UTC.')
param schedule string

@description('Further settings, docs/settings.md.')
param settings { *: string }

@description('Restrict its role on the settings to one document.')
param conditions bool

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
  deliveries: roles.blobContributor
  checkpoints: roles.blobContributor
  settings: roles.blobReader
  commands: roles.blobReader
  status: roles.blobContributor
}
// Of the settings it reads one document, and not the mapping, which has numbers and people.
var only = conditions
  ? {
      settings: '((!(ActionMatches{\'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read\'} AND NOT SubOperationMatches{\'Blob.List\'})) OR (@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path] StringEquals \'connector.json\'))'
    }
  : {}

module rights '../modules/rights.bicep' = {
  params: {
    app: 'fetch'
    #disable-next-line what-if-short-circuiting // the name of a role has to be made of it
    principalId: identity.properties.principalId
    archive: platform.archive
    containers: may
    conditions: only
    host: hostName
    onHost: [roles.blobOwner, roles.tableContributor] // a timer needs no queue
    vault: vaultName
    landing: readsLanding ? delivery.landing : ''
    insights: platform.insights
  }
  dependsOn: [host, vault]
}

// What it is.
var identityName = 'id-fetch-${platform.token}'
var hostName = 'stfetch${platform.token}'
var vaultName = 'kv-fetch-${platform.token}'

// Where it reads.
var readsLanding = source == 'delivery' && empty(delivery.host)

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
    callers: [] // it runs by its timers only
    settings: union(
      settings,
      sourceSettings(source, delivery, telemessageUrl, telemessageUsername, vaultName),
      { FETCH_SCHEDULE: schedule }
    )
  }
  // An app that starts before its roles are there fails until they are.
  dependsOn: [rights]
}

@description('Name of the function app.')
output name string = app.outputs.name

@description('Host name of the function app.')
output host string = app.outputs.host

@description('Name of the Key Vault.')
output vault string = vaultName

@description('Name of the secret that holds the password at the site.')
output secret string = secretNames.TELEMESSAGE_PASSWORD
