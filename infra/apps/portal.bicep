// portal: the page on which the archive is set up, watched and accounted for. It reads no message, reaches no mailbox, and can store the secrets
// of the source but not read them.

import {
  platform as platformType
  size as sizeType
  delivery as deliveryType
  secretNames
  secretsOf
  sourceSettings
  roles
} from '../modules/types.bicep'

@description('What the app finds around it.')
param platform platformType

@description('How much the app may use.')
param size sizeType

@description('Instances that always wait for people.')
param alwaysReady int

@description('Address ranges from which people reach the page. None: no one does.')
param operators string[]

@description('Client id of its registration. Empty: the page is closed.')
param clientId string

@description('How it proves to Entra ID that it is this registration.')
param credential 'identity' | 'secret'

@description('Where items come from.')
param source 'telemessage' | 'delivery'

@description('Where the vendor\'s ZIPs are.')
param delivery deliveryType

@description('Address of the TeleMessage site.')
param telemessageUrl string

@description('User name at the TeleMessage site.')
param telemessageUsername string

@description('The Key Vault of fetch, with the secrets of the source.')
param sourceVault string

@description('Further settings, docs/settings.md.')
param settings { *: string }

@description('Restrict its right to store secrets to the names of these.')
param conditions bool

@description('Bring its deleted vault back.')
param recoverVault bool

// Who it is. Nothing else has this identity: the registration trusts it.
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: identityName
  location: platform.location
  tags: platform.tags
}

// What it may do. The table in infra/README.md says why.
var may = {
  status: roles.blobReader
  reports: roles.blobReader
  settings: roles.blobContributor
  commands: roles.blobContributor
  audit: roles.blobContributor
}

// Storing a secret, and nothing else: the built-in roles that may store may read too. Names of roles are those of the whole tenant.
resource secretWriter 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (!empty(secrets)) {
  name: secretWriterName
  properties: {
    roleName: 'O2 archive secret writer (${platform.token})'
    description: 'May store a secret in Key Vault, and read none.'
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: ['Microsoft.KeyVault/vaults/secrets/setSecret/action']
        notDataActions: []
      }
    ]
  }
}

module rights '../modules/rights.bicep' = {
  params: {
    app: 'portal'
    #disable-next-line what-if-short-circuiting // the name of a role has to be made of it
    principalId: identity.properties.principalId
    archive: platform.archive
    containers: may
    tables: { totals: roles.tableReader }
    host: hostName
    onHost: [roles.blobOwner, roles.tableContributor] // a page needs no queue
    vault: empty(secrets) ? '' : sourceVault
    vaultRole: resourceId('Microsoft.Authorization/roleDefinitions', secretWriterName)
    vaultCondition: conditions
      ? '((!(ActionMatches{\'Microsoft.KeyVault/vaults/secrets/setSecret/action\'})) OR (${join(map(secrets, name => '@Request[Microsoft.KeyVault/vaults/secrets:name] StringEquals \'${secretNames[name]}\''), ' OR ')}))'
      : ''
    insights: platform.insights
  }
  dependsOn: [host, secretWriter]
}

// What it is.
var identityName = 'id-portal-${platform.token}'
var hostName = 'stportal${platform.token}'
var vaultName = 'kv-portal-${platform.token}'
var secretWriterName = guid(resourceGroup().id, 'secret-writer')
var secrets = secretsOf(source, delivery.host, delivery.signIn)
var bySecret = credential == 'secret'

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

// Only for a client secret, which is read, so it lies apart from the secrets that are stored and not read.
module vault '../modules/keyvault.bicep' = if (bySecret) {
  params: {
    location: platform.location
    tags: platform.tags
    name: vaultName
    network: platform.network
    workspaceId: platform.workspaceId
    recover: recoverVault
  }
}

module vaultRights '../modules/rights.bicep' = if (bySecret) {
  params: {
    app: 'portal'
    #disable-next-line what-if-short-circuiting // the name of a role has to be made of it
    principalId: identity.properties.principalId
    archive: platform.archive
    containers: {}
    vault: vaultName
  }
  dependsOn: [vault]
}

module app '../modules/app.bicep' = {
  params: {
    app: 'portal'
    platform: platform
    identityName: identityName
    hostName: hostName
    size: size
    alwaysReady: alwaysReady > 0 ? [{ name: 'http', instanceCount: alwaysReady }] : []
    callers: map(range(0, length(operators)), i => {
      name: 'operators-${i}'
      tag: 'Default'
      address: contains(operators[i], '/') ? operators[i] : '${operators[i]}/32'
    })
    keyVaultReferences: bySecret
    settings: union(
      // The page asks the platform itself too whether that is so.
      { PORTAL_SIGN_IN: 'platform' },
      settings,
      sourceSettings(source, delivery, telemessageUrl, telemessageUsername, sourceVault),
      { PORTAL_TENANT: tenant().tenantId, WEBSITE_AUTH_AAD_ALLOWED_TENANTS: tenant().tenantId },
      bySecret
        ? {
            MICROSOFT_PROVIDER_AUTHENTICATION_SECRET: '@Microsoft.KeyVault(SecretUri=https://${vaultName}${environment().suffixes.keyvaultDns}/secrets/portal-client-secret)'
          }
        : { OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identity.properties.clientId }
    )
  }
  // An app that starts before its roles are there fails until they are.
  dependsOn: [rights, vaultRights]
}

module signIn '../modules/sign-in.bicep' = {
  params: {
    app: 'func-portal-${platform.token}' // as app.bicep calls it
    clientId: clientId
    credential: credential
  }
  dependsOn: [app]
}

@description('Name of the function app.')
output name string = app.outputs.name

@description('Host name of the function app.')
output host string = app.outputs.host

@description('Object id of its identity.')
output identityPrincipalId string = identity.properties.principalId

@description('Name of its Key Vault; empty if it has none.')
output vault string = bySecret ? vaultName : ''
