// A function app on Flex Consumption, as all of them are here. Who it is and what it may do is in its own file, in apps/.

import { platform as platformType, size as sizeType } from 'types.bicep'

@description('The app\'s name in every layer: azure.yaml, handlers/, build/.')
param app string

@description('What the app finds around it.')
param platform platformType

@description('Name of its user-assigned identity, which has its roles already.')
param identityName string

@description('Name of the storage account of its host, with the container deployment.')
param hostName string

@description('How much the app may use.')
param size sizeType

@description('Settings of the handler, docs/settings.md.')
param settings { *: string }

@description('Whether a setting is a reference to a secret in Key Vault, which the platform reads with the app\'s identity.')
param keyVaultReferences bool = false

@description('Instances that always wait, by group of functions: blob, http, or function:<name>.')
param alwaysReady { name: string, instanceCount: int }[] = []

@description('Service tags and address ranges that may call it; nothing else may.')
param callers { name: string, tag: 'Default' | 'ServiceTag', address: string }[]

var storage = environment().suffixes.storage

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: platform.insights
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${app}-${platform.token}'
  location: platform.location
  tags: platform.tags
  kind: 'functionapp'
  sku: { tier: 'FlexConsumption', name: 'FC1' }
  properties: { reserved: true }
}

// Every setting that the Functions host reads. Flex Consumption takes the runtime from functionAppConfig.
var hostSettings = union(logging, {
  AzureWebJobsStorage__blobServiceUri: 'https://${hostName}.blob.${storage}'
  AzureWebJobsStorage__queueServiceUri: 'https://${hostName}.queue.${storage}'
  AzureWebJobsStorage__tableServiceUri: 'https://${hostName}.table.${storage}'
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
})

// A host that is told to use its identity sends nothing without a token, whatever the component would take.
var logging = platform.logsByKey
  ? {}
  : { APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD' }

// The same for each handler.
var archiveSettings = {
  ARCHIVE_STORAGE__blobServiceUri: 'https://${platform.archive}.blob.${storage}'
  ARCHIVE_STORAGE__tableServiceUri: 'https://${platform.archive}.table.${storage}'
  ARCHIVE_STORAGE__clientId: identity.properties.clientId
  AZURE_CLOUD: platform.tenantCloud
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: 'func-${app}-${platform.token}'
  location: platform.location
  tags: union(platform.tags, { 'azd-service-name': app })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled' // for Event Grid, or people, see callers
    keyVaultReferenceIdentity: keyVaultReferences ? identity.id : null
    virtualNetworkSubnetId: platform.network.private ? platform.network.appSubnets[app] : null
    functionAppConfig: {
      runtime: { name: 'custom', version: '1.0' }
      scaleAndConcurrency: {
        instanceMemoryMB: size.memory
        maximumInstanceCount: size.maximumInstances
        alwaysReady: alwaysReady
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: 'https://${hostName}.blob.${storage}/deployment'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identity.id }
        }
      }
    }
    // Flex Consumption refuses what other plans have here, ftpsState among it.
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ipSecurityRestrictionsDefaultAction: 'Deny'
      ipSecurityRestrictions: [
        for (caller, i) in callers: {
          name: caller.name
          tag: caller.tag
          ipAddress: caller.address
          action: 'Allow'
          priority: 100 + i
        }
      ]
      // Deployment asks for a token of Entra ID; see the policies below.
      scmIpSecurityRestrictionsUseMain: false
      appSettings: map(items(union(hostSettings, archiveSettings, settings)), s => { name: s.key, value: s.value })
    }
  }

  // No user names and passwords for deployment.
  resource noFtp 'basicPublishingCredentialsPolicies' = { name: 'ftp', properties: { allow: false } }

  resource noScm 'basicPublishingCredentialsPolicies' = { name: 'scm', properties: { allow: false } }
}

#disable-next-line use-recent-api-versions // the newest that has diagnostic settings as they are now
resource log 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'archiver'
  scope: site
  // What the host says, also when it does not come as far as Application Insights.
  properties: { workspaceId: platform.workspaceId, logs: [{ category: 'FunctionAppLogs', enabled: true }] }
}

@description('Name of the function app.')
output name string = site.name

@description('Host name of the function app.')
output host string = site.properties.defaultHostName
