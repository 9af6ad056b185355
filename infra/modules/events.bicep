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

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: archive
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgt-archiver-${token}'
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: { source: account.id, topicType: 'Microsoft.Storage.StorageAccounts' }
}

module rights 'rights.bicep' = {
  params: {
    app: 'events'
    #disable-next-line what-if-short-circuiting // the name of a role has to be made of it
    principalId: topic.identity.principalId
    archive: archive
    containers: { deadletters: roles.blobContributor } // what could not be delivered
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
