// fetch: asks the TeleMessage site, once a day, or looks for the vendor's ZIPs, and writes what it gets. It can reach no mailbox.

import {
  platform as platformType
  size as sizeType
  delivery as deliveryType
  secretNames
  secretsOf
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

module rights '../modules/rights.bicep' = {
  params: {
    app: 'fetch'
    #disable-next-line what-if-short-circuiting // the name of a role has to be made of it
    principalId: identity.properties.principalId
    archive: platform.archive
    containers: may
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
var readsSFTP = source == 'delivery' && !empty(delivery.host)
var readsLanding = source == 'delivery' && empty(delivery.host)
var sourceSettings = source == 'telemessage'
  ? { TELEMESSAGE_URL: telemessageUrl, TELEMESSAGE_USERNAME: telemessageUsername }
  : union(
      readsSFTP
        ? { DELIVERY_SFTP_HOST: delivery.host, DELIVERY_SFTP_USERNAME: delivery.username }
        : { DELIVERY_LANDING__blobServiceUri: 'https://${delivery.landing}.blob.${environment().suffixes.storage}' },
      // Without one only a check connects, and shows the key.
      empty(delivery.hostKeys) ? {} : { DELIVERY_SFTP_HOST_KEYS: delivery.hostKeys },
      empty(delivery.folder) ? {} : { DELIVERY_FOLDER: delivery.folder },
      empty(delivery.from) ? {} : { DELIVERY_FROM: delivery.from }
    )

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
      sourceSettings,
      toObject(
        secretsOf(source, delivery.host, delivery.signIn),
        name => '${name}_SECRET',
        name => 'https://${vaultName}${environment().suffixes.keyvaultDns}/secrets/${secretNames[name]}'
      ),
      { SOURCE: source, FETCH_SCHEDULE: schedule }
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
