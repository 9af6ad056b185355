// BlobCreated of the archive's account. The subscription that hands it to the import app needs a key which exists only after the
// app's deployment: infra/hooks/postdeploy makes it.

import { roles } from 'types.bicep'

@description('Region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('Makes the names of this environment unique.')
param token string

@description('The storage account of the archive.')
param archive string

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: archive

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource deadletters 'containers' existing = { name: 'deadletters' }
  }
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgt-archiver-${token}'
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: { source: account.id, topicType: 'Microsoft.Storage.StorageAccounts' }
}

resource mayWriteDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::blobs::deadletters.id, topic.id, roles.blobContributor)
  scope: account::blobs::deadletters
  properties: {
    description: 'events: put what could not be delivered into deadletters'
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobContributor)
  }
}

#disable-next-line use-recent-api-versions // the newest that has diagnostic settings as they are now
resource log 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'archiver'
  scope: topic
  properties: { workspaceId: workspaceId, logs: [{ categoryGroup: 'allLogs', enabled: true }] }
}

@description('Name of the system topic.')
output topic string = topic.name
